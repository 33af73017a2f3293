import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { Migration, Migrator, Operations, Table } from "effect-aquifer"
import {
  everywhere,
  folder,
  ledger,
  on,
  prepare,
  put,
  reason,
  refusal,
  rows,
  schema,
  table,
  tables
} from "./support.js"

const make = (name: string) => Operations.createTable(Table.make(name, { id: Table.int.pipe(Table.primaryKey) }))

for (const product of everywhere) {
  describe(`a revision's run on ${product.name}`, () => {
    prepare(product)
    it.live("a failing SQL file leaves nothing behind and names itself, its statement and its line", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder({
            "1_a.sql": table("a"),
            "2_b.sql":
              "-- migrate:up\nCREATE TABLE b (id integer);\nCREATE INDEX i ON b (id);\n\nINSERT INTO nowhere VALUES (1);\n",
            "3_c.sql": table("c")
          })
          const error = yield* refusal(Migrator.up({ directory }))
          expect(error).toMatchObject({ reason: "failed", revision: "2_b", line: 5 })
          expect(error.statement).toBe("INSERT INTO nowhere VALUES (1)")
          expect(error.cause).toMatchObject({ _tag: "SqlSyntaxError" })
          expect(error.message).toMatch(/^migration 2_b \(.*2_b\.sql:5\): .*nowhere.*Nothing of it was kept/)
          expect(yield* tables).toEqual(["a"])
          expect(yield* ledger).toEqual(["1 applied 0"])
          yield* put(directory, { "2_b.sql": table("b") })
          expect((yield* Migrator.up({ directory })).applied.map((done) => done.id)).toEqual(["2", "3"])
        })
      )
    )

    it.live("a failing, throwing or swallowing effect leaves nothing behind", () =>
      on(product, () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const before = yield* schema
          const bad = sql`INSERT INTO nowhere VALUES (1)`
          const attempt = (up: Migration.Migration["up"]) =>
            refusal(
              Migrator.up({
                loader: Migrator.fromRecord({ "1_x": Migration.make({ up: Effect.zipRight(make("x"), up) }) })
              })
            )
          const failing = yield* attempt(bad)
          expect(failing).toMatchObject({ reason: "failed", revision: "1_x", cause: { _tag: "SqlSyntaxError" } })
          expect(failing.statement).toContain("INSERT INTO nowhere")
          expect((yield* attempt(Effect.fail("no, not today"))).message).toContain("no, not today")
          expect((yield* attempt(Effect.die(new Error("thrown")))).message).toContain("thrown")
          expect((yield* attempt(make("x"))).cause).toMatchObject({ operation: "execute" })
          // A statement's failure that nobody hears of: PostgreSQL refuses all that follows, SQLite keeps the rest.
          if (product.name !== "sqlite") {
            const swallowed = yield* attempt(Effect.ignore(bad))
            expect(swallowed).toMatchObject({ reason: "failed", cause: { _tag: "TransactionAborted" } })
            expect(swallowed.statement).toContain("INSERT INTO nowhere")
          }
          expect(yield* schema).toEqual(before)
          expect(yield* ledger).toEqual([])
        })
      )
    )

    it.live("a body that ends its own transaction is told so", () =>
      on(product, () =>
        Effect.gen(function* () {
          const loader = Migrator.fromRecord({ "1_x": Migration.make({ up: Operations.execute("COMMIT") }) })
          expect((yield* refusal(Migrator.up({ loader }))).message).toContain("ended the transaction it ran in")
          const directory = yield* folder({ "1_x.sql": "-- migrate:up\nCREATE TABLE x (id integer);\nCOMMIT;" })
          const error = yield* refusal(Migrator.up({ directory }))
          expect(error).toMatchObject({ reason: "bad-sql", line: 3 })
          expect(yield* tables).toEqual([])
        })
      )
    )

    it.live("an interrupted migration leaves nothing behind, and no lock", () =>
      on(product, () =>
        Effect.gen(function* () {
          const started = yield* Effect.makeLatch()
          const loader = Migrator.fromRecord({
            "1_x": Migration.make({ up: make("x").pipe(Effect.zipRight(started.open), Effect.zipRight(Effect.never)) })
          })
          const running = yield* Effect.fork(Migrator.up({ loader }))
          yield* started.await
          expect(Exit.isInterrupted(yield* Fiber.interrupt(running))).toBe(true)
          expect(yield* tables).toEqual([])
          expect(yield* ledger).toEqual([])
          const again = Migrator.fromRecord({ "1_x": Migration.make({ up: make("x") }) })
          yield* Migrator.up({ loader: again, lockTimeout: 0 })
          expect(yield* tables).toEqual(["x"])
        })
      )
    )

    it.live("a body's own client speaks on the session that holds the migration", () =>
      on(product, () =>
        Effect.gen(function* () {
          const loader = Migrator.fromRecord({
            "1_x": Migration.make({
              up: Effect.gen(function* () {
                const sql = yield* SqlClient.SqlClient
                yield* make("x")
                yield* sql`INSERT INTO x ${sql.insert({ id: 1 })}`
                yield* Effect.either(
                  sql.withTransaction(
                    Effect.zipRight(sql`INSERT INTO x ${sql.insert({ id: 2 })}`, Effect.fail("undone"))
                  )
                )
                yield* sql.withTransaction(sql`INSERT INTO x ${sql.insert({ id: 3 })}`)
              })
            })
          })
          yield* Migrator.up({ loader })
          expect(yield* rows("SELECT id FROM x ORDER BY id")).toEqual([{ id: 1 }, { id: 3 }])
        })
      )
    )

    it.live("a statement that outlives its migration is refused", () =>
      on(product, () =>
        Effect.gen(function* () {
          const done = yield* Effect.makeLatch()
          let late: Exit.Exit<unknown, unknown> | undefined
          const loader = Migrator.fromRecord({
            "1_x": Migration.make({
              up: Effect.gen(function* () {
                const sql = yield* SqlClient.SqlClient
                yield* make("x")
                yield* Effect.forkDaemon(
                  Effect.map(Effect.exit(Effect.zipRight(done.await, sql`INSERT INTO x VALUES (1)`)), (exit) => {
                    late = exit
                  })
                )
              })
            })
          })
          yield* Migrator.up({ loader })
          yield* done.open
          yield* Effect.repeat(Effect.yieldNow(), { until: () => late !== undefined })
          expect(String(late)).toContain("the transaction this statement belongs to has ended")
          expect(yield* rows("SELECT id FROM x")).toEqual([])
        })
      )
    )

    it.live("a failing way back leaves the revision applied", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder({ "1_a.sql": `${table("a")}DROP TABLE nowhere;` })
          yield* Migrator.up({ directory })
          expect(yield* refusal(Migrator.down({ directory }))).toMatchObject({
            reason: "failed",
            statement: "DROP TABLE nowhere"
          })
          expect(yield* tables).toEqual(["a"])
          expect(yield* ledger).toEqual(["1 applied 0"])
        })
      )
    )

    it.live("without a transaction, it goes on at the statement that failed", () =>
      on(product, () =>
        Effect.gen(function* () {
          const text = (last: string) =>
            `-- transaction: false\n-- migrate:up\nCREATE TABLE a (id integer);\nCREATE TABLE b (id integer);\n${last};\nCREATE TABLE d (id integer);\n`
          const directory = yield* folder({ "1_a.sql": text("CREATE TABLE nowhere.c (id integer)") })
          const error = yield* refusal(Migrator.up({ directory }))
          expect(error).toMatchObject({ reason: "failed", line: 5 })
          expect(error.message).toContain("Of its 4 statements 2 are done")
          expect(yield* ledger).toEqual(["1 applying 2"])
          expect(yield* tables).toEqual(["a", "b"])
          expect((yield* rows("SELECT error FROM aquifer_migrations"))[0]?.error).toContain("nowhere")
          yield* put(directory, { "1_a.sql": text("CREATE TABLE c (id integer)") })
          yield* Migrator.up({ directory })
          expect(yield* tables).toEqual(["a", "b", "c", "d"])
          expect(yield* ledger).toEqual(["1 applied 4"])
          expect(yield* Migrator.up({ directory })).toMatchObject({ applied: [], already: 1 })
        })
      )
    )

    it.live("an effect without a transaction that stopped half-way is not run again blindly", () =>
      on(product, () =>
        Effect.gen(function* () {
          const loader = (up: Migration.Migration["up"]) =>
            Migrator.fromRecord({ "1_x": Migration.make({ up, transaction: false }) })
          const half = Effect.zipRight(make("x"), Effect.fail("half-way"))
          expect(yield* reason(Migrator.up({ loader: loader(half) }))).toBe("failed")
          const error = yield* refusal(Migrator.up({ loader: loader(half) }))
          expect(error.reason).toBe("interrupted")
          expect(error.message).toContain("half-way")
          yield* Migrator.repair({ loader: loader(half), applied: ["1_x"] })
          expect((yield* Migrator.up({ loader: loader(half) })).already).toBe(1)
        })
      )
    )
  })
}
