/**
 * SQL text cut into words and statements, just finely enough to tell where one statement ends and what it begins with.
 * Strings, quoted names, comments, numbers and parameters are skipped; a trigger's body ends as in `sqlite3_complete`.
 * It judges nothing: what is wrong SQL is SQLite's to say.
 *
 * @since 0.1.0
 */

/** One statement of a text. @since 0.1.0 @category models */
export interface Part {
  /** Without the semicolon that ended it. */
  readonly text: string
  /** Where it begins in the whole text, counted from 0. */
  readonly start: number
  /** Its words in upper case, parentheses included. */
  readonly words: ReadonlyArray<string>
}

const token =
  /\s+|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'[^']*(?:'|$)|"[^"]*(?:"|$)|`[^`]*(?:`|$)|\[[^\]]*(?:\]|$)|[:@$#]\w+|\.\s*[A-Za-z_]\w*|\d[\w.]*|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|[\s\S]/g

const skipped = /^(?:\s|--|\/\*)/
const isWord = /^[A-Za-z_\u0080-\uffff]/

/** The statements of a text, in order; blank ones and lone comments are left out. @since 0.1.0 @category constructors */
export const split = (text: string): ReadonlyArray<Part> => {
  const parts: Array<Part> = []
  let words: Array<string> = []
  let start = -1
  let end = 0
  /** The two significant tokens before this one: a trigger ends at the semicolon of `; END ;`. */
  let last = ""
  let beforeLast = ""
  const finish = () => {
    if (start >= 0) parts.push({ text: text.slice(start, end), start, words })
    words = []
    start = -1
    last = ""
    beforeLast = ""
  }
  for (const match of text.matchAll(token)) {
    const found = match[0]
    if (skipped.test(found)) continue
    if (found === ";" && !(isTrigger(words) && !(last === "END" && beforeLast === ";"))) {
      finish()
      continue
    }
    if (start < 0) start = match.index
    end = match.index + found.length
    const word = isWord.test(found) ? found.toUpperCase() : found
    if (isWord.test(found) || word === "(" || word === ")") words.push(word)
    beforeLast = last
    last = word
  }
  finish()
  return parts
}

const isTrigger = (words: ReadonlyArray<string>): boolean => {
  const [first, second, third] = words
  return first === "CREATE" && (second === "TRIGGER" || (isTemporary(second) && third === "TRIGGER"))
}

/** Whether the word says that what is created lives in this session alone. @since 0.1.0 @category guards */
export const isTemporary = (word: string | undefined): boolean => word === "TEMP" || word === "TEMPORARY"

const main = new Set(["SELECT", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE"])

/** What a statement does: its first word, and behind a WITH the verb that the common tables serve. @since 0.1.0 @category accessors */
export const verb = (words: ReadonlyArray<string>): string => {
  const first = words[0] ?? ""
  if (first !== "WITH") return first
  let depth = 0
  for (const word of words) {
    if (word === "(") depth++
    else if (word === ")") depth--
    else if (depth === 0 && main.has(word)) return word
  }
  return first
}

/** What a statement does to the transaction it meets. @since 0.1.0 @category models */
export type Control = "begin" | "commit" | "rollback" | "savepoint" | "none"

/** @since 0.1.0 @category accessors */
export const control = (words: ReadonlyArray<string>): Control => {
  switch (words[0]) {
    case "BEGIN":
      return "begin"
    case "COMMIT":
    case "END":
      return "commit"
    case "ROLLBACK":
      return words.includes("TO") ? "savepoint" : "rollback"
    case "SAVEPOINT":
    case "RELEASE":
      return "savepoint"
    default:
      return "none"
  }
}
