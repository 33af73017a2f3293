/**
 * What a text may do to its session, read from its words alone. Conservative: `read` is said only of what a read-only shared
 * session can carry without anybody else noticing; a function of the user's own that writes is stopped there by the server
 * (25006). Not a parser: texts, comments and quoted names are blanked out, and what is left is searched for words.
 *
 * @since 0.1.0
 */
import type { Kind } from "../../Dialect.js"

/** Comments, texts, quoted names, dollar quotes. Nested comments are rare enough to end at the first close: that errs towards `write`. */
const hidden =
  /--[^\n]*|\/\*[\s\S]*?\*\/|\b[eE]'(?:[^'\\]|\\[\s\S]|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$[\s\S]*?\$\1\$/g

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

/** What belongs to the session: its locks, settings, sequences' memory, temporary tables, random seed. */
const sessionWords =
  /\b(?:set_config|currval|lastval|setseed|temp|temporary|pg_temp\w*|pg_(?:try_)?advisory_\w+|pg_notify|pg_backend_pid|pg_listening_channels|pg_my_temp_schema|pg_cursors|pg_prepared_statements|pg_export_snapshot|pg_sleep\w*|(?:pg_)?txid_\w+|pg_current_xact_id\w*|pg_terminate_backend|pg_cancel_backend)\b/

/** A text's words in small letters, without what only looks like words. @since 0.1.0 @category accessors */
export const wordsOf = (text: string): string =>
  text.replace(hidden, (found) => (found.startsWith('"') ? '""' : " ")).toLowerCase()

/** The kind of a text. @since 0.1.0 @category dialect */
export const kind = (text: string): Kind => {
  const words = wordsOf(text)
  if (/;\s*[^\s;]/.test(words)) return "script"
  const first = /^[\s(]*([a-z]+)/.exec(words)?.[1]
  if (first === undefined) return "write"
  if (sessions.has(first) || sessionWords.test(words)) return "session"
  return reads.has(first) && !writes.test(words) ? "read" : "write"
}
