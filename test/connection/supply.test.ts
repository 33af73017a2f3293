/** How many connections there are, and what happens when none can be opened. */
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { ConnectionError } from "../../src/model/DatabaseError.js"
import { down, make, Server, settle, use } from "./stub.js"

const hold = (pool: Effect.Effect.Success<ReturnType<typeof make>>, millis: number, n: number) =>
  Effect.forEach(Array.from({ length: n }), () => Effect.forkScoped(use(pool, () => Effect.sleep(millis))))

/** `n` steps of one millisecond. */
const pass = (n: number) => Effect.repeatN(TestClock.adjust(1), n - 1)

describe("size and overflow", () => {
  it.scoped("are never exceeded, connections on their way in or out included", () =>
    Effect.gen(function* () {
      const server = new Server()
      server.connectMillis = 3
      server.closeMillis = 7
      const pool = yield* make(server, { size: 2, maxOverflow: 3, maxLifetime: Duration.millis(20) })
      const jobs = yield* hold(pool, 11, 40)
      for (let i = 0; i < 200; i++) {
        yield* TestClock.adjust(1)
        const { checkedOut, checkedIn, opening, overflow } = yield* pool.status
        expect(checkedOut + checkedIn + opening).toBeLessThanOrEqual(5)
        expect(overflow).toBeLessThanOrEqual(3)
      }
      for (const job of jobs) expect(job.unsafePoll()).toEqual(Exit.void)
      expect(server.peak).toBe(5)
    })
  )

  it.scoped("a spike of 50 short requests opens at most 8 of 50 connections", () =>
    Effect.gen(function* () {
      const server = new Server()
      server.connectMillis = 150
      const pool = yield* make(server, { size: 5, maxOverflow: 45 })
      const jobs = yield* hold(pool, 2, 50)
      yield* settle
      yield* TestClock.adjust(149)
      expect(server.attempts).toBe(5)
      yield* pass(400)
      expect(jobs.every((job) => job.unsafePoll() !== null)).toBe(true)
      expect(server.attempts).toBeLessThanOrEqual(8)
    })
  )

  it.scoped("a crowd that holds on is served with all there may be, and soon", () =>
    Effect.gen(function* () {
      const server = new Server()
      server.connectMillis = 100
      const pool = yield* make(server, { size: 2, maxOverflow: 30 })
      yield* hold(pool, 60_000, 32)
      yield* settle
      for (let i = 0; i < 7; i++) yield* TestClock.adjust(100)
      expect(yield* pool.status).toMatchObject({ checkedOut: 32, waiting: 0, overflow: 30 })
    })
  )

  it.scoped("an opening whose caller has gone is kept for the next", () =>
    Effect.gen(function* () {
      const server = new Server()
      server.connectMillis = 100
      const pool = yield* make(server)
      const [job] = yield* hold(pool, 1, 1)
      yield* settle
      yield* Fiber.interrupt(job ?? Fiber.void)
      yield* TestClock.adjust(100)
      expect(yield* pool.status).toMatchObject({ checkedIn: 1, opening: 0, totals: { acquired: 0, opened: 1 } })
    })
  )
})

describe("a database that is down", () => {
  it.scoped("is reported at once, to all who wait, with its own reason", () =>
    Effect.gen(function* () {
      const server = new Server()
      server.failure = down
      server.connectMillis = 5
      const pool = yield* make(server, { size: 5 })
      const callers = yield* Effect.forEach(Array.from({ length: 20 }), () =>
        Effect.forkScoped(Effect.flip(use(pool, () => Effect.void)))
      )
      yield* settle
      yield* TestClock.adjust(5)
      for (const caller of callers) expect(caller.unsafePoll()).toEqual(Exit.succeed(down))
      expect(yield* pool.status).toMatchObject({ waiting: 0, opening: 0, checkedOut: 0, totals: { failures: 5 } })
      expect(server.open).toBe(0)
    })
  )

  it.scoped("is tried by one for all, and used again by itself when it is back", () =>
    Effect.gen(function* () {
      const server = new Server()
      server.failure = down
      server.connectMillis = 10
      const pool = yield* make(server, { size: 5 })
      yield* Effect.forkScoped(Effect.flip(use(pool, () => Effect.void)))
      yield* settle
      yield* TestClock.adjust(10)
      expect(server.attempts).toBe(1)
      const jobs = yield* hold(pool, 1000, 5)
      yield* settle
      expect(server.attempts).toBe(2)
      server.failure = undefined
      yield* TestClock.adjust(10)
      yield* TestClock.adjust(10)
      expect(yield* pool.status).toMatchObject({ checkedOut: 5, waiting: 0 })
      yield* TestClock.adjust(1000)
      for (const job of jobs) expect(job.unsafePoll()).toEqual(Exit.void)
    })
  )

  it.scoped("is left alone between tries while somebody still holds a connection", () =>
    Effect.gen(function* () {
      const server = new Server()
      const pool = yield* make(server, { size: 5, acquireTimeout: Duration.seconds(10) })
      yield* hold(pool, 60_000, 1)
      yield* settle
      server.failure = down
      const caller = yield* Effect.forkScoped(Effect.flip(use(pool, () => Effect.void)))
      yield* settle
      yield* TestClock.adjust(9_999)
      expect(caller.unsafePoll()).toBe(null)
      // 50, 100, 200, 400, 800 ms, then each second.
      expect(server.attempts).toBeGreaterThan(10)
      expect(server.attempts).toBeLessThan(20)
      yield* TestClock.adjust(1)
      const error = yield* Fiber.join(caller)
      expect(error).toBeInstanceOf(ConnectionError)
      expect(error).toMatchObject({ cause: down, phase: "connect", sent: false })
      expect(error.message).toContain("no connection within 10s, and none could be opened: connect ECONNREFUSED")
    })
  )

  it.scoped("fails those who wait as soon as the last holder's connection is lost as well", () =>
    Effect.gen(function* () {
      const server = new Server()
      const pool = yield* make(server)
      const holder = yield* Effect.forkScoped(
        use(pool, (stub) =>
          Effect.ensuring(
            Effect.never,
            Effect.sync(() => server.kill(stub, "broken"))
          )
        )
      )
      yield* settle
      server.failure = down
      const caller = yield* Effect.forkScoped(Effect.flip(use(pool, () => Effect.void)))
      yield* settle
      expect(caller.unsafePoll()).toBe(null)
      yield* Fiber.interrupt(holder)
      yield* settle
      expect(caller.unsafePoll()).toEqual(Exit.succeed(down))
    })
  )

  it.scoped("is not hidden by connections that break as soon as they are opened", () =>
    Effect.gen(function* () {
      const server = new Server()
      const broken = { ...server.care, usable: () => false }
      Object.assign(server, { care: broken })
      const pool = yield* make(server)
      const error = yield* Effect.flip(use(pool, () => Effect.void))
      expect(error.reason).toContain("lost as soon as it was opened")
      yield* settle
      expect(server.open).toBe(0)
    })
  )
})

describe("the end of a pool's scope", () => {
  it.scoped("closes everything and leaves no fiber behind", () =>
    Effect.gen(function* () {
      const server = new Server()
      const scope = yield* Scope.make()
      const pool = yield* Scope.extend(make(server, { size: 3, idleTimeout: Duration.seconds(1) }), scope)
      const jobs = yield* hold(pool, 10, 4)
      yield* settle
      yield* TestClock.adjust(10)
      yield* Fiber.awaitAll(jobs)
      server.connectMillis = 1_000_000
      yield* Effect.forEach([1, 2, 3, 4], () =>
        Effect.forkScoped(Effect.scoped(Effect.exit(use(pool, () => Effect.never))))
      )
      yield* settle
      const ending = yield* Effect.forkScoped(Scope.close(scope, Exit.void))
      yield* settle
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(ending)
      expect(server.open).toBe(0)
      // Nobody sleeps any more, and nothing happens however long one waits.
      const before = yield* pool.status
      yield* TestClock.adjust("1 day")
      expect(yield* pool.status).toEqual(before)
    })
  )

  it.scoped("works when the pool was made where nothing may be interrupted", () =>
    Effect.gen(function* () {
      const server = new Server()
      const scope = yield* Scope.make()
      const pool = yield* Effect.uninterruptible(Scope.extend(make(server, { maxLifetime: Duration.hours(1) }), scope))
      yield* use(pool, () => Effect.void)
      server.connectMillis = 1_000_000
      const holder = yield* Effect.forkScoped(
        Effect.all([use(pool, () => Effect.never), use(pool, () => Effect.never)], { concurrency: 2 })
      )
      yield* settle
      yield* Fiber.interrupt(holder)
      yield* Scope.close(scope, Exit.void)
      expect(server.open).toBe(0)
    })
  )
})
