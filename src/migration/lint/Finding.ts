/**
 * What lint says, as data: a finding stands at a place in a file and always says what to do instead. Rules are data too,
 * each with an example that breaks it and one that keeps it, so that documentation is written from the same source.
 *
 * @since 0.1.0
 */

/** `error`: it fails or stops traffic; `warning`: it breaks those who still use what was there; `note`: a better choice. @since 0.1.0 @category models */
export type Level = "error" | "warning" | "note"

/** Which grammar a text is written in. CockroachDB and PGlite are read as `postgres`. @since 0.1.0 @category models */
export type Product = "postgres" | "sqlite"

/** @since 0.1.0 @category models */
export type Direction = "up" | "down"

/** @since 0.1.0 @category models */
export type RuleId =
  | "adding-not-null-without-default"
  | "adding-not-null-field"
  | "adding-volatile-default"
  | "changing-column-type"
  | "require-concurrent-index-creation"
  | "require-concurrent-index-deletion"
  | "concurrent-in-transaction"
  | "adding-foreign-key-without-not-valid"
  | "adding-check-without-not-valid"
  | "adding-unique-constraint"
  | "adding-primary-key"
  | "renaming-table"
  | "renaming-column"
  | "dropping-table"
  | "dropping-column"
  | "dropping-not-null"
  | "truncate-cascade"
  | "prefer-bigint"
  | "prefer-identity"
  | "prefer-text"
  | "prefer-timestamptz"
  | "prefer-jsonb"
  | "enum-value-in-transaction"
  | "identifier-too-long"
  | "missing-lock-timeout"
  | "transaction-nesting"
  | "not-resumable"
  | "sqlite-add-not-null-without-default"
  | "syntax"
  | "suppression-without-reason"
  | "suppression-unused"
  | "suppression-unknown"
  | "not-recorded"

/** @since 0.1.0 @category models */
export interface Finding {
  readonly rule: RuleId
  readonly level: Level
  readonly file: string
  /** Counted from 1. */
  readonly line: number
  /** In code points, counted from 1. */
  readonly column: number
  readonly message: string
  readonly remedy: string
  /** The whole statement the finding is in; of a comment or a syntax error, its line. */
  readonly statement: string
  /** Where it was sent by a program: line and column are then those of its text there, where it stands there in so many words. */
  readonly recorded?: { readonly direction: Direction; readonly statement: number } | undefined
}

/** A revision's text as a rule's documentation shows it. @since 0.1.0 @category models */
export interface Example {
  readonly sql: string
  /** Default true: it runs in one transaction. */
  readonly transaction?: boolean
}

/** A rule as documentation needs it. @since 0.1.0 @category models */
export interface RuleInfo {
  readonly id: RuleId
  readonly level: Level
  readonly products: ReadonlyArray<Product>
  /** The directions it judges: what takes something away is the very purpose of a down. */
  readonly directions: ReadonlyArray<Direction>
  /** What it finds, in one sentence. */
  readonly summary: string
  /** Why that is dangerous, as the end of a sentence. */
  readonly why: string
  readonly remedy: string
  readonly bad: Example
  readonly good: Example
}

/** What is known about a revision beside its text. @since 0.1.0 @category models */
export interface Facts {
  /** Which grammar, and so which rules. */
  readonly product: Product
  /** The whole revision runs in one transaction. Default true. */
  readonly transaction?: boolean | undefined
  /** Default `up`. */
  readonly direction?: Direction | undefined
  /** Tables that are new with this revision, as `name` or `schema.name`, beside those the text itself creates. */
  readonly created?: ReadonlyArray<string> | undefined
  /** The server's major version. Default: a current one. */
  readonly serverVersion?: number | undefined
  /** Whoever runs the text has set `lock_timeout`. Default true, because the migrator has. */
  readonly lockTimeout?: boolean | undefined
}

/**
 * - `transaction`: it can run in one, with the row that says it is done.
 * - `probe`: the catalogue tells whether it is done: `index` is there and valid, or gone.
 * - `repeat`: doing it once more does no harm.
 * - `never`: interrupted, it leaves something that nobody can tell from the catalogue.
 *
 * @since 0.1.0
 * @category models
 */
export type Resume = "transaction" | "probe" | "repeat" | "never"
