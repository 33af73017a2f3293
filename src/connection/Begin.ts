/**
 * How a session's transaction or savepoint begins, and what may travel behind its first words.
 *
 * @since 0.1.0
 */
import type { Request } from "../Dialect.js"

/** Its text goes in front of the first statement. @since 0.1.0 @category models */
export class Pending {
  readonly _tag = "pending"
  constructor(
    readonly text: string,
    /** Several statements (settings behind BEGIN), which go ahead by themselves. */
    readonly script: boolean
  ) {}
}

/** @since 0.1.0 @category models */
export class Begun {
  readonly _tag = "begun"
  constructor(readonly text: string) {}
}

/**
 * How a session's transaction or savepoint begins: not at all, with a text that goes in front of its first statement, or
 * it has begun. Classes, because each transaction makes both: see `connection/Bag` for what becomes of literals.
 *
 * @since 0.1.0
 * @category models
 */
export type Begin = { readonly _tag: "none" } | Pending | Begun

/**
 * Whether a driver may refuse to send it. With a savepoint in front nobody could tell afterwards whether that is there, so
 * the savepoint then goes ahead alone.
 *
 * @since 0.1.0
 * @category guards
 */
export const mayBeRefused = ({ params, text }: Request): boolean =>
  text.includes("\0") || params.some((param) => typeof param === "object" && param !== null)
