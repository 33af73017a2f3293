/** Random histories of a pool: whatever is done to it, its counts agree and everything returns to rest. */
import { expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as TestContext from "effect/TestContext"
import * as fc from "fast-check"
import type { Settings } from "../../src/connection/Settings.js"
import type { DatabaseError } from "../../src/model/DatabaseError.js"
import { down, make, Server, type Stub, settle, use } from "./stub.js"

type Step =
  | { readonly kind: "acquire"; readonly millis: number; readonly dirty: boolean }
  | { readonly kind: "interrupt" | "kill"; readonly which: number; readonly how: "broken" | "lost" | "silent" }
  | { readonly kind: "pass"; readonly millis: number }
  | { readonly kind: "server"; readonly up: boolean; readonly millis: number; readonly cleanable: boolean }
  | { readonly kind: "lend"; readonly dirty: boolean; readonly breaks: boolean }
  | { readonly kind: "evict" }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("acquire" as const),
      millis: fc.integer({ min: 0, max: 400 }),
      dirty: fc.boolean()
    })
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom("interrupt" as const, "kill" as const),
      which: fc.nat(50),
      how: fc.constantFrom("broken" as const, "lost" as const, "silent" as const)
    })
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("pass" as const), millis: fc.constantFrom(1, 7, 40, 300) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("server" as const),
      up: fc.boolean(),
      millis: fc.constantFrom(0, 5, 90),
      cleanable: fc.boolean()
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("lend" as const), dirty: fc.boolean(), breaks: fc.boolean() })
  },
  { weight: 1, arbitrary: fc.constant({ kind: "evict" as const }) }
)

const acquireMillis = 250

type Extras = Pick<Settings, "keepAlive" | "queueTarget" | "leakThreshold" | "prewarm">

/** What a pool may do besides, each of it on or off. */
const extras: fc.Arbitrary<Extras> = fc.record({
  keepAlive: fc.constantFrom(Duration.infinity, Duration.millis(25)),
  queueTarget: fc.constantFrom(undefined, Duration.millis(4)),
  leakThreshold: fc.constantFrom(undefined, Duration.millis(200)),
  prewarm: fc.boolean()
})

interface Caller {
  readonly asked: number
  readonly holds: number
  readonly fiber: Fiber.RuntimeFiber<void, DatabaseError>
  served: number | undefined
  ended: number | undefined
}

const history = (size: number, maxOverflow: number, steps: ReadonlyArray<Step>, drains: boolean, extras: Extras) =>
  Effect.gen(function* () {
    const server = new Server()
    const scope = yield* Scope.make()
    const options = {
      size,
      maxOverflow,
      acquireTimeout: Duration.millis(acquireMillis),
      maxLifetime: Duration.millis(900),
      idleTimeout: Duration.millis(120),
      prePing: Duration.millis(30),
      careLimit: Duration.millis(60),
      ...extras
    }
    const pool = yield* Scope.extend(make(server, options), scope)
    const callers: Array<Caller> = []
    const served: Array<number> = []
    const now = Effect.map(Effect.clock, (clock) => clock.unsafeCurrentTimeMillis())

    const acquire = (number: number, millis: number, dirty: boolean) =>
      use(pool, (stub: Stub) =>
        Effect.gen(function* () {
          served.push(number)
          const caller = callers[number]
          if (caller !== undefined) caller.served = yield* now
          yield* Effect.sleep(millis)
          stub.dirty = dirty
        })
      ).pipe(
        Effect.onExit((exit) =>
          Effect.gen(function* () {
            const caller = callers[number]
            if (caller !== undefined) caller.ended = yield* now
            // No defect: among them are a connection in two hands, one handed out dirty, one closed twice.
            if (Exit.isFailure(exit)) expect(exit.cause.toString()).not.toContain("connection ")
          })
        )
      )

    const check = Effect.gen(function* () {
      const status = yield* pool.status
      const at = yield* now
      expect(server.peak).toBeLessThanOrEqual(size + maxOverflow)
      expect(status.checkedOut + status.checkedIn + status.opening).toBeLessThanOrEqual(size + maxOverflow)
      for (const count of Object.values(status)) if (typeof count === "number") expect(count).toBeGreaterThanOrEqual(0)
      for (const caller of callers) {
        if (caller.served === undefined && caller.ended === undefined) {
          expect(at - caller.asked).toBeLessThan(acquireMillis + 1)
        }
      }
      // First come, first served: those who were served at all were served in their order.
      expect(served).toEqual([...served].sort((a, b) => a - b))
    })

    for (const one of steps) {
      switch (one.kind) {
        case "acquire": {
          const number = callers.length
          const fiber = yield* Effect.forkDaemon(
            Effect.zipRight(Effect.yieldNow(), acquire(number, one.millis, one.dirty))
          )
          callers.push({ asked: yield* now, holds: one.millis, fiber, served: undefined, ended: undefined })
          break
        }
        case "interrupt": {
          const caller = callers[one.which % Math.max(1, callers.length)]
          if (caller !== undefined) yield* Fiber.interrupt(caller.fiber)
          break
        }
        case "kill": {
          const stub = server.alive[one.which % Math.max(1, server.alive.length)]
          if (stub !== undefined) server.kill(stub, one.how)
          break
        }
        case "pass":
          yield* TestClock.adjust(one.millis)
          break
        case "server":
          server.failure = one.up ? undefined : down
          Object.assign(server, {
            connectMillis: one.millis,
            pingMillis: one.millis,
            cleanMillis: one.millis,
            closeMillis: Math.min(one.millis, 5),
            cleanable: one.cleanable
          })
          break
        case "lend": {
          const { waiting } = yield* pool.status
          const lent = pool.lend((stub) => {
            expect(stub).toMatchObject({ holders: 0, dirty: false })
            expect(["good", "silent"]).toContain(stub.state)
            stub.dirty = one.dirty
            if (one.breaks) server.kill(stub, "broken")
            return stub
          })
          if (waiting > 0) expect(lent).toBe(undefined)
          break
        }
        case "evict":
          yield* Effect.forkDaemon(pool.evictAll)
      }
      yield* settle
      yield* check
    }
    const draining = drains ? yield* Effect.forkDaemon(pool.drain("1 second")) : undefined
    yield* TestClock.adjust(acquireMillis)
    // Keep-alive and prewarm never end; on a server that answers at once, none of it is under way when we look.
    server.connectMillis = server.pingMillis = server.cleanMillis = server.closeMillis = 0
    yield* TestClock.adjust("2 seconds")
    yield* settle
    for (const caller of callers) expect(caller.fiber.unsafePoll()).not.toBe(null)
    if (draining !== undefined) expect(draining.unsafePoll()).not.toBe(null)
    const status = yield* pool.status
    expect(status).toMatchObject({ checkedOut: 0, opening: 0, waiting: 0, overflow: 0, checkedIn: server.open })
    expect(status.totals.opened - status.totals.closed).toBe(server.open)
    expect(status.totals.acquired).toBeGreaterThanOrEqual(served.length)
    if (drains) expect(server.open).toBe(0)
    else {
      server.failure = undefined
      server.connectMillis = server.pingMillis = server.closeMillis = 0
      expect(yield* use(pool, (stub) => Effect.succeed(stub.state))).not.toBe("closed")
    }
    yield* Scope.close(scope, Exit.void)
    expect(server.open).toBe(0)
  })

it("whatever happens to it, a pool keeps its limits, its order and its promises, and returns to rest", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 0, max: 2 }),
      fc.array(step, { minLength: 5, maxLength: 40 }),
      fc.boolean(),
      extras,
      (size, overflow, steps, drains, more) =>
        history(size, overflow, steps, drains, more).pipe(
          Logger.withMinimumLogLevel(LogLevel.None),
          Effect.provide(TestContext.TestContext),
          Effect.runPromise
        )
    ),
    { numRuns: 60 }
  )
}, 120_000)
