/** Single statements outside a transaction: repeated while nothing was sent, and never once it was. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { DatabaseError, Retry } from "effect-aquifer"
import { query } from "../support/server.js"
import { eventually, world } from "./world.js"

const policy = { maxRetries: 200, baseDelay: "20 millis", maxDelay: "50 millis" } as const

it.scopedLive("no connection to be had for a while: done once there is one, and done once", () =>
  Effect.gen(function* () {
    const { line, sql, written } = yield* world()
    line.refusing = true
    line.all("reset")
    let tries = 0
    const once = Effect.suspend(() => {
      tries++
      return sql`INSERT INTO written VALUES (1)`
    })
    const fiber = yield* Effect.fork(Retry.unsent(once, policy))
    yield* eventually(
      "it was tried more than once",
      Effect.sync(() => tries),
      (n) => n > 2
    )
    line.refusing = false
    yield* Fiber.join(fiber)
    expect(yield* written).toEqual([1])
  })
)

it.scopedLive("the connection lost behind it: its failure says that it was sent, and it is not repeated", () =>
  Effect.gen(function* () {
    const { line, sql, url, written } = yield* world()
    let tries = 0
    const once = Effect.suspend(() => {
      tries++
      return sql`INSERT INTO written SELECT 1 FROM pg_sleep(1)`
    })
    const fiber = yield* Effect.fork(Effect.flip(Retry.unsent(once, policy)))
    const running = query(
      url,
      `SELECT count(*)::int AS n FROM pg_stat_activity
       WHERE datname = current_database() AND query LIKE 'INSERT INTO written SELECT%'`
    )
    yield* eventually("it runs", running, ([row]) => row?.n === 1)
    line.all("reset")
    expect(DatabaseError.find(yield* Fiber.join(fiber))).toMatchObject({ _tag: "ConnectionError", sent: true })
    expect(tries).toBe(1)
    expect((yield* written).length).toBeLessThanOrEqual(1)
  })
)
