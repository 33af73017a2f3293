/** Limits and turns: what may take long ends in time, and what must not be interrupted is not. */
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as TestClock from "effect/TestClock"
import { first, within } from "../../src/connection/Limit.js"
import { Turns } from "../../src/connection/Turn.js"
import { LockTimeoutError } from "../../src/model/DatabaseError.js"
import { interruptEverywhere } from "../support/scheduler.js"
import { settle } from "./stub.js"

describe("within", () => {
  it.scoped("lets a COMMIT end although its fiber is interrupted before and during it", () =>
    Effect.gen(function* () {
      const ends: Array<string> = []
      const commit = Effect.onExit(Effect.sleep(100), (exit) => Effect.sync(() => ends.push(exit._tag)))
      const limited = Effect.uninterruptible(within(commit, "1 second", Effect.die("too late")))
      const fiber = yield* Effect.forkScoped(Effect.onExit(Effect.never, () => limited))
      yield* settle
      yield* Fiber.interruptFork(fiber)
      yield* settle
      yield* Fiber.interruptFork(fiber)
      yield* settle
      expect(ends).toEqual([])
      yield* TestClock.adjust(100)
      yield* Fiber.await(fiber)
      expect(ends).toEqual(["Success"])
    })
  )

  it.scoped("gives up at the limit where nothing may be interrupted, even on what refuses to stop", () =>
    Effect.gen(function* () {
      const stubborn = Effect.uninterruptible(Effect.sleep("1 hour"))
      const fiber = yield* Effect.forkScoped(Effect.uninterruptible(within(stubborn, 500, Effect.succeed("other"))))
      yield* settle
      yield* TestClock.adjust(499)
      expect(fiber.unsafePoll()).toBe(null)
      yield* TestClock.adjust(1)
      expect(yield* Fiber.join(fiber)).toBe("other")
    })
  )

  it.scoped("passes on success, failure and what fibers inherit, and leaves no timer", () =>
    Effect.gen(function* () {
      const ref = yield* FiberRef.make(0)
      expect(yield* within(Effect.as(FiberRef.set(ref, 7), "a"), "1 hour", Effect.succeed("b"))).toBe("a")
      expect(yield* FiberRef.get(ref)).toBe(7)
      expect(yield* Effect.exit(within(Effect.fail("no"), "1 hour", Effect.void))).toEqual(Exit.fail("no"))
    })
  )

  it.scoped("gives up at the limit on what refuses to stop when its caller is interrupted, too", () =>
    Effect.gen(function* () {
      const stubborn = Effect.uninterruptible(Effect.sleep("1 hour"))
      const fiber = yield* Effect.forkScoped(within(stubborn, 500, Effect.succeed("other")))
      yield* settle
      yield* TestClock.adjust(300)
      yield* Fiber.interruptFork(fiber)
      yield* TestClock.adjust(199)
      expect(fiber.unsafePoll()).toBe(null)
      yield* TestClock.adjust(1)
      expect(Exit.isInterrupted(yield* Fiber.await(fiber))).toBe(true)
    })
  )

  it.scoped("can be interrupted where its caller can", () =>
    Effect.gen(function* () {
      let stopped = false
      const work = Effect.onInterrupt(Effect.never, () =>
        Effect.sync(() => {
          stopped = true
        })
      )
      const fiber = yield* Effect.forkScoped(within(work, "1 hour", Effect.void))
      yield* settle
      yield* Fiber.interrupt(fiber)
      expect(stopped).toBe(true)
    })
  )
})

describe("turns", () => {
  it.scoped("come one at a time, in order", () =>
    Effect.gen(function* () {
      const turns = new Turns(Duration.minutes(1))
      const log: Array<string> = []
      yield* Effect.forEach(
        ["a", "b", "c"],
        (name) =>
          turns.alone(
            Effect.gen(function* () {
              log.push(`${name} in`)
              yield* Effect.yieldNow()
              log.push(`${name} out`)
            })
          ),
        { concurrency: 3 }
      )
      expect(log).toEqual(["a in", "a out", "b in", "b out", "c in", "c out"])
      expect(turns.free).toBe(true)
    })
  )

  it.scoped("that do not come in time are a typed failure", () =>
    Effect.gen(function* () {
      const turns = new Turns(Duration.seconds(1))
      yield* Effect.forkScoped(turns.alone(Effect.never))
      yield* settle
      const waiter = yield* Effect.forkScoped(Effect.flip(turns.alone(Effect.void)))
      yield* settle
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(waiter)).toBeInstanceOf(LockTimeoutError)
    })
  )

  it.live("are given back and passed on wherever an interrupt strikes", () =>
    Effect.gen(function* () {
      const attempt = Effect.sync(() => {
        const turns = new Turns(Duration.minutes(1))
        const one = turns.alone(Effect.yieldNow())
        const effect = Effect.flatMap(
          Effect.forEach([1, 2, 3], () => Effect.fork(one)),
          (fibers) => Effect.forEach(fibers, Fiber.join)
        )
        return { world: turns, effect }
      })
      const points = yield* interruptEverywhere(attempt, (turns, run, at) =>
        Effect.gen(function* () {
          if (at === Number.POSITIVE_INFINITY) expect(Exit.isSuccess(run.exit)).toBe(true)
          yield* settle
          expect(turns.free).toBe(true)
        })
      )
      expect(points).toBeGreaterThan(30)
    })
  )
})

describe("first", () => {
  it.live("takes whichever ends first, be that a failure, and the other has ended when it is there", () =>
    Effect.gen(function* () {
      let ended = 0
      const other = Effect.ensuring(
        Effect.never,
        Effect.sync(() => ended++)
      )
      expect(yield* first(Effect.as(Effect.sleep(1), "one"), other)).toBe("one")
      expect(yield* Effect.flip(first(other, Effect.zipRight(Effect.sleep(1), Effect.fail("no"))))).toBe("no")
      expect(ended).toBe(2)
    })
  )

  it.live("ends wherever an interrupt strikes, and leaves neither behind", () =>
    Effect.gen(function* () {
      const attempt = Effect.sync(() => {
        const world = { running: 0 }
        const counted = <A>(effect: Effect.Effect<A>) =>
          Effect.acquireUseRelease(
            Effect.sync(() => world.running++),
            () => effect,
            () => Effect.sync(() => world.running--)
          )
        return { world, effect: first(counted(Effect.sleep(1)), counted(Effect.never)) }
      })
      const points = yield* interruptEverywhere(attempt, ({ running }, _, at) =>
        Effect.sync(() => expect(running, `interrupted before step ${at}`).toBe(0))
      )
      expect(points).toBeGreaterThan(20)
    })
  )
})
