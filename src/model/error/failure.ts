/**
 * What all database failures have in common, and the small factory that makes a class of each: its group and what it
 * allows are fields, its message is computed from what the server said.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Data from "effect/Data"

/**
 * What the failure allows.
 *
 * - `restart`: another transaction won; this one left no trace. Run the whole transaction again, soon.
 * - `reconnect`: the session or the server was lost, or never there. Run the whole transaction again on another session.
 * - `reprepare`: a prepared statement went stale before anything ran. Forget it and send once more.
 * - `caller`: only the caller can say (a lock timeout, a duplicate key).
 * - `ask`: COMMIT was sent and nobody knows what became of it. Never repeat blindly.
 * - `never`: the same statement would fail again.
 *
 * @since 0.1.0
 * @category models
 */
export type Recovery = "restart" | "reconnect" | "reprepare" | "caller" | "ask" | "never"

/**
 * The four groups of failures an application usually tells apart.
 *
 * @since 0.1.0
 * @category models
 */
export type Group = "connection" | "pool" | "query" | "schema"

/**
 * What every failure carries; the optional fields are there where the server said so.
 *
 * @since 0.1.0
 * @category models
 */
export interface Details {
  /** What was being done: `connect`, `acquire`, `execute`, `stream`, `begin`, `commit`, `rollback`, `savepoint`, `ping` … */
  readonly operation: string
  /** The server's or the driver's own sentence. Never holds a bound value that the server did not put there itself. */
  readonly reason: string
  readonly cause?: unknown
  /** SQLSTATE on the PostgreSQL family; on SQLite the result code's name (`SQLITE_CONSTRAINT_UNIQUE`). */
  readonly sqlState?: string | undefined
  readonly schema?: string | undefined
  readonly table?: string | undefined
  readonly column?: string | undefined
  readonly constraint?: string | undefined
  readonly detail?: string | undefined
  readonly hint?: string | undefined
  /** Character position in the statement at which the server stopped, counted from 1. */
  readonly position?: number | undefined
  /** A second failure met while cleaning up after this one. Kept, never in the place of the first. */
  readonly suppressed?: unknown
}

const describe = (tag: string, error: Details): string => {
  const where =
    error.constraint ?? ([error.table, error.column].filter((part) => part !== undefined).join(".") || undefined)
  const code = error.sqlState === undefined ? "" : ` (${error.sqlState})`
  return `${tag} in ${error.operation}: ${error.reason}${code}${where === undefined ? "" : ` [${where}]`}${
    error.hint === undefined ? "" : `. ${error.hint}`
  }`
}

/** What the classes below have in common; named, so that declarations can be written. @since 0.1.0 @category models */
export type Failure<Tag extends string> = Cause.YieldableError &
  Details & {
    readonly _tag: Tag
    readonly group: Group
    readonly recovery: Recovery
  }

/** A class of one line. @since 0.1.0 @category constructors */
export const failure = <const Tag extends string>(
  tag: Tag,
  group: Group,
  recovery: Recovery
): (new (
  fields: Details
) => Failure<Tag>) =>
  class extends Data.TaggedError(tag)<Details> {
    readonly group: Group = group
    readonly recovery: Recovery = recovery
    override get message(): string {
      return describe(tag, this)
    }
  }
