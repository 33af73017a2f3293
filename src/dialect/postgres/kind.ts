/**
 * What a text may do to its session, read from its words alone. Conservative: `read` is said only of what a read-only shared
 * session can carry without anybody else noticing; a function of the user's own that writes is stopped there by the server
 * (25006). Not a parser: texts, comments and quoted names are blanked out, and what is left is searched for words.
 *
 * @since 0.1.0
 */
import type { Kind } from "../../Dialect.js"

/**
 * Comments, texts, quoted names, dollar quotes, in whichever order they begin. A comment ends with its line, at a carriage
 * return, too; a dollar quote does not begin inside a name (`x$a$`), nor its tag with a digit.
 */
const hidden =
  /--[^\n\r]*|\/\*[\s\S]*?\*\/|\b[eE]'(?:[^'\\]|\\[\s\S]|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|(?<![\w$\u0080-\uffff])\$((?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?)\$[\s\S]*?\$\1\$/g

/** Functions that change a session are found in quotes, too. Other quoted names (`"update"`, `"temp"`) say nothing. */
const named =
  /^"(?:pg_\w+|lo_\w+|dblink\w*|txid_\w+|set\w+|currval|lastval|nextval|query_to_xml\w*|cursor_to_xml\w*|ts_stat|ts_rewrite)"$/i

/** What cannot be read by this means: nested comments, names spelled in escapes. It may be anything. */
const unread = " set_config "

const reads = new Set(["select", "with", "values", "table", "show"])

const sessions = new Set([
  "abort",
  "begin",
  "checkpoint",
  "close",
  "commit",
  "copy",
  "deallocate",
  "declare",
  "discard",
  "end",
  "execute",
  "fetch",
  "listen",
  "load",
  "lock",
  "move",
  "prepare",
  "release",
  "reset",
  "rollback",
  "savepoint",
  "set",
  "start",
  "unlisten"
])

/** Words that write, lock or make something, wherever they stand. */
const writes = /\b(?:insert|update|delete|merge|truncate|into|share|nextval|setval|lo_\w+|dblink\w*)\b/

/** Functions that run a text they are given, or a setting under another name. */
const runners = /\b(?:query_to_xml\w*|cursor_to_xml\w*|ts_stat|ts_rewrite|set_limit)\b/

/** What belongs to the session: its locks, settings, sequences' memory, temporary tables, random seed. */
const sessionWords =
  /\b(?:set_config|currval|lastval|setseed|temp|temporary|pg_temp\w*|pg_(?:try_)?advisory_\w+|pg_notify|pg_backend_pid|pg_listening_channels|pg_my_temp_schema|pg_cursors|pg_prepared_statements|pg_export_snapshot|pg_sleep\w*|(?:pg_)?txid_\w+|pg_current_xact_id\w*|pg_terminate_backend|pg_cancel_backend)\b/

const shown = (found: string): string => {
  if (found.startsWith('"')) return named.test(found) ? ` ${found.slice(1, -1)} ` : '""'
  return found.startsWith("/*") && found.includes("/*", 2) ? unread : " "
}

/** A text's words in small letters, without what only looks like words. @since 0.1.0 @category accessors */
export const wordsOf = (text: string): string =>
  (/\bu&"/i.test(text) ? unread + text : text).replace(hidden, shown).toLowerCase()

/** Whether they are about a session by way of a text the server is to read. @since 0.1.0 @category guards */
export const runsTexts = (words: string): boolean => runners.test(words)

/** The kind of a text. @since 0.1.0 @category dialect */
export const kind = (text: string): Kind => {
  const words = wordsOf(text)
  if (/;\s*[^\s;]/.test(words)) return "script"
  const first = /^[\s(]*([a-z]+)/.exec(words)?.[1]
  if (first === undefined) return "write"
  if (sessions.has(first) || sessionWords.test(words) || runsTexts(words)) return "session"
  return reads.has(first) && !writes.test(words) ? "read" : "write"
}
