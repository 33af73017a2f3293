/** Which connections are kept, and which are not handed out again. */
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as TestClock from "effect/TestClock"
import { make, Server, type Stub, settle, use } from "./stub.js"

type Pool = Effect.Effect.Success<ReturnType<typeof make>>

const id = (stub: Stub) => Effect.succeed(stub.id)

/** `n` connections in use for a millisecond, all at once. */
const warm = (pool: Pool, n: number) =>
  Effect.gen(function* () {
    const jobs = yield* Effect.forEach(Array.from({ length: n }), (_, i) =>
      Effect.forkScoped(use(pool, () => Effect.sleep(i + 1)))
    )
    yield* settle
    yield* TestClock.adjust(n)
    yield* Fiber.joinAll(jobs)
  })

describe("an idle connection", () => {
  it.scoped("is reused warmest first", () =>
    Effect.gen(function* () {
      const pool = yield* make(new Server(), { size: 3 })
      yield* warm(pool, 3)
      expect(yield* use(pool, id)).toBe(2)
      expect(yield* use(pool, (outer) => Effect.map(use(pool, id), (inner) => [outer.id, inner]))).toEqual([2, 1])
      expect(yield* use(pool, id)).toBe(2)
    })
  )

  it.scoped("beyond size is closed when it has been idle for the idle timeout; up to size it stays", () =>
    Effect.gen(function* () {
      const server = new Server()
      const pool = yield* make(server, { size: 2, maxOverflow: 3, idleTimeout: Duration.minutes(10) })
      yield* warm(pool, 5)
      expect(yield* pool.status).toMatchObject({ checkedIn: 5, overflow: 3 })
      yield* TestClock.adjust(Duration.minutes(10).pipe(Duration.subtract(Duration.millis(6))))
      expect(server.open).toBe(5)
      yield* TestClock.adjust(6)
      expect(server.alive.map(({ id }) => id)).toEqual([3, 4])
      yield* TestClock.adjust("5 days")
      expect(yield* pool.status).toMatchObject({ checkedIn: 2, overflow: 0, invalidated: 0, totals: { closed: 3 } })
    })
  )

  it.scoped("is closed at its lifetime less up to 10 percent, each at its own moment", () =>
    Effect.gen(function* () {
      const server = new Server()
      const pool = yield* make(server, { size: 20, maxLifetime: Duration.minutes(30) }).pipe(
        Effect.withRandom(Random.make("jitter"))
      )
      yield* warm(pool, 20)
      yield* TestClock.adjust("1619 seconds")
      expect(server.open).toBe(20)
      const left: Array<number> = []
      for (let i = 0; i < 19; i++) {
        yield* TestClock.adjust("10 seconds")
        left.push(server.open)
      }
      expect(left.at(-1)).toBe(0)
      expect(new Set(left).size).toBeGreaterThan(8)
      expect(yield* pool.status).toMatchObject({ checkedIn: 0, invalidated: 20 })
    })
  )

  it.scoped("too old is not handed out, nor kept when its holder returns it", () =>
    Effect.gen(function* () {
      const server = new Server()
      const pool = yield* make(server, { size: 1, maxOverflow: 0, maxLifetime: Duration.seconds(10) })
      const holder = yield* Effect.forkScoped(use(pool, () => Effect.sleep("1 minute")))
      yield* settle
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(holder)
      expect(yield* use(pool, id)).toBe(1)
      expect(server).toMatchObject({ open: 1, peak: 1 })
    })
  )

  it.scoped("is asked before it is handed out when it was idle for long, and not before", () =>
    Effect.gen(function* () {
      const server = new Server()
      const pool = yield* make(server, { prePing: Duration.seconds(1) })
      yield* use(pool, id)
      yield* TestClock.adjust(999)
      yield* use(pool, id)
      expect(server.all[0]?.pings).toBe(0)
      yield* TestClock.adjust(1000)
      expect(yield* use(pool, id)).toBe(0)
      expect(server.all[0]?.pings).toBe(1)
    })
  )

  it.scoped("found dead at checkout is replaced without the caller noticing, and those idle for longer with it", () =>
    Effect.gen(function* () {
      const server = new Server()
      const pool = yield* make(server, { size: 3, maxOverflow: 0, prePing: Duration.zero })
      yield* warm(pool, 3)
      for (const stub of server.all) server.kill(stub, "silent")
      expect(yield* use(pool, id)).toBe(3)
      yield* settle
      expect(server.all.map(({ pings }) => pings)).toEqual([0, 0, 1, 0])
      expect(yield* pool.status).toMatchObject({ checkedIn: 1, invalidated: 3 })
      expect(server).toMatchObject({ open: 1, peak: 3 })
    })
  )

  it.scoped("that does not answer costs its caller the ping's limit and no more", () =>
    Effect.gen(function* () {
      const server = new Server()
      const pool = yield* make(server, { size: 3, prePing: Duration.zero, careLimit: Duration.seconds(5) })
      yield* warm(pool, 3)
      server.pingMillis = 1_000_000
      const caller = yield* Effect.forkScoped(use(pool, id))
      yield* settle
      yield* TestClock.adjust(4999)
      expect(caller.unsafePoll()).toBe(null)
      yield* TestClock.adjust(1)
      yield* settle
      expect(caller.unsafePoll()).toEqual(Exit.succeed(3))
    })
  )

  it.scoped.each(["lost", "broken"] as const)("that is %s is gone before the next checkout", (how) =>
    Effect.gen(function* () {
      const server = new Server()
      const pool = yield* make(server)
      yield* use(pool, id)
      for (const stub of server.all) server.kill(stub, how)
      // A session that ends is told to whoever listens in the next tick; one that knows it is broken is believed at once.
      if (how === "lost") yield* settle
      expect(yield* use(pool, id)).toBe(1)
      expect(yield* pool.status).toMatchObject({ checkedIn: 1, invalidated: 1 })
    })
  )

  it.scoped("lost is closed and uncounted although nobody asks for one", () =>
    Effect.gen(function* () {
      const server = new Server()
      const pool = yield* make(server)
      yield* use(pool, id)
      for (const stub of server.all) server.kill(stub, "lost")
      yield* settle
      expect(yield* pool.status).toMatchObject({ checkedIn: 0, invalidated: 1, totals: { closed: 1 } })
      expect(server.open).toBe(0)
    })
  )
})

describe("a connection that comes back", () => {
  const soil = (stub: Stub) =>
    Effect.sync(() => {
      stub.dirty = true
      return stub.id
    })

  it.scoped("is cleaned before the next holder gets it", () =>
    Effect.gen(function* () {
      const server = new Server()
      server.cleanMillis = 10
      const pool = yield* make(server, { size: 1, maxOverflow: 0 })
      expect(yield* use(pool, soil)).toBe(0)
      // `use` itself fails on a dirty one.
      const next = yield* Effect.forkScoped(use(pool, id))
      yield* settle
      expect(next.unsafePoll()).toBe(null)
      yield* TestClock.adjust(10)
      expect(yield* Fiber.join(next)).toBe(0)
    })
  )

  it.scoped("is thrown away when it cannot be cleaned, or not in time", () =>
    Effect.gen(function* () {
      const server = new Server()
      server.cleanable = false
      const pool = yield* make(server, { size: 1, maxOverflow: 0 })
      expect(yield* use(pool, soil)).toBe(0)
      expect(yield* use(pool, soil)).toBe(1)
      yield* settle
      server.cleanable = true
      server.cleanMillis = 6000
      expect(yield* use(pool, soil)).toBe(2)
      const next = yield* Effect.forkScoped(use(pool, id))
      yield* settle
      yield* TestClock.adjust("5 seconds")
      expect(yield* Fiber.join(next)).toBe(3)
      expect(yield* pool.status).toMatchObject({ invalidated: 3 })
      expect(server.open).toBe(1)
    })
  )

  it.scoped("broken is not kept", () =>
    Effect.gen(function* () {
      const server = new Server()
      const pool = yield* make(server)
      yield* use(pool, (stub) => Effect.sync(() => server.kill(stub, "broken")))
      yield* settle
      expect(server.open).toBe(0)
      expect(yield* pool.status).toMatchObject({ checkedIn: 0, checkedOut: 0, invalidated: 1 })
    })
  )
})

describe("evictAll", () => {
  it.scoped("closes the idle at once, those in use and on their way when they come back", () =>
    Effect.gen(function* () {
      const server = new Server()
      const pool = yield* make(server, { size: 3 })
      yield* warm(pool, 2)
      const holder = yield* Effect.forkScoped(use(pool, () => Effect.sleep(100)))
      yield* settle
      server.connectMillis = 50
      const late = yield* Effect.forkScoped(Effect.all([use(pool, id), use(pool, id)], { concurrency: 2 }))
      yield* settle
      yield* pool.evictAll
      expect(yield* pool.status).toMatchObject({ checkedIn: expect.any(Number), checkedOut: 1 })
      for (let i = 0; i < 6; i++) yield* TestClock.adjust(50)
      yield* Fiber.join(holder)
      for (const used of yield* Fiber.join(late)) expect(used === 0 || used > 2).toBe(true)
      expect(server.alive.every(({ id }) => id > 2)).toBe(true)
    })
  )
})

describe("drain", () => {
  it.scoped("waits for those in use, and closes each as it comes back", () =>
    Effect.gen(function* () {
      const server = new Server()
      const pool = yield* make(server)
      yield* warm(pool, 2)
      const holder = yield* Effect.forkScoped(use(pool, () => Effect.sleep(500)))
      yield* settle
      const drained = yield* Effect.forkScoped(pool.drain("1 second"))
      yield* settle
      expect(server.open).toBe(1)
      yield* TestClock.adjust(499)
      expect(drained.unsafePoll()).toBe(null)
      yield* TestClock.adjust(1)
      yield* Fiber.join(holder)
      yield* Fiber.join(drained)
      expect(server.open).toBe(0)
      expect(yield* pool.status).toMatchObject({ invalidated: 0, totals: { closed: 2 } })
    })
  )

  it.scoped("ends at its limit, twice at once as well, and closes what is still out", () =>
    Effect.gen(function* () {
      const server = new Server()
      const pool = yield* make(server)
      const holder = yield* Effect.forkScoped(use(pool, () => Effect.never))
      yield* settle
      const first = yield* Effect.forkScoped(Effect.uninterruptible(pool.drain("1 second")))
      const second = yield* Effect.forkScoped(pool.drain("1 minute"))
      yield* settle
      yield* TestClock.adjust(999)
      expect([first.unsafePoll(), server.open]).toEqual([null, 1])
      yield* TestClock.adjust(1)
      yield* Fiber.join(first)
      expect(server.open).toBe(0)
      yield* Fiber.interrupt(holder)
      yield* Fiber.join(second)
      expect(yield* pool.status).toMatchObject({ checkedOut: 0, checkedIn: 0 })
    })
  )
})

describe("the counts", () => {
  it.scoped("tell who is where", () =>
    Effect.gen(function* () {
      const server = new Server()
      server.connectMillis = 10
      const pool = yield* make(server, { size: 2, maxOverflow: 1 })
      const jobs = yield* Effect.forEach([1, 2, 3, 4], () => Effect.forkScoped(use(pool, () => Effect.sleep(100))))
      yield* settle
      expect(yield* pool.status).toMatchObject({ size: 2, opening: 2, waiting: 4, checkedOut: 0 })
      yield* TestClock.adjust(10)
      yield* TestClock.adjust(10)
      expect(yield* pool.status).toMatchObject({ opening: 0, waiting: 1, checkedOut: 3, overflow: 1, checkedIn: 0 })
      yield* TestClock.adjust(1000)
      yield* Fiber.joinAll(jobs)
      expect(yield* pool.status).toEqual({
        size: 2,
        checkedOut: 0,
        checkedIn: 3,
        overflow: 1,
        opening: 0,
        waiting: 0,
        invalidated: 0,
        totals: { acquired: 4, opened: 3, closed: 0, timeouts: 0, shed: 0, leaks: 0, failures: 0 }
      })
    })
  )
})
