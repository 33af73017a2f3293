/**
 * What waits for the real commit.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Connections from "../connection/Connections.js"
import * as Session from "../connection/Session.js"
import type { DatabaseError } from "../model/DatabaseError.js"

/**
 * The effect runs once the outermost transaction has really been committed; it is dropped with a failed attempt or an
 * undone savepoint. Its own statements run outside of the transaction. Outside of one it runs at once. It cannot fail, the
 * transaction's outcome stands; nor can it be interrupted: bound what it waits for.
 *
 * @since 0.1.0
 * @category combinators
 */
export const afterCommit = <R>(
  effect: Effect.Effect<unknown, never, R>
): Effect.Effect<void, DatabaseError, R | SqlClient.SqlClient> =>
  Effect.flatMap(Connections.current, (connections) =>
    Effect.contextWithEffect((context: Context.Context<R>) => {
      const session = Session.current(connections, context as Context.Context<never>)
      if (session === undefined || session.begin._tag === "none") return Effect.asVoid(effect)
      session.afterCommit.push(Effect.asVoid(Effect.mapInputContext(effect, () => Session.outside(context, session))))
      return Effect.void
    })
  )
