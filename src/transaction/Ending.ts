/**
 * How a transaction ends: every cell of what the body did and what the server answered. Nothing here can be interrupted, and
 * everything has a limit. The body's failure is never replaced by one met while cleaning up.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Connections } from "../connection/Connections.js"
import { within } from "../connection/Limit.js"
import type { Session } from "../connection/Session.js"
import type { DriverConnection, Reply } from "../Dialect.js"
import { ConnectionError, type DatabaseError, TransactionAborted, TransactionClosed } from "../model/DatabaseError.js"
import * as Outcome from "./Outcome.js"

/** A rollback that takes longer costs the connection its life; the server then rolls back by itself. */
const rollbackLimit = Duration.seconds(5)

/** A COMMIT whose answer takes longer is in doubt: its connection is closed and the server asked. */
const commitLimit = Duration.seconds(60)

/**
 * Ends the session's transaction after its body ended with `exit`.
 *
 * | body | COMMIT or ROLLBACK answered | result |
 * |---|---|---|
 * | any | no statement ran | the body's; nothing is sent |
 * | any | COMMIT travelled with it | as below, what COMMIT was answered then |
 * | success | BEGIN failed (its error was swallowed) | `TransactionAborted`, its cause that error; nothing is sent |
 * | success | the transaction is over already, or something of it still at work | `TransactionAborted`; what is left is rolled back |
 * | success | COMMIT, or before it the release of the savepoint all of it stands behind | success |
 * | success | ROLLBACK (an error was swallowed) | `TransactionAborted`, its cause the first error |
 * | success | a failure with a SQLSTATE | that failure |
 * | success | connection lost before COMMIT was sent | the loss |
 * | success | connection lost, or limit passed, after COMMIT was sent | what the server says became of it |
 * | failure, defect, interruption | ROLLBACK, or connection lost | the body's |
 * | any | `kept`: it is to begin again at its savepoint | the failure, the transaction still open |
 * | failure, defect, interruption | a failure | the body's, the other behind it; connection destroyed |
 *
 * @since 0.1.0
 * @category combinators
 */
export const transaction = <A, E>(
  connections: Connections,
  session: Session,
  exit: Exit.Exit<A, E>,
  doubt: Outcome.Doubt,
  kept: Kept = () => false
): Effect.Effect<Exit.Exit<A, E | DatabaseError>> =>
  ended(session, (orderly) => {
    const { restart, rollback } = connections.dialect.transaction
    if (session.commitAnswer !== undefined) return answered(connections, session, exit, doubt, session.commitAnswer)
    if (session.begin._tag !== "begun") {
      return Effect.succeed(
        Exit.isSuccess(exit) && session.firstError?.operation === "begin" ? Exit.fail(aborted("begin", session)) : exit
      )
    }
    if (Exit.isFailure(exit)) {
      return orderly && kept(exit) ? Effect.succeed(exit) : undo(session, rollback, exit.cause)
    }
    const status = session.connection.status()
    if (status === "broken") return Effect.map(lost(session), Exit.fail)
    if (status === "idle") return Effect.succeed(Exit.fail(early(session)))
    if (!orderly) return undo(session, rollback, Cause.fail(unfinished("commit")))
    if (restart._tag === "Some") return release(connections, session, exit, doubt, kept)
    const identify = session.identify()
    if (identify === undefined) return commit(connections, session, exit, doubt)
    return Effect.matchCauseEffect(bounded(connections, session.connection, identify, commitLimit), {
      onSuccess: () => commit(connections, session, exit, doubt),
      onFailure: (cause) => undo(session, rollback, cause)
    })
  })

/** `end` once the session takes no statement any more; whether nothing of it is still at work. */
const ended = <A>(session: Session, end: (orderly: boolean) => Effect.Effect<A>): Effect.Effect<A> =>
  session.endNow() ? end(true) : Effect.flatMap(session.end, end)

const commit = <A, E>(
  connections: Connections,
  session: Session,
  exit: Exit.Exit<A, E>,
  doubt: Outcome.Doubt
): Effect.Effect<Exit.Exit<A, E | DatabaseError>> => {
  const { connection } = session
  const sent = bounded(connections, connection, connection.script(connections.dialect.transaction.commit), commitLimit)
  return Effect.matchCauseEffect(sent, {
    onSuccess: (replies) => answered(connections, session, exit, doubt, Exit.succeed(replies)),
    onFailure: (cause) => answered(connections, session, exit, doubt, Exit.failCause(cause))
  })
}

/** Whether a transaction that ended so stays open, because it is to begin again at its savepoint. @since 0.1.0 @category models */
export type Kept = (exit: Exit.Exit<unknown, unknown>) => boolean

/**
 * COMMIT behind the release of the savepoint all of it stands behind: that is what commits there, and a conflict it is
 * answered with leaves the transaction open.
 */
const release = <A, E>(
  connections: Connections,
  session: Session,
  exit: Exit.Exit<A, E>,
  doubt: Outcome.Doubt,
  kept: Kept
): Effect.Effect<Exit.Exit<A, E | DatabaseError>> => {
  const { connection } = session
  const { commit, release, restart, rollback } = connections.dialect.transaction
  const back = (cause: Cause.Cause<DatabaseError>) =>
    kept(Exit.failCause(cause)) ? Effect.succeed(Exit.failCause(cause)) : undo(session, rollback, cause)
  // A statement of it failed and its error was swallowed: the release could only fail, with less to say.
  if (connection.status() === "failed") return back(Cause.fail(aborted("commit", session)))
  const text = [...Option.toArray(Option.map(restart, release)), commit].join("; ")
  return Effect.flatMap(
    Effect.exit(bounded(connections, connection, connection.script(text), commitLimit)),
    (answer): Effect.Effect<Exit.Exit<A, E | DatabaseError>> => {
      if (Exit.isFailure(answer) && connection.status() === "failed") {
        const error = Cause.failureOption(answer.cause)
        if (error._tag === "Some" && !inDoubt(error.value)) {
          session.firstError = error.value
          return back(answer.cause)
        }
      }
      return answered(connections, session, exit, doubt, answer)
    }
  )
}

/** What COMMIT was answered, and what follows from it. */
const answered = <A, E>(
  connections: Connections,
  session: Session,
  exit: Exit.Exit<A, E>,
  doubt: Outcome.Doubt,
  answer: Exit.Exit<ReadonlyArray<Reply>, DatabaseError>
): Effect.Effect<Exit.Exit<A, E | DatabaseError>> => {
  if (Exit.isSuccess(answer)) {
    return Effect.succeed(answer.value.at(-1)?.tag === "ROLLBACK" ? Exit.fail(aborted("commit", session)) : exit)
  }
  const error = Cause.failureOption(answer.cause)
  if (error._tag === "None") return Effect.succeed(Exit.failCause(answer.cause))
  if (inDoubt(error.value)) {
    return Effect.map(Outcome.resolve(connections, session, error.value, doubt), (outcome) =>
      outcome === "committed" ? exit : Exit.fail(outcome)
    )
  }
  session.firstError = error.value
  return undo(session, connections.dialect.transaction.rollback, answer.cause)
}

/** Whether COMMIT may have reached the server although its answer did not reach us. */
const inDoubt = (error: DatabaseError): boolean =>
  error._tag === "CommitUnknown" || (error._tag === "ConnectionError" && error.sent)

/**
 * Ends a savepoint: RELEASE after success, back to it after anything else. A failing RELEASE undoes it too.
 *
 * @since 0.1.0
 * @category combinators
 */
export const savepoint = <A, E>(
  connections: Connections,
  session: Session,
  name: string,
  exit: Exit.Exit<A, E>
): Effect.Effect<Exit.Exit<A, E | DatabaseError>> => {
  const { release, rollbackTo } = connections.dialect.transaction
  const { connection } = session
  const back = `${rollbackTo(name)}; ${release(name)}`
  return ended(session, (orderly) => {
    // The transaction around it has ended without waiting any longer: the connection is no longer this savepoint's.
    if (session.over && session.parent?.over === true) {
      return Effect.succeed(Exit.isFailure(exit) ? exit : Exit.fail(closed))
    }
    if (session.begin._tag !== "begun") return Effect.succeed(exit)
    if (Exit.isFailure(exit)) return undo(session, back, exit.cause)
    const status = connection.status()
    if (status === "broken") return Effect.map(lost(session), Exit.fail)
    if (status === "idle") return Effect.succeed(Exit.fail(early(session)))
    if (!orderly) return undo(session, back, Cause.fail(unfinished("savepoint")))
    // A statement of it failed and its error was swallowed: RELEASE could only fail.
    if (status === "failed") return undo(session, back, Cause.fail(aborted("savepoint", session)))
    return Effect.flatMap(
      Effect.exit(bounded(connections, connection, connection.script(release(name)), commitLimit)),
      (answer): Effect.Effect<Exit.Exit<A, E | DatabaseError>> =>
        Exit.isSuccess(answer) ? Effect.succeed(exit) : undo(session, back, answer.cause)
    )
  })
}

/** Back to the savepoint all of the transaction stands behind, which is there again. @since 0.1.0 @category combinators */
export const goBack = (
  { dialect }: Connections,
  connection: DriverConnection,
  savepoint: string
): Effect.Effect<void, DatabaseError> =>
  within(Effect.asVoid(connection.script(dialect.transaction.rollbackTo(savepoint))), rollbackLimit, Effect.fail(late))

/** Ends what was left open; the failure stays what it was. @since 0.1.0 @category combinators */
export const giveUp = <A, E>(
  { dialect }: Connections,
  connection: DriverConnection,
  exit: Exit.Exit<A, E>
): Effect.Effect<Exit.Exit<A, E | DatabaseError>> =>
  Exit.isSuccess(exit)
    ? Effect.succeed(exit)
    : undo({ connection, parent: undefined }, dialect.transaction.rollback, exit.cause)

const late = new ConnectionError({
  operation: "rollback",
  reason: `ROLLBACK was not answered within ${Duration.format(rollbackLimit)}`,
  phase: "statement",
  sent: true
})

/** Sends ROLLBACK (or back to a savepoint) where there is something to roll back; the exit stays what it was. */
const undo = <E>(
  session: Pick<Session, "connection" | "parent">,
  text: string,
  cause: Cause.Cause<E>
): Effect.Effect<Exit.Exit<never, E | DatabaseError>> =>
  Effect.suspend((): Effect.Effect<Exit.Exit<never, E | DatabaseError>> => {
    const { connection } = session
    if (connection.status() === "broken" || connection.status() === "idle") {
      return Effect.succeed(Exit.failCause(cause))
    }
    return Effect.flatMap(
      Effect.exit(within(connection.script(text), rollbackLimit, Effect.fail(late))),
      (answer): Effect.Effect<Exit.Exit<never, E | DatabaseError>> => {
        if (Exit.isSuccess(answer)) return Effect.succeed(Exit.failCause(cause))
        const failed = Cause.failureOption(answer.cause)
        if (session.parent !== undefined && failed._tag === "Some") {
          // CockroachDB goes back to no inner savepoint behind a conflict: the whole of it is to be run again.
          if (failed.value.recovery === "restart") {
            session.parent.root.firstError = failed.value
            return Effect.succeed(Exit.failCause(Cause.sequential(cause, answer.cause)))
          }
          // What keeps a savepoint's transaction from going on.
          session.parent.root.firstError ??= failed.value
        }
        return Effect.as(connection.destroy, Exit.failCause(Cause.sequential(cause, answer.cause)))
      }
    )
  })

/** COMMIT and RELEASE wait for the server only so long; then the connection goes, and what became of it is in doubt. */
const bounded = <A>(
  connections: Connections,
  connection: DriverConnection,
  effect: Effect.Effect<A, DatabaseError>,
  limit: Duration.Duration
): Effect.Effect<A, DatabaseError> => {
  // Inside this process there is nobody to wait for.
  if (connections.dialect.sessions !== "many") return effect
  return connections.deadlines.bound(
    effect,
    limit,
    connection.destroy,
    () =>
      new ConnectionError({
        operation: "commit",
        reason: `COMMIT was not answered within ${Duration.format(limit)}`,
        phase: "commit",
        sent: true
      })
  )
}

const aborted = (operation: string, session: Session) =>
  new TransactionAborted({
    operation,
    reason: `a statement failed and its error was swallowed, so that nothing could be kept${
      session.firstError === undefined ? "" : `: ${session.firstError.reason}`
    }`,
    hint: "To go on after a failing statement, run it in a savepoint of its own",
    cause: session.firstError
  })

const early = (session: Session) =>
  new TransactionAborted({
    operation: "commit",
    reason: "the transaction was ended before its body was, by the server or by a statement of the body",
    hint: "Leave BEGIN, COMMIT and ROLLBACK to the transaction",
    cause: session.firstError
  })

const unfinished = (operation: string) =>
  new TransactionAborted({
    operation,
    reason: "a statement or savepoint of a forked fiber was still at work when the body had ended",
    hint: "Join the fibers a transaction forks before it ends"
  })

const closed = new TransactionClosed({
  operation: "savepoint",
  reason: "the transaction around this savepoint has ended"
})

/** Why the session was lost before COMMIT was sent. Where it was closed by ourselves, nobody else says so. */
const lost = (session: Session): Effect.Effect<DatabaseError> => {
  const noticed = (reason: string, cause?: DatabaseError) =>
    new ConnectionError({
      operation: "commit",
      reason: `the connection was lost before COMMIT was sent: ${reason}`,
      cause,
      phase: "idle",
      sent: false
    })
  if (session.firstError !== undefined) return Effect.succeed(session.firstError)
  return Effect.map(
    within(session.connection.lost, Duration.zero, Effect.succeed(noticed("it was closed"))),
    (cause) => (cause._tag === "ConnectionError" ? cause : noticed(cause.reason, cause))
  )
}
