/** Plans: what they say is what a run does, and making them changes nothing. */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Database, LiveSchema, Migration, Migrator, Operations, Table } from "effect-aquifer"
import * as Connections from "../../src/connection/Connections.js"
import { statements } from "../../src/migration/SqlFile.js"
import { freshRole } from "../support/server.js"
import { folder, ledger, on, products, put, refusal, rows, schema, table, tables } from "./support.js"

const [, postgres] = products as [(typeof products)[0], (typeof products)[0]]

/** As the database's own program would: one statement after the other, stopping at the first error. */
const feed = (sql: string) =>
  Effect.gen(function* () {
    const connections = yield* Effect.flatMap(SqlClient.SqlClient, Connections.of)
    yield* Effect.scoped(
      Effect.flatMap(connections.own, (own) =>
        Effect.forEach(statements(sql), ({ text }) => own.script(text), { discard: true })
      )
    )
  })

const files = {
  "1_a.sql": table("a"),
  "2_b.ts": `
import { Migration, Operations, Table } from "effect-aquifer"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
const b = Table.make("b", { id: Table.int.pipe(Table.primaryKey), a: Table.int.pipe(Table.nullable), t: Table.text })
export default Migration.make({
  up: Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* Operations.createTable(b)
    yield* sql\`INSERT INTO b \${sql.insert({ id: 1, t: "it's; $1 and ?" })}\`
    const [row] = yield* sql\`SELECT count(*) AS n FROM b\`
    if (Number(row.n) !== 1) yield* Effect.fail("nobody answered")
    yield* Operations.alterColumn("b", "t", { nullable: true })
  }),
  down: Operations.dropTable("b")
})`,
  "3_c.sql": `-- transaction: false\n-- migrate:up\nCREATE TABLE c (id integer); -- why\nINSERT INTO c VALUES (1) -- end\n;\n-- migrate:down\nDROP TABLE c;\n`
}

for (const product of products) {
  describe(`a plan on ${product.name}`, () => {
    it.live("changes nothing, says where each text is from, and fed to the database does what up does", () =>
      on(product, (url) =>
        Effect.gen(function* () {
          const directory = yield* folder(files)
          const plan = yield* Migrator.plan({ directory })
          expect(yield* tables).toEqual([])
          expect((yield* Migrator.status({ directory })).applied).toBe(0)
          expect(
            plan.revisions.map(({ direction, from, id, transaction, warnings }) => [
              id,
              direction,
              from,
              transaction,
              warnings
            ])
          ).toEqual([
            ["1", "up", "text", true, []],
            ["2", "up", "scratch", true, []],
            ["3", "up", "text", false, []]
          ])
          expect(plan.sql).toContain("-- 2_b, up: recorded on a scratch database")
          expect(plan.sql).not.toContain("count(*)")
          yield* feed(plan.sql)
          const fed = { schema: yield* schema, ledger: yield* ledger, b: yield* rows("SELECT * FROM b") }
          expect(fed.ledger).toEqual(["1 applied 0", "2 applied 0", "3 applied 2"])
          expect(fed.b).toEqual([{ id: 1, a: null, t: "it's; $1 and ?" }])
          expect((yield* Migrator.status({ directory })).atHead).toBe(true)
          expect((yield* Migrator.history({ directory })).every((line) => line.appliedAt instanceof Date)).toBe(true)
          // As a run would have it.
          const other = yield* product.database
          yield* Effect.provide(
            Effect.gen(function* () {
              yield* Migrator.up({ directory })
              expect(LiveSchema.differences(fed.schema, yield* schema)).toEqual([])
              expect(yield* ledger).toEqual(fed.ledger)
            }),
            Database.layer({ url: other })
          )
          const back = yield* Migrator.plan({ directory, direction: "down", to: "base" })
          expect(back.revisions.map((one) => one.id)).toEqual(["3", "2", "1"])
          yield* feed(back.sql)
          expect(yield* tables).toEqual([])
          expect(yield* ledger).toEqual([])
          expect(url).toBeTruthy()
        })
      )
    )

    it.live("begins with what a run would take over from another tool's ledger", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder({ "1_a.sql": table("a"), "2_b.sql": table("b"), "3_c.sql": table("c") })
          const sql = yield* SqlClient.SqlClient
          yield* sql.unsafe(
            "CREATE TABLE effect_sql_migrations (migration_id integer PRIMARY KEY, name text, created_at text)"
          )
          yield* sql.unsafe("INSERT INTO effect_sql_migrations VALUES (1, 'a', '2026-01-02T03:04:05.000Z')")
          yield* sql.unsafe("CREATE TABLE a (id integer PRIMARY KEY)")
          const plan = yield* Migrator.plan({ directory })
          expect(plan.revisions.map((one) => one.id)).toEqual(["2", "3"])
          expect(yield* tables).not.toContain("b")
          yield* feed(plan.sql)
          expect(yield* rows("SELECT id, state, origin FROM aquifer_migrations ORDER BY sequence")).toEqual([
            { id: "1", state: "applied", origin: "adopted" },
            { id: "2", state: "applied", origin: "run" },
            { id: "3", state: "applied", origin: "run" }
          ])
          expect((yield* Migrator.status({ directory })).atHead).toBe(true)
        })
      )
    )

    it.live("goes on where a run without a transaction stopped, there and back, and says so", () =>
      on(product, () =>
        Effect.gen(function* () {
          const text = (last: string, back: string) =>
            `-- transaction: false\n-- migrate:up\nCREATE TABLE b (id integer);\n${last};\n-- migrate:down\nDROP TABLE b;\n${back};\n`
          const directory = yield* folder({
            "1_a.sql": table("a"),
            "2_b.sql": text("INSERT INTO nowhere VALUES (1)", "SELECT 1")
          })
          yield* refusal(Migrator.up({ directory }))
          expect(yield* ledger).toEqual(["1 applied 0", "2 applying 1"])
          yield* put(directory, { "2_b.sql": text("INSERT INTO b VALUES (1)", "INSERT INTO nowhere VALUES (1)") })
          const plan = yield* Migrator.plan({ directory })
          expect(plan.revisions).toMatchObject([
            {
              id: "2",
              statements: ["INSERT INTO b VALUES (1)"],
              warnings: [expect.stringMatching(/^an earlier run has done 1 /)]
            }
          ])
          yield* feed(plan.sql)
          expect(yield* ledger).toEqual(["1 applied 0", "2 applied 2"])
          expect(yield* rows("SELECT * FROM b")).toEqual([{ id: 1 }])
          // The mended file is the one that is applied.
          expect((yield* Migrator.status({ directory })).atHead).toBe(true)
          yield* refusal(Migrator.down({ directory }))
          expect(yield* ledger).toEqual(["1 applied 0", "2 reverting 1"])
          const back = yield* Migrator.plan({ directory, direction: "down" })
          expect(back.revisions).toMatchObject([{ id: "2", statements: ["INSERT INTO nowhere VALUES (1)"] }])
          yield* rows("CREATE TABLE nowhere (id integer)")
          yield* feed(back.sql)
          expect(yield* ledger).toEqual(["1 applied 0"])
        })
      )
    )

    it.live("is empty at the end of the history, and of any range needs no database at all", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder({ "1_a.sql": table("a"), "2_b.sql": table("b"), "3_c.sql": table("c") })
          const nowhere = Database.layer({
            url: product.name === "sqlite" ? "sqlite:/nowhere/at/all.db" : "postgresql://nobody@127.0.0.1:1/none",
            connect: "lazy"
          })
          const range = yield* Effect.provide(Migrator.plan({ directory, from: "1", to: "2" }), nowhere)
          expect(range.revisions.map((one) => [one.id, one.direction])).toEqual([["2", "up"]])
          expect(range.sql).toContain("CREATE TABLE b")
          const back = yield* Effect.provide(
            Migrator.plan({ directory, from: "3", to: "1", direction: "down" }),
            nowhere
          )
          expect(back.revisions.map((one) => one.id)).toEqual(["3", "2"])
          yield* Migrator.up({ directory })
          expect(yield* Migrator.plan({ directory })).toMatchObject({ revisions: [], sql: "" })
        })
      )
    )
  })

  describe(`verify on ${product.name}`, () => {
    it.live("goes there, back and there again, and leaves the database alone", () =>
      on(product, () =>
        Effect.gen(function* () {
          const found = yield* Migrator.verify({ directory: "migrations" })
          expect(found.ok).toBe(true)
          expect(found.revisions.map((one) => one.standing)).toEqual(["same", "same", "same", "same", "same"])
          expect(yield* tables).toEqual([])
        })
      )
    )

    it.live("names a way back that restores something else, and one that is not there", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder({
            "1_a.sql": table("a"),
            "2_b.sql": "-- migrate:up\nALTER TABLE a ADD COLUMN n integer;\n-- migrate:down\nSELECT 1;\n".replace(
              "SELECT 1;",
              "ALTER TABLE a RENAME COLUMN n TO m; ALTER TABLE a RENAME COLUMN m TO o;"
            ),
            "3_c.sql": "-- migrate:up\nCREATE TABLE c (id integer);\n"
          })
          const error = yield* Migrator.verify({ directory })
          expect(error.ok).toBe(false)
          expect(error.revisions.map((one) => one.standing)).toEqual(["same", "differs", "irreversible"])
          expect(error.revisions[1]?.back.join()).toContain("tables.a.columns.o")
          const broken = yield* folder({ "1_a.sql": `${table("a")}DROP TABLE nowhere;\n` })
          expect(yield* refusal(Migrator.verify({ directory: broken }))).toMatchObject({
            reason: "failed",
            revision: "1_a",
            statement: "DROP TABLE nowhere"
          })
          expect(yield* tables).toEqual([])
        })
      )
    )
  })
}

describe("without a scratch database", () => {
  it.live("an effect is recorded where nothing answers, and the plan says so", () =>
    on(postgres, (url) =>
      Effect.gen(function* () {
        const role = yield* freshRole(url)
        const sql = yield* SqlClient.SqlClient
        const up = Effect.gen(function* () {
          yield* Operations.createTable(Table.make("x", { id: Table.int.pipe(Table.primaryKey) }))
          yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO x ${sql.insert({ id: 1 })}`)
          yield* Effect.fail("and then it wants an answer")
        })
        const loader = Migrator.fromRecord({ "1_x": Migration.make({ up }) })
        const plan = yield* Effect.provide(Migrator.plan({ loader }), Database.layer({ url: role.url }))
        expect(plan.revisions[0]).toMatchObject({ from: "paper" })
        expect(plan.revisions[0]?.statements.join("\n")).toMatch(
          /CREATE TABLE "x"[\s\S]*INSERT INTO x \("id"\) VALUES \('?1'?\)/
        )
        expect(plan.sql).toMatch(/-- WARNING: nothing answered what it asked .*permission denied/)
        expect(plan.sql).toContain("and then it wants an answer")
        // Other tests of this server have scratch databases of their own.
        const left = sql`SELECT 1 AS one FROM pg_database WHERE datname LIKE 'aquifer_scratch_%' AND pg_get_userbyid(datdba) = ${role.name}`
        expect(yield* left).toEqual([])
      })
    )
  )
})
