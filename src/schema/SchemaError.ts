/**
 * What can go wrong with declared tables. `reason` is for programs, `message` for people: it names the table and says what
 * to do.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type { Change } from "../model/Change.js"

/**
 * - `duplicate-name`, `dangling-reference`, `unlike-enums`: the tables make no schema; nothing was sent.
 * - `refused`: an empty database of the product refused the declared tables, `cause` says why.
 * - `drifted`: the live database is not what is declared; `changes` would make it so.
 * - `bad-versions`: the numbers of versions make no sequence; nothing was sent.
 * - `ahead`, `behind`: the database is at a version that is not among those given, a later or an earlier one.
 * - `destructive`: a version would lose data, by `changes`, and does not say so.
 * - `failed`: a version was refused by the database, `cause` says why.
 * - `locked`: another process applies versions, and did so for too long.
 *
 * @since 0.1.0
 * @category models
 */
export type Reason =
  | "duplicate-name"
  | "dangling-reference"
  | "unlike-enums"
  | "refused"
  | "drifted"
  | "bad-versions"
  | "ahead"
  | "behind"
  | "destructive"
  | "failed"
  | "locked"

/** @since 0.1.0 @category models */
export interface Details {
  readonly reason: Reason
  /** What is wrong, in one sentence without a full stop. */
  readonly problem: string
  /** What to do about it, in one sentence without a full stop. */
  readonly remedy: string
  readonly table?: string | undefined
  /** The version of `Versions` it is about. */
  readonly version?: number | undefined
  /** Of `drifted`: what would mend it. Of `destructive`: what would lose data. */
  readonly changes?: ReadonlyArray<Change> | undefined
  readonly cause?: unknown
}

/** Declared tables make no schema, or not the one that is there. @since 0.1.0 @category errors */
export class SchemaError extends Data.TaggedError("SchemaError")<Details> {
  override get message(): string {
    const version = this.version === undefined ? "" : `version ${this.version}: `
    return `${version}${this.table === undefined ? "" : `table ${this.table}: `}${this.problem}. ${this.remedy}.`
  }
}
