/**
 * Read replicas on a real primary with a real streaming standby: where reads go, what becomes of them when the standby is
 * stopped, cut, paused or killed, and that nothing can be written there.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlResolver from "@effect/sql/SqlResolver"
import { describe, expect } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import {
  Copy,
  Database,
  DatabaseConfig,
  DatabaseError,
  Diagnostics,
  Dialect,
  Health,
  Pool,
  Transaction
} from "effect-aquifer"
import { query } from "../support/server.js"
import { sharedPair } from "../support/sharedPair.js"
import { eventually } from "./world.js"

const shared = sharedPair(({ primary }) => query(primary.url, "CREATE TABLE written (id integer PRIMARY KEY)"))

/** A test on the pair; its client has one replica unless it says otherwise. */
const promise = (
  title: string,
  body: (world: World) => Effect.Effect<unknown, unknown, Scope.Scope>,
  options: () => Partial<Database.Options> = () => ({})
) =>
  shared.promise(title, () =>
    Effect.gen(function* () {
      yield* query(shared.servers.primary.url, "TRUNCATE written")
      yield* shared.servers.caughtUp
      yield* body(yield* worldWith(options()))
    })
  )

type World = Effect.Effect.Success<ReturnType<typeof worldWith>>

const worldWith = (options: Partial<Database.Options>) =>
  Effect.gen(function* () {
    const services = yield* Layer.build(
      Database.layer({
        url: shared.servers.primary.url,
        replicaUrls: [shared.servers.standby.url],
        profile: "development",
        ssl: "disable",
        retry: { connection: { maxRetries: 20, baseDelay: "10 millis", maxDelay: "500 millis" } },
        ...options
      })
    )
    const sql = Context.get(services, SqlClient.SqlClient)
    const pool = Context.get(services, Pool.Pool)
    const here = <A, E>(effect: Effect.Effect<A, E, SqlClient.SqlClient>) => Effect.provide(effect, services)
    const onReplica = <A, E>(effect: Effect.Effect<A, E, SqlClient.SqlClient>, more?: Database.ReplicaOptions) =>
      here(Database.onReplica(effect, more))
    const where = Effect.map(
      sql<{ standby: boolean }>`SELECT pg_is_in_recovery() AS standby`,
      (rows) => rows[0]?.standby === true
    )
    return { services, sql, pool, here, onReplica, where }
  })

const tagOf = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.flip(effect), (error) => DatabaseError.find(error)?._tag)

const ids = (url: string) =>
  Effect.map(query(url, "SELECT id FROM written ORDER BY id"), (rows) => rows.map(({ id }) => id))

describe("where reads go", () => {
  promise("a statement goes to the standby, and outside to the primary", ({ onReplica, where }) =>
    Effect.gen(function* () {
      expect(yield* onReplica(where)).toBe(true)
      expect(yield* where).toBe(false)
      expect(yield* Effect.all([onReplica(where), where], { concurrency: 2 })).toEqual([true, false])
    })
  )

  promise(
    "a transaction, a stream, a reserved connection, COPY and a resolver go there, too",
    ({ here, onReplica, sql, where }) =>
      Effect.gen(function* () {
        yield* query(shared.servers.primary.url, "INSERT INTO written SELECT generate_series(1, 500)")
        yield* shared.servers.caughtUp
        expect(yield* onReplica(Transaction.run(Effect.zip(where, where)))).toEqual([true, true])
        expect(yield* onReplica(sql.withTransaction(where))).toBe(true)
        const standbys = sql<{ standby: boolean }>`SELECT pg_is_in_recovery() AS standby FROM written`
        const streamed = yield* onReplica(Stream.runCollect(standbys.stream))
        expect(Chunk.toReadonlyArray(streamed).map(({ standby }) => standby)).toEqual(Array(500).fill(true))
        const reserved = Effect.scoped(
          Effect.flatMap(sql.reserve, (connection) => connection.executeValues("SELECT pg_is_in_recovery()", []))
        )
        expect(yield* onReplica(reserved)).toEqual([[true]])
        const copied = Stream.runCollect(Stream.decodeText(Copy.out("COPY (SELECT pg_is_in_recovery()) TO STDOUT")))
        expect(Chunk.join(yield* onReplica(copied), "")).toBe("t\n")
        const resolver = yield* here(
          SqlResolver.findById("Where", {
            Id: Schema.Number,
            Result: Schema.Struct({ id: Schema.Number, standby: Schema.Boolean }),
            ResultId: ({ id }) => id,
            execute: (ids) => sql`SELECT id, pg_is_in_recovery() AS standby FROM written WHERE ${sql.in("id", ids)}`
          })
        )
        const found = yield* onReplica(
          Effect.forEach([1, 2, 3], (id) => resolver.execute(id), { batching: true, concurrency: "unbounded" })
        )
        expect(found.map((one) => (one._tag === "Some" ? one.value.standby : undefined))).toEqual([true, true, true])
      })
  )

  promise("the two ways of writing it are one", ({ here, where }) =>
    Effect.gen(function* () {
      expect(yield* here(where.pipe(Database.onReplica()))).toBe(true)
      expect(yield* here(where.pipe(Database.onReplica({ maxStaleness: "1 minute" })))).toBe(true)
      expect(yield* here(Database.onReplica(Database.onReplica(where)))).toBe(true)
    })
  )

  promise("inside a transaction it is the transaction's, and sees what that has written", ({ here, sql }) =>
    Effect.gen(function* () {
      const look = sql<{ standby: boolean; n: number }>`
        SELECT pg_is_in_recovery() AS standby, count(*)::int AS n FROM written`
      const inside = Effect.zipRight(sql`INSERT INTO written VALUES (1)`, Database.onReplica(look))
      expect(yield* here(Transaction.run(inside))).toEqual([{ standby: false, n: 1 }])
      expect(yield* ids(shared.servers.primary.url)).toEqual([1])
    })
  )

  promise("another client's transaction is no reason to stay", ({ onReplica, where }) =>
    Effect.gen(function* () {
      const other = yield* worldWith({ replicaUrls: [] })
      const both = other.here(Transaction.run(Effect.zip(onReplica(Effect.zip(where, other.where)), other.where)))
      expect(yield* both).toEqual([[true, false], false])
    })
  )

  promise(
    "several replicas share the work, the least busy first",
    ({ onReplica, pool, sql, where }) =>
      Effect.gen(function* () {
        const places = yield* Effect.replicateEffect(onReplica(where), 20)
        expect(new Set(places)).toEqual(new Set([true, false]))
        yield* Effect.replicateEffect(onReplica(sql`SELECT pg_sleep(0.2)`), 8, { concurrency: "unbounded" })
        const { replicas = [] } = yield* pool.status
        expect(replicas.map(({ state }) => state)).toEqual(["up", "up"])
        for (const { pool } of replicas) expect(pool.totals.acquired).toBeGreaterThanOrEqual(4)
        expect(replicas[0]?.pool.totals.opened).toBeLessThanOrEqual(6)
      }),
    () => ({ replicaUrls: [shared.servers.standby.url, shared.servers.primary.url] })
  )
})

describe("nothing is written", () => {
  const attempts = ({ onReplica, sql }: World) => [
    onReplica(sql`INSERT INTO written VALUES (1)`),
    onReplica(sql.unsafe("INSERT INTO written VALUES (2); INSERT INTO written VALUES (3)")),
    onReplica(sql.withTransaction(sql`INSERT INTO written VALUES (4)`)),
    onReplica(Transaction.run(sql`INSERT INTO written VALUES (5)`)),
    onReplica(Transaction.run(sql`INSERT INTO written VALUES (6)`, { access: "read write" })),
    onReplica(Stream.runDrain(sql`INSERT INTO written VALUES (7) RETURNING id`.stream)),
    onReplica(Copy.into({ table: "written" }, Stream.make("8\n"))),
    onReplica(
      Effect.scoped(
        Effect.flatMap(sql.reserve, (connection) => connection.executeValues("INSERT INTO written VALUES (9)", []))
      )
    ),
    onReplica(sql`WITH made AS (INSERT INTO written VALUES (10) RETURNING id) SELECT id FROM made`),
    onReplica(sql`SELECT nextval('numbers')`)
  ]

  const refused = (world: World) =>
    Effect.gen(function* () {
      yield* query(shared.servers.primary.url, "CREATE SEQUENCE IF NOT EXISTS numbers")
      yield* shared.servers.caughtUp
      yield* world.onReplica(world.where)
      const before = yield* world.pool.status
      for (const attempt of attempts(world)) expect(yield* tagOf(attempt)).toBe("ReadOnlyError")
      expect(yield* ids(shared.servers.primary.url)).toEqual([])
      // Nobody took that for a failover.
      const after = yield* world.pool.status
      expect(after.totals.opened - before.totals.opened).toBeLessThanOrEqual(1)
      expect(after.invalidated).toBe(before.invalidated)
      expect(yield* world.where).toBe(false)
      yield* world.sql`INSERT INTO written VALUES (11)`
      expect(yield* ids(shared.servers.primary.url)).toEqual([11])
    })

  promise("on the standby", refused)
  promise("on the primary that stands in for a replica that is not there", refused, () => ({
    replicaUrls: ["postgresql://u:secret@127.0.0.1:1/d"]
  }))
  promise("on the primary where there is no replica", refused, () => ({ replicaUrls: [] }))
  promise("on a primary that was named as a replica", refused, () => ({ replicaUrls: [shared.servers.primary.url] }))
  promise("on such a primary where sessions cannot be opened read only (a pooler refuses that)", refused, () => ({
    replicaUrls: [shared.servers.primary.url],
    pooler: "transaction"
  }))

  promise(
    "nor is anything left on the sessions",
    ({ onReplica, pool, sql, where }) =>
      Effect.gen(function* () {
        yield* onReplica(sql`SET work_mem = '77MB'`)
        const settings = yield* Effect.replicateEffect(onReplica(sql<{ work_mem: string }>`SHOW work_mem`), 4)
        expect(settings.flat().filter(({ work_mem }) => work_mem === "77MB")).toEqual([])
        expect(yield* where).toBe(false)
        expect((yield* pool.status).checkedOut).toBe(0)
        yield* sql`INSERT INTO written VALUES (1)`
      }),
    () => ({ replicaUrls: [], pool: { size: 1, maxOverflow: 0 } })
  )
})

describe("a replica that goes", () => {
  promise("reads go to the primary while it is stopped, and back when it is back", ({ here, onReplica, pool, where }) =>
    Effect.gen(function* () {
      expect(yield* onReplica(where)).toBe(true)
      yield* shared.servers.standby.stop
      yield* Effect.addFinalizer(() => shared.servers.standby.start)
      expect(yield* Effect.replicateEffect(onReplica(where), 20, { concurrency: 4 })).toEqual(Array(20).fill(false))
      expect(yield* onReplica(Transaction.run(where))).toBe(false)
      const { "aquifer.replica.fallbacks": fallbacks } = yield* here(Diagnostics.counters)
      expect(fallbacks).toBeGreaterThanOrEqual(21)
      const report = yield* here(Health.check)
      expect(report.status).toBe("up")
      expect(report.pool.replicas).toMatchObject([{ state: "down", error: { _tag: "ConnectionError" } }])
      yield* shared.servers.standby.start
      yield* Effect.addFinalizer(() => shared.servers.standby.stop)
      yield* eventually("reads go to the standby again", onReplica(where), (standby) => standby, "60 seconds")
      expect((yield* pool.status).replicas?.[0]?.state).toBe("up")
    })
  )

  promise("a read whose session is ended is answered all the same", ({ onReplica, pool, sql }) =>
    Effect.gen(function* () {
      const slow = sql<{ standby: boolean }>`SELECT pg_is_in_recovery() AS standby, pg_sleep(1.5) /* cut */`
      const reading = yield* Effect.fork(onReplica(slow))
      const cut = query(
        shared.servers.standby.url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%/* cut */' AND pid <> pg_backend_pid()"
      )
      yield* eventually("it is cut", cut, (rows) => rows.length > 0)
      expect(yield* Fiber.join(reading)).toMatchObject([{ standby: false }])
      expect((yield* pool.status).checkedOut).toBe(0)
    })
  )

  promise("a transaction that is cut is run again", ({ onReplica, sql }) =>
    Effect.gen(function* () {
      let cuts = 0
      const cut = Effect.suspend(() =>
        cuts++ > 0
          ? Effect.void
          : query(
              shared.servers.standby.url,
              "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE query LIKE '%/* mine */' AND pid <> pg_backend_pid()"
            )
      )
      const body = Effect.zipRight(Effect.zipRight(sql`SELECT 1 /* mine */`, cut), sql<{ n: number }>`SELECT 2 AS n`)
      const tried = yield* onReplica(Transaction.run(Effect.zip(body, Transaction.attempt)))
      expect(tried).toEqual([[{ n: 2 }], 2])
    })
  )

  promise("a read that stands in the way of the replay is answered elsewhere", ({ onReplica, sql }) =>
    Effect.gen(function* () {
      yield* query(shared.servers.primary.url, "INSERT INTO written VALUES (1)")
      yield* query(shared.servers.standby.url, "ALTER SYSTEM SET max_standby_streaming_delay = '50ms'")
      yield* query(shared.servers.standby.url, "SELECT pg_reload_conf()")
      yield* shared.servers.caughtUp
      const slow = sql<{
        standby: boolean
      }>`SELECT pg_is_in_recovery() AS standby, pg_sleep(2) FROM written /* behind */`
      const reading = yield* Effect.fork(onReplica(slow))
      yield* eventually(
        "it reads",
        query(
          shared.servers.standby.url,
          "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%/* behind */' AND pid <> pg_backend_pid()"
        ),
        (rows) => rows.length > 0
      )
      // The replay needs the table for itself.
      yield* query(shared.servers.primary.url, "ALTER TABLE written ADD COLUMN IF NOT EXISTS more integer")
      expect(yield* Fiber.join(reading)).toMatchObject([{ standby: false }])
    })
  )

  promise("an interrupted read is stopped there, and nothing leaks", ({ onReplica, pool, sql, where }) =>
    Effect.gen(function* () {
      yield* onReplica(where)
      const reading = yield* Effect.fork(onReplica(sql`SELECT pg_sleep(60) /* stopped */`))
      const running = query(
        shared.servers.standby.url,
        "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%/* stopped */' AND state = 'active' AND pid <> pg_backend_pid()"
      )
      yield* eventually("it runs", running, (rows) => rows.length === 1)
      yield* Fiber.interrupt(reading)
      expect(yield* running).toEqual([])
      yield* eventually("its session is back", pool.status, ({ replicas }) => replicas?.[0]?.pool.checkedOut === 0)
      expect(yield* onReplica(where)).toBe(true)
    })
  )
})

describe("how old a replica may be", () => {
  promise("one that has fallen behind is left alone until it has caught up", ({ onReplica, pool, sql, where }) =>
    Effect.gen(function* () {
      const bounded = onReplica(where, { maxStaleness: "2 seconds" })
      expect(yield* bounded).toBe(true)
      yield* query(shared.servers.standby.url, "SELECT pg_wal_replay_pause()")
      yield* Effect.addFinalizer(() =>
        Effect.ignore(query(shared.servers.standby.url, "SELECT pg_wal_replay_resume()"))
      )
      yield* sql`INSERT INTO written VALUES (1)`
      yield* eventually("it is too old", bounded, (standby) => !standby)
      expect(yield* Effect.replicateEffect(bounded, 10)).toEqual(Array(10).fill(false))
      expect(yield* onReplica(where, { maxStaleness: "off" })).toBe(true)
      expect(yield* onReplica(where, { maxStaleness: "1 hour" })).toBe(true)
      expect((yield* pool.status).replicas?.[0]?.staleness).toBeGreaterThan(1_000)
      yield* query(shared.servers.standby.url, "SELECT pg_wal_replay_resume()")
      yield* eventually("it has caught up", bounded, (standby) => standby)
      expect(yield* onReplica(sql`SELECT id FROM written`, { maxStaleness: "2 seconds" })).toEqual([{ id: 1 }])
    })
  )

  promise("an idle primary makes no replica old, and it is not asked with every read", ({ onReplica, pool, where }) =>
    Effect.gen(function* () {
      const start = performance.now()
      const places: Array<boolean> = []
      // Nothing is written for twice the bound.
      for (let turn = 0; turn < 60; turn++) {
        places.push(yield* onReplica(where, { maxStaleness: "1500 millis" }))
        yield* Effect.sleep("50 millis")
      }
      expect(places).toEqual(Array(60).fill(true))
      const { lanes, totals } = (yield* pool.status).replicas?.[0]?.pool ?? {}
      const questions = (totals?.acquired ?? 0) + (lanes?.totals.carried ?? 0) - 60
      expect(questions).toBeGreaterThanOrEqual(2)
      // One at first, then one a second.
      expect(questions).toBeLessThanOrEqual(2 + (performance.now() - start) / 1_000)
    })
  )

  promise(
    "by its own word one that has replayed all it received is fresh, and one that holds it back is not",
    (world) =>
      Effect.gen(function* () {
        const dialect = Context.get(world.services, Dialect.Dialect)
        const { replicas, target, ...config } = Context.get(world.services, DatabaseConfig.DatabaseConfig)
        const replica = { ...config, replicas, target: replicas[0] ?? target }
        const connection = yield* dialect.connect(replica, "reader")
        const { replication } = dialect
        if (replication === undefined) return yield* Effect.dieMessage("it has no replicas")
        const age = Effect.map(replication.standing(connection), ({ age = -1 }) => age)
        yield* eventually("it has replayed all", age, (age) => age === 0)
        yield* query(shared.servers.standby.url, "SELECT pg_wal_replay_pause()")
        yield* Effect.addFinalizer(() =>
          Effect.ignore(query(shared.servers.standby.url, "SELECT pg_wal_replay_resume()"))
        )
        yield* world.sql`INSERT INTO written VALUES (1)`
        yield* eventually("it holds something back", age, (age) => age > 0)
      })
  )

  promise(
    "the configuration's bound holds where a call names none",
    ({ onReplica, sql, where }) =>
      Effect.gen(function* () {
        expect(yield* onReplica(where)).toBe(true)
        yield* query(shared.servers.standby.url, "SELECT pg_wal_replay_pause()")
        yield* Effect.addFinalizer(() =>
          Effect.ignore(query(shared.servers.standby.url, "SELECT pg_wal_replay_resume()"))
        )
        yield* sql`INSERT INTO written VALUES (1)`
        yield* eventually("it is too old", onReplica(where), (standby) => !standby)
      }),
    () => ({ maxStaleness: "1 second" })
  )
})
