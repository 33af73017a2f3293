/**
 * What a statement may do to its session, told from its text alone. Only `read` may go to a reader; a text that is no
 * query, asks what this session did last, or changes the session itself stays where it is. A PRAGMA is never prepared
 * to be looked at: preparing executes some.
 *
 * @since 0.1.0
 */
import type { Kind } from "../../Dialect.js"
import { isTemporary, split, verb } from "./tokens.js"

/** Functions whose answer depends on what this very session did before, or that change it. */
const sessional = new Set(["LAST_INSERT_ROWID", "CHANGES", "TOTAL_CHANGES", "LOAD_EXTENSION"])

const kinds: Readonly<Record<string, Kind>> = {
  SELECT: "read",
  VALUES: "read",
  BEGIN: "session",
  COMMIT: "session",
  END: "session",
  ROLLBACK: "session",
  SAVEPOINT: "session",
  RELEASE: "session",
  PRAGMA: "session",
  ATTACH: "session",
  DETACH: "session"
}

const told = (text: string): Kind => {
  const parts = split(text)
  const first = parts[0]
  if (first === undefined) return "write"
  if (parts.length > 1) return "script"
  if (first.words.some((word) => sessional.has(word))) return "session"
  if (first.words[0] === "CREATE" && isTemporary(first.words[1])) return "session"
  return kinds[verb(first.words)] ?? "write"
}

const remembered = new Map<string, Kind>()

/** Texts remembered; beyond that all are forgotten at once, which costs one look each. */
const capacity = 500

/** A text longer than this is hardly met again, and would only fill the memory. */
const longest = 4096

/** What a statement may do to its session. @since 0.1.0 @category accessors */
export const kind = (text: string): Kind => {
  const known = remembered.get(text)
  if (known !== undefined) return known
  const found = told(text)
  if (text.length > longest) return found
  if (remembered.size >= capacity) remembered.clear()
  remembered.set(text, found)
  return found
}
