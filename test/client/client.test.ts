/** The `SqlClient` on a scripted connection: what is promised beyond upstream's, and what must stay as upstream has it. */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as SqlResolver from "@effect/sql/SqlResolver"
import * as Statement from "@effect/sql/Statement"
import { assert, describe, it } from "@effect/vitest"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Session from "../../src/connection/Session.js"
import * as DatabaseError from "../../src/model/DatabaseError.js"
import * as Transaction from "../../src/transaction/Transaction.js"
import {
  atRest,
  conflict,
  database,
  duplicate,
  failure,
  rest,
  settle,
  startingUp,
  world
} from "../transaction/support.js"

describe("a statement's failure", () => {
  it.scoped("is upstream's SqlError with the server's sentence, its cause the classified error", () =>
    Effect.gen(function* () {
      const { server, sql } = yield* world()
      server.fail("INSERT 1", duplicate())
      const error = yield* Effect.flip(sql`INSERT 1`)
      assert.instanceOf(error, SqlError)
      assert.strictEqual(error.message, "duplicate key value")
      assert.instanceOf(error.cause, DatabaseError.UniqueViolation)
    })
  )

  it.scoped("outside a transaction is not repeated behind the caller's back", () =>
    Effect.gen(function* () {
      const { server, sql } = yield* world()
      server.fail("INSERT 1", conflict())
      assert.strictEqual(database(yield* Effect.flip(sql`INSERT 1`))._tag, "SerializationError")
      assert.deepStrictEqual(server.texts, ["INSERT 1"])
    })
  )
})

describe("every form of statement", () => {
  it.scoped("lands in the transaction", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      yield* run(
        Effect.all([
          sql`SELECT 1`,
          sql`SELECT 2`.raw,
          sql`SELECT 3`.values,
          sql`SELECT 4`.unprepared,
          sql`SELECT 5`.withoutTransform,
          sql.unsafe("SELECT 6"),
          sql.withoutTransforms()`SELECT 7`,
          sql.safe`SELECT 8`
        ])
      )
      assert.strictEqual(server.texts.length, 10)
      assert.deepStrictEqual(server.alone, [])
    })
  )
})

describe("withTransaction", () => {
  it.scoped("is a transaction of ours: glued BEGIN, retries, savepoints", () =>
    Effect.gen(function* () {
      const { server, sql } = yield* world()
      server.fail("COMMIT", conflict("commit"))
      yield* sql.withTransaction(Effect.all([sql`INSERT 1`, sql.withTransaction(sql`INSERT 2`)]))
      assert.deepStrictEqual(server.messages.slice(0, 4), [
        ["BEGIN", "INSERT 1"],
        ["SAVEPOINT aquifer_1", "INSERT 2"],
        ["RELEASE aquifer_1"],
        ["COMMIT"]
      ])
      assert.deepStrictEqual(server.committed, ["INSERT 1", "INSERT 2"])
    })
  )

  it.scoped("keeps the body's own failure apart from the transaction's, even a DatabaseError of its own", () =>
    Effect.gen(function* () {
      const { server, sql } = yield* world()
      const mine = duplicate()
      const own = failure(yield* Effect.exit(sql.withTransaction(Effect.zipRight(sql`INSERT 1`, Effect.fail(mine)))))
      assert.instanceOf(own, DatabaseError.UniqueViolation)
      server.fail("COMMIT", new DatabaseError.ForeignKeyViolation({ operation: "commit", reason: "is not present" }))
      const theirs = failure(yield* Effect.exit(sql.withTransaction(sql`INSERT 1`)))
      assert.instanceOf(theirs, SqlError)
      assert.instanceOf(theirs.cause, DatabaseError.ForeignKeyViolation)
      const text = failure(yield* Effect.exit(sql.withTransaction(Effect.fail("mine" as const))))
      assert.strictEqual(text, "mine")
    })
  )

  it.scoped("runs again what the body wrapped in its own words", () =>
    Effect.gen(function* () {
      const { server, sql } = yield* world()
      server.fail("INSERT 1", conflict())
      yield* sql.withTransaction(Effect.mapError(sql`INSERT 1`, (cause) => ({ _tag: "Mine" as const, cause })))
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
    })
  )

  it.scoped("tells exhausted retries as a SqlError", () =>
    Effect.gen(function* () {
      const { server, sql } = yield* world()
      server.fail("INSERT 1", conflict(), 100)
      const error = failure(yield* Effect.exit(sql.withTransaction(Effect.mapError(sql`INSERT 1`, () => "mine"))))
      assert.instanceOf(error, SqlError)
      assert.instanceOf(error.cause, DatabaseError.RetriesExhausted)
    })
  )
})

describe("reserve", () => {
  it.scoped("holds one connection for the scope, and gives it back", () =>
    Effect.gen(function* () {
      const { connections, server, sql } = yield* world()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const connection = yield* sql.reserve
          yield* connection.executeUnprepared("SELECT 1", [], undefined)
          yield* sql`SELECT 2`
          yield* connection.executeRaw("SELECT 3", [])
        })
      )
      assert.deepStrictEqual(
        server.events.filter(({ what }) => what === "send").map(({ session }) => session),
        [1, 2, 1]
      )
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("statements after the scope's end fail as TransactionClosed and are not sent", () =>
    Effect.gen(function* () {
      const { server, sql } = yield* world()
      const connection = yield* Effect.scoped(sql.reserve)
      const error = yield* Effect.flip(connection.execute("SELECT 1", [], undefined))
      assert.instanceOf(error, SqlError)
      assert.instanceOf(error.cause, DatabaseError.TransactionClosed)
      assert.deepStrictEqual(server.texts, [])
    })
  )

  it.scoped("what was left open on it is rolled back before the next holder", () =>
    Effect.gen(function* () {
      const { server, sql } = yield* world({ pool: { size: 1 } })
      yield* Effect.scoped(
        Effect.flatMap(sql.reserve, (connection) =>
          Effect.zipRight(connection.executeRaw("BEGIN", []), connection.executeRaw("INSERT 1", []))
        )
      )
      yield* sql`INSERT 2`
      assert.deepStrictEqual(server.texts, ["BEGIN", "INSERT 1", "ROLLBACK", "INSERT 2"])
      assert.deepStrictEqual(server.committed, ["INSERT 2"])
    })
  )

  it.scoped("interrupted while it waits, it keeps nothing", () =>
    Effect.gen(function* () {
      const { connections, sql } = yield* world({ pool: { size: 1 } })
      const scope = yield* Scope.make()
      yield* Scope.extend(sql.reserve, scope)
      const waiting = yield* Effect.fork(Effect.scoped(sql.reserve))
      yield* settle
      yield* Fiber.interrupt(waiting)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("a failure to get one is a SqlError", () =>
    Effect.gen(function* () {
      const { server, sql } = yield* world()
      server.fail("CONNECT", new DatabaseError.AuthenticationError({ operation: "connect", reason: "wrong password" }))
      const error = failure(yield* Effect.exit(Effect.scoped(sql.reserve)))
      assert.instanceOf(error, SqlError)
      assert.strictEqual(database(error)._tag, "AuthenticationError")
      assert.strictEqual(startingUp()._tag, "ConnectionError")
    })
  )

  it.scoped("a transaction on a session without one begins on its connection", () =>
    Effect.gen(function* () {
      const { connections, on, run, server, sql } = yield* world({ pool: { size: 2 } })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const session = new Session.Session({
            owner: connections,
            connection: yield* connections.reserve,
            begin: { _tag: "none" },
            limit: connections.config.pool.acquireTimeout,
            prepare: true
          })
          const body = Effect.all([
            sql`SELECT 1`,
            run(Effect.all([sql`INSERT 1`, on(Transaction.afterCommit(Effect.orDie(sql`SELECT after`)))])),
            sql`SELECT 2`
          ])
          yield* Effect.mapInputContext(body, (context: Context.Context<never>) => Session.provide(context, session))
        })
      )
      assert.deepStrictEqual(server.texts, ["SELECT 1", "BEGIN", "INSERT 1", "COMMIT", "SELECT after", "SELECT 2"])
      const sent = server.events.filter(({ what }) => what === "send")
      assert.deepStrictEqual(
        sent.map(({ session }) => session),
        [1, 1, 1, 2, 1]
      )
    })
  )
})

describe("other people's code", () => {
  it.scoped("Transaction.run on a stock client is UnsupportedError and says what to provide", () =>
    Effect.gen(function* () {
      const stock = yield* SqlClient.make({
        acquirer: Effect.die("unused"),
        compiler: Statement.makeCompilerSqlite(),
        spanAttributes: []
      })
      const exit = yield* Effect.exit(Effect.provideService(Transaction.run(Effect.void), SqlClient.SqlClient, stock))
      const error = failure(exit)
      assert.instanceOf(error, DatabaseError.UnsupportedError)
      assert.include(error.message, "Database.layer")
    }).pipe(Effect.provide(Reactivity.layer))
  )

  it.scoped("a SqlResolver, which copies nothing but the tag, lands in the transaction", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.rows(/^SELECT/, [{ id: 1 }, { id: 2 }], 10)
      const resolver = yield* SqlResolver.ordered("ById", {
        Request: Schema.Number,
        Result: Schema.Struct({ id: Schema.Number }),
        execute: (ids) => sql`SELECT ${sql.in(ids)}`
      })
      const both = Effect.all([resolver.execute(1), resolver.execute(2)], { batching: true, concurrency: 2 })
      const found = yield* run(Effect.zipRight(sql`INSERT 1`, both))
      assert.deepStrictEqual(found, [{ id: 1 }, { id: 2 }])
      assert.strictEqual(server.texts.filter((text) => text.startsWith("SELECT")).length, 1)
      assert.deepStrictEqual(server.alone, [])
      assert.deepStrictEqual([server.texts[0], server.texts.at(-1)], ["BEGIN", "COMMIT"])
    })
  )
})
