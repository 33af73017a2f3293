/** What a caller may rely on while it waits for a connection. */
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import * as TestClock from "effect/TestClock"
import { ConnectionError, PoolClosed, PoolTimeout } from "../../src/model/DatabaseError.js"
import { down, make, Server, settle, use } from "./stub.js"

const one = { size: 1, maxOverflow: 0, acquireTimeout: Duration.seconds(3) }

describe("a caller that waits", () => {
  it.scoped("gets its answer exactly at the acquire timeout, with the pool's counts and the oldest holders", () =>
    Effect.gen(function* () {
      const pool = yield* make(new Server(), one)
      yield* Effect.forkScoped(
        Effect.withSpan(
          use(pool, () => Effect.never),
          "nightly report"
        )
      )
      yield* settle
      yield* TestClock.adjust("1 second")
      const waiter = yield* Effect.forkScoped(Effect.flip(use(pool, () => Effect.void)))
      const second = yield* Effect.forkScoped(Effect.flip(use(pool, () => Effect.void)))
      yield* settle
      yield* TestClock.adjust(2999)
      expect(waiter.unsafePoll()).toBe(null)
      yield* TestClock.adjust(1)
      expect(waiter.unsafePoll()).not.toBe(null)
      const error = yield* Fiber.join(waiter)
      expect(error).toBeInstanceOf(PoolTimeout)
      expect(error).toMatchObject({
        snapshot: { checkedOut: 1, checkedIn: 0, waiting: 1, totals: { timeouts: 1 } },
        holders: [{ span: "nightly report", heldMillis: 4000 }]
      })
      expect(error.message).toContain("no connection within 3s: 1 of 1 in use, 1 more wait")
      expect(error.message).toContain("nightly report (4000 ms)")
      expect(error.message).toContain("1 of them for 3s or more, as if leaked")
      yield* Fiber.join(second)
    })
  )

  it.scoped("is told that the pool is too small where connections come back, and of a leak where they do not", () =>
    Effect.gen(function* () {
      const waits = (held: number, options: Parameters<typeof make>[1] = one) =>
        Effect.gen(function* () {
          const pool = yield* make(new Server(), options)
          const round = use(pool, () => Effect.sleep(held))
          yield* Effect.forEach([1, 2, 3, 4, 5, 6], () => Effect.forkScoped(Effect.ignore(round)))
          yield* settle
          const told = yield* Effect.forkScoped(Effect.flip(round))
          yield* settle
          yield* TestClock.adjust("3 seconds")
          return (yield* Fiber.join(told)).message
        })
      const busy = yield* waits(1_000)
      expect(busy).toContain("raise DB_POOL_SIZE")
      expect(busy).not.toContain("leak")
      const leaking = yield* waits(100_000)
      expect(leaking).toContain("1 of them for 3s or more, as if leaked")
      expect(leaking).toContain("never ends")
      const reported = yield* waits(100_000, { ...one, leakThreshold: Duration.minutes(1) })
      expect(reported).not.toContain("leak")
    })
  )

  it.scoped("is not kept longer by dead connections and their replacement", () =>
    Effect.gen(function* () {
      const server = new Server()
      const pool = yield* make(server, { ...one, size: 3, prePing: Duration.zero })
      yield* Effect.forEach([1, 2, 3], () => use(pool, () => Effect.sleep(1)), { concurrency: 3 }).pipe(
        Effect.forkScoped
      )
      yield* settle
      yield* TestClock.adjust(1)
      yield* settle
      expect(yield* pool.status).toMatchObject({ checkedIn: 3 })
      for (const stub of server.all) server.kill(stub, "silent")
      server.pingMillis = 2000
      server.connectMillis = 2000
      const waiter = yield* Effect.forkScoped(Effect.flip(use(pool, () => Effect.void)))
      yield* settle
      yield* TestClock.adjust(2999)
      expect(waiter.unsafePoll()).toBe(null)
      yield* TestClock.adjust(1)
      expect(Exit.isSuccess(yield* Fiber.await(waiter))).toBe(true)
      yield* TestClock.adjust("10 seconds")
      expect(yield* pool.status).toMatchObject({ checkedIn: 1, opening: 0, checkedOut: 0 })
    })
  )

  it.scoped("leaves no trace when it is interrupted", () =>
    Effect.gen(function* () {
      const server = new Server()
      const pool = yield* make(server, one)
      const holder = yield* Effect.forkScoped(use(pool, () => Effect.sleep("1 second")))
      yield* settle
      const waiters = yield* Effect.forEach(Array.from({ length: 100 }), () =>
        Effect.forkScoped(use(pool, () => Effect.void))
      )
      yield* settle
      expect(yield* pool.status).toMatchObject({ waiting: 100 })
      yield* Fiber.interruptAll(waiters)
      expect(yield* pool.status).toMatchObject({ waiting: 0, checkedOut: 1, totals: { timeouts: 0 } })
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(holder)
      expect(yield* pool.status).toMatchObject({ checkedIn: 1, checkedOut: 0, totals: { acquired: 1 } })
    })
  )

  it.scoped("is served first come, first served, and nobody overtakes", () =>
    Effect.gen(function* () {
      const pool = yield* make(new Server(), one)
      const order: Array<number> = []
      const job = (n: number) =>
        use(pool, () =>
          Effect.zipRight(
            Effect.sync(() => order.push(n)),
            Effect.sleep(10)
          )
        )
      yield* Effect.forEach([0, 1, 2, 3], (n) => Effect.zipRight(Effect.forkScoped(job(n)), settle))
      yield* TestClock.adjust(10)
      yield* Effect.forkScoped(job(4))
      yield* TestClock.adjust(100)
      expect(order).toEqual([0, 1, 2, 3, 4])
    })
  )

  it.scoped("is told that the pool is closed as soon as it is", () =>
    Effect.gen(function* () {
      const pool = yield* make(new Server(), one)
      yield* Effect.forkScoped(use(pool, () => Effect.sleep(10)))
      yield* settle
      const waiter = yield* Effect.forkScoped(Effect.flip(use(pool, () => Effect.void)))
      yield* settle
      yield* Effect.forkScoped(pool.drain("1 second"))
      expect(yield* Fiber.join(waiter)).toBeInstanceOf(PoolClosed)
      expect(yield* Effect.flip(use(pool, () => Effect.void))).toBeInstanceOf(PoolClosed)
    })
  )

  it.scoped("is told when the database has not answered at all, rather than that the pool is too small", () =>
    Effect.gen(function* () {
      const server = new Server()
      server.connectMillis = 60_000
      const pool = yield* make(server, one)
      const waiter = yield* Effect.forkScoped(Effect.flip(use(pool, () => Effect.void)))
      yield* settle
      yield* TestClock.adjust("3 seconds")
      const error = yield* Fiber.join(waiter)
      expect(error).toBeInstanceOf(ConnectionError)
      expect(error.reason).toContain("the database has not answered yet")
    })
  )
})

describe("a caller that cannot wait", () => {
  const withPool = <A>(body: (pool: Effect.Effect.Success<ReturnType<typeof make>>) => Effect.Effect<A, unknown>) =>
    Effect.runSync(Effect.scoped(Effect.flatMap(make(new Server(), { ...one, prePing: Duration.zero }), body)))

  it("opens, asks, cleans and reuses a connection under runSync", () => {
    const ids = withPool((pool) =>
      Effect.gen(function* () {
        const dirty = use(pool, (stub) =>
          Effect.sync(() => {
            stub.dirty = true
            return stub.id
          })
        )
        return [yield* dirty, yield* dirty, yield* dirty, (yield* pool.status).checkedIn]
      })
    )
    expect(ids).toEqual([0, 0, 0, 0])
  })

  it("has a broken connection replaced under runSync", () => {
    const server = new Server()
    const ids = Effect.runSync(
      Effect.scoped(
        Effect.gen(function* () {
          const pool = yield* make(server, one)
          const broken = use(pool, (stub) =>
            Effect.as(
              Effect.sync(() => server.kill(stub, "broken")),
              stub.id
            )
          )
          return [yield* broken, yield* broken, yield* broken]
        })
      )
    )
    expect(ids).toEqual([0, 1, 2])
    expect(server).toMatchObject({ open: 0, peak: 1 })
  })

  it("fails at once, typed, when another holds the only connection", () => {
    const error = withPool((pool) => use(pool, () => Effect.flip(use(pool, () => Effect.void))))
    expect(error).toBeInstanceOf(PoolTimeout)
    expect(String(error)).toContain("under Effect.runSync nobody can wait")
  })

  it("is told why when the only hope is a holder and none can be opened", () => {
    const server = new Server()
    const error = Effect.runSync(
      Effect.scoped(
        Effect.flatMap(make(server, { ...one, size: 2 }), (pool) =>
          use(pool, () => {
            server.failure = down
            return Effect.flip(use(pool, () => Effect.void))
          })
        )
      )
    )
    expect(error).toMatchObject({ _tag: "ConnectionError", cause: down })
  })

  it("is only the one whose runSync goes on: a runtime built under one waits as usual", async () => {
    const runtime = Effect.runSync(Effect.scoped(Layer.toRuntime(Layer.empty)))
    await Runtime.runPromise(runtime)(
      Effect.scoped(
        Effect.gen(function* () {
          const pool = yield* make(new Server(), one)
          const holder = yield* Effect.forkScoped(use(pool, () => Effect.sleep(5)))
          yield* settle
          yield* use(pool, () => Effect.void)
          yield* Fiber.join(holder)
        })
      )
    )
  })
})
