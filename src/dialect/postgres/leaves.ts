/**
 * Whether a text leaves something behind on its session that the next holder would meet: settings, locks, temporary tables,
 * prepared statements, a subscription. What ends with the transaction is not meant, nor an open transaction itself: the
 * session's status tells that.
 *
 * @since 0.1.0
 */
import { wordsOf } from "./kind.js"

/** As the first word of a statement. */
const commands =
  /(?:^|;)\s*(?:set\b(?!\s+(?:local|transaction|constraints)\b)|listen\b|load\b|prepare\b(?!\s+transaction\b)|declare\b|reset\b|discard\b)/

const words =
  /\b(?:set_config|setseed|temp|temporary|pg_(?:try_)?advisory_lock(?:_shared)?|pg_(?:try_)?advisory_lock_shared)\b/

/** Set for the transaction alone. */
const local = /\bset_config\s*\([^()]*,\s*true\s*\)/g

/** @since 0.1.0 @category dialect */
export const leaves = (text: string): boolean => {
  const found = wordsOf(text).replace(local, " ")
  return commands.test(found) || words.test(found)
}
