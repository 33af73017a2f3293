/**
 * How a session's transaction or savepoint begins, and what may travel behind its first words.
 *
 * @since 0.1.0
 */
import type { Request } from "../Dialect.js"

/**
 * How a session's transaction or savepoint begins: not at all, with a text that goes in front of its first statement, or
 * it has begun.
 *
 * @since 0.1.0
 * @category models
 */
export type Begin =
  | { readonly _tag: "none" }
  /** `script`: several statements (settings behind BEGIN), which go ahead by themselves. */
  | { readonly _tag: "pending"; readonly text: string; readonly script?: boolean | undefined }
  | { readonly _tag: "begun"; readonly text: string }

/**
 * Whether a driver may refuse to send it. With a savepoint in front nobody could tell afterwards whether that is there, so
 * the savepoint then goes ahead alone.
 *
 * @since 0.1.0
 * @category guards
 */
export const mayBeRefused = ({ params, text }: Request): boolean =>
  text.includes("\0") || params.some((param) => typeof param === "object" && param !== null)
