/** A text in statements, cut by the grammar itself, and how each of them may be run. */
import { afterEach, describe, expect, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { lint, rules, statements } from "../../../src/migration/Lint.js"

describe("statements", () => {
  it.effect("are what the grammar says, without semicolons and the comments around them", () =>
    Effect.gen(function* () {
      const sql = [
        "-- first",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END; -- ;",
        "SELECT $$ ; $$, E'\\';', \";\" /* ; /* ; */ */ FROM t;;",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON app.t (a);",
        "DROP INDEX CONCURRENTLY app.i; VACUUM t;",
        "CREATE INDEX CONCURRENTLY ON t (a)",
        "-- last"
      ].join("\n")
      const all = yield* statements(sql, { line: 10 })
      expect(all.map(({ line, kind, resume, inTransaction }) => [line, kind, resume, inTransaction])).toEqual([
        [11, "CreateFunctionStmt", "transaction", true],
        [12, "SelectStmt", "transaction", true],
        [13, "IndexStmt", "probe", false],
        [14, "DropStmt", "probe", false],
        [14, "VacuumStmt", "repeat", false],
        [15, "IndexStmt", "never", false]
      ])
      expect(all.map((one) => one.text)).toEqual([
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END",
        "SELECT $$ ; $$, E'\\';', \";\" /* ; /* ; */ */ FROM t",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON app.t (a)",
        "DROP INDEX CONCURRENTLY app.i",
        "VACUUM t",
        "CREATE INDEX CONCURRENTLY ON t (a)"
      ])
      expect(all.flatMap((one) => one.index ?? [])).toEqual([
        { schema: "app", name: "i", action: "create" },
        { schema: "app", name: "i", action: "drop" }
      ])
    })
  )

  it.effect("of nothing are none", () =>
    Effect.forEach(["", " \n", "-- a comment", ";;", "/* a */ ;"], (sql) =>
      Effect.map(statements(sql), (all) => expect(all).toEqual([]))
    )
  )

  it.effect("of a text the grammar refuses are a typed failure with its line", () =>
    Effect.map(Effect.flip(statements("SELECT 1;\nSELEC 2;", { file: "m/0001.sql", line: 4 })), (error) => {
      expect(error).toMatchObject({ _tag: "MigrationError", reason: "bad-sql", file: "m/0001.sql", line: 5 })
      expect(error.message).toContain('syntax error at or near "SELEC"')
    })
  )
})

describe("a tree too deep to walk", () => {
  const sum = (n: number) => `ALTER TYPE e ADD VALUE 'x'; SELECT 'x', ${"1+".repeat(n)}1;`
  const run = (text: string) => lint({ text, file: "x.sql", product: "postgres" })

  it.effect("is walked, or said to be too deep; the next text is read as ever", () =>
    Effect.gen(function* () {
      expect(yield* run(sum(4_000))).toMatchObject([{ rule: "enum-value-in-transaction", line: 1, column: 36 }])
      const [finding] = yield* run(sum(100_000))
      expect(finding).toMatchObject({ rule: "syntax" })
      expect(finding?.message).toContain("the grammar gave up on it")
      expect(yield* run("DROP TABLE t;")).toMatchObject([{ rule: "dropping-table" }])
    })
  )
})

describe("without the grammar", () => {
  afterEach(() => {
    vi.doUnmock("libpg-query")
  })

  it.effect("the failure is typed and names the package; SQLite and the rules' documentation need none", () =>
    Effect.gen(function* () {
      vi.doMock("libpg-query", () => {
        throw new Error("Cannot find package 'libpg-query'")
      })
      const text = "ALTER TABLE t ADD a NOT NULL;"
      const errors = [
        yield* Effect.flip(lint({ text, file: "x.sql", product: "postgres" })),
        yield* Effect.flip(statements(text))
      ]
      for (const error of errors) {
        expect(error).toMatchObject({ _tag: "LintUnavailable", package: "libpg-query" })
        expect(error.message).toContain("npm install --save-dev libpg-query")
      }
      expect(yield* lint({ text, file: "x.sql", product: "sqlite" })).toHaveLength(1)
      expect(rules.length).toBeGreaterThan(30)
    })
  )
})
