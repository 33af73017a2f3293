/**
 * An interrupt before every single operation: nothing is lost, whatever the moment. On the live clock, because the test
 * clock of effect 3.22 itself does not survive an interrupt at some of its operations.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { interruptEverywhere, SteppingScheduler } from "../support/scheduler.js"
import { make, Server, type Stub, settle, use } from "./stub.js"

type Pool = Effect.Effect.Success<ReturnType<typeof make>>

const atRest = { checkedOut: 0, opening: 0, waiting: 0, overflow: 0 }

/** A world for each run; `stepped`: the pool's own fibers give way before each operation as well. */
const world = (options: Parameters<typeof make>[1], stepped: boolean) =>
  Effect.gen(function* () {
    const server = new Server()
    const scope = yield* Scope.make()
    const pool = yield* Scope.extend(make(server, options), scope).pipe((effect) =>
      stepped ? Effect.withScheduler(effect, new SteppingScheduler()) : effect
    )
    return { server, pool, scope }
  })

/** Everything is back, can be used again, and ends with the pool. */
const intact = ({ server, pool, scope }: { server: Server; pool: Pool; scope: Scope.CloseableScope }, open: number) =>
  Effect.gen(function* () {
    yield* settle
    expect(yield* pool.status).toMatchObject({ ...atRest, checkedIn: server.open })
    expect(server.open).toBeLessThanOrEqual(open)
    expect(yield* use(pool, (stub: Stub) => Effect.succeed(stub.state))).toBe("good")
    yield* Scope.close(scope, Exit.void)
    expect(server.open).toBe(0)
  }).pipe(Effect.orDie)

const body = (stub: Stub) =>
  Effect.yieldNow().pipe(
    Effect.tap(() =>
      Effect.sync(() => {
        stub.dirty = true
      })
    ),
    Effect.as("done")
  )

describe.each([
  ["the caller", false],
  ["the caller and the pool", true]
] as const)("an interrupt before every operation of %s leaks nothing", (_, stepped) => {
  it.live("while a connection is opened, used, cleaned and returned", () =>
    Effect.gen(function* () {
      const attempt = Effect.map(world({ size: 1, maxOverflow: 0 }, stepped), (it) => ({
        world: it,
        effect: use(it.pool, body)
      }))
      const points = yield* interruptEverywhere(attempt, (it, run, at) =>
        Effect.zipRight(
          Effect.sync(() => {
            if (at === Number.POSITIVE_INFINITY) expect(run.exit).toEqual(Exit.succeed("done"))
          }),
          intact(it, 1)
        )
      )
      expect(points).toBeGreaterThan(20)
    })
  )

  it.live("while an idle one is asked whether it lives, and is replaced", () =>
    Effect.gen(function* () {
      const attempt = Effect.gen(function* () {
        const it = yield* world({ size: 1, maxOverflow: 0, prePing: Duration.zero }, stepped)
        yield* Effect.orDie(use(it.pool, () => Effect.void))
        for (const stub of it.server.all) it.server.kill(stub, "silent")
        return { world: it, effect: use(it.pool, body) }
      })
      const points = yield* interruptEverywhere(attempt, (it) => intact(it, 1))
      expect(points).toBeGreaterThan(20)
    })
  )

  it.live("while it waits for another's connection", () =>
    Effect.gen(function* () {
      const attempt = Effect.gen(function* () {
        const it = yield* world({ size: 1, maxOverflow: 0 }, stepped)
        const lease = it.pool.lease()
        yield* Effect.orDie(lease.acquire)
        // Another fiber of the same scheduler gives it back in the middle of the wait.
        const effect = Effect.gen(function* () {
          const other = yield* Effect.forkDaemon(Effect.zipRight(Effect.yieldNow(), lease.close))
          const answer = yield* use(it.pool, body)
          yield* Fiber.await(other)
          return answer
        })
        return { world: { ...it, close: lease.close }, effect }
      })
      const points = yield* interruptEverywhere(attempt, (it) => Effect.zipRight(it.close, intact(it, 1)))
      expect(points).toBeGreaterThan(20)
    })
  )

  it.live("while a queue of three shares one connection", () =>
    Effect.gen(function* () {
      const attempt = Effect.map(world({ size: 1, maxOverflow: 0 }, stepped), (it) => ({
        world: it,
        effect: Effect.flatMap(
          Effect.forEach([1, 2, 3], () => Effect.fork(use(it.pool, body))),
          // One after the other: `forEach` with a concurrency itself hangs when it is interrupted at some operations.
          (fibers) => Effect.forEach(fibers, Fiber.join)
        )
      }))
      const points = yield* interruptEverywhere(attempt, (it) => intact(it, 1))
      expect(points).toBeGreaterThan(80)
    })
  )
})

it.live("a connection that comes in the very operation after the queue was joined is not missed", () =>
  Effect.gen(function* () {
    const { pool, scope } = yield* world({ size: 1, maxOverflow: 0 }, false)
    const lease = pool.lease()
    yield* lease.acquire
    let given = 0
    const scheduler = new SteppingScheduler(() => {
      if (given > 0 || Effect.runSync(pool.status).waiting === 0) return
      given++
      Effect.runSync(lease.close)
    })
    const answer = yield* Effect.timeoutOption(Effect.withScheduler(use(pool, Effect.succeed), scheduler), "2 seconds")
    expect([given, answer._tag]).toEqual([1, "Some"])
    yield* Scope.close(scope, Exit.void)
  })
)

describe("the stepping scheduler", () => {
  it.live("would see a leak: mask and restore loses what arrives at the wrong moment", () =>
    Effect.gen(function* () {
      let out = 0
      const taken = yield* Deferred.make<void>()
      yield* Deferred.succeed(taken, undefined)
      const naive = Effect.flatMap(
        Effect.sync(() => {
          out++
        }),
        () =>
          Effect.ensuring(
            Deferred.await(taken),
            Effect.sync(() => {
              out--
            })
          )
      )
      let leaks = 0
      yield* interruptEverywhere(Effect.succeed({ world: undefined, effect: naive }), () =>
        Effect.sync(() => {
          leaks += out
          out = 0
        })
      )
      expect(leaks).toBeGreaterThan(0)
    })
  )
})
