/** `verify` under attack: whatever a way back leaves behind or takes along is named, and nothing of it is left anywhere. */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Database, Migration, Migrator } from "effect-aquifer"
import { eventually } from "../reliability/world.js"
import { freshDatabase, freshRole } from "../support/server.js"
import { everywhere, folder, on, type Product, prepare, refusal, rows, table, tables } from "./support.js"

/** Each scratch database of PGlite is a program that is started: seconds of work for one processor, which others may have. */
const limit = 600_000

/** What stands before the revision under attack. */
const base = `CREATE TABLE a (id integer PRIMARY KEY, n integer NOT NULL DEFAULT 1, s text);
CREATE INDEX a_n ON a (n);
CREATE TABLE b (id integer PRIMARY KEY, a_id integer);
CREATE VIEW v AS SELECT id FROM a`

interface Attack {
  readonly up: string
  readonly down: string
  /** In the difference after the way back; nothing: there is none. */
  readonly back: string | undefined
}

const everybody: Readonly<Record<string, Attack>> = {
  "a column stays": { up: "ALTER TABLE a ADD COLUMN x integer", down: "SELECT 1", back: "tables.a.columns.x: new" },
  "a column is gone": {
    up: "CREATE TABLE c (id integer)",
    down: "DROP TABLE c; ALTER TABLE a DROP COLUMN s",
    back: "tables.a.columns.s: gone"
  },
  "a table stays": { up: "CREATE TABLE c (id integer)", down: "SELECT 1", back: "tables.c: new" },
  "an index stays": { up: "CREATE INDEX a_s ON a (s)", down: "SELECT 1", back: "tables.a.indexes.a_s: new" },
  "an index comes back another": {
    up: "DROP INDEX a_n",
    down: "CREATE UNIQUE INDEX a_n ON a (n)",
    back: "tables.a.indexes.a_n.unique: false -> true"
  },
  "a view comes back another": {
    up: "DROP VIEW v",
    down: "CREATE VIEW v AS SELECT id, n FROM a",
    back: "views.v.sql"
  },
  "columns come back in another order": {
    up: "ALTER TABLE b ADD COLUMN x integer",
    down: "ALTER TABLE b DROP COLUMN a_id; ALTER TABLE b DROP COLUMN x; ALTER TABLE b ADD COLUMN a_id integer",
    back: undefined
  },
  "rows are no matter": {
    up: "INSERT INTO a VALUES (1, 1, 'x')",
    down: "DELETE FROM a",
    back: undefined
  }
}

const postgresql: Readonly<Record<string, Attack>> = {
  ...everybody,
  "a default comes back another": {
    up: "ALTER TABLE a ALTER COLUMN n SET DEFAULT 2",
    down: "ALTER TABLE a ALTER COLUMN n SET DEFAULT 3",
    back: "tables.a.columns.n.default: 1 -> 3"
  },
  "NOT NULL is gone": {
    up: "ALTER TABLE a ALTER COLUMN n DROP NOT NULL",
    down: "SELECT 1",
    back: "tables.a.columns.n.nullable: false -> true"
  },
  "a type stays": {
    up: "ALTER TABLE b ALTER COLUMN a_id TYPE bigint",
    down: "SELECT 1",
    back: "tables.b.columns.a_id.type: integer -> bigint"
  },
  "an enum stays": { up: "CREATE TYPE e AS ENUM ('x')", down: "SELECT 1", back: "enums.e: new" },
  "a constraint stays": {
    up: "ALTER TABLE b ADD CONSTRAINT k CHECK (a_id > 0)",
    down: "SELECT 1",
    back: "tables.b.checks.k: new"
  },
  "a foreign key comes back another": {
    up: "ALTER TABLE b ADD CONSTRAINT f FOREIGN KEY (a_id) REFERENCES a",
    down: "ALTER TABLE b DROP CONSTRAINT f; ALTER TABLE b ADD CONSTRAINT f FOREIGN KEY (a_id) REFERENCES a ON DELETE CASCADE",
    back: "tables.b.foreignKeys.f: new"
  },
  "a trigger stays": {
    up: "CREATE TRIGGER t BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    down: "SELECT 1",
    back: "tables.a.triggers.t: new"
  },
  "a sequence stays": { up: "CREATE SEQUENCE q", down: "SELECT 1", back: "sequences.0 q: new" },
  "a sequence counts otherwise": {
    up: "CREATE SEQUENCE q",
    down: "ALTER SEQUENCE q INCREMENT BY 5; ALTER SEQUENCE q RENAME TO r",
    back: "others.sequence r, besides: new"
  },
  "a function stays": {
    up: "CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    down: "SELECT 1",
    back: "others.function f(): new"
  },
  "a schema stays, with a table in it": {
    up: "CREATE SCHEMA audit; CREATE TABLE audit.log (id integer)",
    down: "SELECT 1",
    back: "others.schema audit: new\nothers.table audit.log: new"
  },
  "a table of another schema comes back another": {
    up: "CREATE SCHEMA audit; CREATE TABLE audit.log (id integer)",
    down: "DROP TABLE audit.log; CREATE TABLE audit.log (id bigint)",
    back: "others.table audit.log: new"
  },
  "a domain stays": {
    up: "CREATE DOMAIN d AS integer CHECK (VALUE > 0)",
    down: "SELECT 1",
    back: "others.type d: new"
  },
  "a right stays": {
    up: "GRANT SELECT ON a TO PUBLIC",
    down: "SELECT 1",
    back: "others.rights on table a: new"
  },
  "a policy stays": {
    up: "ALTER TABLE a ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON a USING (id > 0)",
    down: "DROP POLICY p ON a",
    back: "others.table a, besides: new"
  },
  "a comment on an index stays": {
    up: "COMMENT ON INDEX a_n IS 'x'",
    down: "SELECT 1",
    back: "others.comment on index a_n: new"
  },
  "all of it is taken back": {
    up: `CREATE SCHEMA audit; CREATE TABLE audit.log (id serial PRIMARY KEY, at timestamptz DEFAULT now());
      CREATE VIEW audit.seen AS SELECT id FROM audit.log; CREATE DOMAIN d AS text; CREATE TYPE pair AS (x integer, y integer);
      CREATE FUNCTION f(pair) RETURNS integer LANGUAGE sql AS 'SELECT 1'; GRANT SELECT ON a TO PUBLIC; COMMENT ON VIEW v IS 'x';
      CREATE STATISTICS st ON id, n FROM a; CREATE RULE r AS ON DELETE TO b DO INSTEAD NOTHING; ALTER TABLE b SET UNLOGGED`,
    down: `ALTER TABLE b SET LOGGED; DROP RULE r ON b; DROP STATISTICS st; COMMENT ON VIEW v IS NULL; REVOKE SELECT ON a FROM PUBLIC;
      DROP FUNCTION f(pair); DROP TYPE pair; DROP DOMAIN d; DROP SCHEMA audit CASCADE`,
    back: undefined
  },
  "a comment stays": {
    up: "COMMENT ON COLUMN a.n IS 'x'; COMMENT ON TABLE a IS 'y'",
    down: "SELECT 1",
    back: "tables.a.comment: undefined -> y"
  }
}

const sqlite: Readonly<Record<string, Attack>> = {
  ...everybody,
  "a trigger stays": {
    up: "CREATE TRIGGER t AFTER UPDATE ON a BEGIN SELECT 1; END",
    down: "SELECT 1",
    back: "tables.a.triggers.t: new"
  },
  "a default comes back another": {
    up: "ALTER TABLE b ADD COLUMN x integer DEFAULT 2",
    down: "ALTER TABLE b DROP COLUMN x; ALTER TABLE b ADD COLUMN x integer DEFAULT 3; ALTER TABLE b DROP COLUMN a_id",
    back: "tables.b.columns.x: new"
  }
}

const attacks: Readonly<Record<Product["name"], Readonly<Record<string, Attack>>>> = {
  sqlite,
  postgresql,
  // The same catalogue: a scratch database there is a program that takes seconds to start.
  pglite: Object.fromEntries(
    ["a column stays", "a function stays", "rows are no matter"].flatMap((title) => {
      const attack = postgresql[title]
      return attack === undefined ? [] : [[title, attack]]
    })
  )
}

const written = (up: string, down: string) => `-- migrate:up\n${up};\n-- migrate:down\n${down};\n`

for (const product of everywhere) {
  describe(`verify on ${product.name}`, () => {
    prepare(product)

    it.live(
      "names what a way back leaves another",
      () =>
        on(product, () =>
          Effect.gen(function* () {
            for (const [title, { back, down, up }] of Object.entries(attacks[product.name])) {
              const directory = yield* folder({
                "1_base.sql": `-- migrate:up\n${base};\n`,
                "2_attack.sql": written(up, down)
              })
              const found = yield* Migrator.verify({ directory })
              const [first, second] = found.revisions
              expect(first?.standing, title).toBe("irreversible")
              if (back === undefined) expect(second, title).toMatchObject({ standing: "same", back: [], again: [] })
              else expect(second?.back.join("\n"), title).toContain(back)
              expect(found.ok, title).toBe(back === undefined)
            }
            expect(yield* tables).toEqual([])
          })
        ),
      limit
    )

    it.live(
      "knows branches, merges, needs, what is irreversible in the middle, and ledgers of other names",
      () =>
        on(product, () =>
          Effect.gen(function* () {
            const directory = yield* folder({
              "1_a.sql": table("a"),
              "2_b.sql": `-- revises: 1\n${table("b")}`,
              "3_c.sql": `-- revises: 1\n-- migrate:up\nCREATE TABLE c (id integer);\n`,
              "4_d.sql": `-- revises: 3\n-- depends-on: 2\n${table("d")}`,
              "5_e.sql": `-- revises: base\n-- transaction: false\n${table("e")}`,
              "6_m.sql": `-- revises: 2, 4\n${table("m")}`,
              // Two heads are left: 5 and this.
              "7_n.sql": `-- revises: 6\n${written("INSERT INTO d VALUES (1)", "DELETE FROM d")}`
            })
            const found = yield* Migrator.verify({ directory, table: "versions" })
            expect(found.revisions.map(({ id, standing }) => `${id} ${standing}`)).toEqual([
              "1 same",
              "2 same",
              "3 irreversible",
              "4 same",
              "5 same",
              "6 same",
              "7 same"
            ])
            expect(found.ok).toBe(true)
            expect(yield* tables).toEqual([])
          })
        ),
      limit
    )

    it.live(
      "of what fails on the way back, or the second time up, it says which, and nothing is left",
      () =>
        on(product, () =>
          Effect.gen(function* () {
            const tried = (up: string, down: string, transaction = true) =>
              Effect.gen(function* () {
                const directory = yield* folder({
                  "1_a.sql": table("a"),
                  "2_x.sql": `${transaction ? "" : "-- transaction: false\n"}${written(up, down)}`,
                  "3_c.sql": table("c")
                })
                return yield* Migrator.verify({ directory })
              })
            for (const transaction of [true, false]) {
              const back = yield* refusal(tried("CREATE TABLE x (id integer)", "DROP TABLE y", transaction))
              expect(back).toMatchObject({ reason: "failed", revision: "2_x", statement: "DROP TABLE y" })
              expect(back.message).toContain("on its way back: ")
              // What follows is looked at all the same.
              const again = yield* tried("CREATE TABLE x (id integer)", "SELECT 1", transaction)
              expect(again).toMatchObject({
                ok: false,
                revisions: [
                  { id: "1", standing: "same" },
                  { id: "2", standing: "differs", back: ["tables.x: new"] },
                  { id: "3", standing: "same" }
                ]
              })
              expect(again.revisions[1]?.again.join()).toMatch(/^it cannot be applied again: .*already exists/)
              expect(yield* tables).toEqual([])
            }
          })
        ),
      limit
    )

    it.live(
      "runs none of the hooks of real runs, and tells none of their events",
      () =>
        on(product, () =>
          Effect.gen(function* () {
            const directory = yield* folder({ "1_a.sql": table("a") })
            const heard: Array<string> = []
            const note = (text: string) => Effect.sync(() => heard.push(text))
            const found = yield* Migrator.verify({
              directory,
              onEvent: (event) => note(event._tag),
              hooks: { first: note("first"), last: note("last") }
            })
            expect(found.ok).toBe(true)
            expect(heard).toEqual([])
          })
        ),
      limit
    )
  })
}

describe("verify of a database in memory", () => {
  it.live("tries its migrations in another one", () =>
    Effect.gen(function* () {
      yield* rows("CREATE TABLE a (id integer)")
      const directory = yield* folder({ "1_a.sql": table("a") })
      expect(yield* Migrator.verify({ directory })).toMatchObject({ ok: true })
    }).pipe(Effect.scoped, Effect.provide(Database.layer({ url: "sqlite::memory:" })))
  )
})

describe("verify on a server", () => {
  const left = (name: string) =>
    Effect.map(
      rows(`SELECT datname FROM pg_database WHERE datname LIKE 'aquifer_scratch_%' AND datname LIKE '%${name}%'`),
      (found) => found.length
    )
  const postgres: Product = { name: "postgresql", database: freshDatabase }

  it.live(
    "interrupted in the middle it leaves no scratch database",
    () =>
      on(postgres, () =>
        Effect.gen(function* () {
          let scratch = ""
          const loader = Migrator.fromRecord({
            "1_a": Migration.make({
              up: Effect.gen(function* () {
                const sql = yield* SqlClient.SqlClient
                const [row] = yield* sql<{ name: string }>`SELECT current_database() AS name`
                scratch = row?.name ?? ""
                yield* sql`SELECT pg_sleep(600)`
              })
            })
          })
          const running = yield* Effect.fork(Migrator.verify({ loader }))
          yield* eventually(
            "it runs",
            Effect.sync(() => scratch),
            (name) => name !== ""
          )
          expect(yield* left(scratch)).toBe(1)
          yield* Fiber.interrupt(running)
          expect(yield* left(scratch)).toBe(0)
        })
      ),
    limit
  )

  it.live("without the right to create a database it says so", () =>
    on(postgres, (url) =>
      Effect.gen(function* () {
        const role = yield* freshRole(url)
        const directory = yield* folder({ "1_a.sql": table("a") })
        const error = yield* Effect.provide(
          Effect.flip(Migrator.verify({ directory })),
          Database.layer({ url: role.url })
        )
        expect(error).toMatchObject({ _tag: "AuthorizationError", sqlState: "42501" })
        expect(error.message).toMatch(/permission denied to create database.*CREATEDB/)
      })
    )
  )

  it.live("with a ledger in a schema of its own", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        yield* rows("CREATE SCHEMA history")
        const directory = yield* folder({ "1_a.sql": table("a"), "2_b.sql": table("b") })
        expect(yield* Migrator.verify({ directory, schema: "history", table: "versions" })).toMatchObject({ ok: true })
      })
    )
  )
})
