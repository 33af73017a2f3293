/**
 * A conflict begun again where it happened: on the same connection, back to the savepoint all of the transaction stands
 * behind. The server lets such a try keep its place among those it competes with (CockroachDB's client-side retries). What
 * cannot be begun again so is rolled back, like any other transaction.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Connections } from "../connection/Connections.js"
import type { DriverConnection } from "../Dialect.js"
import { type DatabaseError, isTransient } from "../model/DatabaseError.js"
import * as Ending from "./Ending.js"

/** How one try ended. @since 0.1.0 @category models */
export interface Ended<A, E> {
  readonly exit: Exit.Exit<A, E | DatabaseError>
  /** Why running the whole again may help, where it may. */
  readonly transient: DatabaseError | undefined
}

/**
 * Whether all of it is run again after this failure, the wait for that over. Fails where trying has come to its end.
 *
 * @since 0.1.0
 * @category models
 */
export type Again = (transient: DatabaseError) => Effect.Effect<boolean, DatabaseError>

/** What is needed to go on. @since 0.1.0 @category models */
export interface Means<A, E, R> {
  /** One try more, in the transaction that is open. */
  readonly once: Effect.Effect<Ended<A, E>, never, R>
  readonly again: Again
}

/**
 * The try, and as many more on its connection as end in a conflict with the transaction still open. To be run where nothing
 * can be interrupted but `again`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const onIt = <A, E, R>(
  connections: Connections,
  connection: DriverConnection,
  savepoint: string,
  first: Effect.Effect<Ended<A, E>, never, R>,
  { again, once }: Means<A, E, R>
): Effect.Effect<Ended<A, E>, never, R> => {
  const go = (ended: Effect.Effect<Ended<A, E>, never, R>): Effect.Effect<Ended<A, E>, never, R> =>
    Effect.flatMap(ended, ({ exit, transient }) => {
      const open = connection.status() === "open" || connection.status() === "failed"
      if (!open || transient === undefined) return Effect.succeed({ exit, transient })
      return Effect.flatMap(Effect.exit(again(transient)), (may) => {
        if (Exit.isSuccess(may) && may.value) {
          return Effect.matchCauseEffect(Ending.goBack(connections, connection, savepoint), {
            onSuccess: () => go(once),
            onFailure: (cause) => Effect.as(connection.destroy, lost(cause))
          })
        }
        const last = Exit.isSuccess(may) ? exit : Exit.failCause(may.cause)
        return Effect.map(Ending.giveUp(connections, connection, last), (exit) => ({ exit, transient: undefined }))
      })
    })
  return go(first)
}

/** The way back failed: with the connection goes the transaction, and all of it may be run on another one. */
const lost = (cause: Cause.Cause<DatabaseError>): Ended<never, never> => {
  const error = Cause.failureOption(cause)
  return {
    exit: Exit.failCause(cause),
    transient: error._tag === "Some" && isTransient(error.value) ? error.value : undefined
  }
}
