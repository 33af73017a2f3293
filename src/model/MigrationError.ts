/**
 * What can go wrong with migrations. `reason` is for programs, `message` for people: it names the revision, its file and
 * statement where there are any, and always what to do.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * - `no-folder`, `unreadable`, `bad-name`, `bad-module`, `bad-sql`, `other-copy`: the files cannot be used as they are.
 * - `duplicate-id`, `missing-parent`, `cycle`, `several-heads`: together they make no history.
 * - `unknown-revision`, `ambiguous-revision`: what was asked for cannot be found.
 * - `changed`, `missing-file`, `out-of-order`, `interrupted`, `ahead`: files and ledger do not agree.
 * - `not-at-head`: what is pending has to be applied first.
 * - `locked`: another runner holds the lock, and did so for too long.
 * - `irreversible`, `has-children`: a revision cannot be taken back (alone).
 * - `failed`: its statements were refused; the database's answer is the `cause`.
 * - `not-adopted`: another tool's ledger names revisions that no file here stands for.
 * - `not-written`: a new revision's file could not be written, or its name says nothing.
 *
 * @since 0.1.0
 * @category models
 */
export type Reason =
  | "no-folder"
  | "unreadable"
  | "bad-name"
  | "bad-module"
  | "bad-sql"
  | "other-copy"
  | "duplicate-id"
  | "missing-parent"
  | "cycle"
  | "several-heads"
  | "unknown-revision"
  | "ambiguous-revision"
  | "changed"
  | "missing-file"
  | "out-of-order"
  | "interrupted"
  | "ahead"
  | "not-at-head"
  | "locked"
  | "irreversible"
  | "has-children"
  | "failed"
  | "not-adopted"
  | "not-written"

/** @since 0.1.0 @category models */
export interface Details {
  readonly reason: Reason
  /** What is wrong, in one sentence without a full stop. */
  readonly problem: string
  /** What to do about it, in one sentence without a full stop. */
  readonly remedy: string
  readonly revision?: string | undefined
  readonly file?: string | undefined
  /** The line of `file` the problem stands at, counted from 1. */
  readonly line?: number | undefined
  /** The statement that was refused. */
  readonly statement?: string | undefined
  readonly cause?: unknown
  /** A second failure met while cleaning up after this one. */
  readonly suppressed?: unknown
}

const where = (details: Details): string => {
  const file =
    details.file === undefined ? "" : `${details.file}${details.line === undefined ? "" : `:${details.line}`}`
  if (details.revision === undefined) return file === "" ? "" : `${file}: `
  return `migration ${details.revision}${file === "" ? "" : ` (${file})`}: `
}

const excerpt = (statement: string): string => {
  const line = statement.replace(/\s+/g, " ").trim()
  return line.length <= 160 ? line : `${line.slice(0, 159)}…`
}

/** Migrations could not be read, ordered, applied or taken back. @since 0.1.0 @category errors */
export class MigrationError extends Data.TaggedError("MigrationError")<Details> {
  override get message(): string {
    const statement = this.statement === undefined ? "" : ` In: ${excerpt(this.statement)}.`
    return `${where(this)}${this.problem}.${statement} ${this.remedy}.`
  }
}
