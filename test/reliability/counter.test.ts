/**
 * Sixty-four fibers and one row, with nothing set by hand: everybody gets through, and how many tries that takes is bounded.
 * Left to back-off alone, 27 of the 64 gave up under the same policy.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Database, type Retry, Transaction } from "effect-aquifer"
import { freshDatabase, query } from "../support/server.js"

const fibers = 64
const each = 3

type Read = (sql: SqlClient.SqlClient) => Effect.Effect<ReadonlyArray<{ readonly n: number }>, unknown>

const plain: Read = (sql) => sql<{ n: number }>`SELECT n FROM counter`
const locking: Read = (sql) => sql<{ n: number }>`SELECT n FROM counter FOR UPDATE`

/** Every fiber increments the counter `each` times; `pools` of them share the fibers, as several processes would. */
const count = (isolation: Transaction.Isolation, read: Read, pools = 1, retry?: Retry.Setting) =>
  Effect.gen(function* () {
    const url = yield* freshDatabase
    yield* query(url, "CREATE TABLE counter (n integer NOT NULL); INSERT INTO counter VALUES (0)")
    const tries: Array<number> = []
    const work = Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const increment = Effect.suspend(() => {
        let attempts = 0
        return Transaction.run(
          Effect.gen(function* () {
            attempts++
            const n = (yield* read(sql))[0]?.n ?? Number.NaN
            yield* sql`UPDATE counter SET n = ${n + 1}`
          }),
          { isolation, retry }
        ).pipe(Effect.ensuring(Effect.sync(() => tries.push(attempts))))
      })
      return yield* Effect.forEach(
        Array.from({ length: fibers / pools }),
        () => Effect.exit(Effect.replicateEffect(increment, each)),
        { concurrency: "unbounded" }
      )
    }).pipe(Effect.provide(Database.layer({ url, profile: pools === 1 ? "production" : "development" })))
    const exits = yield* Effect.all(Array(pools).fill(work) as ReadonlyArray<typeof work>, {
      concurrency: "unbounded"
    })
    expect(exits.flat().filter(Exit.isFailure)).toEqual([])
    expect(yield* query(url, "SELECT n FROM counter")).toEqual([{ n: fibers * each }])
    const perSuccess = tries.reduce((sum, n) => sum + n, 0) / (fibers * each)
    const most = Math.max(...tries)
    console.log(
      `${isolation}, ${pools} pools: ${perSuccess.toFixed(2)} attempts for each of ${fibers * each} increments, ${most} at most`
    )
    return { perSuccess, most }
  })

for (const isolation of ["serializable", "repeatable read"] as const) {
  it.scopedLive(
    `under ${isolation} all increments succeed with the default policy, in a few attempts each`,
    () =>
      Effect.gen(function* () {
        const { most, perSuccess } = yield* count(isolation, plain)
        expect(perSuccess).toBeLessThan(6)
        expect(most).toBeLessThan(9)
      }),
    { timeout: 60_000 }
  )
}

it.scopedLive(
  "from four pools that know nothing of each other they do, too, given more retries: turns are taken within a pool",
  () =>
    Effect.gen(function* () {
      const { perSuccess } = yield* count("serializable", plain, 4, { conflict: { maxRetries: 50 } })
      expect(perSuccess).toBeLessThan(8)
    }),
  { timeout: 60_000 }
)

it.scopedLive(
  "under read committed with FOR UPDATE all increments succeed at the first try",
  () =>
    Effect.gen(function* () {
      const { most } = yield* count("read committed", locking)
      expect(most).toBe(1)
    }),
  { timeout: 60_000 }
)
