/** What the pool promises on a real product. */

import * as SqlClient from "@effect/sql/SqlClient"
import { expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { DatabaseError, Health, Pool, Transaction } from "effect-aquifer"
import { contract, type Product } from "./contract.js"

const small = { pool: { size: 1, maxOverflow: 0, acquireTimeout: "400 millis" } } as const

/** Holds the writer in a transaction until released. */
const holding = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE IF NOT EXISTS held (id INTEGER PRIMARY KEY)`
  const has = yield* Deferred.make<void>()
  const release = yield* Deferred.make<void>()
  const fiber = yield* Effect.fork(
    Transaction.run(
      Effect.zipRight(
        sql`INSERT INTO held VALUES (1)`,
        Effect.zipRight(Deferred.succeed(has, undefined), Deferred.await(release))
      )
    ).pipe(Effect.withSpan("the holder"))
  )
  yield* Deferred.await(has)
  return { sql, end: Effect.zipRight(Deferred.succeed(release, undefined), Fiber.join(fiber)) }
})

export const pooling = (product: Product) =>
  contract("the pool", product, (it) => {
    it(
      "an exhausted pool fails as PoolTimeout, with the figures and the holder",
      () =>
        Effect.gen(function* () {
          const { sql, end } = yield* holding
          const exit = yield* Effect.exit(DatabaseError.refine(sql`INSERT INTO held VALUES (2)`))
          const error = Exit.isFailure(exit) ? Option.getOrThrow(Cause.failureOption(exit.cause)) : undefined
          expect(error?._tag).toBe("PoolTimeout")
          if (error?._tag === "PoolTimeout") {
            expect(error.snapshot.checkedOut).toBe(1)
            expect(error.holders.map((holder) => holder.span)).toContain("the holder")
            expect(error.message).toContain("as if leaked")
          }
          yield* end
          yield* sql`INSERT INTO held VALUES (2)`
        }),
      small
    )

    it(
      "waiting for a connection can be interrupted at once, and leaves no trace",
      () =>
        Effect.gen(function* () {
          const { sql, end } = yield* holding
          const pool = yield* Pool.Pool
          const start = yield* Clock.currentTimeMillis
          const cut = yield* Effect.timeoutOption(sql`INSERT INTO held VALUES (2)`, "30 millis")
          expect(Option.isNone(cut)).toBe(true)
          // The wait for a connection would have lasted half a minute.
          expect((yield* Clock.currentTimeMillis) - start).toBeLessThan(10_000)
          expect((yield* pool.status).waiting).toBe(0)
          yield* end
          yield* sql`INSERT INTO held VALUES (3)`
        }),
      { pool: { size: 1, maxOverflow: 0, acquireTimeout: "30 seconds" } }
    )

    it(
      "a health check needs no free connection of the pool",
      () =>
        Effect.gen(function* () {
          const { end } = yield* holding
          const report = yield* Health.check
          expect(report.status).toBe("up")
          expect(report.pool.checkedOut).toBe(1)
          if (report.status === "up") expect(report.version).toMatch(/^\d+\.\d+/)
          expect(yield* Health.isHealthy).toBe(true)
          yield* end
        }),
      small
    )

    it(
      "reserve gives a connection for the scope; afterwards its statements fail as TransactionClosed",
      () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const pool = yield* Pool.Pool
          const connection = yield* Effect.scoped(
            Effect.tap(sql.reserve, (connection) =>
              Effect.gen(function* () {
                yield* connection.execute("SELECT 1", [], undefined)
                expect((yield* pool.status).checkedOut).toBe(1)
              })
            )
          )
          const exit = yield* Effect.exit(DatabaseError.refine(connection.execute("SELECT 1", [], undefined)))
          expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain("TransactionClosed")
        }),
      small
    )

    it("the status adds up", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const pool = yield* Pool.Pool
        yield* Effect.replicateEffect(sql`SELECT 1`, 20, { concurrency: "unbounded" })
        const status = yield* pool.status
        expect(status.waiting).toBe(0)
        expect(status.totals.acquired).toBeGreaterThanOrEqual(20)
        expect(status.checkedIn + status.checkedOut).toBe(status.totals.opened - status.totals.closed)
        expect(status.totals.failures).toBe(0)
      }))
  })
