/** Sixty-four fibers and one row: everybody gets through, and how many tries that takes is bounded. */
import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Database, Transaction } from "effect-aquifer"
import { freshDatabase, query } from "../support/server.js"

const fibers = 64
const each = 3

/** Every fiber increments the counter `each` times. One row for all is worse than the ten retries of the default are made for. */
const retry = { conflict: { maxRetries: 100 } }

const count = (
  isolation: Transaction.Isolation,
  read: (sql: SqlClient.SqlClient) => Effect.Effect<ReadonlyArray<{ readonly n: number }>, unknown>
) =>
  Effect.gen(function* () {
    const url = yield* freshDatabase
    yield* query(url, "CREATE TABLE counter (n integer NOT NULL); INSERT INTO counter VALUES (0)")
    let attempts = 0
    const exits = yield* Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const increment = Transaction.run(
        Effect.gen(function* () {
          attempts++
          const n = (yield* read(sql))[0]?.n ?? Number.NaN
          yield* sql`UPDATE counter SET n = ${n + 1}`
        }),
        { isolation }
      )
      return yield* Effect.forEach(
        Array.from({ length: fibers }),
        () => Effect.exit(Effect.replicateEffect(increment, each)),
        { concurrency: "unbounded" }
      )
    }).pipe(Effect.provide(Database.layer({ url, profile: "production", retry })))
    expect(exits.filter(Exit.isFailure)).toEqual([])
    expect(yield* query(url, "SELECT n FROM counter")).toEqual([{ n: fibers * each }])
    const perSuccess = attempts / (fibers * each)
    console.log(`${isolation}: ${perSuccess.toFixed(2)} attempts for each of ${fibers * each} increments`)
    return perSuccess
  })

it.scopedLive(
  "under SERIALIZABLE all increments succeed, without a retry storm",
  () =>
    Effect.gen(function* () {
      const perSuccess = yield* count("serializable", (sql) => sql<{ n: number }>`SELECT n FROM counter`)
      expect(perSuccess).toBeLessThan(15)
    }),
  { timeout: 60_000 }
)

it.scopedLive(
  "under READ COMMITTED with FOR UPDATE all increments succeed at the first try",
  () =>
    Effect.gen(function* () {
      const perSuccess = yield* count("read committed", (sql) => sql<{ n: number }>`SELECT n FROM counter FOR UPDATE`)
      expect(perSuccess).toBe(1)
    }),
  { timeout: 60_000 }
)
