/** What a span is called: read from the words of the statement. */
import { expect, it } from "@effect/vitest"
import { summary } from "../../src/client/Summary.js"

const cases: ReadonlyArray<readonly [text: string, name: string, table: string | undefined]> = [
  ["SELECT 1", "SELECT", undefined],
  ["select * from people where id = $1", "SELECT people", "people"],
  ['SELECT * FROM public.people p JOIN "Order Lines" o ON true', 'SELECT public.people "Order Lines"', undefined],
  ["SELECT * FROM people, (SELECT 1) x", "SELECT people", "people"],
  ["INSERT INTO people (id) VALUES ($1) ON CONFLICT DO UPDATE SET id = 1", "INSERT people", "people"],
  ["SELECT * FROM a x, b AS y, only c, f(1)", "SELECT a b c", undefined],
  ["INSERT INTO a SELECT * FROM b", "INSERT a b", undefined],
  ["UPDATE people SET name = $1", "UPDATE people", "people"],
  ["UPDATE ONLY people SET name = $1", "UPDATE people", "people"],
  ["DELETE FROM people WHERE note = 'FROM nowhere'", "DELETE people", "people"],
  ["WITH x AS (SELECT * FROM a), y AS (SELECT 1) SELECT * FROM x, y", "SELECT a", "a"],
  ["WITH x AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM x", "INSERT a b", undefined],
  ["CREATE TABLE IF NOT EXISTS people (id INTEGER)", "CREATE people", "people"],
  ["DROP TABLE IF EXISTS people", "DROP people", "people"],
  ["ALTER TABLE people ADD COLUMN a INTEGER", "ALTER people", "people"],
  ["TRUNCATE TABLE people", "TRUNCATE people", "people"],
  ["TRUNCATE people", "TRUNCATE people", "people"],
  ["SELECT * FROM generate_series(1, 2)", "SELECT", undefined],
  ["SELECT extract(year FROM created) FROM people", "SELECT people", "people"],
  ["-- FROM a comment\nSELECT 1 /* FROM b */", "SELECT", undefined],
  ["  (SELECT 1) UNION (SELECT 2)", "SELECT", undefined],
  ["BEGIN", "BEGIN", undefined],
  ["", "SQL", undefined]
]

it.each(cases.map((one) => [one] as const))("%j", ([text, name, table]) => {
  expect(summary(text)).toMatchObject({ name, table })
})

it("is short, holds no text of the statement's, and does not grow with what it has seen", () => {
  expect(summary(`SELECT * FROM ${"a".repeat(300)}`).name.length).toBe(255)
  for (let i = 0; i < 2_000; i++) expect(summary(`SELECT 'secret${i}'`).name).toBe("SELECT")
})
