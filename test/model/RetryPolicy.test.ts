/** How long is waited, and how often is tried again: bounds and counts, on a clock that stands still. */
import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import * as TestClock from "effect/TestClock"
import { RetryPolicy } from "effect-aquifer"

const millis = Duration.toMillis

const ceilings = (policy: RetryPolicy.Decided, count = policy.maxRetries) =>
  Array.from({ length: count }, (_, attempt) => millis(RetryPolicy.ceiling(policy, attempt)))

describe("the defaults", () => {
  it("a lost server is given 1 s, 2 s, 4 s", () => {
    expect(ceilings(RetryPolicy.connection)).toEqual([1000, 2000, 4000])
  })

  it("a lost race is given 10 ms doubling to 1 s, ten times", () => {
    expect(ceilings(RetryPolicy.conflict)).toEqual([10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000])
  })
})

describe("decide", () => {
  it("keeps what is left out, and takes what is said, zero included", () => {
    expect(RetryPolicy.decide(undefined, RetryPolicy.conflict)).toEqual(RetryPolicy.conflict)
    expect(RetryPolicy.decide({ maxRetries: 0, baseDelay: 0 }, RetryPolicy.connection)).toEqual({
      ...RetryPolicy.connection,
      maxRetries: 0,
      baseDelay: Duration.zero
    })
  })
})

const policies = fc.record({
  maxRetries: fc.nat(20),
  baseDelay: fc.integer({ min: 0, max: 60_000 }).map(Duration.millis),
  factor: fc.double({ min: 1, max: 10, noNaN: true }),
  maxDelay: fc.integer({ min: 0, max: 600_000 }).map(Duration.millis),
  jitter: fc.constantFrom("full" as const, "equal" as const, "none" as const)
})

describe("a wait", () => {
  it("is never longer than its ceiling, nor that than maxDelay, however often it is doubled", () => {
    fc.assert(
      fc.property(policies, fc.nat(2000), fc.string(), (policy, attempt, seed) => {
        const ceiling = millis(RetryPolicy.ceiling(policy, attempt))
        const wait = millis(Effect.runSync(Effect.withRandom(RetryPolicy.delay(policy, attempt), Random.make(seed))))
        const least = { full: 0, equal: ceiling / 2, none: ceiling }[policy.jitter]
        // Durations are kept to the nanosecond.
        expect(wait).toBeGreaterThanOrEqual(least - 1e-5)
        expect(wait).toBeLessThanOrEqual(ceiling + 1e-5)
        expect(ceiling).toBeLessThanOrEqual(millis(policy.maxDelay))
      }),
      { numRuns: 300 }
    )
  })

  it("with full jitter spreads over the whole of it, with equal jitter over its upper half", () => {
    const draw = (jitter: "full" | "equal") =>
      Effect.runSync(
        Effect.replicateEffect(RetryPolicy.delay({ ...RetryPolicy.connection, jitter }, 0), 200).pipe(
          Effect.withRandom(Random.make("seed"))
        )
      ).map(millis)
    const quarters = (waits: ReadonlyArray<number>) => new Set(waits.map((wait) => Math.min(3, Math.floor(wait / 250))))
    expect([...quarters(draw("full"))].sort()).toEqual([0, 1, 2, 3])
    expect([...quarters(draw("equal"))].sort()).toEqual([2, 3])
  })
})

describe("the schedule", () => {
  it.effect("tries once and maxRetries times again, and waits exactly as long as it says", () =>
    Effect.gen(function* () {
      const starts = yield* Ref.make<ReadonlyArray<number>>([])
      const attempt = Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.zipRight(
          Ref.update(starts, (all) => [...all, now]),
          Effect.fail("no")
        )
      )
      const policy = { ...RetryPolicy.connection, jitter: "none" as const }
      const fiber = yield* Effect.fork(Effect.exit(Effect.retry(attempt, RetryPolicy.schedule(policy))))
      yield* TestClock.adjust("1 hour")
      yield* Fiber.join(fiber)
      expect(yield* Ref.get(starts)).toEqual([0, 1000, 3000, 7000])
    })
  )

  it.effect("without retries there is one attempt", () =>
    Effect.gen(function* () {
      const count = yield* Ref.make(0)
      const policy = RetryPolicy.decide({ maxRetries: 0 }, RetryPolicy.conflict)
      const failing = Effect.zipRight(
        Ref.update(count, (n) => n + 1),
        Effect.fail("no")
      )
      yield* Effect.ignore(Effect.retry(failing, RetryPolicy.schedule(policy)))
      expect(yield* Ref.get(count)).toBe(1)
    })
  )
})
