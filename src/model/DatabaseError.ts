/**
 * What can go wrong with a database, as one tagged union. A driver's failure is translated once, where the driver is
 * called, and keeps the original in `cause`. Messages are computed from fields and never hold a parameter's value or a
 * secret. `recovery` answers the only question a caller asks in the end: what may I do now?
 *
 * @since 0.1.0
 */
import { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import { type Details, failure } from "./error/failure.js"

export type { Details, Failure, Group, Recovery } from "./error/failure.js"

/**
 * No session could be had, or it was lost. `sent`: whether the statement it carried may have reached the server.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConnectionError extends failure("ConnectionError", "connection", "reconnect") {
  declare readonly phase: "connect" | "idle" | "statement" | "commit"
  declare readonly sent: boolean
  constructor(
    fields: Details & { readonly phase: "connect" | "idle" | "statement" | "commit"; readonly sent: boolean }
  ) {
    super(fields)
  }
}

/** The server does not accept this role or password (28000, 28P01). @since 0.1.0 @category errors */
export class AuthenticationError extends failure("AuthenticationError", "connection", "never") {}

/** The role may not do this (42501). @since 0.1.0 @category errors */
export class AuthorizationError extends failure("AuthorizationError", "query", "never") {}

/** The database named in the configuration is not there (3D000, or a path SQLite cannot open). @since 0.1.0 @category errors */
export class DatabaseNotFound extends failure("DatabaseNotFound", "connection", "never") {}

/** The server has no session left for us (53300). @since 0.1.0 @category errors */
export class TooManyConnections extends failure("TooManyConnections", "connection", "reconnect") {}

/**
 * What the shared lanes looked like at one moment: sessions, the statements they carried at that moment, and events.
 *
 * @since 0.1.0
 * @category models
 */
export interface LaneSnapshot {
  readonly open: number
  readonly opening: number
  /** Sent and unanswered. */
  readonly pending: number
  readonly totals: {
    /** Statements that travelled by a lane. */
    readonly carried: number
    /** Those a cut took from a lane, done again on a connection of the pool. */
    readonly resent: number
    /** Those the server refused there because they write (25006), done on a connection of the pool. */
    readonly refused: number
    /** Texts that were slow, and kept off for a while. */
    readonly barred: number
    readonly opened: number
    readonly lost: number
  }
}

/**
 * A replica at one moment, and the pool of its sessions.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReplicaSnapshot {
  /** Its hosts and database. */
  readonly name: string
  /** `unknown`: nobody has asked for it yet. */
  readonly state: "unknown" | "up" | "down"
  /** Milliseconds its data may be behind the primary's by now, as far as is known; none where that is nothing. */
  readonly staleness?: number | undefined
  /** Why it is down. */
  readonly error?: DatabaseError | undefined
  readonly pool: PoolSnapshot
}

/**
 * What a pool looked like at one moment. Counts are connections, except `waiting` (fibers) and the totals (events).
 *
 * @since 0.1.0
 * @category models
 */
export interface PoolSnapshot {
  /** Connections kept open when there is no work (the configured size). */
  readonly size: number
  readonly checkedOut: number
  /** Open and idle. */
  readonly checkedIn: number
  /** Open beyond `size`. */
  readonly overflow: number
  /** Being opened right now. */
  readonly opening: number
  readonly waiting: number
  /** There and true once the pool is being drained, or is: it takes no callers any more. */
  readonly draining?: true | undefined
  /** The shared lanes beside the pool, where there are any: no connection of theirs is counted here. */
  readonly lanes?: LaneSnapshot | undefined
  /** The replicas, where there are any: no connection of theirs is counted here. */
  readonly replicas?: ReadonlyArray<ReplicaSnapshot> | undefined
  /** Thrown away since the start because they were dead, too old, or in an unknown state. */
  readonly invalidated: number
  readonly totals: {
    readonly acquired: number
    readonly opened: number
    readonly closed: number
    readonly timeouts: number
    /** Sent away because the pool was overloaded. */
    readonly shed: number
    /** Held for longer than the leak threshold; each is counted once. */
    readonly leaks: number
    readonly failures: number
  }
}

/**
 * No connection came free within `acquireTimeout`. Nothing was sent. The snapshot and the oldest holders tell an
 * exhausted pool from a leaking one.
 *
 * @since 0.1.0
 * @category errors
 */
export class PoolTimeout extends failure("PoolTimeout", "pool", "reconnect") {
  declare readonly snapshot: PoolSnapshot
  declare readonly holders: ReadonlyArray<{ readonly span: string; readonly heldMillis: number }>
  constructor(
    fields: Details & {
      readonly snapshot: PoolSnapshot
      readonly holders: ReadonlyArray<{ readonly span: string; readonly heldMillis: number }>
    }
  ) {
    super(fields)
  }
}

/** The pool sheds load: it has been too slow for too long. Nothing was sent. @since 0.1.0 @category errors */
export class PoolOverloaded extends failure("PoolOverloaded", "pool", "caller") {}

/** The pool is closed or draining. Nothing was sent. @since 0.1.0 @category errors */
export class PoolClosed extends failure("PoolClosed", "pool", "never") {}

/** The statement is not SQL, or names what is not there (class 42). @since 0.1.0 @category errors */
export class SqlSyntaxError extends failure("SqlSyntaxError", "schema", "never") {}

/** A duplicate key (23505). @since 0.1.0 @category errors */
export class UniqueViolation extends failure("UniqueViolation", "query", "caller") {}

/** A reference to nothing, or to a row that is still referred to (23503). @since 0.1.0 @category errors */
export class ForeignKeyViolation extends failure("ForeignKeyViolation", "query", "never") {}

/** NULL where the column refuses it (23502). @since 0.1.0 @category errors */
export class NotNullViolation extends failure("NotNullViolation", "query", "never") {}

/** A CHECK constraint or a domain said no (23514). @since 0.1.0 @category errors */
export class CheckViolation extends failure("CheckViolation", "query", "never") {}

/** An EXCLUDE constraint said no (23P01). @since 0.1.0 @category errors */
export class ExclusionViolation extends failure("ExclusionViolation", "query", "caller") {}

/** Another transaction won the race; this one left no trace (40001). @since 0.1.0 @category errors */
export class SerializationError extends failure("SerializationError", "query", "restart") {}

/** Chosen as the victim of a deadlock; this transaction left no trace (40P01). @since 0.1.0 @category errors */
export class DeadlockError extends failure("DeadlockError", "query", "restart") {}

/** A lock was not to be had in time (55P03, SQLITE_BUSY after the wait). @since 0.1.0 @category errors */
export class LockTimeoutError extends failure("LockTimeoutError", "query", "caller") {}

/** The statement ran longer than `statementTimeout` (57014). @since 0.1.0 @category errors */
export class StatementTimeoutError extends failure("StatementTimeoutError", "query", "never") {}

/** Cancelled on request (57014). @since 0.1.0 @category errors */
export class QueryCanceled extends failure("QueryCanceled", "query", "never") {}

/** A write on a read-only session, server or file (25006). @since 0.1.0 @category errors */
export class ReadOnlyError extends failure("ReadOnlyError", "query", "never") {}

/** COMMIT became ROLLBACK: a statement failed and its error was swallowed; it is the cause. @since 0.1.0 @category errors */
export class TransactionAborted extends failure("TransactionAborted", "query", "never") {}

/** A statement on a transaction or reserved session that has already ended. Nothing was sent. @since 0.1.0 @category errors */
export class TransactionClosed extends failure("TransactionClosed", "query", "never") {}

/** COMMIT was sent and its answer never came. @since 0.1.0 @category errors */
export class CommitUnknown extends failure("CommitUnknown", "query", "ask") {}

/** A value the type cannot hold or the driver cannot send (class 22). @since 0.1.0 @category errors */
export class DataError extends failure("DataError", "query", "never") {}

/** The server is out of disk, memory or some configured limit (class 53). @since 0.1.0 @category errors */
export class ResourceError extends failure("ResourceError", "query", "never") {}

/** A prepared statement went stale (26000, 42P05, 0A000 "cached plan"); nothing ran. @since 0.1.0 @category errors */
export class StaleStatement extends failure("StaleStatement", "query", "reprepare") {}

/** This product cannot do what was asked for. Nothing was sent. @since 0.1.0 @category errors */
export class UnsupportedError extends failure("UnsupportedError", "query", "never") {}

/** What no table here knows; the cause has it all. @since 0.1.0 @category errors */
export class UnknownError extends failure("UnknownError", "query", "never") {}

/**
 * Every attempt failed. `last` is the last one's failure, `attempts` all of them in order.
 *
 * @since 0.1.0
 * @category errors
 */
export class RetriesExhausted extends failure("RetriesExhausted", "query", "never") {
  declare readonly attempts: ReadonlyArray<DatabaseError>
  declare readonly last: DatabaseError
  constructor(fields: Details & { readonly attempts: ReadonlyArray<DatabaseError>; readonly last: DatabaseError }) {
    super(fields)
  }
}

/** Every class, by tag. @since 0.1.0 @category errors */
export const classes = {
  ConnectionError,
  AuthenticationError,
  AuthorizationError,
  DatabaseNotFound,
  TooManyConnections,
  PoolTimeout,
  PoolOverloaded,
  PoolClosed,
  SqlSyntaxError,
  UniqueViolation,
  ForeignKeyViolation,
  NotNullViolation,
  CheckViolation,
  ExclusionViolation,
  SerializationError,
  DeadlockError,
  LockTimeoutError,
  StatementTimeoutError,
  QueryCanceled,
  ReadOnlyError,
  TransactionAborted,
  TransactionClosed,
  CommitUnknown,
  DataError,
  ResourceError,
  StaleStatement,
  UnsupportedError,
  UnknownError,
  RetriesExhausted
} as const

/**
 * Anything a database can answer with.
 *
 * @since 0.1.0
 * @category models
 */
export type DatabaseError = InstanceType<(typeof classes)[keyof typeof classes]>

/**
 * Those a driver makes from a code alone.
 *
 * @since 0.1.0
 * @category models
 */
export type Plain = Exclude<DatabaseError, ConnectionError | PoolTimeout | RetriesExhausted>

/** Whether a value is one of ours. @since 0.1.0 @category guards */
export const isDatabaseError = (u: unknown): u is DatabaseError =>
  typeof u === "object" &&
  u !== null &&
  "_tag" in u &&
  typeof u._tag === "string" &&
  Object.hasOwn(classes, u._tag) &&
  u instanceof classes[u._tag as keyof typeof classes]

/**
 * Whether running the whole transaction again may help, without asking the caller (FACTS: PostgreSQL manual 13.5).
 *
 * @since 0.1.0
 * @category guards
 */
export const isTransient = (u: unknown): boolean => {
  const error = find(u)
  return (
    error !== undefined &&
    (error.recovery === "restart" || error.recovery === "reconnect" || error.recovery === "reprepare")
  )
}

/**
 * Whether nothing was sent, so that even a single statement outside a transaction may be sent again.
 *
 * @since 0.1.0
 * @category guards
 */
export const safeToRetry = (u: unknown): boolean => {
  const error = find(u)
  switch (error?._tag) {
    case "PoolTimeout":
    case "TooManyConnections":
    case "StaleStatement":
      return true
    case "ConnectionError":
      return !error.sent
    default:
      return false
  }
}

/** The first database error along `cause`, `errors` and `FiberFailure`; `undefined` where there is none. @since 0.1.0 @category accessors */
export const find = (u: unknown): DatabaseError | undefined => search(u, new Set())

const search = (u: unknown, seen: Set<unknown>): DatabaseError | undefined => {
  if (typeof u !== "object" || u === null || seen.has(u)) return undefined
  seen.add(u)
  if (isDatabaseError(u)) return u
  for (const inner of inners(u)) {
    const found = search(inner, seen)
    if (found !== undefined) return found
  }
  return undefined
}

/** Where wrappers keep what they wrap: `cause`, `AggregateError.errors`, Effect's `Cause` inside a `FiberFailure`. */
const inners = (u: object): ReadonlyArray<unknown> => {
  const fields = u as {
    cause?: unknown
    errors?: unknown
    error?: unknown
    defect?: unknown
    left?: unknown
    right?: unknown
  }
  return [
    fields.cause,
    ...(Array.isArray(fields.errors) ? fields.errors : []),
    fields.error,
    fields.defect,
    fields.left,
    fields.right,
    (u as { [key: symbol]: unknown })[Symbol.for("effect/Runtime/FiberFailure/Cause")]
  ]
}

/**
 * Any failure as a `DatabaseError`: the one it wraps, however deep, or `UnknownError` around it.
 *
 * @since 0.1.0
 * @category conversions
 */
export const from = (u: unknown, operation = "execute"): DatabaseError =>
  find(u) ??
  new UnknownError({
    operation,
    reason: u instanceof Error ? u.message : "a failure this library does not know",
    cause: u
  })

/**
 * Turns every `SqlError` in the error channel into the tagged union, and leaves all else alone.
 *
 * @since 0.1.0
 * @category conversions
 */
export const refine = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, Exclude<E, SqlError> | DatabaseError, R> =>
  Effect.mapError(effect, (error) => (error instanceof SqlError ? from(error) : (error as Exclude<E, SqlError>)))
