/** What a pool tells unasked: connections held for too long, and its counts as they change. */
import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { PoolSnapshot } from "../../src/model/DatabaseError.js"
import { make, Server, settle, use } from "./stub.js"

/** What is logged, level and text. */
const recorded = () => {
  const lines: Array<string> = []
  const logger = Logger.make(({ logLevel, message }) => {
    lines.push(`${logLevel.label} ${[message].flat().join(" ")}`)
  })
  return { lines, layer: Logger.replace(Logger.defaultLogger, logger) }
}

describe("a connection held for longer than the leak threshold", () => {
  const { lines, layer } = recorded()
  it.scoped("is reported once, with its holder's span, where that was made, and for how long", () =>
    Effect.gen(function* () {
      const pool = yield* make(new Server(), { size: 3, leakThreshold: Duration.seconds(10) })
      const holder = yield* Effect.forkScoped(
        use(pool, () => Effect.sleep("5 minutes")).pipe(Effect.withSpan("nightly report"))
      )
      yield* settle
      yield* TestClock.adjust("2 seconds")
      yield* Effect.forkScoped(use(pool, () => Effect.sleep("5 minutes")))
      yield* Effect.forkScoped(use(pool, () => Effect.sleep("9 seconds")))
      yield* settle
      yield* TestClock.adjust("7999 millis")
      expect(lines).toEqual([])
      yield* TestClock.adjust("1 millis")
      expect(lines).toHaveLength(1)
      expect(lines[0]).toContain("WARN a connection has been held for 10s by nightly report")
      expect(lines[0]).toContain("observing.test.ts")
      yield* TestClock.adjust("2 seconds")
      expect(lines).toHaveLength(2)
      expect(lines[1]).toContain("by (no span)")
      yield* TestClock.adjust("10 minutes")
      expect(lines).toHaveLength(2)
      yield* Fiber.join(holder)
      // It was not taken from its holder, and is used on.
      expect(yield* pool.status).toMatchObject({ checkedIn: 3, invalidated: 0, totals: { leaks: 2, opened: 3 } })
    }).pipe(Effect.provide(layer))
  )

  it.scoped("is nobody's business where there is no threshold", () => {
    const quiet = recorded()
    return Effect.gen(function* () {
      const pool = yield* make(new Server())
      yield* Effect.forkScoped(use(pool, () => Effect.sleep("5 days")))
      yield* settle
      yield* TestClock.adjust("4 days")
      expect(quiet.lines).toEqual([])
      expect((yield* pool.status).totals.leaks).toBe(0)
    }).pipe(Effect.provide(quiet.layer))
  })
})

describe("the counts as a stream", () => {
  const figures = ({ checkedOut, checkedIn, waiting }: PoolSnapshot) => ({ checkedOut, checkedIn, waiting })

  it.scoped("begin with those of this moment, tell each state somebody can be in, and end with the pool", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const pool = yield* Scope.extend(make(new Server(), { size: 1, maxOverflow: 0 }), scope)
      yield* use(pool, () => Effect.void)
      const seen: Array<ReturnType<typeof figures>> = []
      const watch = yield* Effect.forkScoped(
        Stream.runForEach(pool.changes, (status) => Effect.sync(() => seen.push(figures(status))))
      )
      yield* settle
      expect(seen).toEqual([{ checkedOut: 0, checkedIn: 1, waiting: 0 }])
      const holder = yield* Effect.forkScoped(use(pool, () => Effect.sleep(10)))
      yield* settle
      expect(seen.at(-1)).toEqual({ checkedOut: 1, checkedIn: 0, waiting: 0 })
      const waiter = yield* Effect.forkScoped(use(pool, () => Effect.never))
      yield* settle
      expect(seen.at(-1)).toEqual({ checkedOut: 1, checkedIn: 0, waiting: 1 })
      yield* TestClock.adjust(10)
      yield* Fiber.join(holder)
      expect(seen.at(-1)).toEqual({ checkedOut: 1, checkedIn: 0, waiting: 0 })
      yield* Fiber.interrupt(waiter)
      yield* settle
      expect(seen.at(-1)).toEqual({ checkedOut: 0, checkedIn: 1, waiting: 0 })
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.join(watch)
      expect(seen.at(-1)).toEqual({ checkedOut: 0, checkedIn: 0, waiting: 0 })
      expect(Chunk.toReadonlyArray(yield* Stream.runCollect(pool.changes)).map(figures)).toEqual([seen.at(-1)])
    })
  )

  it.scoped("give a slow listener the latest, not the past", () =>
    Effect.gen(function* () {
      const pool = yield* make(new Server(), { size: 1, maxOverflow: 0 })
      const seen: Array<number> = []
      yield* Effect.forkScoped(
        Stream.runForEach(pool.changes, ({ totals }) =>
          Effect.zipRight(
            Effect.sync(() => seen.push(totals.acquired)),
            Effect.sleep("1 second")
          )
        )
      )
      yield* settle
      for (let i = 0; i < 500; i++) yield* use(pool, () => Effect.void)
      yield* TestClock.adjust("1 second")
      expect(seen).toEqual([0, 500])
    })
  )
})
