/** Every rule finds what it says and nothing else, and keeps quiet about what is new with the revision. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Input, lint, lintFile, rules } from "../../../src/migration/Lint.js"

const found = (sql: string, facts: Partial<Input> = {}) =>
  Effect.map(lint({ text: sql, file: "m/0001_x.sql", product: "postgres", ...facts }), (findings) =>
    findings.map((one) => one.rule)
  )

/** Each line: a text, and the rules that find something in it, in order of place. */
const cases = (table: ReadonlyArray<readonly [sql: string, rules: ReadonlyArray<string>, facts?: Partial<Input>]>) =>
  Effect.forEach(table, ([sql, expected, facts]) =>
    Effect.map(found(sql, facts), (actual) => expect([sql, ...actual]).toEqual([sql, ...expected]))
  )

describe("rules", () => {
  it("are these", () => {
    expect(rules.map((rule) => rule.id).sort()).toEqual(
      [
        "adding-check-without-not-valid",
        "adding-foreign-key-without-not-valid",
        "adding-not-null-field",
        "adding-not-null-without-default",
        "adding-primary-key",
        "adding-unique-constraint",
        "adding-volatile-default",
        "changing-column-type",
        "concurrent-in-transaction",
        "dropping-column",
        "dropping-not-null",
        "dropping-table",
        "enum-value-in-transaction",
        "identifier-too-long",
        "missing-lock-timeout",
        "not-resumable",
        "prefer-bigint",
        "prefer-identity",
        "prefer-jsonb",
        "prefer-text",
        "prefer-timestamptz",
        "renaming-column",
        "renaming-table",
        "require-concurrent-index-creation",
        "require-concurrent-index-deletion",
        "sqlite-add-not-null-without-default",
        "suppression-unknown",
        "suppression-unused",
        "suppression-without-reason",
        "syntax",
        "transaction-nesting",
        "truncate-cascade"
      ].sort()
    )
  })

  for (const rule of rules) {
    const [product = "postgres"] = rule.products
    const run = (example: (typeof rules)[number]["bad"]) =>
      lint({ text: example.sql, file: "m/0001_x.sql", product, transaction: example.transaction })

    it.effect(`${rule.id}: the bad example gives exactly that finding, and says what to do`, () =>
      Effect.map(run(rule.bad), (findings) => {
        expect(findings.map((one) => [one.rule, one.level])).toEqual([[rule.id, rule.level]])
        const [finding] = findings
        expect(finding?.remedy).not.toBe("")
        expect(finding?.message).not.toMatch(/undefined|: $/)
        expect(rule.bad.sql).toContain(finding?.statement)
      })
    )

    it.effect(`${rule.id}: the good example gives none`, () =>
      Effect.map(run(rule.good), (findings) => expect(findings).toEqual([]))
    )
  }
})

describe("a table that is new with the revision", () => {
  const create = "CREATE TABLE app.users (id bigint PRIMARY KEY, email text);\n"
  const touching = [
    "ALTER TABLE app.users ADD COLUMN a text NOT NULL;",
    "ALTER TABLE users ADD COLUMN a uuid DEFAULT gen_random_uuid();",
    "ALTER TABLE app.users ALTER COLUMN email SET NOT NULL;",
    "ALTER TABLE app.users ALTER COLUMN email TYPE integer;",
    "ALTER TABLE app.users ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES people (id);",
    "ALTER TABLE app.users ADD CONSTRAINT c CHECK (id > 0);",
    "ALTER TABLE app.users ADD CONSTRAINT u UNIQUE (email);",
    "ALTER TABLE app.users ADD PRIMARY KEY (id);",
    "CREATE INDEX i ON app.users (email);",
    "CREATE INDEX i ON app.users (email); DROP INDEX i;",
    "ALTER TABLE app.users RENAME TO people;",
    "ALTER TABLE app.users RENAME TO people; CREATE INDEX i ON app.people (email);",
    "ALTER TABLE app.users RENAME COLUMN email TO mail;",
    "ALTER TABLE app.users DROP COLUMN email;",
    "ALTER TABLE app.users ALTER COLUMN email DROP NOT NULL;",
    "DROP TABLE app.users;",
    "SET lock_timeout = 0; ALTER TABLE app.users ADD COLUMN a text;"
  ]

  it.effect("is nobody's yet: what is dangerous on others is not on it", () =>
    Effect.forEach(touching, (sql) =>
      Effect.map(found(create + sql), (rules) => expect([sql, ...rules]).toEqual([sql]))
    )
  )

  it.effect("may be created by an earlier part of the revision", () =>
    Effect.forEach(touching, (sql) =>
      Effect.map(found(sql, { created: ["app.users"] }), (rules) => expect([sql, ...rules]).toEqual([sql]))
    )
  )

  it.effect("is told from others by its schema", () =>
    cases([
      [`${create}CREATE INDEX i ON other.users (email);`, ["require-concurrent-index-creation"]],
      [`CREATE INDEX i ON app.users (email);\n${create}`, ["require-concurrent-index-creation"]],
      ["CREATE TABLE a AS SELECT 1 AS x; CREATE INDEX i ON a (x);", []],
      ["CREATE MATERIALIZED VIEW a AS SELECT 1 AS x; CREATE INDEX i ON a (x);", []]
    ])
  )
})

describe("each rule knows its spellings", () => {
  it.effect("columns", () =>
    cases([
      ["ALTER TABLE t ADD a int NOT NULL GENERATED ALWAYS AS (1) STORED;", ["adding-volatile-default"]],
      ["ALTER TABLE t ADD a int GENERATED ALWAYS AS (b + 1) VIRTUAL;", []],
      ["ALTER TABLE t ADD a bigint GENERATED ALWAYS AS IDENTITY;", ["adding-volatile-default"]],
      ["ALTER TABLE t ADD a timestamptz DEFAULT now() - interval '1 day';", []],
      ["ALTER TABLE t ADD a timestamptz DEFAULT (CURRENT_TIMESTAMP AT TIME ZONE 'UTC')::timestamptz;", []],
      ["ALTER TABLE t ADD a timestamptz DEFAULT clock_timestamp();", ["adding-volatile-default"]],
      ["ALTER TABLE t ADD a text DEFAULT upper(my.own());", ["adding-volatile-default"]],
      ["ALTER TABLE t ADD a text DEFAULT 'x';", [], { serverVersion: 11 }],
      ["ALTER TABLE t ADD a text DEFAULT 'x';", ["adding-volatile-default"], { serverVersion: 10 }],
      ["ALTER TABLE t ADD a text DEFAULT NULL;", [], { serverVersion: 10 }],
      ["ALTER TABLE t ADD a bigint PRIMARY KEY;", ["adding-not-null-without-default", "adding-primary-key"]],
      ["ALTER TABLE t ADD CONSTRAINT n NOT NULL a;", ["adding-not-null-field"]],
      ["ALTER TABLE t ADD CONSTRAINT n NOT NULL a NOT VALID;", []],
      [
        "ALTER TABLE t VALIDATE CONSTRAINT c; ALTER TABLE t ALTER a SET NOT NULL;",
        ["adding-not-null-field"],
        { serverVersion: 11 }
      ],
      ["ALTER TABLE t VALIDATE CONSTRAINT c; ALTER TABLE u ALTER a SET NOT NULL;", ["adding-not-null-field"]],
      ["ALTER TYPE composite ALTER ATTRIBUTE a TYPE text;", []],
      ["ALTER TABLE t DROP a, DROP b;", ["dropping-column", "dropping-column"]]
    ])
  )

  it.effect("NOT NULL is proved by the very check on the very column, validated on its own", () => {
    const add = (check: string) => `ALTER TABLE t ADD CONSTRAINT c CHECK (${check}) NOT VALID;`
    const rest = "ALTER TABLE t VALIDATE CONSTRAINT c; ALTER TABLE t ALTER COLUMN a SET NOT NULL;"
    return cases([
      [`${add("a IS NOT NULL")} ${rest}`, [], { transaction: false }],
      [`${add("b IS NOT NULL")} ${rest}`, ["adding-not-null-field"], { transaction: false }],
      [`${add("a IS NOT NULL")} ${rest}`, ["adding-check-without-not-valid"]],
      [`${add("a IS NOT NULL")} ALTER TABLE t ALTER COLUMN a SET NOT NULL;`, ["adding-not-null-field"]]
    ])
  })

  it.effect("constraints", () =>
    cases([
      // A new column that is NULL everywhere: PostgreSQL compares nothing.
      ["ALTER TABLE t ADD a bigint REFERENCES u (id);", []],
      ["ALTER TABLE t ADD a bigint DEFAULT 1 REFERENCES u (id);", ["adding-foreign-key-without-not-valid"]],
      ["ALTER TABLE t ADD a bigint CHECK (a > 0);", ["adding-check-without-not-valid"]],
      ["ALTER TABLE t ADD a bigint UNIQUE;", ["adding-unique-constraint"]],
      ["ALTER TABLE t ADD EXCLUDE USING gist (a WITH =);", ["adding-unique-constraint"]],
      ["ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT ENFORCED;", []],
      [
        "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT f;",
        ["adding-foreign-key-without-not-valid"]
      ],
      [
        "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT f;",
        [],
        { transaction: false }
      ],
      ["ALTER TABLE t VALIDATE CONSTRAINT f;", []]
    ])
  )

  it.effect("indexes and tables", () =>
    cases([
      ["CREATE UNIQUE INDEX i ON t (a);", ["require-concurrent-index-creation"]],
      ["CREATE INDEX i ON ONLY t (a);", []],
      ["DROP INDEX i, j;", ["require-concurrent-index-deletion", "require-concurrent-index-deletion"]],
      ["ALTER TABLE t SET SCHEMA archive;", ["renaming-table"]],
      ["ALTER VIEW v RENAME TO w;", []],
      ["DROP VIEW v;", []],
      ["TRUNCATE t, u CASCADE;", ["truncate-cascade"]]
    ])
  )

  it.effect("types, as the grammar resolves their names", () =>
    cases([
      ["CREATE TABLE t (a int REFERENCES u);", ["prefer-bigint"]],
      ["CREATE TABLE t (a int4, b int, PRIMARY KEY (a));", ["prefer-bigint"]],
      ["CREATE TABLE t (a int, FOREIGN KEY (a) REFERENCES u);", ["prefer-bigint"]],
      ["CREATE TABLE t (a smallint, b integer CHECK (b > 0));", []],
      ["CREATE TABLE t (a serial);", ["prefer-bigint", "prefer-identity"]],
      ["CREATE TABLE t (a char(3), b character varying(3), c character varying);", ["prefer-text", "prefer-text"]],
      ["CREATE TABLE t (a timestamp(3) without time zone, b timestamp with time zone);", ["prefer-timestamptz"]],
      ["CREATE TABLE t (a json[]);", ["prefer-jsonb"]],
      ["CREATE TABLE t (a my.json, b my.serial);", []],
      ["ALTER TABLE t ALTER a TYPE json;", ["changing-column-type", "prefer-jsonb"]]
    ])
  )

  it.effect("transactions", () =>
    cases([
      ["VACUUM t;", ["concurrent-in-transaction"]],
      ["ANALYZE t;", []],
      ["VACUUM t;", [], { transaction: false }],
      ["ROLLBACK;", ["transaction-nesting"]],
      ["BEGIN; COMMIT;", ["transaction-nesting", "transaction-nesting"], { transaction: false }],
      ["SAVEPOINT a;", ["transaction-nesting"], { transaction: false }],
      ["REINDEX INDEX CONCURRENTLY i;", ["not-resumable"], { transaction: false }],
      ["ALTER TABLE t DETACH PARTITION p CONCURRENTLY;", ["not-resumable"], { transaction: false }],
      ["CREATE DATABASE d;", ["not-resumable"], { transaction: false }],
      ["DROP DATABASE IF EXISTS d;", [], { transaction: false }],
      ["UPDATE t SET a = 1; ALTER TABLE t ADD b int;", [], { transaction: false }],
      [
        "ALTER TYPE e ADD VALUE 'x';",
        ["enum-value-in-transaction", "concurrent-in-transaction"].sort(),
        { serverVersion: 11 }
      ],
      ["ALTER TYPE e ADD VALUE 'x';", ["not-resumable"], { serverVersion: 11, transaction: false }],
      ["ALTER TYPE e ADD VALUE IF NOT EXISTS 'x';", [], { serverVersion: 11, transaction: false }],
      ["CREATE TYPE e AS ENUM ('a'); ALTER TYPE e ADD VALUE 'x'; INSERT INTO t VALUES ('x');", []],
      ["ALTER TYPE e ADD VALUE 'x'; INSERT INTO t VALUES ('x');", [], { transaction: false }],
      ["ALTER TYPE e RENAME VALUE 'a' TO 'x'; INSERT INTO t VALUES ('x');", []]
    ])
  )

  it.effect("lock timeouts that are taken away", () => {
    const alter = "ALTER TABLE t ADD a text;"
    const missing = ["missing-lock-timeout"]
    return cases([
      [alter, []],
      [alter, missing, { lockTimeout: false }],
      [`SET LOCAL lock_timeout = '2s'; ${alter}`, [], { lockTimeout: false }],
      [`SET LOCAL lock_timeout = '2s'; ${alter}`, missing, { lockTimeout: false, transaction: false }],
      [`SELECT set_config('lock_timeout', '2s', true); ${alter}`, [], { lockTimeout: false }],
      [`SET lock_timeout = '0ms'; ${alter}`, missing],
      [`SET lock_timeout TO DEFAULT; ${alter}`, missing],
      [`RESET ALL; ${alter}`, missing],
      [`SET lock_timeout = 0; SELECT 1; INSERT INTO t VALUES (1);`, []],
      [`SET lock_timeout = 2000; ${alter}`, []],
      ["CREATE TRIGGER x BEFORE INSERT ON t EXECUTE FUNCTION f();", missing, { lockTimeout: false }]
    ])
  })

  it.effect("names, in bytes", () =>
    cases([
      [`ALTER TABLE t ADD "${"é".repeat(32)}" text;`, ["identifier-too-long"]],
      [`ALTER TABLE t ADD "${"é".repeat(31)}" text;`, []],
      [`ALTER TABLE t ADD "${'""'.repeat(63)}" text;`, []],
      [`COMMENT ON TABLE t IS '${"long".repeat(30)}';`, []]
    ])
  )
})

describe("down", () => {
  it.effect("may take away what its up made, but not stop traffic doing so", () =>
    Effect.gen(function* () {
      yield* cases([
        ["DROP TABLE t;", [], { direction: "down" }],
        ["ALTER TABLE t DROP COLUMN a, ALTER COLUMN b DROP NOT NULL;", [], { direction: "down" }],
        ["DROP INDEX i;", ["require-concurrent-index-deletion"], { direction: "down" }],
        ["ALTER TABLE t ADD a text NOT NULL;", ["adding-not-null-without-default"], { direction: "down" }]
      ])
    })
  )

  it.effect("in a file, knows the tables of its up", () =>
    Effect.gen(function* () {
      const text = (down: string) =>
        `-- what it is for\n\n-- migrate:up\nCREATE TABLE t (a text);\nCREATE INDEX t_a ON t (a);\n-- migrate:down\n${down}`
      const lines = (down: string) =>
        Effect.map(lintFile({ text: text(down), file: "m/0002.sql", product: "postgres" }), (findings) =>
          findings.map((one) => `${one.line}:${one.column} ${one.rule}`)
        )
      expect(yield* lines("DROP INDEX t_a;\nDROP TABLE t;\n")).toEqual([])
      expect(yield* lines("DROP INDEX t_b;\nDROP TABLE t;\n")).toEqual(["7:1 require-concurrent-index-deletion"])
    })
  )

  it.effect("a file's header says whether it has a transaction", () =>
    Effect.gen(function* () {
      const sql = "CREATE INDEX CONCURRENTLY i ON t (a);\n"
      const rules = (text: string) =>
        Effect.map(lintFile({ text, file: "m/0002.sql", product: "postgres" }), (all) => all.map((one) => one.rule))
      expect(yield* rules(`-- migrate:up\n${sql}`)).toEqual(["concurrent-in-transaction"])
      expect(yield* rules(`\uFEFF-- transaction: false\n-- migrate:up\n${sql}`)).toEqual([])
      expect(yield* rules(sql)).toEqual(["concurrent-in-transaction"])
    })
  )
})

describe("SQLite", () => {
  const on = (sql: string, facts: Partial<Input> = {}) => found(sql, { product: "sqlite", ...facts })
  const rule = "sqlite-add-not-null-without-default"

  it.effect("a NOT NULL column without a default, in every spelling", () =>
    Effect.forEach(
      [
        ["alter table main.[my users] add email text not null", [rule]],
        ["ALTER TABLE t ADD a DEFAULT NULL NOT NULL", [rule]],
        ["ALTER TABLE t ADD a DEFAULT 1 NOT NULL", []],
        ["ALTER TABLE t ADD a NOT NULL DEFAULT (1 + 1)", []],
        ["ALTER TABLE t ADD a CHECK (a IS NOT NULL)", []],
        ["ALTER TABLE t ADD a GENERATED ALWAYS AS (b) NOT NULL", []],
        ['ALTER TABLE t ADD "NOT NULL" text; ALTER TABLE t ADD a /* NOT NULL */ text', []],
        ["CREATE TABLE IF NOT EXISTS main.T (a); ALTER TABLE t ADD b NOT NULL", []],
        ["SELECT '; ALTER TABLE t ADD a NOT NULL'; -- ALTER TABLE t ADD a NOT NULL", []],
        ["this is ; no SQL at all (", []]
      ] as const,
      ([sql, expected]) => Effect.map(on(sql), (rules) => expect([sql, ...rules]).toEqual([sql, ...expected]))
    )
  )

  it.effect("knows tables created by an earlier part of the revision", () =>
    Effect.map(on("ALTER TABLE t ADD a NOT NULL", { created: ["T"] }), (rules) => expect(rules).toEqual([]))
  )
})
