/** The lock as a leased row: where a pooler in transaction mode stands in between, and on products without session locks. */

import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { Database, Migration, Migrator, Operations, Table } from "effect-aquifer"
import * as Connections from "../../src/connection/Connections.js"
import { leasedRow } from "../../src/dialect/leasedRow.js"
import { watch } from "../../src/migration/watch.js"
import { folder, ledger, on, products, reason, refusal, rows, table, tables } from "./support.js"

const [, postgres] = products as [(typeof products)[0], (typeof products)[0]]
const pooled = { pooler: "transaction" } as const
const five = Object.fromEntries(["a", "b", "c", "d", "e"].map((name, i) => [`${i + 1}_${name}.sql`, table(name)]))
const make = (name: string) => Operations.createTable(Table.make(name, { id: Table.int.pipe(Table.primaryKey) }))
const quick = { lease: Duration.millis(2_000), heartbeat: Duration.millis(200) }

/** Takes the lease on a session of its own, for as long as the scope lasts. */
const lease = (cut?: { dead: boolean }, patient = false) =>
  Effect.gen(function* () {
    const { config, dialect } = yield* Effect.flatMap(SqlClient.SqlClient, Connections.of)
    const own = yield* dialect.connect(config, "writer")
    // A runner that is cut off renews nothing, whatever it tries.
    const connect: typeof dialect.connect = (config, role) =>
      Effect.map(dialect.connect(config, role), (connection) => ({
        ...watch(connection).connection,
        run: (request) => (cut?.dead === true ? Effect.never : connection.run(request))
      }))
    const take = leasedRow({ ...dialect, connect }, config, quick)(own, "ledger")
    const lock = yield* patient
      ? Effect.retry(take, { while: (error) => error._tag === "LockTimeoutError", schedule: Schedule.spaced(50) })
      : take
    return { own, lock }
  })

/** Other tests hold theirs on the same server, in databases of their own. */
const ownLocks = `SELECT 1 AS one FROM pg_locks WHERE locktype = 'advisory'
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`

describe("a leased row", () => {
  it.live("lets one of many runners apply, and the others find everything done", () =>
    on(
      postgres,
      (url) =>
        Effect.gen(function* () {
          const directory = yield* folder(five)
          const run = Effect.provide(Migrator.up({ directory }), Database.layer({ url, ...pooled }))
          const reports = yield* Effect.all(
            Array.from({ length: 6 }, () => run),
            { concurrency: "unbounded" }
          )
          expect(reports.map((report) => report.applied.length).sort()).toEqual([0, 0, 0, 0, 0, 5])
          expect(yield* ledger).toEqual(["1", "2", "3", "4", "5"].map((id) => `${id} applied 0`))
          expect(yield* rows(ownLocks)).toEqual([])
          yield* Migrator.down({ directory, to: "base" })
          expect(yield* tables).toEqual(["aquifer_migrations_lock"])
        }),
      pooled
    )
  )

  it.live("names its holder, and until when it is leased", () =>
    on(
      postgres,
      (url) =>
        Effect.gen(function* () {
          const started = yield* Effect.makeLatch()
          const loader = Migrator.fromRecord({
            "1_x": Migration.make({ up: Effect.zipRight(started.open, Effect.never) })
          })
          yield* Effect.forkScoped(
            Effect.provide(Migrator.up({ loader }), Database.layer({ url, ...pooled, applicationName: "the lessee" }))
          )
          yield* started.await
          const error = yield* refusal(Migrator.up({ loader, lockTimeout: "100 millis" }))
          expect(error.reason).toBe("locked")
          expect(error.message).toMatch(/^the lessee on .+, process \d+ \(its lease ends in (?:29|30) s\)/)
        }),
      pooled
    )
  )

  it.live("and a session's lock keep each other out, whoever comes first", () =>
    on(postgres, (url) =>
      Effect.gen(function* () {
        const direct = Database.layer({ url })
        const behind = Database.layer({ url, ...pooled })
        const loader = (up: Migration.Migration["up"]) => Migrator.fromRecord({ "1_x": Migration.make({ up }) })
        for (const [first, second] of [
          [direct, behind],
          [behind, direct]
        ] as const) {
          const started = yield* Effect.makeLatch()
          const holder = yield* Effect.fork(
            Effect.provide(Migrator.up({ loader: loader(Effect.zipRight(started.open, Effect.never)) }), first)
          )
          yield* started.await
          const waiting = Migrator.up({ loader: loader(make("x")), lockTimeout: "100 millis" })
          expect(yield* reason(Effect.provide(waiting, second))).toBe("locked")
          yield* Fiber.interrupt(holder)
          expect((yield* Effect.provide(waiting, second)).applied).toHaveLength(1)
          yield* Effect.provide(Migrator.repair({ loader: loader(make("x")), forget: ["1"] }), second)
          yield* rows("DROP TABLE x")
        }
      })
    )
  )

  it.live("is renewed while the holder lives, and given back at once", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { lock } = yield* Scope.extend(lease(), scope)
        yield* Effect.sleep(3_500)
        yield* lock.fence
        expect((yield* Effect.flip(Effect.scoped(lease())))._tag).toBe("LockTimeoutError")
        yield* Scope.close(scope, Exit.void)
        yield* lease()
        // Taken, given back, taken.
        expect(yield* rows("SELECT token FROM ledger_lock")).toEqual([{ token: "3" }])
      })
    )
  )

  it.live("is taken over when its holder is cut off, who then can write nothing into the ledger", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        const cut = { dead: false }
        const { lock, own } = yield* lease(cut)
        yield* lock.fence
        cut.dead = true
        const taken = yield* lease(undefined, true)
        const error = yield* Effect.flip(lock.fence)
        expect(error).toMatchObject({ _tag: "ConnectionError", sent: false })
        expect(error.message).toContain("taken over")
        yield* taken.lock.fence
        expect(own.status()).toBe("idle")
        expect(yield* rows("SELECT token FROM ledger_lock")).toEqual([{ token: "2" }])
      })
    )
  )

  it.live("a revision whose lease is lost while it runs is not committed", () =>
    on(
      postgres,
      () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          // As whoever takes it over does, on a connection beside the revision's.
          const steal = Effect.scoped(
            Effect.flatMap(sql.reserve, (connection) =>
              connection.executeUnprepared(
                "UPDATE aquifer_migrations_lock SET token = token + 1, holder = 'another'",
                [],
                undefined
              )
            )
          )
          const stolen = Effect.zipRight(make("x"), steal)
          const error = yield* refusal(
            Migrator.up({ loader: Migrator.fromRecord({ "1_x": Migration.make({ up: stolen }) }) })
          )
          expect(error).toMatchObject({ reason: "failed", cause: { _tag: "ConnectionError" } })
          expect(yield* ledger).toEqual([])
          expect(yield* tables).toEqual(["aquifer_migrations_lock"])
        }),
      pooled
    )
  )
})
