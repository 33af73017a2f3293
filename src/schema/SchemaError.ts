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
 *
 * @since 0.1.0
 * @category models
 */
export type Reason = "duplicate-name" | "dangling-reference" | "unlike-enums" | "refused" | "drifted"

/** @since 0.1.0 @category models */
export interface Details {
  readonly reason: Reason
  /** What is wrong, in one sentence without a full stop. */
  readonly problem: string
  /** What to do about it, in one sentence without a full stop. */
  readonly remedy: string
  readonly table?: string | undefined
  /** Of `drifted`: what would mend it. */
  readonly changes?: ReadonlyArray<Change> | undefined
  readonly cause?: unknown
}

/** Declared tables make no schema, or not the one that is there. @since 0.1.0 @category errors */
export class SchemaError extends Data.TaggedError("SchemaError")<Details> {
  override get message(): string {
    return `${this.table === undefined ? "" : `table ${this.table}: `}${this.problem}. ${this.remedy}.`
  }
}
