/** SERIALIZABLE READ ONLY DEFERRABLE on a real server: it waits for a snapshot that cannot conflict, and then never does. */
import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Database, Transaction } from "effect-aquifer"
import { freshDatabase } from "../../support/server.js"

const deferrable = { isolation: "serializable", access: "read only", deferrable: true } as const

const waiting = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SafeSnapshot'`
)

it.scopedLive("a deferrable transaction waits until no writer it could conflict with is left, then reads", () =>
  Effect.gen(function* () {
    const url = yield* freshDatabase
    yield* Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE t (n INTEGER)`
      const written = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const writer = yield* Effect.fork(
        Transaction.run(
          sql`SELECT * FROM t`.pipe(
            Effect.zipRight(sql`INSERT INTO t VALUES (1)`),
            Effect.zipRight(Deferred.succeed(written, undefined)),
            Effect.zipRight(Deferred.await(goOn))
          ),
          { isolation: "serializable" }
        )
      )
      yield* Deferred.await(written)
      const report = yield* Effect.fork(
        Transaction.run(Effect.all([sql`SHOW transaction_deferrable`, sql`SELECT n FROM t`]), deferrable)
      )
      while ((yield* waiting).length === 0) yield* Effect.sleep("10 millis")
      expect(report.unsafePoll()).toBe(null)
      yield* Deferred.succeed(goOn, undefined)
      yield* Fiber.join(writer)
      const [shown] = yield* Fiber.join(report)
      expect(shown).toEqual([{ transaction_deferrable: "on" }])
    }).pipe(Effect.provide(Database.layer({ url, profile: "development" })))
  })
)

it.scopedLive("without it the same transaction does not wait", () =>
  Effect.gen(function* () {
    const url = yield* freshDatabase
    yield* Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE t (n INTEGER)`
      const { deferrable: _, ...plain } = deferrable
      const seen = yield* Transaction.run(
        sql`SELECT * FROM t`.pipe(
          Effect.zipRight(sql`INSERT INTO t VALUES (1)`),
          Effect.zipRight(Transaction.separate(sql`SELECT n FROM t`, plain))
        ),
        { isolation: "serializable" }
      )
      expect(seen).toEqual([])
    }).pipe(Effect.provide(Database.layer({ url, profile: "development" })))
  })
)
