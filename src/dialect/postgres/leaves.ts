/**
 * Whether a text leaves something behind on its session that the next holder would meet: settings, locks, temporary tables,
 * prepared statements, a subscription. What ends with the transaction is not meant, nor an open transaction itself: the
 * session's status tells that. Where it cannot be told (a procedure, a block of code), it is said of it, too.
 *
 * @since 0.1.0
 */
import { runsTexts, wordsOf } from "./kind.js"

/** Most texts have none of these anywhere, hidden or not. */
const hints =
  /set|listen|load|prepare|declare|discard|temp|advisory|do|call|query_to_xml|cursor_to_xml|ts_stat|ts_rewrite|u&"|\/\*/i

/** As the first word of a statement. */
const commands =
  /(?:^|;)\s*(?:set\b(?!\s+(?:local|transaction|constraints)\b)|listen\b|load\b|prepare\b(?!\s+transaction\b)|declare\b|reset\b|discard\b|do\b|call\b)/

const words =
  /\b(?:set_config|setseed|temp|temporary|pg_temp\w*|pg_(?:try_)?advisory_lock(?:_shared)?|update\s+(?:only\s+)?(?:pg_catalog\s*\.\s*)?pg_settings)\b/

/** Set for the transaction alone. */
const local = /\bset_config\s*\([^()]*,\s*true\s*\)/g

/** @since 0.1.0 @category dialect */
export const leaves = (text: string): boolean => {
  if (!hints.test(text)) return false
  const found = wordsOf(text).replace(local, " ")
  return commands.test(found) || words.test(found) || runsTexts(found)
}
