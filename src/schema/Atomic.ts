/**
 * Work in a transaction on one session, kept or taken back. Whoever is interrupted stops what still runs before that.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Dialect, DriverConnection } from "../Dialect.js"
import type { DatabaseError } from "../model/DatabaseError.js"

/** A session that cannot even do that is lost, and its transaction with it. */
const undo = ({ transaction }: Dialect, own: DriverConnection): Effect.Effect<void> =>
  Effect.suspend(() => (own.pending() > 0 ? own.cancel : Effect.void)).pipe(
    Effect.zipRight(
      Effect.suspend(() =>
        own.status() === "open" || own.status() === "failed"
          ? Effect.ignore(own.script(transaction.rollback))
          : Effect.void
      )
    )
  )

/** All of it or nothing. @since 0.1.0 @category running */
export const committed = <A>(
  dialect: Dialect,
  own: DriverConnection,
  work: Effect.Effect<A, DatabaseError>
): Effect.Effect<A, DatabaseError> =>
  own.script(dialect.transaction.begin({})).pipe(
    Effect.zipRight(work),
    Effect.zipLeft(Effect.uninterruptible(own.script(dialect.transaction.commit))),
    Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : undo(dialect, own)))
  )

/** What it finds out, and nothing of what it did. @since 0.1.0 @category running */
export const rolledBack = <A>(
  dialect: Dialect,
  own: DriverConnection,
  work: Effect.Effect<A, DatabaseError>
): Effect.Effect<A, DatabaseError> =>
  own.script(dialect.transaction.begin({})).pipe(
    Effect.zipRight(work),
    Effect.onExit(() => undo(dialect, own))
  )
