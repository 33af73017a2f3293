/** What the rules claim, asked of a real server: which statements refuse a transaction, and which ones rewrite a table. */
import { describe, expect, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import { lint, rules, statements } from "../../../src/migration/Lint.js"
import { steady } from "../../../src/migration/lint/rules/volatility.js"
import { freshDatabase, query } from "../../support/server.js"

const schema = `
  CREATE TABLE u (id bigint PRIMARY KEY); INSERT INTO u VALUES (1);
  CREATE TABLE t (id bigint, a text); INSERT INTO t VALUES (1, 'x');
  CREATE INDEX i ON t (a);
  CREATE TYPE e AS ENUM ('a');
  CREATE TABLE parts (id bigint) PARTITION BY LIST (id);
  CREATE TABLE part PARTITION OF parts FOR VALUES IN (1);
  CREATE MATERIALIZED VIEW v AS SELECT 1 AS x; CREATE UNIQUE INDEX v_x ON v (x);`

/** Each on its own. */
const some = [
  "CREATE INDEX CONCURRENTLY j ON t (a)",
  "CREATE INDEX j ON t (a)",
  "DROP INDEX CONCURRENTLY i",
  "DROP INDEX i",
  "REINDEX INDEX CONCURRENTLY i",
  "REINDEX (CONCURRENTLY FALSE) INDEX i",
  "REINDEX (CONCURRENTLY OFF) TABLE t",
  "REINDEX (CONCURRENTLY 1) TABLE t",
  "REINDEX TABLE t",
  "REINDEX SCHEMA public",
  "REINDEX DATABASE",
  "VACUUM t",
  "VACUUM (FULL) t",
  "ANALYZE t",
  "CLUSTER",
  "CLUSTER t USING i",
  "CREATE DATABASE lint_never_made",
  "DROP DATABASE IF EXISTS lint_never_made",
  "ALTER SYSTEM SET work_mem = '4MB'",
  "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p",
  "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p WITH (connect = false)",
  "DISCARD ALL",
  "DISCARD PLANS",
  "ALTER TYPE e ADD VALUE 'b'",
  "ALTER TABLE parts DETACH PARTITION part CONCURRENTLY",
  "ALTER TABLE parts DETACH PARTITION part",
  "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
  "CHECKPOINT",
  "LOCK TABLE t",
  "TRUNCATE t"
]

describe("on a real server", () => {
  it.scoped("a statement counts as refusing a transaction exactly when the server refuses it there", () =>
    Effect.gen(function* () {
      const url = yield* freshDatabase
      yield* query(url, schema)
      for (const sql of some) {
        const [statement] = yield* statements(sql)
        const refused = yield* query(url, `BEGIN; ${sql}; ROLLBACK`).pipe(
          Effect.as(""),
          Effect.catchAll((error) => Effect.succeed(error.message))
        )
        expect([sql, /cannot (?:run|be executed) inside a transaction/.test(refused)]).toEqual([
          sql,
          statement?.inTransaction === false
        ])
        expect([sql, statement?.inTransaction === true ? refused : ""]).toEqual([sql, ""])
      }
    })
  )

  it.scoped("adding a column rewrites the table exactly when lint says so", () =>
    Effect.gen(function* () {
      const url = yield* freshDatabase
      yield* query(url, schema)
      const columns = [
        "text",
        "text DEFAULT 'x'",
        "text NOT NULL DEFAULT 'x'",
        "uuid DEFAULT gen_random_uuid()",
        "timestamptz DEFAULT now()",
        "timestamptz DEFAULT CURRENT_TIMESTAMP",
        "timestamptz DEFAULT clock_timestamp()",
        "timestamp DEFAULT (now() AT TIME ZONE 'UTC')",
        "text DEFAULT concat(upper('a'), 'b')",
        "double precision DEFAULT random()",
        "jsonb DEFAULT jsonb_build_object('a', 1)",
        "bigserial",
        "bigint GENERATED ALWAYS AS IDENTITY",
        "bigint GENERATED ALWAYS AS (id + 1) STORED",
        "bigint GENERATED ALWAYS AS (id + 1) VIRTUAL",
        "bigint REFERENCES u (id)"
      ]
      const node = Effect.map(query(url, "SELECT pg_relation_filenode('t') AS node"), ([row]) => row?.node)
      for (const [at, column] of columns.entries()) {
        const sql = `ALTER TABLE t ADD COLUMN c${at} ${column}`
        const before = yield* node
        yield* query(url, sql)
        const rewritten = before !== (yield* node)
        const found = (yield* lint({ text: sql, file: "x.sql", product: "postgres" })).map((one) => one.rule)
        expect([column, found.includes("adding-volatile-default")]).toEqual([column, rewritten])
      }
    })
  )

  it.scoped("no function that counts as steady is volatile there", () =>
    Effect.gen(function* () {
      const url = yield* freshDatabase
      const rows = yield* query(
        url,
        `SELECT proname, bool_or(provolatile = 'v') AS volatile FROM pg_proc
         WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = ANY($1) GROUP BY 1`,
        [[...steady]]
      )
      expect(rows.filter((row) => row.volatile)).toEqual([])
      expect(rows.length).toBeGreaterThan(100)
    })
  )

  it.scoped("what adding NOT NULL without a default does to a table with rows is what the rule says", () =>
    Effect.gen(function* () {
      const url = yield* freshDatabase
      yield* query(url, "CREATE TABLE users (id bigint)")
      const rule = rules.find((one) => one.id === "adding-not-null-without-default")
      yield* query(url, `BEGIN; ${rule?.bad.sql} ROLLBACK`)
      yield* query(url, "INSERT INTO users VALUES (1)")
      const error = yield* Effect.flip(query(url, rule?.bad.sql ?? ""))
      expect(error.message).toContain("contains null values")
      yield* query(url, rule?.good.sql ?? "")
    })
  )

  it.scoped("a value added to an enum is refused in its own transaction, as the rule says", () =>
    Effect.gen(function* () {
      const url = yield* freshDatabase
      yield* query(
        url,
        "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE users (mood mood); INSERT INTO users VALUES ('sad')"
      )
      const rule = rules.find((one) => one.id === "enum-value-in-transaction")
      const error = yield* Effect.flip(query(url, `BEGIN; ${rule?.bad.sql} COMMIT`))
      expect(error.message).toContain("unsafe use of new value")
    })
  )
})

describe("on SQLite", () => {
  it("the bad example passes on an empty table and fails on one with a row, the good one passes on both", () => {
    const rule = rules.find((one) => one.id === "sqlite-add-not-null-without-default")
    const run = (rows: string, sql = "") => {
      const database = new Sqlite(":memory:")
      try {
        database.exec(`CREATE TABLE users (id); ${rows} ${sql}`)
      } finally {
        database.close()
      }
    }
    const row = "INSERT INTO users VALUES (1);"
    run("", rule?.bad.sql)
    expect(() => run(row, rule?.bad.sql)).toThrow("Cannot add a NOT NULL column with default value NULL")
    run("", rule?.good.sql)
    run(row, rule?.good.sql)
  })
})
