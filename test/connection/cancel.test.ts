/** Interrupting a statement stops it on the server, and nobody else's: whoever gets its connection next is never hit. */
import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import { Database, DatabaseError, Pool } from "effect-aquifer"
import { freshDatabase, query } from "../support/server.js"

it.scopedLive(
  "of 800 statements behind interrupted ones none is cancelled, and of those nothing runs on",
  () =>
    Effect.gen(function* () {
      const url = yield* freshDatabase
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const pool = yield* Pool.Pool
        let interrupted = 0
        const hit: Array<string> = []
        yield* Effect.forEach(
          Array.from({ length: 800 }, (_, n) => n),
          (n) =>
            Effect.gen(function* () {
              // Some end by themselves in the very moment they are cancelled.
              const seconds = n % 3 === 0 ? 0.001 : 60
              const victim = yield* Effect.fork(sql`SELECT pg_sleep(${seconds}::float8)`)
              yield* Effect.sleep(yield* Random.nextIntBetween(0, 3))
              const [exit, neighbour] = yield* Effect.all(
                [Fiber.interrupt(victim), Effect.either(DatabaseError.refine(sql`SELECT ${n}::int AS n`))],
                { concurrency: 2 }
              )
              if (Exit.isInterrupted(exit)) interrupted++
              if (neighbour._tag === "Left") hit.push(neighbour.left.message)
              else expect(neighbour.right).toEqual([{ n }])
            }),
          { concurrency: 4, discard: true }
        )
        expect(hit).toEqual([])
        expect(interrupted).toBeGreaterThan(400)
        const { totals } = yield* pool.status
        // A cancel costs no connection, but on a machine that has no time for it.
        expect(totals.opened).toBeLessThan(20)
        expect(
          yield* query(
            url,
            "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()"
          )
        ).toEqual([])
      }).pipe(Effect.provide(Database.layer({ url, pool: { size: 4, maxOverflow: 0 } })))
    }),
  120_000
)
