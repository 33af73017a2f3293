/** Many limits, one sleeping fiber. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as Deadlines from "../../src/connection/Deadlines.js"
import { settle } from "../transaction/support.js"

/** Something that ends when it is told to. */
const work = Effect.gen(function* () {
  const ended = yield* Deferred.make<string, string>()
  let stops = 0
  const stop = Effect.suspend(() => {
    stops++
    return Effect.asVoid(Deferred.fail(ended, "stopped"))
  })
  return { ended, stop, stops: () => stops }
})

const bounded = (
  deadlines: Deadlines.Deadlines,
  one: Effect.Effect.Success<typeof work>,
  limit: Duration.DurationInput
) =>
  Effect.fork(
    Effect.uninterruptible(deadlines.bound(Deferred.await(one.ended), Duration.decode(limit), one.stop, () => "late"))
  )

describe("a deadline", () => {
  it.scoped("leaves alone what ends in time, success or failure, and stops nothing later", () =>
    Effect.gen(function* () {
      const deadlines = yield* Deadlines.make
      const [good, bad] = [yield* work, yield* work]
      const fibers = [yield* bounded(deadlines, good, "1 second"), yield* bounded(deadlines, bad, "1 second")]
      yield* settle
      yield* Deferred.succeed(good.ended, "done")
      yield* Deferred.fail(bad.ended, "its own")
      assert.deepStrictEqual(yield* Effect.forEach(fibers, Fiber.await), [Exit.succeed("done"), Exit.fail("its own")])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual([good.stops(), bad.stops()], [0, 0])
    })
  )

  it.scoped("stops what does not, once, at its own moment, in whatever order they came", () =>
    Effect.gen(function* () {
      const deadlines = yield* Deadlines.make
      const limits = [30, 10, 20, 10]
      const works = yield* Effect.forEach(limits, () => work)
      const fibers = yield* Effect.forEach(works, (one, index) =>
        bounded(deadlines, one, `${limits[index] ?? 0} seconds`)
      )
      yield* settle
      const stops = () => works.map((one) => one.stops())
      yield* TestClock.adjust("9 seconds")
      assert.deepStrictEqual(stops(), [0, 0, 0, 0])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(stops(), [0, 1, 0, 1])
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(stops(), [0, 1, 1, 1])
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(stops(), [1, 1, 1, 1])
      assert.deepStrictEqual(yield* Effect.forEach(fibers, Fiber.await), Array(4).fill(Exit.fail("late")))
    })
  )

  it.scoped("counts from its own beginning, long after the first one", () =>
    Effect.gen(function* () {
      const deadlines = yield* Deadlines.make
      for (let round = 0; round < 3; round++) {
        const one = yield* work
        const fiber = yield* bounded(deadlines, one, "10 seconds")
        yield* settle
        yield* TestClock.adjust("7 seconds")
        assert.strictEqual(one.stops(), 0)
        if (round < 2) yield* Deferred.succeed(one.ended, "done")
        else yield* TestClock.adjust("3 seconds")
        assert.deepStrictEqual(yield* Fiber.await(fiber), round < 2 ? Exit.succeed("done") : Exit.fail("late"))
      }
    })
  )
})
