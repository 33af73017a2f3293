/**
 * What the stock client does wrong on a real PostgreSQL, each measured there once, and what must happen here instead. Where
 * a promise holds on every product it stands in the contract suites; here are those that need this server.
 */

import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import { Database, DatabaseError, Pool, Transaction } from "effect-aquifer"
import { adminQuery, freshDatabase, query } from "../support/server.js"

const withDatabase = <A, E>(
  body: (url: string) => Effect.Effect<A, E, Database.Services>,
  options: Partial<Database.Options> = {}
) =>
  Effect.flatMap(freshDatabase, (url) =>
    body(url).pipe(Effect.provide(Database.layer({ url, profile: "development", ...options })))
  )

const failureOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.exit(effect), (exit) => {
    if (Exit.isSuccess(exit)) throw new Error("succeeded")
    if (Cause.isDie(exit.cause)) throw new Error(`a defect: ${Cause.pretty(exit.cause)}`)
    return DatabaseError.from(Option.getOrThrow(Cause.failureOption(exit.cause)))
  })

const numbers = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE numbers (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)`
  yield* sql`INSERT INTO numbers VALUES (1, 0), (2, 0)`
  return sql
})

/** Two transactions that read both rows and write one each: one of them must fail under SERIALIZABLE, at its COMMIT. */
const skewed = (sql: SqlClient.SqlClient, retry: Transaction.Options["retry"]) =>
  Effect.gen(function* () {
    const bothRead = yield* Deferred.make<void>()
    const reads = yield* Ref.make(0)
    const half = (id: number) =>
      Transaction.run(
        Effect.gen(function* () {
          yield* sql`SELECT sum(n) FROM numbers`
          if ((yield* Ref.updateAndGet(reads, (n) => n + 1)) === 2) yield* Deferred.succeed(bothRead, undefined)
          yield* Deferred.await(bothRead)
          yield* sql`UPDATE numbers SET n = n + 1 WHERE id = ${id}`
          return yield* Transaction.attempt
        }),
        { isolation: "serializable", retry }
      )
    return yield* Effect.all([Effect.exit(half(1)), Effect.exit(half(2))], { concurrency: 2 })
  })

it.scopedLive(
  "a serialization failure is a typed failure, wherever it shows; stock: a defect when it shows at COMMIT",
  () =>
    withDatabase(() =>
      Effect.gen(function* () {
        const sql = yield* numbers
        const failed = (yield* skewed(sql, "never")).filter(Exit.isFailure)
        expect(failed).toHaveLength(1)
        expect(DatabaseError.find(failed[0]?.cause)?._tag).toBe("SerializationError")
      })
    )
)

it.scopedLive("a serialization failure at COMMIT is run again", () =>
  withDatabase(() =>
    Effect.gen(function* () {
      const sql = yield* numbers
      const attempts = (yield* skewed(sql, { conflict: { baseDelay: "1 millis" } })).map((exit) =>
        Exit.isSuccess(exit) ? exit.value : 0
      )
      expect(attempts.sort()).toEqual([1, 2])
      expect(yield* sql`SELECT n FROM numbers ORDER BY id`).toEqual([{ n: 1 }, { n: 1 }])
    })
  )
)

it.scopedLive("a deferred constraint that fails at COMMIT is a typed failure with its name; stock: a defect", () =>
  withDatabase(() =>
    Effect.gen(function* () {
      const sql = yield* numbers
      yield* sql`CREATE TABLE refs (id INTEGER CONSTRAINT refs_to_numbers REFERENCES numbers DEFERRABLE INITIALLY DEFERRED)`
      const error = yield* failureOf(Transaction.run(sql`INSERT INTO refs VALUES (99)`))
      expect(error._tag).toBe("ForeignKeyViolation")
      expect(error.constraint).toBe("refs_to_numbers")
      expect(yield* sql`SELECT * FROM refs`).toEqual([])
    })
  )
)

it.scopedLive("a back end killed inside a transaction: the original failure, run again; stock: ROLLBACK's defect", () =>
  withDatabase((url) =>
    Effect.gen(function* () {
      const sql = yield* numbers
      const transaction = (retry: Transaction.Options["retry"]) =>
        Transaction.run(
          Effect.gen(function* () {
            const attempt = yield* Transaction.attempt
            const rows = yield* sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`
            if (attempt === 1) yield* Effect.orDie(query(url, "SELECT pg_terminate_backend($1, 5000)", [rows[0]?.pid]))
            yield* sql`UPDATE numbers SET n = n + 1 WHERE id = 1`
            return attempt
          }),
          { retry }
        )
      const error = yield* failureOf(transaction("never"))
      expect(error._tag).toBe("ConnectionError")
      expect(yield* transaction({ baseDelay: "1 millis" })).toBe(2)
      expect(yield* sql`SELECT n FROM numbers WHERE id = 1`).toEqual([{ n: 1 }])
      expect((yield* Effect.flatMap(Pool.Pool, (pool) => pool.status)).invalidated).toBeGreaterThanOrEqual(2)
    })
  )
)

it.scopedLive("a BEGIN that fails is reported itself; stock: the ROLLBACK sent after it hides the cause", () =>
  withDatabase(() =>
    Effect.gen(function* () {
      const sql = yield* numbers
      // Serializable cannot be had on top of a transaction that already read; the failing BEGIN here is a syntax of ours.
      const error = yield* failureOf(
        Effect.scoped(
          Effect.gen(function* () {
            const connection = yield* sql.reserve
            yield* connection.executeUnprepared("BEGIN ISOLATION LEVEL nonsense", [], undefined)
          })
        )
      )
      expect(error._tag).toBe("SqlSyntaxError")
      expect(yield* sql`SELECT 1 AS one`).toEqual([{ one: 1 }])
    })
  )
)

it.scopedLive(
  "an error swallowed in the body is TransactionAborted with that error as its cause; stock: success, rows gone",
  () =>
    withDatabase(() =>
      Effect.gen(function* () {
        const sql = yield* numbers
        const error = yield* failureOf(
          Transaction.run(
            Effect.zipRight(sql`UPDATE numbers SET n = 5`, Effect.ignore(sql`INSERT INTO numbers VALUES (1, 1)`))
          )
        )
        expect(error._tag).toBe("TransactionAborted")
        expect(DatabaseError.find(error.cause)?._tag).toBe("UniqueViolation")
        expect(yield* sql`SELECT n FROM numbers WHERE id = 1`).toEqual([{ n: 0 }])
      })
    )
)

it.scopedLive(
  "`reserve` and `stream` interrupted while they wait give their place back; stock: the connection leaks",
  () =>
    withDatabase(
      () =>
        Effect.gen(function* () {
          const sql = yield* numbers
          const pool = yield* Pool.Pool
          const holder = yield* Deferred.make<void>()
          const has = yield* Deferred.make<void>()
          const fiber = yield* Effect.fork(
            Effect.scoped(
              Effect.zipRight(sql.reserve, Effect.zipRight(Deferred.succeed(has, undefined), Deferred.await(holder)))
            )
          )
          yield* Deferred.await(has)
          const waiting = yield* Effect.forEach(Array.from({ length: 20 }), (_, i) =>
            Effect.fork(i % 2 === 0 ? Effect.scoped(sql.reserve) : Stream.runDrain(sql`SELECT * FROM numbers`.stream))
          )
          yield* Effect.repeat(pool.status, { until: (status) => status.waiting === 20 })
          yield* Fiber.interruptAll(waiting)
          expect((yield* pool.status).waiting).toBe(0)
          yield* Deferred.succeed(holder, undefined)
          yield* Fiber.join(fiber)
          expect(yield* Stream.runCount(sql`SELECT * FROM numbers`.stream)).toBe(2)
          expect((yield* pool.status).totals.opened).toBe(1)
        }),
      { pool: { size: 1, maxOverflow: 0 } }
    )
)

it.scopedLive("a boot that fails leaves no session behind; stock: the pool stays open", () =>
  Effect.gen(function* () {
    const url = yield* freshDatabase
    const boot = Layer.effectDiscard(Effect.fail("boot failed")).pipe(
      Layer.provideMerge(Database.layer({ url, applicationName: "boot-that-fails" }))
    )
    expect(Exit.isFailure(yield* Effect.exit(Effect.scoped(Layer.build(boot))))).toBe(true)
    yield* Effect.repeat(adminQuery("SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'boot-that-fails%'"), {
      until: (rows) => rows.length === 0
    }).pipe(Effect.timeout("5 seconds"))
  })
)

it.scopedLive("the end of a layer waits for a transaction that still runs, and ends it committed", () =>
  Effect.gen(function* () {
    const url = yield* freshDatabase
    yield* query(url, "CREATE TABLE kept (id INTEGER)")
    const running = yield* Deferred.make<void>()
    const fiber = yield* Effect.scoped(
      Effect.gen(function* () {
        const services = yield* Layer.build(Database.layer({ url }))
        const fiber = yield* Effect.forkDaemon(
          Effect.flatMap(SqlClient.SqlClient, (sql) =>
            Transaction.run(
              Effect.zipRight(
                sql`INSERT INTO kept VALUES (1)`,
                Effect.zipRight(Deferred.succeed(running, undefined), sql`SELECT pg_sleep(0.3)`)
              )
            )
          ).pipe(Effect.provide(services))
        )
        yield* Deferred.await(running)
        return fiber
      })
    )
    yield* Fiber.join(fiber)
    expect(yield* query(url, "SELECT id FROM kept")).toEqual([{ id: 1 }])
  })
)

it.scopedLive("interrupting a statement with every connection busy stops it on the server; stock: waits for it", () =>
  withDatabase(
    (url) =>
      Effect.gen(function* () {
        const sql = yield* numbers
        const fiber = yield* Effect.fork(sql`SELECT pg_sleep(60)`)
        const sleeping = query(
          url,
          "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()"
        )
        yield* Effect.repeat(sleeping, { until: (rows) => rows.length === 1 })
        yield* Fiber.interrupt(fiber)
        yield* Effect.repeat(sleeping, { until: (rows) => rows.length === 0 }).pipe(Effect.timeout("10 seconds"))
        expect(yield* sql`SELECT n FROM numbers WHERE id = 1`).toEqual([{ n: 0 }])
      }),
    { pool: { size: 1, maxOverflow: 0 } }
  )
)
