/**
 * What the end of a try means for the next one.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import type { Session } from "../connection/Session.js"
import { CommitUnknown, type DatabaseError, find, isTransient, TransactionAborted } from "../model/DatabaseError.js"

/**
 * The first failure the server gave decides, not what the body made of it. Final are a success, an interruption, a COMMIT
 * nobody knows the outcome of, and a defect, unless it is a database's failure in a defect's clothes (repositories do that).
 */
const deciding = <A, E>(
  session: Session | undefined,
  exit: Exit.Exit<A, E>
): ReadonlyArray<DatabaseError | undefined> => {
  if (Exit.isSuccess(exit)) return []
  const defects = Array.from(Cause.defects(exit.cause), find)
  if (defects.includes(undefined)) return []
  const failure = Cause.failureOption(exit.cause)
  const ended = failure._tag === "Some" ? find(failure.value) : defects[0]
  if (failure._tag === "None" && ended === undefined) return []
  if (ended instanceof CommitUnknown) return []
  return [session?.firstError, ended].map(decisive)
}

/** Where a swallowed failure is all that is left, it is the one that decides. */
const decisive = (error: DatabaseError | undefined): DatabaseError | undefined =>
  error instanceof TransactionAborted ? (find(error.cause) ?? error) : error

/** Why running the whole again may help, where it may. @since 0.1.0 @category accessors */
export const transientIn = <A, E>(session: Session | undefined, exit: Exit.Exit<A, E>): DatabaseError | undefined =>
  deciding(session, exit).find(isTransient)

/** The write its server refused, where that decides. @since 0.1.0 @category accessors */
export const refusedIn = <A, E>(session: Session | undefined, exit: Exit.Exit<A, E>): DatabaseError | undefined =>
  deciding(session, exit).find((error) => error?._tag === "ReadOnlyError")
