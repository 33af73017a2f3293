/** Shedding load: off unless asked for, and then only as long as it is needed. */
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { type DatabaseError, PoolOverloaded } from "../../src/model/DatabaseError.js"
import { make, Server, settle, use } from "./stub.js"

type Pool = Effect.Effect.Success<ReturnType<typeof make>>

const target = { size: 1, maxOverflow: 0, queueTarget: Duration.millis(50) }

/** Decided after 300 ms, so that fewer steps show it. */
const soon = { ...target, queueInterval: Duration.millis(300) }

interface Job {
  readonly asked: number
  readonly fiber: Fiber.RuntimeFiber<number, DatabaseError>
}

const clock = Effect.map(Effect.clock, (it) => it.unsafeCurrentTimeMillis())

/** One job every `every` ms for `length` ms, each of which holds a connection for `holds` ms. */
const load = (pool: Pool, every: number, holds: number, length: number) =>
  Effect.gen(function* () {
    const jobs: Array<Job> = []
    for (let at = 0; at < length; at += every) {
      const asked = yield* clock
      const job = Effect.flatMap(Effect.exit(use(pool, () => Effect.zipLeft(clock, Effect.sleep(holds)))), (exit) =>
        Exit.isSuccess(exit) ? Effect.succeed(exit.value - asked) : exit
      )
      jobs.push({ asked, fiber: yield* Effect.forkScoped(job) })
      yield* settle
      yield* TestClock.adjust(every)
    }
    return jobs
  })

/** The waits of those served, and how many were sent away. */
const results = (jobs: ReadonlyArray<Job>) => {
  const waits: Array<number> = []
  let shed = 0
  for (const { fiber } of jobs) {
    const exit = fiber.unsafePoll()
    if (exit === null) continue
    if (Exit.isSuccess(exit)) waits.push(exit.value)
    else {
      expect(exit.cause).toMatchObject({ _tag: "Fail", error: { _tag: "PoolOverloaded" } })
      shed++
    }
  }
  return { waits, shed }
}

describe("a pool with a queue target", () => {
  it.scoped("sheds what it cannot serve, and serves the rest within twice the target", () =>
    Effect.gen(function* () {
      const pool = yield* make(new Server(), soon)
      // Twice as much as one connection can do.
      const jobs = yield* load(pool, 25, 50, 1600)
      const early = results(jobs.filter(({ asked }) => asked < 250))
      expect(early.waits.some((wait) => wait > 100)).toBe(true)
      const later = results(jobs.filter(({ asked }) => asked > 700 && asked < 1450))
      expect(Math.max(...later.waits)).toBeLessThanOrEqual(100)
      // It goes on working at its full rate: half of all are served.
      expect(later.waits.length).toBeGreaterThan(10)
      expect(later.shed).toBeGreaterThan(10)
      const status = yield* pool.status
      expect(status.totals.shed).toBe(results(jobs).shed)
      expect(status.totals.timeouts).toBe(0)
    })
  )

  it.scoped("says so with its figures, and that nothing was sent", () =>
    Effect.gen(function* () {
      const pool = yield* make(new Server(), target)
      yield* Effect.forkScoped(use(pool, () => Effect.never))
      yield* settle
      // In the interval that has just begun one was served at once.
      yield* TestClock.adjust(1000)
      const waiter = yield* Effect.forkScoped(Effect.flip(use(pool, () => Effect.void)))
      yield* settle
      yield* TestClock.adjust(999)
      expect(waiter.unsafePoll()).toBe(null)
      yield* TestClock.adjust(1)
      const error = yield* Fiber.join(waiter)
      expect(error).toBeInstanceOf(PoolOverloaded)
      expect(error).toMatchObject({ operation: "acquire", recovery: "caller" })
      expect(error.message).toContain("for 1000 ms nobody got one within 50 ms")
    })
  )

  it.scoped("leaves a burst alone that is over within the interval", () =>
    Effect.gen(function* () {
      const pool = yield* make(new Server(), target)
      const burst = yield* Effect.forEach(Array.from({ length: 18 }), () =>
        Effect.forkScoped(use(pool, () => Effect.sleep(50)))
      )
      for (let i = 0; i < 18; i++) yield* TestClock.adjust(50)
      expect(burst.every((fiber) => fiber.unsafePoll()?._tag === "Success")).toBe(true)
      // And is forgotten: the next one that has to wait is not judged by it.
      yield* TestClock.adjust("5 minutes")
      yield* Effect.forkScoped(use(pool, () => Effect.sleep(150)))
      yield* settle
      const waiter = yield* Effect.forkScoped(use(pool, () => Effect.void))
      yield* settle
      yield* TestClock.adjust(150)
      expect(waiter.unsafePoll()).toEqual(Exit.void)
      expect((yield* pool.status).totals.shed).toBe(0)
    })
  )

  it.scoped("recovers by itself when the load has gone", () =>
    Effect.gen(function* () {
      const pool = yield* make(new Server(), soon)
      const heavy = yield* load(pool, 25, 50, 1500)
      yield* TestClock.adjust(200)
      expect(results(heavy).shed).toBeGreaterThan(10)
      const { shed } = (yield* pool.status).totals
      yield* load(pool, 200, 20, 1000)
      // A single wait of three times the target, which would be shed while it is overloaded.
      yield* Effect.forkScoped(use(pool, () => Effect.sleep(150)))
      yield* settle
      const waiter = yield* Effect.forkScoped(use(pool, () => Effect.void))
      yield* settle
      yield* TestClock.adjust(150)
      expect(waiter.unsafePoll()).toEqual(Exit.void)
      expect((yield* pool.status).totals.shed).toBe(shed)
    })
  )

  it.scoped("judges over the interval it is told", () =>
    Effect.gen(function* () {
      const pool = yield* make(new Server(), { ...target, queueInterval: Duration.millis(200) })
      yield* Effect.forkScoped(use(pool, () => Effect.never))
      yield* settle
      yield* TestClock.adjust(200)
      const waiter = yield* Effect.forkScoped(Effect.flip(use(pool, () => Effect.void)))
      yield* settle
      yield* TestClock.adjust(200)
      expect(yield* Fiber.join(waiter)).toBeInstanceOf(PoolOverloaded)
    })
  )
})

it.scoped("without a queue target nobody is sent away: a plain loop over 2,000 jobs gets all of them done", () =>
  Effect.gen(function* () {
    const pool = yield* make(new Server(), { size: 2, maxOverflow: 0 })
    const all = Effect.forEach(Array.from({ length: 2000 }), () => use(pool, () => Effect.yieldNow()), {
      concurrency: "unbounded",
      discard: true
    })
    yield* all
    expect((yield* pool.status).totals).toMatchObject({ acquired: 2000, shed: 0 })
  })
)
