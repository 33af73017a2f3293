/**
 * Every rule, in the order documentation shows them.
 *
 * @since 0.1.0
 */
import type { Rule } from "../Rule.js"
import { columnRules } from "./columns.js"
import { constraintRules } from "./constraints.js"
import { tableRules } from "./tables.js"
import { textRules } from "./text.js"
import { transactionRules } from "./transactions.js"
import { typeRules } from "./types.js"

/** @since 0.1.0 @category models */
export const all: ReadonlyArray<Rule> = [
  ...columnRules,
  ...constraintRules,
  ...tableRules,
  ...typeRules,
  ...transactionRules,
  ...textRules
]
