/** A sick database is not stormed, and nobody waits for an attempt that would come too late. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as TestClock from "effect/TestClock"
import * as DatabaseError from "../../src/model/DatabaseError.js"
import * as Budget from "../../src/transaction/Budget.js"
import { conflict, failure, pass, settle, world } from "./support.js"

const times = <A, E, R>(n: number, effect: Effect.Effect<A, E, R>) => Effect.replicateEffect(effect, n)
const many = { retry: { maxRetries: 3, baseDelay: 0 } } as const

describe("the retry budget", () => {
  it.scoped("a database that loses every connection is asked for little more than it was given", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.lose("INSERT 1", "undelivered", 10_000)
      const before = (yield* Metric.value(Budget.refused)).count
      const errors = yield* times(200, Effect.flip(run(sql`INSERT 1`, many)))
      const sent = server.texts.filter((text) => text === "INSERT 1").length
      // 200 first attempts, 100 retries in reserve, and a fifth of the 200.
      assert.isAtMost(sent, 200 + 100 + 40)
      assert.isAtLeast(sent, 200 + 100)
      assert.isAbove((yield* Metric.value(Budget.refused)).count - before, 0)
      const last = errors.at(-1)
      assert.instanceOf(last, DatabaseError.RetriesExhausted)
      assert.strictEqual(last.hint, Budget.hint)
      assert.strictEqual(last.last._tag, "ConnectionError")
      assert.isBelow(last.attempts.length, 4)
    })
  )

  it.scoped("comes back with time, slowly, and never beyond its size", () =>
    Effect.gen(function* () {
      const budget = new Budget.Budget({ size: 1, maxOverflow: 0 })
      const spent = Effect.map(times(300, budget.spend), (answers) => answers.filter((may) => may).length)
      assert.strictEqual(yield* spent, 100)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* spent, 10)
      yield* times(
        50,
        Effect.sync(() => budget.earn())
      )
      assert.strictEqual(yield* spent, 10)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* spent, 100)
    })
  )

  it.effect("a large pool has room for a restart of all it carries", () =>
    Effect.gen(function* () {
      const budget = new Budget.Budget({ size: 10, maxOverflow: 20 })
      assert.strictEqual((yield* times(1000, budget.spend)).filter((may) => may).length, 300)
    })
  )

  it.scoped("conflicts are no sign of sickness and are not counted", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.fail("INSERT 1", conflict(), 10_000)
      const errors = yield* times(100, Effect.flip(run(sql`INSERT 1`, many)))
      assert.strictEqual(server.texts.filter((text) => text === "INSERT 1").length, 400)
      assert.isTrue(errors.every((error) => DatabaseError.find(error)?.hint === undefined))
    })
  )
})

describe("a deadline", () => {
  const slowly = { maxRetries: 5, baseDelay: "4 seconds", factor: 1, maxDelay: "4 seconds", jitter: "none" } as const

  it.scoped("a wait that would end after the timeout is not begun: it fails at once, the last failure behind it", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.fail("INSERT 1", conflict(), 100)
      const start = yield* Clock.currentTimeMillis
      const fiber = yield* Effect.fork(run(sql`INSERT 1`, { retry: slowly, timeout: "6 seconds" }))
      yield* pass("4 seconds")
      const error = failure(yield* Fiber.await(fiber))
      assert.instanceOf(error, DatabaseError.StatementTimeoutError)
      assert.strictEqual(DatabaseError.find(error.cause)?._tag, "SerializationError")
      assert.strictEqual((yield* Clock.currentTimeMillis) - start, 4000)
      assert.strictEqual(server.texts.filter((text) => text === "BEGIN").length, 2)
    })
  )

  it.scoped("a wait that fits is waited", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.fail("INSERT 1", conflict())
      const fiber = yield* Effect.fork(run(Effect.as(sql`INSERT 1`, 1), { retry: slowly, timeout: "6 seconds" }))
      yield* pass("3999 millis")
      assert.isNull(fiber.unsafePoll())
      yield* pass(1)
      yield* settle
      assert.strictEqual(yield* Fiber.join(fiber), 1)
    })
  )
})
