/**
 * What a client of the service is told of a database's failure: a status, and whether to come again. Never the failure's
 * message, its constraint or its table: those are for the log, where the failure itself goes on to.
 *
 * @since 0.1.0
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRespondable from "@effect/platform/HttpServerRespondable"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type DatabaseError, find } from "../model/DatabaseError.js"

/** RFC 9110, 15.6.1: what the client can do nothing about, and nobody knows that it passes. */
const internal = 500
/** RFC 9110, 15.6.4: for the moment, and likely to pass. */
const unavailable = 503
/** RFC 9110, 15.5.10: the request conflicts with what is stored. */
const conflict = 409
/** RFC 9110, 15.5.21: well-formed, and its content is refused for what it says. */
const unprocessable = 422
/** RFC 9110, 15.6.5: the server behind this one did not answer in time. */
const late = 504

const statuses: Readonly<Record<Exclude<DatabaseError["_tag"], "RetriesExhausted">, number>> = {
  ConnectionError: unavailable,
  TooManyConnections: unavailable,
  PoolTimeout: unavailable,
  PoolOverloaded: unavailable,
  PoolClosed: unavailable,
  SerializationError: unavailable,
  DeadlockError: unavailable,
  LockTimeoutError: unavailable,
  QueryCanceled: unavailable,
  StaleStatement: unavailable,
  ResourceError: unavailable,
  StatementTimeoutError: late,
  UniqueViolation: conflict,
  ForeignKeyViolation: conflict,
  ExclusionViolation: conflict,
  NotNullViolation: unprocessable,
  CheckViolation: unprocessable,
  DataError: unprocessable,
  // The database refuses this service, not its client: neither 401 nor 403.
  AuthenticationError: internal,
  AuthorizationError: internal,
  DatabaseNotFound: internal,
  SqlSyntaxError: internal,
  ReadOnlyError: internal,
  TransactionAborted: internal,
  TransactionClosed: internal,
  // Perhaps it was done: 503 would ask for it a second time.
  CommitUnknown: internal,
  UnsupportedError: internal,
  UnknownError: internal
}

/**
 * The HTTP status (RFC 9110) that says what a client has to know of a failure: 409 and 422 where the request is at odds with the
 * data, 503 where it may come again later, 504 for a statement that took too long, 500 for all else, a COMMIT nobody knows
 * the outcome of among it. `RetriesExhausted` counts as its last failure.
 *
 * @since 0.1.0
 * @category accessors
 */
export const statusOf = (error: DatabaseError): number =>
  error._tag === "RetriesExhausted" ? statusOf(error.last) : statuses[error._tag]

/** Seconds: races and queues pass, and whoever asks again at once makes them longer. */
const retryAfter = { "retry-after": "1" }

const responseTo = (error: DatabaseError): HttpServerResponse.HttpServerResponse => {
  if (error._tag === "RetriesExhausted") return responseTo(error.last)
  const status = statusOf(error)
  // A statement outside of a transaction may have been done before its session was lost: nobody is asked for it again.
  const again = status === unavailable && !(error._tag === "ConnectionError" && error.sent)
  return HttpServerResponse.empty({ status, ...(again ? { headers: retryAfter } : {}) })
}

/**
 * Answers the app's database failures (`DatabaseError`, `SqlError`, and what wraps them) with their `statusOf` and an empty
 * body; without it each of them is a 500. A 503 says `Retry-After` unless the failed statement may have been done. Failures
 * that know their own response keep it. They stay failures: the logger and the tracer see them whole, and `Effect.catchTag`
 * around it still catches them.
 *
 * @since 0.1.0
 * @category combinators
 */
export const answerErrors = <E, R>(app: HttpApp.Default<E, R>): HttpApp.Default<E, R> =>
  Effect.catchAllCause(app, (cause) => {
    // What is answered already keeps its answer: the last one in the cause is sent.
    const error = Array.from(Cause.defects(cause)).some(HttpServerResponse.isServerResponse)
      ? Option.none<DatabaseError>()
      : Option.flatMapNullable(Cause.failureOption(cause), (failure) =>
          HttpServerRespondable.isRespondable(failure) ? undefined : find(failure)
        )
    return Effect.failCause(
      // A response behind the failure is how the platform takes what a failure is to be answered with.
      Option.isNone(error) ? cause : Cause.sequential(cause, Cause.die(responseTo(error.value)))
    )
  })
