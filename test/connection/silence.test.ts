/** Keep-alive and prewarming: what the pool does with connections that nobody uses. */
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { down, make, Server, settle, use } from "./stub.js"

type Pool = Effect.Effect.Success<ReturnType<typeof make>>

const minutes = { keepAlive: Duration.minutes(2) }

/** `n` connections in use at once, given back a millisecond apart. */
const warm = (pool: Pool, n: number) =>
  Effect.gen(function* () {
    const jobs = yield* Effect.forEach(Array.from({ length: n }), (_, i) =>
      Effect.forkScoped(use(pool, () => Effect.sleep(i + 1)))
    )
    yield* settle
    for (let i = 0; i < n; i++) yield* TestClock.adjust(1)
    yield* Fiber.joinAll(jobs)
  })

describe("an idle connection", () => {
  it.scoped("is asked each time it has been silent for as long as keepAlive says", () =>
    Effect.gen(function* () {
      const server = new Server()
      const pool = yield* make(server, { size: 3, ...minutes })
      yield* warm(pool, 3)
      const pings = () => server.all.map((stub) => stub.pings)
      yield* TestClock.adjust("119 seconds")
      expect(pings()).toEqual([0, 0, 0])
      yield* TestClock.adjust("1 second")
      expect(pings()).toEqual([1, 1, 1])
      for (let i = 0; i < 10; i++) yield* TestClock.adjust("1 minute")
      expect(pings()).toEqual([6, 6, 6])
      expect(yield* pool.status).toMatchObject({ checkedIn: 3, checkedOut: 0, totals: { acquired: 3, opened: 3 } })
    })
  )

  it.scoped("is not asked when it has just been used, nor where keepAlive is off", () =>
    Effect.gen(function* () {
      const used = new Server()
      const off = new Server()
      const one = yield* make(used, { size: 1, ...minutes })
      const other = yield* make(off, { size: 1, keepAlive: Duration.infinity })
      for (let i = 0; i < 10; i++) {
        yield* Effect.all([use(one, () => Effect.void), use(other, () => Effect.void)])
        yield* TestClock.adjust("90 seconds")
      }
      yield* TestClock.adjust("1 hour")
      expect(used.all.map(({ pings }) => pings)).toEqual([30])
      expect(off.all.map(({ pings }) => pings)).toEqual([0])
    })
  )

  it.scoped("stays as old and as warm as it was when it is asked", () =>
    Effect.gen(function* () {
      const server = new Server()
      server.pingMillis = 3
      const pool = yield* make(server, { size: 1, maxOverflow: 2, idleTimeout: Duration.minutes(10), ...minutes })
      yield* warm(pool, 3)
      for (let i = 0; i < 9; i++) yield* TestClock.adjust("1 minute")
      yield* TestClock.adjust("500 millis")
      expect(server.all.every(({ pings }) => pings >= 4)).toBe(true)
      expect(yield* use(pool, (stub) => Effect.succeed(stub.id))).toBe(2)
      yield* TestClock.adjust("1 minute")
      // The overflow has gone at its idle timeout in spite of having been asked; the one used last is left.
      expect(server.alive.map(({ id }) => id)).toEqual([2])
      expect(yield* pool.status).toMatchObject({ checkedIn: 1, overflow: 0, invalidated: 0 })
    })
  )

  it.scoped("is asked while no other is, so that callers find the rest", () =>
    Effect.gen(function* () {
      const server = new Server()
      const pool = yield* make(server, { size: 3, maxOverflow: 0, ...minutes })
      yield* warm(pool, 3)
      server.pingMillis = 1000
      yield* TestClock.adjust("2 minutes")
      expect(yield* pool.status).toMatchObject({ checkedIn: 2, checkedOut: 1 })
      const caller = yield* Effect.forkScoped(use(pool, (stub) => Effect.succeed(stub.id)))
      yield* settle
      expect(caller.unsafePoll()).toEqual(Exit.succeed(2))
      yield* TestClock.adjust("1 second")
      yield* TestClock.adjust("1 second")
      expect(server.all.map(({ pings }) => pings)).toEqual([1, 1, 0])
    })
  )

  it.scoped("that died in silence is gone before anybody asks for it, and those silent for longer with it", () =>
    Effect.gen(function* () {
      const server = new Server()
      const pool = yield* make(server, { size: 2, ...minutes })
      yield* warm(pool, 2)
      for (const stub of server.all) server.kill(stub, "silent")
      yield* TestClock.adjust("121 seconds")
      expect(yield* pool.status).toMatchObject({ checkedIn: 0, checkedOut: 0, invalidated: 2 })
      expect(yield* use(pool, (stub) => Effect.succeed(stub.state))).toBe("good")
    })
  )

  it.scoped("that does not answer is closed after the limit, and a caller is not kept waiting by it", () =>
    Effect.gen(function* () {
      const server = new Server()
      const pool = yield* make(server, { size: 1, maxOverflow: 1, ...minutes })
      yield* use(pool, () => Effect.void)
      server.pingMillis = 60_000
      yield* TestClock.adjust("2 minutes")
      expect(yield* pool.status).toMatchObject({ checkedOut: 1, checkedIn: 0 })
      yield* TestClock.adjust("5 seconds")
      expect(yield* pool.status).toMatchObject({ checkedOut: 0, invalidated: 1 })
    })
  )
})

describe("prewarming", () => {
  it.scoped("opens the rest up to size as soon as one is open, and not before", () =>
    Effect.gen(function* () {
      const server = new Server()
      server.connectMillis = 10
      const pool = yield* make(server, { size: 4, maxOverflow: 3, prewarm: true })
      yield* TestClock.adjust("1 minute")
      expect(server.attempts).toBe(0)
      const first = yield* Effect.forkScoped(use(pool, () => Effect.void))
      yield* settle
      expect(server.attempts).toBe(1)
      yield* TestClock.adjust(10)
      expect(first.unsafePoll()).toEqual(Exit.void)
      expect(server.attempts).toBe(4)
      yield* TestClock.adjust(10)
      expect(yield* pool.status).toMatchObject({ checkedIn: 4, opening: 0, overflow: 0, totals: { acquired: 1 } })
    })
  )

  it.scoped("replaces what grew too old or died, so that size stays open", () =>
    Effect.gen(function* () {
      const server = new Server()
      const pool = yield* make(server, { size: 3, prewarm: true, maxLifetime: Duration.minutes(30) })
      yield* use(pool, () => Effect.void)
      yield* settle
      expect(server.open).toBe(3)
      for (const stub of server.alive.slice(0, 2)) server.kill(stub, "lost")
      yield* settle
      expect(yield* pool.status).toMatchObject({ checkedIn: 3, totals: { opened: 5 } })
      yield* TestClock.adjust("30 minutes")
      expect(yield* pool.status).toMatchObject({ checkedIn: 3, totals: { acquired: 1 } })
      expect(server.attempts).toBeGreaterThanOrEqual(8)
      expect(server.peak).toBe(3)
    })
  )

  it.scoped("leaves a database alone that refuses, and goes on when a caller has found it back", () =>
    Effect.gen(function* () {
      const server = new Server()
      const pool = yield* make(server, { size: 3, prewarm: true })
      yield* use(pool, () => Effect.void)
      yield* settle
      server.failure = down
      for (const stub of server.alive) server.kill(stub, "lost")
      yield* settle
      const tried = server.attempts
      yield* TestClock.adjust("1 hour")
      expect(server.attempts).toBe(tried)
      expect(tried).toBeLessThanOrEqual(6)
      server.failure = undefined
      yield* use(pool, () => Effect.void)
      yield* settle
      expect(yield* pool.status).toMatchObject({ checkedIn: 3, opening: 0 })
    })
  )

  it.scoped("is off unless asked for", () =>
    Effect.gen(function* () {
      const server = new Server()
      const pool = yield* make(server, { size: 4 })
      yield* use(pool, () => Effect.void)
      yield* TestClock.adjust("1 minute")
      expect(server.attempts).toBe(1)
    })
  )
})
