/** The pool against a real server: interruptions at any point, a server that goes and comes back, one that is not there. */
import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { Database, DatabaseError, Pool, Transaction } from "effect-aquifer"
import { closedPort } from "../errors/postgresDoor.js"
import { freshDatabase, query, scratchServer } from "../support/server.js"

const status = Effect.flatMap(Pool.Pool, (pool) => pool.status)

const atRest = status.pipe(
  Effect.repeat({
    // Those being closed are in no count but that of the opened.
    until: ({ checkedIn, checkedOut, opening, totals, waiting }) =>
      checkedOut + opening + waiting === 0 && totals.opened - totals.closed === checkedIn,
    schedule: Schedule.intersect(Schedule.spaced("20 millis"), Schedule.recurs(500))
  }),
  Effect.flatMap(() => status)
)

/** What a caller may be in the middle of. */
const works = (sql: SqlClient.SqlClient): ReadonlyArray<Effect.Effect<unknown, unknown, SqlClient.SqlClient>> => [
  sql`SELECT 1 AS one`,
  sql`SELECT pg_sleep(0.004)`,
  sql`INSERT INTO touched VALUES (1)`,
  Stream.runDrain(sql`SELECT n FROM generate_series(1, 3000) AS n`.stream),
  Effect.scoped(Effect.zipRight(sql.reserve, Effect.sleep(1))),
  Transaction.run(Effect.zipRight(sql`INSERT INTO touched VALUES (2)`, sql`SELECT pg_sleep(0.002)`))
]

it.scopedLive(
  "interruptions at random points leak no connection, and the server agrees",
  () =>
    Effect.gen(function* () {
      const times = yield* Config.withDefault(Config.integer("POOL_INTERRUPTIONS"), 1_500)
      const url = yield* freshDatabase
      yield* query(url, "CREATE TABLE touched (id INTEGER)")
      const options = { url, applicationName: "interrupted", pool: { size: 5, maxOverflow: 3 } }
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const pool = yield* Pool.Pool
        const all = works(sql)
        const ends = { interrupted: 0, done: 0 }
        let waited = 0
        yield* Effect.forEach(
          Array.from({ length: times }),
          (_, i) =>
            Effect.gen(function* () {
              const work = all[yield* Random.nextIntBetween(0, all.length)] ?? Effect.void
              const fiber = yield* Effect.fork(work)
              // Now and then every connection is replaced, so that there are some being opened.
              if (i % 50 === 0) yield* Effect.forkDaemon(pool.evictAll)
              if (yield* Random.nextBoolean) yield* Effect.sleep(yield* Random.nextIntBetween(0, 12))
              else yield* Effect.repeatN(Effect.yieldNow(), yield* Random.nextIntBetween(0, 40))
              waited = Math.max(waited, (yield* pool.status).waiting)
              const exit = yield* Fiber.interrupt(fiber)
              ends[Exit.isInterrupted(exit) ? "interrupted" : "done"]++
            }),
          { concurrency: 24, discard: true }
        )
        expect(ends.interrupted).toBeGreaterThan(times / 4)
        expect(waited).toBeGreaterThan(0)
        const { checkedIn, lanes, overflow, totals, waiting, checkedOut, opening } = yield* atRest
        expect({ waiting, checkedOut, opening }).toEqual({ waiting: 0, checkedOut: 0, opening: 0 })
        expect(checkedIn).toBeLessThanOrEqual(8)
        expect(overflow).toBeLessThanOrEqual(3)
        expect(totals.opened - totals.closed).toBe(checkedIn)
        // The server has ended a session a moment after we have closed it.
        const seen = yield* query(
          url,
          "SELECT pid, state FROM pg_stat_activity WHERE application_name LIKE 'interrupted%' ORDER BY pid"
        ).pipe(
          Effect.repeat({
            until: (rows) => rows.length === checkedIn + (lanes?.open ?? 0),
            schedule: Schedule.intersect(Schedule.spaced("50 millis"), Schedule.recurs(100))
          }),
          Effect.zipRight(
            query(url, "SELECT pid, state FROM pg_stat_activity WHERE application_name LIKE 'interrupted%'")
          )
        )
        expect(seen).toHaveLength(checkedIn + (lanes?.open ?? 0))
        expect(seen.filter(({ state }) => state !== "idle")).toEqual([])
        expect(yield* sql`SELECT 1 AS one`).toEqual([{ one: 1 }])
      }).pipe(Effect.provide(Database.layer(options)))
    }),
  300_000
)

it.scopedLive(
  "a server stopped and started under load: everybody gets an answer in time, and all is well again by itself",
  () =>
    Effect.gen(function* () {
      const server = yield* scratchServer
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const on = yield* Ref.make(true)
        const phase = { now: "before" }
        const good: Record<string, number> = { before: 0, down: 0, after: 0 }
        const tags = new Set<string>()
        let longest = 0
        const caller = (id: number) =>
          Effect.gen(function* () {
            const asked = yield* Clock.currentTimeMillis
            const during = phase.now
            const exit = yield* Effect.exit(DatabaseError.refine(sql`SELECT ${id}::int AS id`))
            longest = Math.max(longest, (yield* Clock.currentTimeMillis) - asked)
            if (Exit.isSuccess(exit)) good[during] = (good[during] ?? 0) + 1
            else if (exit.cause._tag === "Fail") tags.add(exit.cause.error._tag)
            else tags.add(exit.cause._tag)
            yield* Effect.sleep(5)
          }).pipe(Effect.repeat({ while: () => Ref.get(on) }))
        const callers = yield* Effect.forEach(Array.from({ length: 20 }), (_, id) => Effect.fork(caller(id)))
        yield* Effect.sleep(300)
        phase.now = "down"
        yield* server.stop
        yield* Effect.sleep(500)
        yield* server.start
        phase.now = "after"
        yield* Effect.sleep(1500)
        yield* Ref.set(on, false)
        for (const fiber of callers) expect(Exit.isSuccess(yield* Fiber.await(fiber))).toBe(true)
        expect(good.before).toBeGreaterThan(0)
        expect(good.after).toBeGreaterThan(0)
        // Nothing untyped, nobody blamed a small pool; the limit of every wait, with room for a busy machine.
        expect([...tags]).not.toContain("Die")
        expect([...tags]).not.toContain("PoolTimeout")
        expect(tags.size).toBeGreaterThan(0)
        expect(longest).toBeLessThan(10_000)
        const { checkedIn, checkedOut, waiting } = yield* atRest
        expect({ checkedOut, waiting }).toEqual({ checkedOut: 0, waiting: 0 })
        expect(checkedIn).toBeGreaterThan(0)
        yield* Effect.replicateEffect(sql`SELECT 1 AS one`, 20, { concurrency: 10 })
      }).pipe(
        Effect.provide(
          Database.layer({ url: server.url, pool: { size: 5, maxOverflow: 5, acquireTimeout: "3 seconds" } })
        )
      )
    }),
  60_000
)

it.scopedLive("a database that is down: each caller is told so, and that before the pool's timeout", () =>
  Effect.gen(function* () {
    const port = yield* closedPort
    const layer = Database.layer({
      url: `postgres://nobody@127.0.0.1:${port}/none`,
      connect: "lazy",
      pool: { size: 3, acquireTimeout: "20 seconds" }
    })
    yield* Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const start = yield* Clock.currentTimeMillis
      const errors = yield* Effect.forEach(
        Array.from({ length: 20 }),
        () => Effect.flip(DatabaseError.refine(sql`SELECT 1`)),
        { concurrency: "unbounded" }
      )
      expect(errors.map(({ _tag }) => _tag)).toEqual(Array(20).fill("ConnectionError"))
      expect((yield* Clock.currentTimeMillis) - start).toBeLessThan(20_000)
      expect((yield* status).totals).toMatchObject({ timeouts: 0, opened: 0 })
    }).pipe(Effect.provide(layer))
  })
)

it.scopedLive("a connection killed while idle is gone from the pool before the next checkout", () =>
  Effect.gen(function* () {
    const url = yield* freshDatabase
    yield* Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const pool = yield* Pool.Pool
      const pid = sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`
      const [before] = yield* pid
      const gone = yield* Effect.fork(
        Stream.runHead(
          Stream.filter(pool.changes, ({ checkedIn, invalidated }) => checkedIn === 0 && invalidated === 1)
        )
      )
      yield* query(url, "SELECT pg_terminate_backend($1)", [before?.pid])
      yield* Effect.timeout(Fiber.join(gone), "20 seconds")
      const { acquired } = (yield* pool.status).totals
      const [after] = yield* pid
      expect(after?.pid).not.toBe(before?.pid)
      expect((yield* pool.status).totals).toMatchObject({ acquired: acquired + 1, opened: 2 })
    }).pipe(Effect.provide(Database.layer({ url, pool: { size: 2, prePing: "off" } })))
  })
)

it.scopedLive("an idle session is asked as often as keepAlive says", () =>
  Effect.gen(function* () {
    const url = yield* freshDatabase
    const options = { url, applicationName: "silent", pool: { keepAlive: "50 millis" } } as const
    yield* Effect.gen(function* () {
      const asked = Effect.map(
        query(url, "SELECT state_change::text AS at FROM pg_stat_activity WHERE application_name = 'silent'"),
        (rows) => rows.map(({ at }) => at).join()
      )
      const first = yield* asked
      const later = yield* Effect.repeat(asked, {
        until: (at) => at !== first,
        schedule: Schedule.intersect(Schedule.spaced("50 millis"), Schedule.recurs(200))
      }).pipe(Effect.zipRight(asked))
      expect(later).not.toBe(first)
      expect((yield* status).totals).toMatchObject({ acquired: 1, opened: 1 })
    }).pipe(Effect.provide(Database.layer(options)))
  })
)
