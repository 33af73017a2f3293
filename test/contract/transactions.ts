/** What transactions promise on every product: ends that are known, savepoints, retries, nobody else's session. */

import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlError from "@effect/sql/SqlError"
import { expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { Database, DatabaseError, Pool, Transaction } from "effect-aquifer"
import { contract, type Product } from "./contract.js"

const accounts = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0))`
  yield* sql`INSERT INTO accounts ${sql.insert([
    { id: 1, balance: 100 },
    { id: 2, balance: 100 }
  ])}`
  return sql
})

const balances = (sql: SqlClient.SqlClient) =>
  Effect.map(sql<{ balance: number }>`SELECT balance FROM accounts ORDER BY id`, (rows) =>
    rows.map((row) => row.balance)
  )

const failureOf = <A, E>(effect: Effect.Effect<A, E, SqlClient.SqlClient>) =>
  Effect.map(Effect.exit(effect), (exit) =>
    Exit.isFailure(exit) ? Option.getOrThrow(Cause.failureOption(exit.cause)) : undefined
  )

/** All connections are back; a cleaning after the last return may still run for a moment. */
const atRest = Effect.flatMap(Pool.Pool, (pool) =>
  pool.status.pipe(
    Effect.repeat({ until: (status) => status.checkedOut === 0, schedule: Schedule.spaced("5 millis") }),
    Effect.timeout("5 seconds")
  )
)

export const transactions = (product: Product) => {
  contract("transactions", product, (it) => {
    it("success is committed, failure is rolled back and stays the same failure", () =>
      Effect.gen(function* () {
        const sql = yield* accounts
        yield* Transaction.run(sql`UPDATE accounts SET balance = 50 WHERE id = 1`)
        const failure = yield* failureOf(
          Transaction.run(Effect.zipRight(sql`UPDATE accounts SET balance = 0`, Effect.fail("mine" as const)))
        )
        expect(failure).toBe("mine")
        expect(yield* balances(sql)).toEqual([50, 100])
        yield* atRest
      }))

    it("a defect and an interruption roll back", () =>
      Effect.gen(function* () {
        const sql = yield* accounts
        const defect = yield* Effect.exit(
          Transaction.run(Effect.zipRight(sql`UPDATE accounts SET balance = 0`, Effect.die("bug")))
        )
        expect(Exit.isFailure(defect) && Cause.isDie(defect.cause)).toBe(true)
        const inside = yield* Deferred.make<void>()
        const fiber = yield* Effect.fork(
          Transaction.run(
            Effect.zipRight(
              sql`UPDATE accounts SET balance = 0`,
              Effect.zipRight(Deferred.succeed(inside, undefined), Effect.never)
            )
          )
        )
        yield* Deferred.await(inside)
        const exit = yield* Fiber.interrupt(fiber)
        expect(Exit.isInterrupted(exit)).toBe(true)
        expect(yield* balances(sql)).toEqual([100, 100])
        yield* atRest
      }))

    it("a savepoint is undone alone, siblings get their own, and inner success is kept", () =>
      Effect.gen(function* () {
        const sql = yield* accounts
        yield* Transaction.run(
          Effect.gen(function* () {
            yield* sql`UPDATE accounts SET balance = 90 WHERE id = 1`
            yield* Effect.forEach(
              [1, 2, 3, 4],
              (n) =>
                Effect.ignore(
                  Transaction.run(
                    Effect.zipRight(
                      sql`UPDATE accounts SET balance = balance + ${n} WHERE id = 2`,
                      n % 2 === 0 ? Effect.fail("undone") : Effect.void
                    )
                  )
                ),
              { concurrency: "unbounded" }
            )
          })
        )
        expect(yield* balances(sql)).toEqual([90, 104])
      }))

    it("statements of many fibers inside one transaction all belong to it", () =>
      Effect.gen(function* () {
        const sql = yield* accounts
        yield* Effect.exit(
          Transaction.run(
            Effect.zipRight(
              Effect.forEach(
                Array.from({ length: 20 }, (_, i) => 10 + i),
                (id) => sql`INSERT INTO accounts ${sql.insert({ id, balance: 1 })}`,
                { concurrency: "unbounded" }
              ),
              Effect.fail("undo")
            )
          )
        )
        expect(yield* balances(sql)).toEqual([100, 100])
      }))

    it("a statement of a fiber that outlived its transaction fails as TransactionClosed and changes nothing", () =>
      Effect.gen(function* () {
        const sql = yield* accounts
        const gate = yield* Deferred.make<void>()
        const late = yield* Transaction.run(
          Effect.forkDaemon(
            Effect.zipRight(Deferred.await(gate), DatabaseError.refine(sql`UPDATE accounts SET balance = 7`))
          )
        )
        const other = yield* Effect.exit(
          Transaction.run(
            Effect.zipRight(
              sql`UPDATE accounts SET balance = 1 WHERE id = 1`,
              Effect.zipRight(
                Deferred.succeed(gate, undefined),
                Effect.flatMap(Effect.exit(Fiber.join(late)), (exit) => Effect.fail(exit))
              )
            )
          )
        )
        const exit = Exit.isFailure(other) ? Option.getOrThrow(Cause.failureOption(other.cause)) : undefined
        expect(Exit.isExit(exit) && Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain("TransactionClosed")
        expect(yield* balances(sql)).toEqual([100, 100])
      }))

    it("afterCommit runs once after the real commit, and not at all for what was undone", () =>
      Effect.gen(function* () {
        const sql = yield* accounts
        const ran: Array<string> = []
        const note = (word: string) => Transaction.afterCommit(Effect.sync(() => ran.push(word)))
        yield* Transaction.run(
          Effect.gen(function* () {
            yield* sql`UPDATE accounts SET balance = 1 WHERE id = 1`
            yield* note("outer")
            yield* Transaction.run(Effect.zipRight(sql`UPDATE accounts SET balance = 2 WHERE id = 1`, note("inner")))
            yield* Effect.ignore(
              Transaction.run(
                Effect.zipRight(sql`UPDATE accounts SET balance = 3`, Effect.zipRight(note("undone"), Effect.fail(0)))
              )
            )
            expect(ran).toEqual([])
          })
        )
        yield* Effect.ignore(Transaction.run(Effect.zipRight(note("failed"), Effect.fail(0))))
        expect(ran).toEqual(["outer", "inner"])
      }))

    it("two clients in one program never use each other's transaction", () =>
      Effect.gen(function* () {
        const sql = yield* accounts
        const other = Context.get(yield* Layer.build(product.database()), SqlClient.SqlClient)
        yield* other`CREATE TABLE elsewhere (id INTEGER PRIMARY KEY)`
        yield* Effect.exit(
          sql.withTransaction(
            Effect.gen(function* () {
              yield* sql`UPDATE accounts SET balance = 0`
              yield* other`INSERT INTO elsewhere VALUES (1)`
              yield* other.withTransaction(
                Effect.zipRight(sql`UPDATE accounts SET balance = 1`, other`INSERT INTO elsewhere VALUES (2)`)
              )
              return yield* Effect.fail("undo mine alone")
            })
          )
        )
        expect(yield* balances(sql)).toEqual([100, 100])
        expect(yield* other`SELECT id FROM elsewhere ORDER BY id`).toEqual([{ id: 1 }, { id: 2 }])
      }))

    it("withTransaction fails with SqlError of its own and leaves the body's failures alone", () =>
      Effect.gen(function* () {
        const sql = yield* accounts
        const own = new DatabaseError.UnknownError({ operation: "mine", reason: "mine" })
        const kept = yield* failureOf(sql.withTransaction(Effect.fail(own)))
        // A failure inside a span travels as a proxy of itself.
        expect(kept instanceof DatabaseError.UnknownError && kept.operation).toBe("mine")
        const failure = yield* failureOf(sql.withTransaction(sql`INSERT INTO accounts VALUES (1, 1)`))
        expect(failure).toBeInstanceOf(SqlError.SqlError)
        expect(DatabaseError.find(failure)?._tag).toBe("UniqueViolation")
      }))

    it("a read-only transaction refuses to write", () =>
      Effect.gen(function* () {
        const sql = yield* accounts
        const failure = yield* failureOf(
          Transaction.run(DatabaseError.refine(sql`UPDATE accounts SET balance = 0`), { access: "read only" })
        )
        expect(failure?._tag).toBe("ReadOnlyError")
        expect(yield* balances(sql)).toEqual([100, 100])
      }))

    it("a body's timeout rolls back and fails typed", () =>
      Effect.gen(function* () {
        const sql = yield* accounts
        const failure = yield* failureOf(
          Transaction.run(Effect.zipRight(sql`UPDATE accounts SET balance = 0`, Effect.never), {
            timeout: "50 millis"
          })
        )
        expect(failure?._tag).toBe("StatementTimeoutError")
        expect(yield* balances(sql)).toEqual([100, 100])
        yield* atRest
      }))

    it("concurrent transfers that conflict are run again until all are done, and the sum is unchanged", () =>
      Effect.gen(function* () {
        const sql = yield* accounts
        const transfer = Transaction.run(
          Effect.gen(function* () {
            const [from, to] = yield* balances(sql)
            yield* Effect.yieldNow()
            yield* sql`UPDATE accounts SET balance = ${Number(from) - 1} WHERE id = 1`
            yield* sql`UPDATE accounts SET balance = ${Number(to) + 1} WHERE id = 2`
          }),
          { isolation: "serializable", retry: { conflict: { maxRetries: 50 } } }
        )
        yield* Effect.replicateEffect(transfer, 40, { concurrency: 8 })
        expect(yield* balances(sql)).toEqual([60, 140])
        yield* atRest
      }))

    it("the end of the layer closes every connection", () =>
      Effect.gen(function* () {
        const options = yield* product.address
        const pool = yield* Effect.scoped(
          Effect.flatMap(Layer.build(Database.layer(options)), (services) =>
            Effect.as(
              Effect.provide(
                Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT 1`),
                services
              ),
              Context.get(services, Pool.Pool)
            )
          )
        )
        const after = yield* pool.status
        expect(after.checkedIn + after.checkedOut + after.opening).toBe(0)
        expect(after.totals.closed).toBe(after.totals.opened)
      }))
  })
}
