/** What may go wrong between a runner and its database: every time a typed failure, and never half a migration. */

import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Database, Migration, Migrator, Operations, Table } from "effect-aquifer"
import { freshRole } from "../support/server.js"
import { folder, ledger, on, products, refusal, rows, schema, table, tables } from "./support.js"

const [sqlite, postgres] = products as [(typeof products)[0], (typeof products)[0]]
const make = (name: string) => Operations.createTable(Table.make(name, { id: Table.int.pipe(Table.primaryKey) }))
const run = (text: string) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(text))
const only = (up: Migration.Migration["up"], transaction = true) =>
  Migrator.fromRecord({ "1_x": Migration.make({ up, transaction }) })

/** `b` refers to `a`, checked when the transaction ends. */
const pair = Operations.createTable(Table.make("a", { id: Table.int.pipe(Table.primaryKey) })).pipe(
  Effect.zipRight(
    Operations.createTable(
      Table.make("b", { a: Table.int.pipe(Table.references("a.id", { deferrable: true, onDelete: "cascade" })) })
    )
  )
)

for (const product of products) {
  describe(`on ${product.name}`, () => {
    it.live("what is refused only at the end is a typed failure too, and nothing is kept", () =>
      on(product, () =>
        Effect.gen(function* () {
          const error = yield* refusal(
            Migrator.up({ loader: only(Effect.zipRight(pair, run("INSERT INTO b VALUES (1)"))) })
          )
          expect(error).toMatchObject({ reason: "failed", revision: "1_x", cause: { _tag: "ForeignKeyViolation" } })
          expect(yield* tables).toEqual([])
          expect(yield* ledger).toEqual([])
        })
      )
    )

    it.live("foreign keys act again when migrations are over", () =>
      on(product, () =>
        Effect.gen(function* () {
          yield* Migrator.up({ loader: only(pair) })
          yield* run("INSERT INTO a VALUES (1)")
          yield* run("INSERT INTO b VALUES (1)")
          yield* run("DELETE FROM a")
          expect(yield* rows("SELECT * FROM b")).toEqual([])
        })
      )
    )

    it.live("a table that is not there cannot be changed, and is named", () =>
      on(product, () =>
        Effect.gen(function* () {
          for (const up of [
            Operations.dropConstraint("nowhere", "c"),
            Operations.dropColumn("nowhere", "c"),
            Operations.alterColumn("nowhere", "c", { nullable: true }),
            Operations.addConstraint("nowhere", Table.uniqueOf(["c"]))
          ]) {
            const error = yield* refusal(Migrator.up({ loader: only(up) }))
            expect(error.reason).toBe("failed")
            expect(error.message).toContain("nowhere")
          }
          yield* Migrator.up({ loader: only(make("x")), table: "made_aquifer_migrations" })
          for (const up of [Operations.dropConstraint("x", "lost"), Operations.dropColumn("x", "lost")]) {
            expect((yield* refusal(Migrator.up({ loader: only(up) }))).message).toContain("lost")
          }
          expect(yield* ledger).toEqual([])
        })
      )
    )
  })
}

describe("on postgresql alone", () => {
  it.live("a session killed in the middle leaves nothing, and the next run does it all", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        const kill = run("SELECT pg_terminate_backend(pg_backend_pid())")
        const error = yield* refusal(Migrator.up({ loader: only(Effect.zipRight(make("x"), kill)) }))
        expect(error).toMatchObject({ reason: "failed", cause: { _tag: "ConnectionError" } })
        expect(error.message).toContain("run again when the database is back")
        expect(yield* tables).toEqual([])
        yield* Migrator.up({ loader: only(make("x")), lockTimeout: "10 seconds" })
        expect(yield* ledger).toEqual(["1 applied 0"])
      })
    )
  )

  it.live("a lock somebody's query holds is waited for by trying the whole revision again", () =>
    on(postgres, (url) =>
      Effect.gen(function* () {
        yield* Migrator.up({ loader: only(make("x")), table: "one_aquifer_migrations" })
        const locked = yield* Effect.makeLatch()
        const tried = yield* Effect.makeLatch()
        let tries = 0
        const holder = Effect.flatMap(SqlClient.SqlClient, (sql) =>
          sql.withTransaction(sql`LOCK TABLE x`.pipe(Effect.zipRight(locked.open), Effect.zipRight(tried.await)))
        )
        yield* Effect.forkScoped(Effect.provide(holder, Database.layer({ url })))
        yield* locked.await
        const up = Effect.gen(function* () {
          tries++
          if (tries === 2) yield* tried.open
          yield* run(`SET LOCAL lock_timeout = '${tries === 1 ? 50 : 5000}ms'`)
          yield* Operations.addColumn("x", "more", Table.text.pipe(Table.nullable))
        })
        yield* Migrator.up({ loader: only(up) })
        expect(tries).toBe(2)
        expect(yield* ledger).toEqual(["1 applied 0"])
      })
    )
  )

  it.live("interrupted while a statement runs, it stops the statement and lets go of everything", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        const running = yield* Effect.fork(
          Migrator.up({ loader: only(Effect.zipRight(make("x"), run("SELECT pg_sleep(60)"))) })
        )
        const sleeping = rows(
          "SELECT 1 AS one FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'"
        )
        yield* Effect.repeat(Effect.delay(sleeping, 10), { until: (found) => found.length === 1 })
        yield* Fiber.interrupt(running)
        expect(yield* sleeping).toEqual([])
        expect(
          yield* rows(
            "SELECT 1 AS one FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
          )
        ).toEqual([])
        expect(yield* tables).toEqual([])
        expect(yield* ledger).toEqual([])
      })
    )
  )

  it.live("a role that may not make the ledger is told so: never success with nothing done", () =>
    on(postgres, (url) =>
      Effect.gen(function* () {
        const role = yield* freshRole(url)
        const error = yield* Effect.flip(
          Effect.provide(Migrator.up({ loader: only(make("x")) }), Database.layer({ url: role.url }))
        )
        expect(error).toMatchObject({ _tag: "AuthorizationError" })
        expect(yield* tables).toEqual([])
      })
    )
  )

  it.live("a ledger that refuses the row takes the migration back", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        yield* Migrator.up({ loader: Migrator.fromRecord({}) })
        yield* Migrator.up({ loader: Migrator.fromRecord({ "0_first": Migration.make({ up: Effect.void }) }) })
        yield* run("ALTER TABLE aquifer_migrations ADD CONSTRAINT full_up CHECK (id <> '1')")
        const loader = Migrator.fromRecord({
          "0_first": Migration.make({ up: Effect.void }),
          "1_x": Migration.make({ up: make("x") })
        })
        const error = yield* refusal(Migrator.up({ loader }))
        expect(error).toMatchObject({ reason: "failed", revision: "1_x", cause: { _tag: "CheckViolation" } })
        expect(yield* tables).toEqual([])
        expect(yield* ledger).toEqual(["0 applied 0"])
      })
    )
  )

  it.live("what cannot run in a transaction runs without one, the rest step by step", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        const text = "CREATE TABLE x (id integer); CREATE INDEX CONCURRENTLY by_id ON x (id); VACUUM x"
        const directory = yield* folder({ "1_x.sql": `-- transaction: false\n-- migrate:up\n${text};\n` })
        yield* Migrator.up({ directory })
        const [table] = (yield* schema).tables
        expect(table?.indexes).toMatchObject([{ name: "by_id", valid: true }])
        expect(yield* ledger).toEqual(["1 applied 3"])
      })
    )
  )
})

describe("on sqlite alone", () => {
  it.live("rows that referred to nothing before are not held against a migration, one more is", () =>
    on(sqlite, (url) =>
      Effect.gen(function* () {
        yield* Migrator.up({ loader: only(pair), table: "one_aquifer_migrations" })
        const file = new Sqlite(url.slice("sqlite:".length))
        file.pragma("foreign_keys = OFF")
        file.exec("INSERT INTO b VALUES (1)")
        file.close()
        const error = yield* refusal(Migrator.up({ loader: only(run("INSERT INTO b VALUES (2)")) }))
        expect(error.message).toContain('2 row(s) of "b" refer to nothing in "a"')
        yield* Migrator.up({ loader: only(make("c")) })
        expect(yield* ledger).toEqual(["1 applied 0"])
      })
    )
  )

  it.scoped("migrations of the program itself and SQL files run under Effect.runSync", () =>
    Effect.gen(function* () {
      const directory = yield* folder({ "1_y.sql": table("y") })
      const program = Migrator.up({ loader: only(make("x")), table: "one_aquifer_migrations" }).pipe(
        Effect.zipRight(Migrator.up({ directory })),
        Effect.zipRight(tables)
      )
      expect(Effect.runSync(Effect.provide(program, Database.layer({ url: "sqlite::memory:" })))).toEqual(["x", "y"])
    })
  )

  it.live("an exclusion constraint or a second numbered column is refused by name, with a way out", () =>
    on(sqlite, () =>
      Effect.gen(function* () {
        yield* Migrator.up({ loader: only(make("x")), table: "one_aquifer_migrations" })
        const exclusion = yield* refusal(
          Migrator.up({ loader: only(Operations.addConstraint("x", Table.exclude("id WITH ="))) })
        )
        expect(exclusion.cause).toMatchObject({ _tag: "UnsupportedError" })
        const numbered = Table.make("y", { id: Table.int.pipe(Table.primaryKey), n: Table.int.pipe(Table.identity) })
        expect((yield* refusal(Migrator.up({ loader: only(Operations.createTable(numbered)) }))).message).toContain(
          "y.n"
        )
      })
    )
  )
})
