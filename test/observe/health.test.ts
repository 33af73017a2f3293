/** What a health report says, of a database that is there and of one that is not; and how often the database is asked. */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Database, DatabaseError, Health, Transaction } from "effect-aquifer"
import * as ScriptedConnection from "../../src/testing/ScriptedConnection.js"
import { sqlite } from "../contract/products.js"
import { scratchServer } from "../support/server.js"

const memory = Database.layer({ url: "sqlite::memory:", profile: "development" })

/** A lazy layer of an address where nobody is. */
const nobody = Database.layer({ url: "postgres://u:secret@127.0.0.1:1/d", connect: "lazy", profile: "development" })

describe("a check", () => {
  it.scopedLive("of a database that is not there is a report with the typed error, not a failure", () =>
    Effect.gen(function* () {
      const report = yield* Health.check
      expect(report.status).toBe("down")
      expect(report.product).toBe("postgresql")
      if (report.status === "down") {
        expect(report.error._tag).toBe("ConnectionError")
        expect(report.error.reason).toBe("nothing listens on 127.0.0.1:1")
      }
      expect(report.pool).toMatchObject({ checkedOut: 0, checkedIn: 0, waiting: 0 })
      expect(yield* Health.isHealthy).toBe(false)
    }).pipe(Effect.provide(nobody))
  )

  it.scopedLive("follows a server that goes down and comes back", () =>
    Effect.gen(function* () {
      const server = yield* scratchServer
      yield* Effect.gen(function* () {
        expect(yield* Health.isHealthy).toBe(true)
        yield* server.stop
        const down = yield* Health.check
        expect(down.status === "down" && down.error.group).toBe("connection")
        yield* server.start
        const up = yield* Health.check
        expect(up.status === "up" && up.version).toMatch(/^\d+/)
        // The pool finds its way back too.
        const sql = yield* SqlClient.SqlClient
        expect(yield* sql`SELECT 1 AS one`).toEqual([{ one: 1 }])
      }).pipe(Effect.provide(Database.layer({ url: server.url, profile: "development" })))
    })
  )

  it("runs under runSync where the database does", () => {
    const runtime = ManagedRuntime.make(memory)
    expect(runtime.runSync(Health.check)).toMatchObject({ status: "up", product: "sqlite" })
    runtime.runSync(runtime.disposeEffect)
  })

  it("fails for a client that is not ours, and says what to provide", () => {
    const foreign = Layer.succeed(SqlClient.SqlClient, {} as SqlClient.SqlClient)
    const error = Effect.runSync(Effect.flip(Effect.provide(Health.check, foreign)))
    expect([error._tag, error.hint]).toEqual(["UnsupportedError", expect.stringContaining("Database.layer")])
  })

  it.scopedLive("inside a transaction sees it in the pool and leaves it alone", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE t (a INTEGER)`
      const report = yield* Transaction.run(Effect.zipRight(sql`INSERT INTO t VALUES (1)`, Health.check))
      expect([report.status, report.pool.checkedOut]).toEqual(["up", 1])
      expect(yield* sql`SELECT a FROM t`).toEqual([{ a: 1 }])
    }).pipe(Effect.provide(sqlite.database()))
  )

  it("inside a transaction on the only session is answered there, and leaves it alone", () => {
    const runtime = ManagedRuntime.make(memory)
    const checked = Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE t (a INTEGER)`
      const first = yield* Transaction.run(Effect.zipLeft(Health.check, sql`INSERT INTO t VALUES (1)`))
      const later = yield* Transaction.run(
        Effect.zipRight(sql`INSERT INTO t VALUES (2)`, Transaction.savepoint(Health.check))
      )
      return [first.status, later.status, later.pool.checkedOut, (yield* sql`SELECT a FROM t`).length]
    })
    // Whatever had to be waited for would be the end of it.
    expect(runtime.runSync(checked)).toEqual(["up", "up", 1, 2])
    runtime.runSync(runtime.disposeEffect)
  })
})

/** A server made of paper whose answers to `ping` can be counted, held back and spoiled. */
const counted = Effect.gen(function* () {
  const asked = { count: 0, down: false, gate: undefined as Deferred.Deferred<void> | undefined }
  const scripted = yield* ScriptedConnection.make(
    {},
    {
      vitals: () =>
        Effect.suspend(() => {
          asked.count++
          const answer = asked.down
            ? Effect.fail(
                new DatabaseError.ConnectionError({ operation: "ping", reason: "gone", phase: "idle", sent: false })
              )
            : Effect.succeed({ version: `${asked.count}` })
          return asked.gate === undefined ? answer : Effect.zipRight(Deferred.await(asked.gate), answer)
        })
    }
  )
  return { asked, context: scripted.context }
})

const settle = Effect.promise(async () => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
})

const pass = (duration: Duration.DurationInput) =>
  Effect.zipRight(settle, Effect.zipRight(TestClock.adjust(duration), settle))

const version = (report: Health.Report) => (report.status === "up" ? report.version : report.error.reason)

describe("the layer", () => {
  it.scoped("asks at once and then every round, and answers from memory between", () =>
    Effect.gen(function* () {
      const { asked, context } = yield* counted
      const health = yield* Effect.provide(Health.make({ every: "10 seconds" }), context)
      yield* settle
      for (let i = 0; i < 100; i++) expect(version(yield* health.latest)).toBe("1")
      yield* pass("9999 millis")
      expect(asked.count).toBe(1)
      yield* pass("1 millis")
      expect(version(yield* health.latest)).toBe("2")
      yield* pass("30 seconds")
      expect(asked.count).toBe(5)
      expect(DateTime.toEpochMillis((yield* health.latest).at)).toBe(40_000)
    })
  )

  it.scoped("those who ask while a check runs share its report, and one who gives up spoils it for nobody", () =>
    Effect.gen(function* () {
      const { asked, context } = yield* counted
      const health = yield* Effect.provide(Health.make({ every: "1 hour" }), context)
      yield* settle
      asked.gate = yield* Deferred.make<void>()
      const first = yield* Effect.fork(health.refresh)
      const others = yield* Effect.fork(
        Effect.all(Array(50).fill(health.refresh) as Array<typeof health.refresh>, { concurrency: "unbounded" })
      )
      yield* settle
      yield* Fiber.interrupt(first)
      yield* Deferred.succeed(asked.gate, undefined)
      expect((yield* Fiber.join(others)).map(version)).toEqual(Array(50).fill("2"))
      expect(asked.count).toBe(2)
      asked.gate = undefined
      expect(version(yield* health.refresh)).toBe("3")
    })
  )

  it.scoped("goes on when the database is down, and tells every turn", () =>
    Effect.gen(function* () {
      const { asked, context } = yield* counted
      const health = yield* Effect.provide(Health.make({ every: "1 second" }), context)
      yield* settle
      const turns = yield* Effect.fork(Stream.runCollect(Stream.take(health.changes, 3)))
      yield* settle
      asked.down = true
      yield* pass("1 second")
      expect((yield* health.latest).status).toBe("down")
      asked.down = false
      yield* pass("1 second")
      expect(Chunk.toReadonlyArray(yield* Fiber.join(turns)).map(version)).toEqual(["1", "gone", "3"])
    })
  )

  it.scoped("a database that never answers is down within the limit", () =>
    Effect.gen(function* () {
      const { asked, context } = yield* counted
      asked.gate = yield* Deferred.make<void>()
      const health = yield* Effect.provide(Health.make(), context)
      const waiting = yield* Effect.fork(health.latest)
      yield* pass(Duration.times(Health.limit, 0.99))
      expect(Option.isNone(yield* Fiber.poll(waiting))).toBe(true)
      yield* pass(Health.limit)
      const report = yield* Fiber.join(waiting)
      expect(report.status === "down" && report.error.reason).toBe("no answer within 5s")
    })
  )

  it.scoped("a report older than two rounds is not passed off as news", () =>
    Effect.gen(function* () {
      const { asked, context } = yield* counted
      const health = yield* Effect.provide(Health.make({ every: "10 seconds" }), context)
      yield* settle
      asked.gate = yield* Deferred.make<void>()
      // The next round hangs; its check ends as `down` at its limit only.
      yield* pass("10 seconds")
      asked.gate = undefined
      const waiting = yield* Effect.fork(health.latest)
      yield* settle
      expect(version(yield* Fiber.join(waiting))).toBe("1")
      expect(asked.count).toBe(2)
    })
  )

  it.scoped("ends with its scope", () =>
    Effect.gen(function* () {
      const { asked, context } = yield* counted
      const scope = yield* Scope.make()
      yield* Health.make({ every: "1 second" }).pipe(Scope.extend(scope), Effect.provide(context))
      yield* pass("2 seconds")
      const before = asked.count
      yield* Scope.close(scope, Exit.void)
      yield* pass("10 seconds")
      expect(asked.count).toBe(before)
    })
  )

  it.scopedLive("works on a real database, as a layer", () =>
    Effect.gen(function* () {
      const health = yield* Health.Health
      expect((yield* health.latest).status).toBe("up")
    }).pipe(Effect.provide(Layer.provide(Health.layer(), memory)))
  )
})
