/** A connection lent on the caller's stack: counted and cared for like any other, and never ahead of those who wait. */
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { make, Server, settle, use } from "./stub.js"

/** A pool with one connection, which nobody holds. */
const one = (some: Parameters<typeof make>[1] = {}) =>
  Effect.gen(function* () {
    const server = new Server()
    const pool = yield* make(server, { size: 1, maxOverflow: 0, ...some })
    yield* use(pool, () => Effect.void)
    return { server, pool }
  })

describe("a connection lent", () => {
  it.scoped("is out while it is used, and counted", () =>
    Effect.gen(function* () {
      const { pool } = yield* one()
      const inside = pool.lend((stub) => ({ stub, status: Effect.runSync(pool.status) }))
      expect(inside?.stub.id).toBe(0)
      expect(inside?.status).toMatchObject({ checkedOut: 1, checkedIn: 0, totals: { acquired: 2 } })
      expect(yield* pool.status).toMatchObject({ checkedOut: 0, checkedIn: 1, totals: { acquired: 2, opened: 1 } })
    })
  )

  it.scoped("is not there for anybody else meanwhile", () =>
    Effect.gen(function* () {
      const { pool } = yield* one()
      expect(pool.lend(() => pool.lend(() => "in two hands") ?? "nothing")).toBe("nothing")
      expect(pool.lend(() => "again")).toBe("again")
    })
  )

  it.scoped("comes back from what throws", () =>
    Effect.gen(function* () {
      const { pool } = yield* one()
      const thrown = new Error("no")
      expect(() =>
        pool.lend(() => {
          throw thrown
        })
      ).toThrow(thrown)
      expect(yield* pool.status).toMatchObject({ checkedOut: 0, checkedIn: 1 })
    })
  )

  it.scoped("is cleaned, or replaced, before its next holder gets it", () =>
    Effect.gen(function* () {
      const { pool, server } = yield* one()
      pool.lend((stub) => {
        stub.dirty = true
      })
      // Handing out a dirty one is the stub's defect.
      expect(yield* use(pool, (stub) => Effect.succeed(stub.id))).toBe(0)
      pool.lend((stub) => server.kill(stub, "broken"))
      expect(yield* use(pool, (stub) => Effect.succeed(stub.id))).toBe(1)
      expect(yield* pool.status).toMatchObject({ checkedOut: 0, checkedIn: 1, invalidated: 1 })
    })
  )

  it.scoped("is none where one had to be opened, asked or waited for, and none is taken from those who wait", () =>
    Effect.gen(function* () {
      const server = new Server()
      const cold = yield* make(server)
      expect(cold.lend(() => "lent")).toBe(undefined)
      expect(server.attempts).toBe(0)

      const { pool } = yield* one({ prePing: Duration.millis(10) })
      yield* TestClock.adjust(20)
      expect(pool.lend(() => "lent")).toBe(undefined)

      const held = yield* Effect.fork(use(pool, () => Effect.sleep(50)))
      const waits = yield* Effect.fork(use(pool, () => Effect.sleep(50)))
      yield* settle
      expect(yield* pool.status).toMatchObject({ checkedOut: 1, waiting: 1 })
      expect(pool.lend(() => "lent")).toBe(undefined)
      yield* TestClock.adjust(50)
      yield* Fiber.join(held)
      expect(pool.lend(() => "lent")).toBe(undefined)
      yield* TestClock.adjust(50)
      yield* Fiber.join(waits)
      expect(pool.lend(() => "lent")).toBe("lent")
    })
  )

  it.scoped("is none once the pool is closed", () =>
    Effect.gen(function* () {
      const { pool } = yield* one()
      yield* pool.drain("1 second")
      expect(pool.lend(() => "lent")).toBe(undefined)
      expect(yield* pool.status).toMatchObject({ checkedOut: 0, totals: { acquired: 1, opened: 1, closed: 1 } })
    })
  )

  it.scoped("is told to those who follow the counts", () =>
    Effect.gen(function* () {
      const { pool } = yield* one()
      const seen: Array<number> = []
      yield* Effect.forkScoped(
        Stream.runForEach(pool.changes, ({ totals }) => Effect.sync(() => seen.push(totals.acquired)))
      )
      yield* settle
      pool.lend(() => undefined)
      yield* settle
      expect(seen.at(-1)).toBe(2)
    })
  )
})
