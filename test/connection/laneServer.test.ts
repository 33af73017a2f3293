/** The shared lane on a real server: which way each statement travelled, counted; never how long it took. */
import * as Reactivity from "@effect/experimental/Reactivity"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Client from "../../src/client/Client.js"
import * as Connections from "../../src/connection/Connections.js"
import * as SharedLane from "../../src/connection/SharedLane.js"
import { postgres } from "../../src/dialect/postgres/index.js"
import * as DatabaseConfig from "../../src/model/DatabaseConfig.js"
import { freshDatabase, query } from "../support/server.js"

/** However busy the machine is, only what is far slower than this counts as slow. */
const patient: Partial<SharedLane.Rules> = { quick: 60_000, stuck: 60_000 }

const world = (rules: Partial<SharedLane.Rules> = patient, pool: object = {}, given?: string) =>
  Effect.gen(function* () {
    const url = given ?? (yield* freshDatabase)
    const config = yield* DatabaseConfig.make({ url, pool: { size: 5, maxOverflow: 5, ...pool } })
    const connections = yield* Connections.make(config, postgres, { ...SharedLane.rules, ...rules })
    const sql = yield* Effect.provide(Client.make(connections), Reactivity.layer)
    const status = Effect.map(connections.pool.status, ({ lanes, totals }) => {
      if (lanes === undefined) throw new Error("there are no lanes")
      return { ...lanes, exclusive: totals.acquired }
    })
    /** Until at least one lane is open. */
    const open = status.pipe(
      Effect.filterOrFail(({ open }) => open > 0),
      Effect.retry(Schedule.spaced("5 millis")),
      Effect.timeout("20 seconds")
    )
    /** Runs it until it has a lane to ride on. */
    const earn = <A, E>(statement: Effect.Effect<A, E>) => Effect.zipRight(Effect.replicateEffect(statement, 3), open)
    const count = (what: Effect.Effect<unknown, unknown>) =>
      Effect.gen(function* () {
        const before = yield* status
        yield* what
        const after = yield* status
        return { lane: after.totals.carried - before.totals.carried, own: after.exclusive - before.exclusive }
      })
    return { url, connections, sql, status, earn, count }
  })

describe("the shared lane on PostgreSQL", () => {
  it.scopedLive("carries the point reads of many fibers, every answer its own", () =>
    Effect.gen(function* () {
      const { count, earn, sql } = yield* world()
      const point = (n: number) => sql<{ n: number }>`SELECT ${n}::int AS n`
      yield* earn(point(0))
      const numbers = Array.from({ length: 500 }, (_, n) => n)
      let answers: ReadonlyArray<number | undefined> = []
      const ways = yield* count(
        Effect.map(
          Effect.forEach(numbers, (n) => point(n), { concurrency: 64 }),
          (rows) => {
            answers = rows.map(([row]) => row?.n)
          }
        )
      )
      expect(answers).toEqual(numbers)
      expect(ways.lane + ways.own).toBe(500)
      // The 65th at a time, and those met while the second lane was opened, went exclusively.
      expect(ways.lane).toBeGreaterThan(250)
    })
  )

  it.scopedLive("is never taken by a statement that may write, lock, or belongs to a session", () =>
    Effect.gen(function* () {
      const { count, earn, sql } = yield* world()
      yield* sql`CREATE TABLE things (id int PRIMARY KEY, n int NOT NULL)`
      yield* sql`INSERT INTO things VALUES (1, 1)`
      yield* earn(sql`SELECT 1 AS one`)
      const never = [
        sql`UPDATE things SET n = n + 1 WHERE id = 1`,
        sql`SELECT n FROM things WHERE id = 1 FOR UPDATE`,
        sql`WITH w AS (UPDATE things SET n = n RETURNING n) SELECT n FROM w`,
        sql`SELECT pg_advisory_xact_lock(1)`,
        sql`SELECT pg_notify('c', 'p')`,
        sql`SELECT set_config('application_name', 'x', true)`,
        sql.unsafe("SELECT 1; SELECT 2"),
        sql`SELECT ${"x".repeat(70_000)}::text AS t`
      ]
      for (const statement of never) {
        expect(yield* count(Effect.replicateEffect(statement, 4))).toEqual({ lane: 0, own: 4 })
      }
    })
  )

  it.scopedLive("refuses a function that writes: it runs exclusively, once, and is not offered again", () =>
    Effect.gen(function* () {
      const { count, sql, status, url } = yield* world()
      yield* query(
        url,
        `CREATE TABLE log (n int);
         CREATE FUNCTION note(n int) RETURNS int LANGUAGE sql AS 'INSERT INTO log VALUES (n) RETURNING n'`
      )
      const note = sql<{ note: number }>`SELECT note(${7})`
      yield* Effect.replicateEffect(note, 3)
      // Until the lane is open, and has refused it.
      for (let tries = 0; tries < 1_000 && (yield* status).totals.refused === 0; tries++) yield* note
      expect((yield* status).totals.refused).toBe(1)
      expect(yield* count(Effect.replicateEffect(note, 5))).toEqual({ lane: 0, own: 5 })
      const [row] = yield* query(url, "SELECT count(*)::int AS n FROM log")
      // One row for each call; the refused one left none of its own.
      expect(row?.n).toBe((yield* status).exclusive)
    })
  )

  it.scopedLive("cut by the server, sends what was under way again; nobody hears of it", () =>
    Effect.gen(function* () {
      const { earn, sql, status, url } = yield* world()
      yield* query(
        url,
        "CREATE FUNCTION wait(s float8) RETURNS text LANGUAGE plpgsql STABLE AS 'BEGIN PERFORM pg_sleep(s); RETURN $$done$$; END'"
      )
      const wait = (seconds: number) => sql<{ wait: string }>`SELECT wait(${seconds})`
      yield* earn(wait(0))
      const carried = (yield* status).totals.carried
      const riders = yield* Effect.fork(Effect.all([wait(3), wait(0), wait(0)], { concurrency: 3 }))
      yield* Effect.retry(
        Effect.filterOrFail(status, ({ totals }) => totals.carried === carried + 3),
        Schedule.spaced("2 millis")
      )
      yield* query(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT wait%' AND state = 'active' AND datname = current_database()"
      ).pipe(Effect.repeat({ until: (rows) => rows.length > 0, schedule: Schedule.spaced("5 millis") }))
      expect(yield* Fiber.join(riders)).toEqual(Array(3).fill([{ wait: "done" }]))
      expect((yield* status).totals).toMatchObject({ lost: 1, resent: 3 })
      // And there is another.
      yield* earn(wait(0))
      expect((yield* status).totals.opened).toBe(2)
    })
  )

  it.scopedLive("is not held up by a statement that is slow: that one has never earned it", () =>
    Effect.gen(function* () {
      const { count, earn, sql, url } = yield* world({ quick: 500, stuck: 250 })
      yield* query(
        url,
        "CREATE FUNCTION slow() RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN PERFORM pg_sleep(0.7); RETURN 1; END'"
      )
      const slow = sql`SELECT slow()`
      const point = sql`SELECT 1 AS one`
      yield* earn(point)
      expect(yield* count(Effect.replicateEffect(slow, 4, { concurrency: 2 }))).toEqual({ lane: 0, own: 4 })
      const running = yield* Effect.fork(slow)
      yield* Effect.replicateEffect(point, 200, { concurrency: 32 })
      // All of them were answered while it ran, or after: none stood behind it.
      yield* Fiber.join(running)
      expect(yield* count(slow)).toEqual({ lane: 0, own: 1 })
    })
  )

  it.scopedLive("interrupted riders cancel nobody, and the lane carries on", () =>
    Effect.gen(function* () {
      const { count, earn, sql, status, url } = yield* world()
      yield* query(
        url,
        "CREATE FUNCTION wait(s float8) RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN PERFORM pg_sleep(s); RETURN 1; END'"
      )
      const wait = (seconds: number) => sql`SELECT wait(${seconds})`
      yield* earn(wait(0))
      const carried = (yield* status).totals.carried
      const leaving = yield* Effect.fork(wait(0.4))
      yield* Effect.retry(
        Effect.filterOrFail(status, ({ totals }) => totals.carried === carried + 1),
        Schedule.spaced("2 millis")
      )
      const staying = yield* Effect.fork(Effect.replicateEffect(wait(0), 20, { concurrency: 20 }))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(leaving)
      expect(yield* Fiber.join(staying)).toEqual(Array(20).fill([{ wait: 1 }]))
      expect(yield* count(wait(0))).toEqual({ lane: 1, own: 0 })
      expect((yield* status).totals).toMatchObject({ lost: 0, resent: 0, opened: 1 })
    })
  )

  it.scopedLive("session state does not leak from one fiber to another", () =>
    Effect.gen(function* () {
      const { count, sql, url } = yield* world(patient, { onConnect: ["SET search_path = public"] })
      const left = [
        sql`SET work_mem = '77MB'`,
        sql`CREATE TEMP TABLE mine (n int)`,
        sql`SELECT pg_advisory_lock(77)`,
        sql`SELECT set_config('lock_timeout', '7s', false)`,
        sql.unsafe("SET work_mem = '78MB'; SELECT 1"),
        sql`BEGIN`
      ]
      for (const statement of left) expect(yield* count(statement)).toEqual({ lane: 0, own: 1 })
      const look = sql<{ mem: string; lock: string; mine: string | null; path: string }>`
        SELECT current_setting('work_mem') AS mem, current_setting('lock_timeout') AS lock, to_regclass('mine')::text AS mine,
          current_setting('search_path') AS path, count(pg_sleep(0.01)) AS n`
      const seen = (yield* Effect.replicateEffect(look, 40, { concurrency: 10 })).map(([row]) => row)
      expect(new Set(seen.map((row) => JSON.stringify([row?.mem, row?.lock, row?.mine, row?.path])))).toEqual(
        new Set([JSON.stringify(["4MB", "0", null, "public"])])
      )
      const rest = query(
        url,
        `SELECT (SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database
            WHERE locktype = 'advisory' AND datname = current_database())::int AS locks,
          (SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%' AND datname = current_database())::int AS open`
      )
      expect(yield* rest).toEqual([{ locks: 0, open: 0 }])
    })
  )

  it.scopedLive("leaves no session behind when the layer ends", () =>
    Effect.gen(function* () {
      const url = yield* freshDatabase
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { earn, sql } = yield* world(patient, {}, url)
          yield* earn(sql`SELECT 1 AS one`)
          yield* Effect.replicateEffect(sql`SELECT 1 AS one`, 300, { concurrency: 100 })
        })
      )
      // The server ends a session a moment after its client has left.
      yield* query(
        url,
        "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
      ).pipe(
        Effect.filterOrFail(([row]) => row?.n === 0),
        Effect.retry({ times: 200, schedule: Schedule.spaced("20 millis") })
      )
    })
  )
})
