/**
 * `-- aquifer:allow rule-id: reason` in front of a statement (or within it) switches a rule off for that statement, in the
 * file's header for the whole file. One that is without reason, unused or unknown is a finding itself: nothing is hidden
 * without a sentence that says why.
 *
 * @since 0.1.0
 */
import type { RuleId } from "./Finding.js"
import type { Span } from "./Script.js"

/** @since 0.1.0 @category models */
export interface Allow {
  readonly index: number
  /** As written: they may name no rule. */
  readonly ids: ReadonlyArray<string>
  readonly reason: string
  /** The rules it has kept silent. */
  readonly used: Set<RuleId>
}

const directive = /aquifer:allow\b([^:\n]*)(?::([^\n]*))?/g

/** @since 0.1.0 @category constructors */
export const fromComments = (comments: ReadonlyArray<Span>): ReadonlyArray<Allow> =>
  comments.flatMap((comment) =>
    Array.from(comment.text.replace(/\*\/$/, "").matchAll(directive), ([, ids = "", reason = ""], i) => ({
      // Several may stand in one block comment.
      index: comment.start + nth(comment.text, i),
      ids: ids.split(/[\s,]+/).filter((id) => id !== ""),
      reason: reason.trim(),
      used: new Set<RuleId>()
    }))
  )

const nth = (text: string, n: number): number => {
  let at = text.indexOf("aquifer:allow")
  for (let i = 0; i < n; i++) at = text.indexOf("aquifer:allow", at + 1)
  return Math.max(at, 0)
}

/** Whether there is a word in it. @since 0.1.0 @category guards */
export const hasReason = (allow: Allow): boolean => /[\p{L}\p{N}]/u.test(allow.reason)

/** Whether one of them allows the rule; it is used then. @since 0.1.0 @category accessors */
export const allowed = (allows: ReadonlyArray<Allow>, rule: RuleId): boolean => {
  const found = allows.filter((allow) => allow.ids.includes(rule))
  for (const allow of found) allow.used.add(rule)
  return found.length > 0
}
