/**
 * A text as a grammar read it: statements and comments with their places in the string, whatever the grammar counts in.
 *
 * @since 0.1.0
 */

/** @since 0.1.0 @category models */
export interface Span {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** One statement, without the semicolon that ended it. @since 0.1.0 @category models */
export interface Statement<Tree> extends Span {
  readonly tree: Tree
}

/** @since 0.1.0 @category models */
export interface Script<Tree> {
  readonly statements: ReadonlyArray<Statement<Tree>>
  readonly comments: ReadonlyArray<Span>
  /** Names as they are written, quotes included. */
  readonly names: ReadonlyArray<Span>
  /** From the grammar's own offsets to the string's. */
  readonly index: (location: number) => number
}

/** Why a text cannot be read, and where. @since 0.1.0 @category models */
export interface Unreadable {
  readonly problem: string
  readonly index: number
}
