/** What goes wrong alike on every product has the same tag on every product. */

import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import { expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { DatabaseError, Pool, Transaction } from "effect-aquifer"
import { type Case, meets, refined, titleOf } from "../errors/case.js"
import { contract, type Product } from "./contract.js"

const canary = "v4lu3-sent-by-us"

const tables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE owners (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE)`
  yield* sql`CREATE TABLE pets (
    id INTEGER PRIMARY KEY,
    owner INTEGER NOT NULL REFERENCES owners (id),
    age INTEGER CONSTRAINT born CHECK (age >= 0)
  )`
  yield* sql`INSERT INTO owners VALUES (1, ${canary})`
  yield* sql`INSERT INTO pets VALUES (1, 1, 3)`
  return sql
})

const failing = (run: (sql: SqlClient.SqlClient) => Effect.Effect<unknown, unknown, SqlClient.SqlClient>) =>
  Effect.flatMap(tables, run)

/** One connection only, held by a transaction until the case is over. */
const occupied = Effect.gen(function* () {
  const sql = yield* tables
  const has = yield* Deferred.make<void>()
  yield* Effect.forkScoped(
    Transaction.run(
      sql`INSERT INTO owners VALUES (2, 'b')`.pipe(
        Effect.zipRight(Deferred.succeed(has, undefined)),
        Effect.zipRight(Effect.never)
      )
    )
  )
  yield* Deferred.await(has)
  return sql
})

const conflict = new DatabaseError.SerializationError({ operation: "execute", reason: "as a server would say" })

export const cases: ReadonlyArray<Case> = [
  {
    tag: "UniqueViolation",
    title: "a duplicate value",
    fails: failing((sql) => sql`INSERT INTO owners VALUES (2, ${canary})`),
    says: { group: "query", recovery: "caller", table: "owners", operation: "execute" },
    hides: canary
  },
  {
    tag: "UniqueViolation",
    title: "a duplicate primary key",
    fails: failing((sql) => sql`INSERT INTO owners VALUES (1, ${canary})`),
    says: { table: "owners" },
    hides: canary
  },
  {
    tag: "ForeignKeyViolation",
    title: "a reference to nothing",
    fails: failing((sql) => sql`INSERT INTO pets VALUES (2, 99, 1)`)
  },
  {
    tag: "ForeignKeyViolation",
    title: "what is referred to cannot go",
    fails: failing((sql) => sql`DELETE FROM owners`)
  },
  {
    tag: "NotNullViolation",
    title: "NULL where a value must be",
    fails: failing((sql) => sql`INSERT INTO owners (id) VALUES (2)`),
    says: { table: "owners", column: "email" }
  },
  {
    tag: "CheckViolation",
    title: "a named check",
    fails: failing((sql) => sql`INSERT INTO pets VALUES (2, 1, ${-1})`),
    says: { constraint: "born" }
  },
  { tag: "SqlSyntaxError", title: "no SQL", fails: failing((sql) => sql`SELEC 1`), says: { group: "schema" } },
  { tag: "SqlSyntaxError", title: "an unknown table", fails: failing((sql) => sql`SELECT * FROM nowhere`) },
  { tag: "SqlSyntaxError", title: "an unknown column", fails: failing((sql) => sql`SELECT absent FROM owners`) },
  { tag: "SqlSyntaxError", title: "an unknown function", fails: failing((sql) => sql`SELECT no_such_function(1)`) },
  {
    tag: "SqlSyntaxError",
    title: "a table that is there already",
    fails: failing((sql) => sql`CREATE TABLE owners (id INTEGER)`)
  },
  {
    tag: "SqlSyntaxError",
    title: "in a stream",
    fails: failing((sql) => Stream.runDrain(sql`SELECT * FROM nowhere`.stream))
  },
  {
    tag: "DataError",
    title: "a value that cannot be bound",
    fails: failing((sql) => sql`SELECT ${Symbol(canary) as never} AS a`),
    hides: canary
  },
  {
    tag: "DataError",
    title: "a date that is none",
    fails: failing((sql) => sql`INSERT INTO owners VALUES (2, ${new Date(Number.NaN)})`)
  },
  {
    tag: "ReadOnlyError",
    title: "a write in a read-only transaction",
    fails: failing((sql) => Transaction.run(sql`DELETE FROM pets`, { access: "read only" }))
  },
  {
    tag: "StatementTimeoutError",
    title: "a transaction beyond its own limit",
    fails: failing((sql) =>
      Transaction.run(Effect.zipRight(sql`DELETE FROM pets`, Effect.never), { timeout: "30 millis", retry: "never" })
    ),
    says: { operation: "transaction" }
  },
  {
    tag: "TransactionClosed",
    title: "a statement on a connection given back",
    fails: Effect.flatMap(Effect.scoped(Effect.flatMap(SqlClient.SqlClient, (sql) => sql.reserve)), (connection) =>
      connection.execute("SELECT 1", [], undefined)
    )
  },
  {
    tag: "UnsupportedError",
    title: "an isolation for a savepoint",
    fails: failing((sql) =>
      Transaction.run(Transaction.run(sql`DELETE FROM pets`, { isolation: "serializable" }), { retry: "never" })
    )
  },
  {
    tag: "PoolTimeout",
    title: "no connection in time",
    options: { pool: { size: 1, maxOverflow: 0, acquireTimeout: "1 second" } },
    fails: Effect.flatMap(occupied, (sql) => sql`INSERT INTO owners VALUES (3, ${canary})`),
    says: { group: "pool", recovery: "reconnect", operation: "acquire" },
    hides: canary
  },
  {
    tag: "PoolClosed",
    title: "a statement after the pool's end",
    fails: Effect.gen(function* () {
      const sql = yield* tables
      yield* (yield* Pool.Pool).drain("1 second")
      yield* sql`SELECT 1`
    }),
    says: { group: "pool" }
  },
  {
    tag: "RetriesExhausted",
    title: "a transaction that fails each time",
    fails: failing((sql) =>
      Transaction.run(Effect.zipRight(sql`DELETE FROM pets`, Effect.fail(conflict)), {
        retry: { maxRetries: 2, baseDelay: "1 millis" }
      })
    ),
    says: { attempts: [conflict, conflict, conflict], last: conflict, cause: conflict }
  }
]

export const errors = (product: Product) => {
  contract("errors", product, (it) => {
    for (const one of cases) it(titleOf(one), () => meets(one), one.options)

    it("a statement fails as SqlError with the server's own sentence, its cause ours, the driver's behind it", () =>
      Effect.gen(function* () {
        const sql = yield* tables
        const error = yield* Effect.flip(sql`INSERT INTO owners VALUES (1, 'x')`)
        expect(error).toBeInstanceOf(SqlError)
        const ours = DatabaseError.from(error)
        expect(error.cause).toBe(ours)
        expect(ours.reason).toBe(error.message)
        expect(ours.cause).toBeInstanceOf(Error)
        expect((ours.cause as Error).message).toBe(ours.reason)
        expect(ours.sqlState).not.toBe(undefined)
        expect(ours.message).toContain(ours.sqlState)
      }))

    it("a failure in one fiber's statement is nobody else's", () =>
      Effect.gen(function* () {
        const sql = yield* tables
        const good = Effect.repeat(sql`SELECT id FROM owners`, Schedule.recurs(20))
        const fiber = yield* Effect.fork(Effect.all([good, good], { concurrency: 2 }))
        for (let i = 0; i < 20; i++) expect((yield* refined(sql`SELECT * FROM nowhere`))._tag).toBe("SqlSyntaxError")
        expect(yield* Fiber.join(fiber)).toHaveLength(2)
      }))

    it("what was tried too often tells every attempt, is not transient, and has left nothing", () =>
      Effect.gen(function* () {
        const sql = yield* tables
        const error = yield* refined(
          Transaction.run(Effect.zipRight(sql`DELETE FROM pets`, Effect.fail(conflict)), {
            retry: { maxRetries: 1, baseDelay: "1 millis" }
          })
        )
        expect(error._tag === "RetriesExhausted" && error.attempts.map((each) => each._tag)).toEqual([
          "SerializationError",
          "SerializationError"
        ])
        expect(DatabaseError.isTransient(error)).toBe(false)
        expect(yield* sql`SELECT id FROM pets`).toHaveLength(1)
      }))
  })
}
