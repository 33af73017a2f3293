/** What tests on scripted connections share. */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as TestClock from "effect/TestClock"
import type { Dialect } from "../../src/Dialect.js"
import * as DatabaseError from "../../src/model/DatabaseError.js"
import * as RetryPolicy from "../../src/model/RetryPolicy.js"
import * as ScriptedConnection from "../../src/testing/ScriptedConnection.js"
import * as Transaction from "../../src/transaction/Transaction.js"

/** Retries without waits: three of each class. */
export const prompt: RetryPolicy.Policies = {
  connection: RetryPolicy.decide({ maxRetries: 3, baseDelay: 0, jitter: "none" }, RetryPolicy.connection),
  conflict: RetryPolicy.decide({ maxRetries: 3, baseDelay: 0, jitter: "none" }, RetryPolicy.conflict)
}

/** Server, connections, client, and `run`, the transaction on that client. */
export const world = (options: ScriptedConnection.Options = {}, differs: Partial<Dialect> = {}) =>
  Effect.map(ScriptedConnection.make({ retry: prompt, ...options }, differs), (scripted) => ({
    ...scripted,
    run: <A, E, R>(effect: Effect.Effect<A, E, R>, options?: Transaction.Options) =>
      Effect.provide(Transaction.run(effect, options), scripted.context),
    /** The same for whatever asks for a client. */
    on: <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, SqlClient.SqlClient>> =>
      Effect.provide(effect, scripted.context)
  }))

export const conflict = (operation = "execute") =>
  new DatabaseError.SerializationError({
    operation,
    reason: "could not serialize access due to concurrent update",
    sqlState: "40001"
  })

export const duplicate = () =>
  new DatabaseError.UniqueViolation({ operation: "execute", reason: "duplicate key value", sqlState: "23505" })

export const startingUp = (operation = "connect") =>
  new DatabaseError.ConnectionError({
    operation,
    reason: "the database system is starting up",
    sqlState: "57P03",
    phase: "connect",
    sent: false
  })

/** Lets everything go on that waits for an answer, not for time. */
export const settle = Effect.promise(async () => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
})

/** Time passes, and what it sets going comes to rest. */
export const pass = (duration: Duration.DurationInput) =>
  Effect.zipRight(settle, Effect.zipRight(TestClock.adjust(duration), settle))

/** The typed failure of an exit; fails the test where there is none. */
export const failure = <A, E>(exit: Exit.Exit<A, E>): E => {
  if (Exit.isSuccess(exit)) throw new Error("it succeeded")
  const error = Cause.failureOption(exit.cause)
  if (error._tag === "None") throw new Error(`no typed failure: ${Cause.pretty(exit.cause)}`)
  return error.value
}

/** The database error behind a failure, however wrapped. */
export const database = (failed: unknown): DatabaseError.DatabaseError => {
  const error = DatabaseError.find(failed)
  if (error === undefined) throw new Error(`no database error: ${String(failed)}`)
  return error
}

/** What the pool holds, once it has come to rest or has had ample occasion to. */
export const atRest = (connections: ScriptedConnection.Scripted["connections"]) =>
  Effect.gen(function* () {
    for (let turn = 0; ; turn++) {
      const { checkedOut, opening, waiting } = yield* connections.pool.status
      if (checkedOut + opening + waiting === 0 || turn === 100) return { checkedOut, opening, waiting }
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    }
  })

export const rest = { checkedOut: 0, opening: 0, waiting: 0 }
