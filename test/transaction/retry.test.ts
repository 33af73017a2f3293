/** Which failures are run again, how often, after what wait, and what the caller is told in the end. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import * as TestClock from "effect/TestClock"
import type * as Tracer from "effect/Tracer"
import * as DatabaseError from "../../src/model/DatabaseError.js"
import * as RetryPolicy from "../../src/model/RetryPolicy.js"
import * as Retry from "../../src/transaction/Retry.js"
import * as Transaction from "../../src/transaction/Transaction.js"
import { atRest, conflict, database, duplicate, failure, pass, rest, settle, startingUp, world } from "./support.js"

/** Starts of all tries, in ms since the first one. */
const startsOf = (effect: Effect.Effect<unknown, unknown>, starts: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    // Retries wait in steps no finer than this in these tests.
    while (fiber.unsafePoll() === null) {
      yield* settle
      yield* TestClock.adjust(1)
      const next = yield* TestClock.sleeps()
      const now = yield* Clock.currentTimeMillis
      const soonest = Math.min(...next)
      if (fiber.unsafePoll() === null && soonest > now) yield* TestClock.setTime(soonest)
    }
    const first = starts[0] ?? 0
    return { exit: yield* Fiber.await(fiber), waits: starts.map((at) => at - first) }
  })

const started = (starts: Array<number>) =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    starts.push(now)
  })

describe("what is run again", () => {
  const cases: ReadonlyArray<readonly [DatabaseError.DatabaseError, boolean]> = [
    [conflict(), true],
    [new DatabaseError.DeadlockError({ operation: "execute", reason: "deadlock detected", sqlState: "40P01" }), true],
    [
      new DatabaseError.StaleStatement({ operation: "execute", reason: "cached plan must not change result type" }),
      true
    ],
    [
      new DatabaseError.TooManyConnections({ operation: "connect", reason: "too many clients", sqlState: "53300" }),
      true
    ],
    [startingUp(), true],
    [duplicate(), false],
    [new DatabaseError.ExclusionViolation({ operation: "execute", reason: "conflicting key" }), false],
    [new DatabaseError.LockTimeoutError({ operation: "execute", reason: "lock timeout" }), false],
    [new DatabaseError.StatementTimeoutError({ operation: "execute", reason: "statement timeout" }), false],
    [new DatabaseError.QueryCanceled({ operation: "execute", reason: "user request" }), false],
    [new DatabaseError.SqlSyntaxError({ operation: "execute", reason: "syntax error" }), false],
    [new DatabaseError.ResourceError({ operation: "execute", reason: "disk full" }), false],
    [new DatabaseError.CommitUnknown({ operation: "execute", reason: "completion unknown" }), false],
    [new DatabaseError.UnknownError({ operation: "execute", reason: "XX000" }), false]
  ]
  it.scoped.each(cases.map(([error, again]) => ({ name: error._tag, error, again })))(
    "$name: $again",
    ({ again, error }) =>
      Effect.gen(function* () {
        const { run, server, sql } = yield* world()
        server.fail("INSERT 1", error)
        const exit = yield* Effect.exit(run(sql`INSERT 1`))
        assert.strictEqual(Exit.isSuccess(exit), again)
        assert.strictEqual(server.texts.filter((text) => text === "BEGIN").length, again ? 2 : 1)
        if (!again) assert.strictEqual(database(failure(exit))._tag, error._tag)
      })
  )

  it.scoped("a pool that brought nothing in time: yes, nothing was sent", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* world({
        pool: { size: 1, acquireTimeout: Duration.seconds(3) }
      })
      const slow = server.hold("INSERT 1")
      const first = yield* Effect.fork(run(sql`INSERT 1`))
      yield* slow.arrived
      const second = yield* Effect.fork(run(Effect.zipRight(sql`INSERT 2`, Transaction.attempt)))
      yield* pass("3 seconds")
      yield* slow.release
      yield* Fiber.join(first)
      assert.strictEqual(yield* Fiber.join(second), 2)
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )
})

describe("how often and after what wait", () => {
  it.scoped("conflicts wait 10, 20, 40 … ms and never over 1 s; ten times; then RetriesExhausted has them all", () =>
    Effect.gen(function* () {
      const policies = { ...RetryPolicy, conflict: { ...RetryPolicy.conflict, jitter: "none" as const } }
      const { run, server, sql } = yield* world({ retry: policies })
      server.fail("INSERT 1", conflict(), 100)
      const starts: Array<number> = []
      const { exit, waits } = yield* startsOf(run(Effect.zipRight(started(starts), sql`INSERT 1`)), starts)
      const gaps = waits.slice(1).map((at, index) => at - (waits[index] ?? 0))
      assert.strictEqual(gaps.length, 10)
      const planned = [10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000]
      for (const [index, gap] of gaps.entries()) assert.isAtMost(Math.abs(gap - (planned[index] ?? 0)), 3)
      const error = failure(exit)
      assert.instanceOf(error, DatabaseError.RetriesExhausted)
      assert.strictEqual(error.attempts.length, 11)
      assert.deepStrictEqual(new Set(error.attempts.map(({ _tag }) => _tag)), new Set(["SerializationError"]))
      assert.strictEqual(error.last, error.attempts.at(-1))
    })
  )

  it.scoped("a lost server is given 1, 2 and 4 s", () =>
    Effect.gen(function* () {
      const policies = { ...RetryPolicy, connection: { ...RetryPolicy.connection, jitter: "none" as const } }
      const { run, server, sql } = yield* world({ retry: policies })
      server.lose("INSERT 1", "undelivered", 100)
      const starts: Array<number> = []
      const { exit, waits } = yield* startsOf(run(Effect.zipRight(started(starts), sql`INSERT 1`)), starts)
      assert.strictEqual(waits.length, 4)
      for (const [index, at] of [0, 1000, 3000, 7000].entries()) {
        assert.isAtMost(Math.abs((waits[index] ?? 0) - at), 5)
      }
      assert.instanceOf(failure(exit), DatabaseError.RetriesExhausted)
    })
  )

  it.effect("full jitter spreads over the whole wait, equal jitter over its second half; both by Random", () =>
    Effect.gen(function* () {
      const policy = RetryPolicy.decide({ baseDelay: 100, factor: 2, maxDelay: 300 }, RetryPolicy.conflict)
      const drawn = (jitter: "full" | "equal" | "none", attempt: number, random: number) =>
        Effect.map(
          Effect.withRandom(RetryPolicy.delay({ ...policy, jitter }, attempt), Random.fixed([random])),
          Duration.toMillis
        )
      for (const [attempt, most] of [100, 200, 300, 300].entries()) {
        assert.strictEqual(yield* drawn("full", attempt, 0), 0)
        assert.closeTo(yield* drawn("full", attempt, 0.25), most / 4, 0.01)
        assert.closeTo(yield* drawn("equal", attempt, 0), most / 2, 0.01)
        assert.closeTo(yield* drawn("equal", attempt, 0.5), (most * 3) / 4, 0.01)
        assert.strictEqual(yield* drawn("none", attempt, 0.5), most)
      }
    })
  )

  it.scoped("each class counts for itself", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      // Three retries of each class: six failures in turns are survived, four of one class are not.
      for (let i = 0; i < 3; i++) server.fail("INSERT 1", conflict()).lose("INSERT 1", "undelivered")
      assert.strictEqual(yield* run(Effect.zipRight(sql`INSERT 1`, Transaction.attempt)), 7)
      server.fail("INSERT 2", conflict(), 4)
      const error = failure(yield* Effect.exit(run(sql`INSERT 2`)))
      assert.instanceOf(error, DatabaseError.RetriesExhausted)
      assert.strictEqual(error.attempts.length, 4)
    })
  )

  it.scoped("a failure of another kind ends it and is told as it is", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.fail("INSERT 1", conflict()).fail("INSERT 1", duplicate())
      const error = failure(yield* Effect.exit(run(sql`INSERT 1`)))
      assert.strictEqual(database(error)._tag, "UniqueViolation")
    })
  )
})

describe("who decides", () => {
  const tries = (effect: Effect.Effect<unknown, unknown>, count: { n: number }) =>
    Effect.map(Effect.exit(effect), () => {
      const { n } = count
      count.n = 0
      return n
    })

  it.scoped("the call before withPolicy and layer, those before the configuration", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      const count = { n: 0 }
      const body = Effect.zipRight(
        Effect.sync(() => count.n++),
        sql`INSERT 1`
      )
      server.fail("INSERT 1", conflict(), 1000)
      const times = (maxRetries: number) => ({ maxRetries, baseDelay: 0 })
      assert.strictEqual(yield* tries(run(body), count), 4)
      assert.strictEqual(yield* tries(Retry.withPolicy(run(body), times(1)), count), 2)
      assert.strictEqual(yield* tries(run(body).pipe(Retry.withPolicy("never")), count), 1)
      assert.strictEqual(yield* tries(Effect.provide(run(body), Retry.layer(times(5))), count), 6)
      assert.strictEqual(yield* tries(Retry.withPolicy(run(body, { retry: times(0) }), times(5)), count), 1)
      assert.strictEqual(yield* tries(run(body, { retry: "never" }), count), 1)
      assert.strictEqual(
        yield* tries(run(body, { retry: { connection: times(9) } }), count),
        4,
        "conflicts: as configured"
      )
      assert.strictEqual(yield* tries(run(body, { retry: { conflict: times(1) } }), count), 2)
    })
  )

  it.scoped("never: the failure is told as it is, not as RetriesExhausted", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.fail("INSERT 1", conflict())
      const error = failure(yield* Effect.exit(run(sql`INSERT 1`, { retry: "never" })))
      assert.strictEqual(database(error)._tag, "SerializationError")
      assert.notInstanceOf(error, DatabaseError.RetriesExhausted)
    })
  )

  it.scoped("a policy of the inside is not one of the outside: nested, it is ignored", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.fail("INSERT 1", conflict(), 1000)
      const count = { n: 0 }
      const inner = run(
        Effect.zipRight(
          Effect.sync(() => count.n++),
          sql`INSERT 1`
        ),
        { retry: { maxRetries: 50, baseDelay: 0 } }
      )
      assert.strictEqual(yield* tries(run(inner, { retry: "never" }), count), 1)
    })
  )

  it.scoped("attempt counts from 1 inside and is 0 outside", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.fail("INSERT 1", conflict(), 2)
      const seen: Array<number> = []
      const look = Effect.tap(Transaction.attempt, (n) => Effect.sync(() => seen.push(n)))
      yield* look
      yield* run(Effect.zipRight(look, sql`INSERT 1`))
      yield* look
      assert.deepStrictEqual(seen, [0, 1, 2, 3, 0])
    })
  )
})

describe("timeout", () => {
  it.scoped("bounds the body", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* world()
      const slow = server.hold("INSERT 1")
      const fiber = yield* Effect.fork(run(sql`INSERT 1`, { timeout: "5 seconds" }))
      yield* slow.arrived
      yield* pass("4999 millis")
      assert.isNull(fiber.unsafePoll())
      yield* pass(1)
      assert.instanceOf(failure(yield* Fiber.await(fiber)), DatabaseError.StatementTimeoutError)
      assert.deepStrictEqual(server.texts, ["BEGIN", "INSERT 1", "ROLLBACK"])
      assert.strictEqual(server.count("cancel"), 1)
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("runs over all tries and the waits between them, and keeps the reason of the last one", () =>
    Effect.gen(function* () {
      const retry = {
        maxRetries: 100,
        baseDelay: "2 seconds",
        factor: 1,
        maxDelay: "2 seconds",
        jitter: "none"
      } as const
      const { run, server, sql } = yield* world()
      server.fail("INSERT 1", conflict(), 100)
      const fiber = yield* Effect.fork(run(sql`INSERT 1`, { retry, timeout: "5 seconds" }))
      for (let i = 0; i < 5; i++) yield* pass("1 seconds")
      const error = failure(yield* Fiber.await(fiber))
      assert.instanceOf(error, DatabaseError.StatementTimeoutError)
      assert.strictEqual(DatabaseError.find(error.cause)?._tag, "SerializationError")
      assert.strictEqual(server.texts.filter((text) => text === "BEGIN").length, 3)
    })
  )

  it.scoped("runs over the wait for a connection", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* world({ pool: { size: 1 } })
      const slow = server.hold("SELECT 1")
      const first = yield* Effect.fork(sql`SELECT 1`)
      yield* slow.arrived
      const second = yield* Effect.fork(run(sql`INSERT 1`, { timeout: "1 seconds" }))
      yield* pass("1 seconds")
      assert.instanceOf(failure(yield* Fiber.await(second)), DatabaseError.StatementTimeoutError)
      yield* slow.release
      yield* Fiber.join(first)
      assert.isFalse(server.texts.includes("INSERT 1"))
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("never cuts COMMIT", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      const travelling = server.hold("COMMIT")
      const fiber = yield* Effect.fork(run(Effect.as(sql`INSERT 1`, "done"), { timeout: "1 seconds" }))
      yield* travelling.arrived
      yield* pass("30 seconds")
      yield* travelling.release
      assert.strictEqual(yield* Fiber.join(fiber), "done")
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
    })
  )
})

describe("retries are visible", () => {
  it.scoped("as a metric and as events of the transaction's span", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      const before = (yield* Metric.value(Transaction.retries)).count
      const events: Array<string> = []
      server.fail("INSERT 1", conflict(), 2)
      const spans = yield* spy((name, event) => events.push(`${name}: ${event}`))
      yield* Effect.withTracer(run(sql`INSERT 1`, { name: "transfer" }), spans)
      assert.strictEqual((yield* Metric.value(Transaction.retries)).count - before, 2)
      assert.deepStrictEqual(events, ["transfer: transaction attempt failed", "transfer: transaction attempt failed"])
    })
  )

  it.scoped("as a debug log with the attempt and its cause, and as nothing where nothing was run again", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      const said: Array<string> = []
      const listening = Logger.replace(
        Logger.defaultLogger,
        Logger.make(({ logLevel, message }) => said.push(`${logLevel.label} ${String(message)}`))
      )
      const written = run(sql`INSERT 1`).pipe(Effect.provide(listening), Logger.withMinimumLogLevel(LogLevel.Debug))
      server.fail("INSERT 1", conflict(), 2)
      yield* written
      assert.deepStrictEqual(
        said.map((line) => line.replace(/failed: .*(could not serialize).*/, "failed: $1")),
        [1, 2].map((attempt) => `DEBUG transaction attempt ${attempt} failed: could not serialize`)
      )
      yield* written
      assert.strictEqual(said.length, 2)
    })
  )
})

/** A tracer that tells of every event. */
const spy = (heard: (span: string, event: string) => void) =>
  Effect.map(
    Effect.tracer,
    (tracer): Tracer.Tracer => ({
      ...tracer,
      context: tracer.context,
      span: (...args) => {
        const span = tracer.span(...args)
        const event = span.event.bind(span)
        span.event = (name, at, attributes) => {
          heard(args[0], name)
          event(name, at, attributes)
        }
        return span
      }
    })
  )
