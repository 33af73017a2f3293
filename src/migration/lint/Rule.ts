/**
 * A rule: its documentation, and what it finds in one statement. What a match does not say for itself, the rule says.
 *
 * @since 0.1.0
 */
import type { Node } from "libpg-query"
import type { Direction, Product, RuleInfo } from "./Finding.js"
import type { History } from "./History.js"
import type { Span, Statement } from "./Script.js"
import type { Words } from "./sqlite.js"

/** @since 0.1.0 @category models */
export interface Match {
  /** In the grammar's own offsets; none: where the statement begins. */
  readonly at?: number | undefined
  /** In the string's offsets, where that is what is known. */
  readonly index?: number | undefined
  /** What was found, with its names: the beginning of a sentence that `why` ends. */
  readonly what: string
  readonly why?: string | undefined
  readonly remedy?: string | undefined
}

/** A statement of PostgreSQL's and what is known when it is reached. @since 0.1.0 @category models */
export interface Context {
  readonly node: Node
  readonly statement: Statement<Node>
  /** The names in it as they are written. */
  readonly names: ReadonlyArray<Span>
  readonly known: History
}

/** The same for SQLite. @since 0.1.0 @category models */
export interface SqliteContext {
  readonly words: Words
  /** Tables this revision created. */
  readonly created: ReadonlySet<string>
}

type Info = Omit<RuleInfo, "products" | "directions"> & { readonly directions?: ReadonlyArray<Direction> }

/** @since 0.1.0 @category models */
export interface Rule extends RuleInfo {
  readonly check: (context: Context) => ReadonlyArray<Match>
  readonly checkSqlite: (context: SqliteContext) => ReadonlyArray<Match>
}

const nothing = () => []
const everywhere: ReadonlyArray<Direction> = ["up", "down"]
/** For what takes away or restores, which is what a down is for. @since 0.1.0 @category models */
export const upOnly: ReadonlyArray<Direction> = ["up"]

/** A rule about PostgreSQL. @since 0.1.0 @category constructors */
export const rule = (info: Info & Pick<Rule, "check">): Rule => ({
  directions: everywhere,
  ...info,
  products: ["postgres"],
  checkSqlite: nothing
})

/** A rule about SQLite. @since 0.1.0 @category constructors */
export const sqliteRule = (info: Info & Pick<Rule, "checkSqlite">): Rule => ({
  directions: everywhere,
  ...info,
  products: ["sqlite"],
  check: nothing
})

/** What is not found in one statement: the driver itself finds it. @since 0.1.0 @category constructors */
export const ofText = (info: Info & { readonly products: ReadonlyArray<Product> }): Rule => ({
  directions: everywhere,
  ...info,
  check: nothing,
  checkSqlite: nothing
})

/** @since 0.1.0 @category constructors */
export const when = <A>(value: A | undefined | false, match: (value: A) => Match): ReadonlyArray<Match> =>
  value === undefined || value === false ? [] : [match(value)]
