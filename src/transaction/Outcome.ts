/**
 * What a lost COMMIT did. The server is asked by the id it gave the transaction, on a new session; only what it cannot say
 * is reported as unknown.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Connections } from "../connection/Connections.js"
import { within } from "../connection/Limit.js"
import type { Session } from "../connection/Session.js"
import { CommitUnknown, ConnectionError, type DatabaseError } from "../model/DatabaseError.js"

/** Whether the server is asked what became of a lost COMMIT. @since 0.1.0 @category models */
export type Confirm = "ask-server" | "off"

/** What is done about a lost COMMIT; one that could write nothing is simply run again. @since 0.1.0 @category models */
export type Doubt = Confirm | "wrote nothing"

/** How long the server is asked, a restart of it included, before the outcome counts as unknown. */
const deadline = Duration.seconds(30)

/** A session that has not answered by then hangs: the next attempt takes another one. */
const patience = Duration.seconds(3)

const again = Schedule.exponential(Duration.millis(20)).pipe(
  Schedule.union(Schedule.spaced(Duration.seconds(1))),
  Schedule.jittered
)

/**
 * `committed`, or the failure to go on with: a `ConnectionError` (nothing was committed, the whole may be run again) or
 * `CommitUnknown`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const resolve = (
  connections: Connections,
  session: Session,
  error: DatabaseError,
  doubt: Doubt
): Effect.Effect<"committed" | DatabaseError> => {
  if (doubt === "wrote nothing") return Effect.succeed(notCommitted("it could write nothing", error))
  if (doubt === "off" && error._tag === "CommitUnknown") return Effect.succeed(error)
  const { fate } = connections.dialect
  const unknown = (reason: string, suppressed?: unknown) =>
    new CommitUnknown({
      operation: "commit",
      reason,
      cause: error,
      suppressed,
      hint: "Look for the transaction's effects before you repeat it"
    })
  if (fate._tag === "None" || doubt === "off") {
    return Effect.succeed(unknown("COMMIT was sent and its answer never came"))
  }
  const id = session.identity.id
  if (id === undefined) return Effect.succeed(notCommitted("nothing had been written", error))
  let last: DatabaseError | undefined
  const hangs = Effect.fail(
    new ConnectionError({
      operation: "commit",
      reason: `the session on which the server was asked did not answer within ${Duration.format(patience)}`,
      phase: "statement",
      sent: true
    })
  )
  const ask = Effect.flatMap(connections.own, (fresh) =>
    within(fate.value(fresh, id, session.connection), patience, hangs)
  )
  const asked = Effect.scoped(ask).pipe(
    Effect.flatMap((answer) => (answer === "running" ? Effect.fail(undefined) : Effect.succeed(answer))),
    Effect.tapError((failure) =>
      Effect.sync(() => {
        last = failure ?? last
      })
    ),
    // Unreachable, or still committing: ask again. A server that no longer knows will not know later.
    Effect.retry({ schedule: again, while: (failure) => failure === undefined || failure.recovery === "reconnect" }),
    Effect.map((answer) =>
      answer === "committed" ? ("committed" as const) : notCommitted("the server had rolled it back", error)
    ),
    Effect.catchAll((failure) => Effect.succeed(unknown("the server cannot say what became of it", failure)))
  )
  const late = Effect.sync(() => unknown(`the server gave no answer within ${Duration.format(deadline)}`, last))
  return within(asked, deadline, late)
}

const notCommitted = (reason: string, cause: DatabaseError) =>
  new ConnectionError({
    operation: "commit",
    reason: `the connection was lost during COMMIT, and ${reason}`,
    cause,
    phase: "commit",
    sent: false
  })
