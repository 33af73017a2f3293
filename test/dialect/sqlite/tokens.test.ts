import { describe, expect, it } from "@effect/vitest"
import { kind } from "../../../src/dialect/sqlite/kind.js"
import { control, split, verb } from "../../../src/dialect/sqlite/tokens.js"

const texts = (text: string) => split(text).map((part) => part.text)

describe("a text is cut where SQLite would cut it", () => {
  it("semicolons in strings, names and comments end nothing", () => {
    expect(texts(`SELECT ';', ";", [;], \`;\` -- ;\n, 1 /* ; */; SELECT 'it''s;' ;`)).toEqual([
      `SELECT ';', ";", [;], \`;\` -- ;\n, 1`,
      `SELECT 'it''s;'`
    ])
  })

  it("blank statements and lone comments are none", () => {
    expect(texts(" ;; -- nothing\n ; /* nor this */ ")).toEqual([])
    expect(texts("-- a title\nSELECT 1;")).toEqual(["SELECT 1"])
  })

  it("a trigger's body is one statement, whatever CASE ends in it", () => {
    const trigger = `CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN
      UPDATE a SET x = CASE WHEN x THEN 1 ELSE 2 END;
      DELETE FROM b; END`
    expect(texts(`${trigger}; SELECT 1`)).toEqual([trigger, "SELECT 1"])
  })

  it("an unfinished string or comment reaches to the end", () => {
    expect(texts("SELECT 'a; b")).toEqual(["SELECT 'a; b"])
    expect(texts("SELECT 1 /* ; ")).toEqual(["SELECT 1"])
  })

  it("each statement knows where it began", () => {
    expect(split("  SELECT 1;\n SELECT 2").map((part) => part.start)).toEqual([2, 13])
  })
})

const first = (text: string) => split(text)[0]?.words ?? []

describe("what a statement does is told from its words", () => {
  it.each([
    ["with x as (select 1) insert into t select * from x", "INSERT"],
    ["WITH RECURSIVE x(n) AS (VALUES (1) UNION SELECT n + 1 FROM x) SELECT n FROM x", "SELECT"],
    ["/* hi */ update t set a = 1", "UPDATE"],
    ["", ""]
  ])("%s", (text, expected) => expect(verb(first(text))).toBe(expected))

  it.each([
    ["END TRANSACTION", "commit"],
    ["rollback", "rollback"],
    ["ROLLBACK TO SAVEPOINT a", "savepoint"],
    ["RELEASE a", "savepoint"],
    ["BEGIN IMMEDIATE", "begin"],
    ["SELECT 1", "none"]
  ] as const)("%s is %s", (text, expected) => expect(control(first(text))).toBe(expected))
})

describe("only what cannot write may go to a reader", () => {
  it.each([
    ["select 1", "read"],
    ["  -- c\n SELECT 'x; y'", "read"],
    ["VALUES (1)", "read"],
    ["with x as (select 1) select * from x", "read"],
    ["with x as (select 1) delete from t", "write"],
    ["SELECT last_insert_rowid()", "session"],
    ["SELECT changes()", "session"],
    ["SELECT 'changes'", "read"],
    ["INSERT INTO t VALUES (1) RETURNING id", "write"],
    ["EXPLAIN SELECT 1", "write"],
    ["VACUUM", "write"],
    ["PRAGMA user_version", "session"],
    ["ATTACH 'x' AS y", "session"],
    ["CREATE TEMP TABLE t (a)", "session"],
    ["CREATE TABLE t (a)", "write"],
    ["BEGIN", "session"],
    ["savepoint a", "session"],
    ["SELECT 1; SELECT 2", "script"],
    ["SELECT 1;", "read"],
    ["", "write"]
  ] as const)("%s is %s", (text, expected) => {
    expect(kind(text)).toBe(expected)
    // The second look comes from memory and must say the same.
    expect(kind(text)).toBe(expected)
  })
})
