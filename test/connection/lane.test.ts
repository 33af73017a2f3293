/** The shared lane's rules, each with the way every statement took. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import type { Dialect } from "../../src/Dialect.js"
import * as DatabaseError from "../../src/model/DatabaseError.js"
import { atRest, database, pass, rest, settle } from "../transaction/support.js"
import { lanes } from "./laneSupport.js"

const readOnly = () =>
  new DatabaseError.ReadOnlyError({ operation: "execute", reason: "read-only transaction", sqlState: "25006" })

describe("who rides", () => {
  it.scoped("a text earns the lane by two quick runs of its own", () =>
    Effect.gen(function* () {
      const { earn, sql, status, ways } = yield* lanes()
      yield* earn("SELECT 1")
      yield* sql.unsafe("SELECT 1")
      // The third had earned it, but there was no lane yet.
      assert.deepStrictEqual(ways(), ["own", "own", "own", "lane"])
      yield* sql.unsafe("SELECT 2")
      assert.deepStrictEqual(ways("SELECT 2"), ["own"])
      assert.strictEqual((yield* status).totals.carried, 1)
    })
  )

  it.scoped("a slow run bars a text for a while, and it has to earn the lane anew", () =>
    Effect.gen(function* () {
      const { clock, earn, server, sql, ways } = yield* lanes()
      yield* earn("SELECT 1")
      const hold = server.hold("SELECT 1")
      const slow = yield* Effect.fork(sql.unsafe("SELECT 1"))
      yield* hold.arrived
      clock.now += 40
      yield* Effect.zipRight(hold.release, Fiber.join(slow))
      yield* Effect.replicateEffect(sql.unsafe("SELECT 1"), 4)
      clock.now += 1_000
      yield* Effect.replicateEffect(sql.unsafe("SELECT 1"), 3)
      assert.deepStrictEqual(ways().slice(3), ["lane", "own", "own", "own", "own", "own", "own", "lane"])
    })
  )

  it.scoped("a text that is slow from the beginning never rides", () =>
    Effect.gen(function* () {
      const { clock, server, sql, ways } = yield* lanes()
      for (let run = 0; run < 5; run++) {
        const hold = server.hold("SELECT 1")
        const slow = yield* Effect.fork(sql.unsafe("SELECT 1"))
        yield* hold.arrived
        clock.now += 500
        yield* Effect.zipRight(hold.release, Fiber.join(slow))
      }
      assert.deepStrictEqual(ways(), Array(5).fill("own"))
    })
  )

  it.scoped("nothing that writes, nothing of a transaction or a reserved connection, no stream", () =>
    Effect.gen(function* () {
      const { earn, sql, ways } = yield* lanes()
      yield* earn("SELECT 1")
      const before = ways().length
      yield* Effect.replicateEffect(sql`INSERT 1`, 4)
      yield* sql.withTransaction(sql`SELECT 1`)
      yield* Effect.scoped(Effect.flatMap(sql.reserve, (connection) => connection.execute("SELECT 1", [], undefined)))
      assert.deepStrictEqual([...new Set(ways().slice(before))], ["own"])
    })
  )

  it.scoped("large parameters travel exclusively, however they are packed", () =>
    Effect.gen(function* () {
      const { earn, sql, ways } = yield* lanes()
      yield* earn("SELECT ?")
      const large = [
        "x".repeat(70_000),
        new Uint8Array(70_000),
        Array(10_000).fill(12345678),
        { a: "x".repeat(70_000) }
      ]
      for (const param of large) yield* sql.unsafe("SELECT ?", [param])
      yield* sql.unsafe("SELECT ?", ["small"])
      assert.deepStrictEqual(ways().slice(3), ["own", "own", "own", "own", "lane"])
    })
  )

  for (const [title, options, differs] of [
    ["a pool smaller than five", { pool: { size: 4, maxOverflow: 20 } }, {}],
    ["a pooler in between", { pooler: "transaction" }, {}],
    ["a product of one session", {}, { sessions: "one" }],
    ["a product that cannot pipeline", {}, { can: new Set() }]
  ] as const) {
    it.scoped(`${title} has no lanes`, () =>
      Effect.gen(function* () {
        const { connections, sql, ways } = yield* lanes(options, {}, differs as Partial<Dialect>)
        yield* Effect.replicateEffect(sql.unsafe("SELECT 1"), 10)
        yield* settle
        assert.deepStrictEqual([...new Set(ways())], ["own"])
        assert.strictEqual((yield* connections.pool.status).lanes, undefined)
      })
    )
  }
})

describe("a lane", () => {
  it.scoped("whose first statement is stuck takes no more, and its text is barred", () =>
    Effect.gen(function* () {
      const { clock, earn, server, sql, status, ways } = yield* lanes({}, { lanes: 1 })
      yield* earn("SELECT 1")
      yield* earn("SELECT 2")
      const hold = server.hold("SELECT 1")
      const stuck = yield* Effect.fork(sql.unsafe("SELECT 1"))
      yield* hold.arrived
      yield* sql.unsafe("SELECT 2")
      clock.now += 200
      const behind = ways("SELECT 2").length
      yield* Effect.replicateEffect(sql.unsafe("SELECT 2"), 10)
      assert.deepStrictEqual(ways("SELECT 2").slice(behind), Array(10).fill("own"))
      yield* settle
      assert.strictEqual((yield* status).totals.barred, 1)
      yield* Effect.zipRight(hold.release, Fiber.join(stuck))
      yield* sql.unsafe("SELECT 1")
      assert.strictEqual(ways("SELECT 1").at(-1), "own")
    })
  )

  it.scoped("holds no more than its limit; the next go to a second one, then exclusively", () =>
    Effect.gen(function* () {
      const { earn, server, sql, status, ways } = yield* lanes({}, { most: 2 })
      yield* earn("SELECT 1")
      const holds = Array.from({ length: 7 }, () => server.hold("SELECT 1"))
      const all: Array<Fiber.RuntimeFiber<unknown, unknown>> = []
      for (let i = 0; i < 7; i++) {
        all.push(yield* Effect.fork(sql.unsafe("SELECT 1")))
        yield* settle
      }
      // Two on the first; the third has the second lane opened; two on that; the rest find no place.
      assert.deepStrictEqual(ways().slice(3), ["lane", "lane", "own", "lane", "lane", "own", "own"])
      assert.deepInclude(yield* status, { open: 2, pending: 4 })
      yield* Effect.forEach(holds, (hold) => hold.release)
      yield* Effect.forEach(all, Fiber.join)
      assert.strictEqual((yield* status).pending, 0)
    })
  )

  it.scoped("runs what onConnect says, and ends at its lifetime without taking a rider along", () =>
    Effect.gen(function* () {
      const { clock, earn, server, sql, status, ways } = yield* lanes({
        pool: { onConnect: ["SET x"], maxLifetime: Duration.minutes(1) }
      })
      yield* earn("SELECT 1")
      yield* sql.unsafe("SELECT 1")
      assert.deepStrictEqual(ways("SET x"), ["own", "lane"])
      const hold = server.hold("SELECT 1")
      const rider = yield* Effect.fork(sql.unsafe("SELECT 1"))
      yield* hold.arrived
      clock.now += 60_000
      yield* sql.unsafe("SELECT 1")
      yield* pass("1 second")
      assert.strictEqual(server.count("destroy"), 0)
      yield* Effect.zipRight(hold.release, Fiber.join(rider))
      yield* pass("1 second")
      assert.strictEqual(server.count("destroy"), 1)
      yield* earn("SELECT 1")
      assert.strictEqual((yield* status).totals.opened, 2)
    })
  )

  it.scoped("that cannot be opened is missed by nobody, and is not tried again at once", () =>
    Effect.gen(function* () {
      const { clock, earn, server, sql, status, ways } = yield* lanes()
      yield* Effect.replicateEffect(sql.unsafe("SELECT 1"), 2)
      server.fail("CONNECT", new DatabaseError.TooManyConnections({ operation: "connect", reason: "too many" }), 1)
      yield* earn("SELECT 1")
      yield* earn("SELECT 1")
      assert.deepStrictEqual([...new Set(ways())], ["own"])
      clock.now += 1_000
      yield* earn("SELECT 1")
      assert.deepInclude(yield* status, { open: 1, opening: 0 })
    })
  )

  it.scoped("that has rested is asked before it carries anything", () =>
    Effect.gen(function* () {
      const { clock, earn, server, sql, ways } = yield* lanes({ pool: { prePing: Duration.seconds(1) } })
      yield* earn("SELECT 1")
      clock.now += 5_000
      yield* sql.unsafe("SELECT 1")
      yield* settle
      assert.strictEqual(server.count("ping"), 1)
      yield* sql.unsafe("SELECT 1")
      assert.deepStrictEqual(ways().slice(3), ["own", "lane"])
    })
  )

  it.scoped("goes with evictAll, and another takes its place", () =>
    Effect.gen(function* () {
      const { connections, earn, sql, status, ways } = yield* lanes()
      yield* earn("SELECT 1")
      yield* connections.pool.evictAll
      yield* pass("1 second")
      assert.deepInclude(yield* status, { open: 0 })
      yield* earn("SELECT 1")
      yield* sql.unsafe("SELECT 1")
      assert.strictEqual(ways().at(-1), "lane")
    })
  )

  it.scoped("is closed with the layer, once its riders have their answers", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { earn, server, sql } = yield* Scope.extend(lanes(), scope)
      yield* earn("SELECT 1")
      const hold = server.hold("SELECT 1")
      const rider = yield* Effect.fork(sql.unsafe("SELECT 1"))
      yield* hold.arrived
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* pass("1 second")
      assert.isTrue(Option.isNone(yield* Fiber.poll(closing)))
      yield* hold.release
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(rider)))
      yield* pass("1 second")
      yield* Fiber.join(closing)
      assert.strictEqual(server.count("destroy"), server.count("connect"))
      assert.strictEqual(database(yield* Effect.flip(sql.unsafe("SELECT 1")))._tag, "PoolClosed")
    })
  )

  it.scoped("does not keep the layer open for ever", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { earn, server, sql } = yield* Scope.extend(lanes(), scope)
      yield* earn("SELECT 1")
      const hold = server.hold("SELECT 1")
      yield* Effect.fork(sql.unsafe("SELECT 1"))
      yield* hold.arrived
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* settle
      yield* TestClock.adjust("11 seconds")
      yield* pass("11 seconds")
      yield* Fiber.join(closing)
    })
  )
})

describe("what goes wrong on a lane", () => {
  it.scoped("25006 means nothing was done: it is done exclusively, and that text is never offered again", () =>
    Effect.gen(function* () {
      const { clock, earn, server, sql, status, ways } = yield* lanes()
      yield* earn("SELECT f()")
      server.fail("SELECT f()", readOnly()).rows("SELECT f()", [{ f: 1 }])
      assert.deepStrictEqual(yield* sql.unsafe("SELECT f()"), [{ f: 1 }])
      assert.deepStrictEqual(ways().slice(3), ["lane", "own"])
      clock.now += 1_000_000
      yield* Effect.replicateEffect(sql.unsafe("SELECT f()"), 5)
      assert.deepStrictEqual(ways().slice(5), Array(5).fill("own"))
      assert.strictEqual((yield* status).totals.refused, 1)
    })
  )

  it.scoped("what a cut took from it is sent again, once, and the lane is replaced", () =>
    Effect.gen(function* () {
      const { earn, server, sql, status, ways } = yield* lanes()
      yield* earn("SELECT 1")
      const hold = server.hold("SELECT 1")
      const riders = yield* Effect.fork(
        Effect.all([sql.unsafe("SELECT 1"), sql.unsafe("SELECT 1")], { concurrency: 3 })
      )
      yield* hold.arrived
      server.lose("SELECT 1", "unanswered")
      yield* Effect.zipRight(hold.release, Fiber.join(riders))
      assert.deepStrictEqual(ways().slice(3), ["lane", "lane", "own", "own"])
      yield* settle
      assert.deepInclude(yield* status, { open: 0, pending: 0 })
      assert.deepInclude((yield* status).totals, { lost: 1, resent: 2 })
      yield* earn("SELECT 1")
      yield* sql.unsafe("SELECT 1")
      assert.strictEqual(ways().at(-1), "lane")
    })
  )

  it.scoped("a second cut is the caller's to hear of", () =>
    Effect.gen(function* () {
      const { earn, server, sql, ways } = yield* lanes()
      yield* earn("SELECT 1")
      server.lose("SELECT 1", "undelivered", 5)
      assert.strictEqual(database(yield* Effect.flip(sql.unsafe("SELECT 1")))._tag, "ConnectionError")
      assert.deepStrictEqual(ways().slice(3), ["lane", "own"])
    })
  )

  it.scoped("any other failure is the statement's own and is not repeated", () =>
    Effect.gen(function* () {
      const { earn, server, sql, ways } = yield* lanes()
      yield* earn("SELECT 1")
      server.fail("SELECT 1", new DatabaseError.DataError({ operation: "execute", reason: "division by zero" }))
      assert.strictEqual(database(yield* Effect.flip(sql.unsafe("SELECT 1")))._tag, "DataError")
      assert.deepStrictEqual(ways().slice(3), ["lane"])
    })
  )

  it.scoped("an interrupted rider is abandoned, never cancelled; the lane and its neighbours go on", () =>
    Effect.gen(function* () {
      const { connections, earn, server, sql, ways } = yield* lanes()
      yield* earn("SELECT 1")
      yield* earn("SELECT 2")
      const hold = server.hold("SELECT 1")
      const leaving = yield* Effect.fork(sql.unsafe("SELECT 1"))
      yield* hold.arrived
      const staying = yield* Effect.fork(sql.unsafe("SELECT 2"))
      yield* Fiber.interrupt(leaving)
      yield* Effect.zipRight(hold.release, Fiber.join(staying))
      yield* sql.unsafe("SELECT 2")
      assert.strictEqual(server.count("cancel"), 0)
      assert.deepStrictEqual(ways("SELECT 2").slice(3), ["lane", "lane"])
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )
})

describe("a statement that changes its session", () => {
  it.scoped("never rides; its connection is reset when it comes back, and one warning says what to do", () =>
    Effect.gen(function* () {
      const { server, sql, ways } = yield* lanes({ pool: { onConnect: ["SET own"] } })
      const warnings: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => {
        if (logLevel.label === "WARN") warnings.push(String(message))
      })
      yield* Effect.replicateEffect(sql.unsafe("SET secret = 'v4lue'"), 3).pipe(
        Effect.provide(Logger.replace(Logger.defaultLogger, logger))
      )
      yield* settle
      assert.deepStrictEqual([...new Set(ways("SET secret = 'v4lue'"))], ["own"])
      assert.strictEqual(server.count("reset"), 3)
      // What `onConnect` did is done again behind each reset.
      assert.strictEqual(ways("SET own").length, server.count("connect") + 3)
      assert.strictEqual(warnings.length, 1)
      assert.match(warnings[0] ?? "", /^SET .*sql\.reserve or a transaction/)
      assert.notInclude(warnings[0] ?? "", "v4lue")
    })
  )

  it.scoped("in a transaction or on a reserved connection is what was meant: by itself it resets nothing", () =>
    Effect.gen(function* () {
      const { server, sql } = yield* lanes()
      yield* sql.withTransaction(sql.unsafe("SET x = 1"))
      yield* Effect.scoped(Effect.flatMap(sql.reserve, (connection) => connection.execute("SET x = 1", [], undefined)))
      yield* settle
      assert.strictEqual(server.count("reset"), 0)
    })
  )

  it.scoped("an open BEGIN is rolled back before the next holder", () =>
    Effect.gen(function* () {
      const { server, sql } = yield* lanes()
      yield* sql.unsafe("BEGIN")
      yield* settle
      yield* sql.unsafe("INSERT 1")
      assert.strictEqual(server.count("reset"), 1)
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
    })
  )
})
