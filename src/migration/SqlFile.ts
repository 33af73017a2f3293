/**
 * A `.sql` migration: a header of comments, `-- migrate:up` and what follows, perhaps `-- migrate:down` and what follows.
 * Its text is cut into statements just finely enough to run and name them one by one; what is wrong SQL is the
 * database's to say. In a transaction of ours it may not end that transaction.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { MigrationError } from "../model/MigrationError.js"

/** @since 0.1.0 @category models */
export interface Statement {
  readonly text: string
  /** Where it begins in its file, counted from 1. */
  readonly line: number
}

/** @since 0.1.0 @category models */
export interface SqlFile {
  readonly up: ReadonlyArray<Statement>
  readonly down: ReadonlyArray<Statement> | undefined
  /** The sections' texts, as they stand in the file. */
  readonly source: { readonly up: Statement; readonly down: Statement | undefined }
}

const token =
  /\s+|--[^\n]*|'(?:[^']|'')*(?:'|$)|"[^"]*(?:"|$)|`[^`]*(?:`|$)|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|\d[\w.]*|[\s\S]/y
/** `E'…\'…'`: PostgreSQL's strings with backslashes. */
const escaped = /[eE]'(?:[^'\\]|\\[\s\S]|'')*(?:'|$)/y
const dollar = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y

/** Comments nest in PostgreSQL; where they do not, a nested one is too rare to mind. */
const commentEnd = (text: string, start: number): number => {
  const edge = /\/\*|\*\//g
  edge.lastIndex = start
  let depth = 0
  for (let match = edge.exec(text); match !== null; match = edge.exec(text)) {
    depth += match[0] === "/*" ? 1 : -1
    if (depth === 0) return edge.lastIndex
  }
  return text.length
}

const at = (pattern: RegExp, text: string, index: number): string | undefined => {
  pattern.lastIndex = index
  return pattern.exec(text)?.[0]
}

/** Where the token at `i` ends, and its word if it is one. @since 0.1.0 @category accessors */
export const step = (
  text: string,
  i: number
): { readonly end: number; readonly word: string; readonly blank: boolean } => {
  if (text.startsWith("/*", i)) return { end: commentEnd(text, i), word: "", blank: true }
  const quoted = at(escaped, text, i)
  if (quoted !== undefined) return { end: i + quoted.length, word: "", blank: false }
  const fence = at(dollar, text, i)
  if (fence !== undefined) {
    const close = text.indexOf(fence, i + fence.length)
    return { end: close < 0 ? text.length : close + fence.length, word: "", blank: false }
  }
  const found = at(token, text, i) ?? text.slice(i, i + 1)
  const blank = /^(?:\s|--)/.test(found)
  return { end: i + found.length, word: /^[A-Za-z_]/.test(found) ? found.toUpperCase() : "", blank }
}

/**
 * The statements of a text, each without its semicolon; `line` is that of the text's first line.
 *
 * @since 0.1.0
 * @category constructors
 */
export const statements = (text: string, line = 1): ReadonlyArray<Statement> => {
  const found: Array<Statement> = []
  let start = -1
  let end = 0
  let words: Array<string> = []
  /** Open BEGIN and CASE in the body of a trigger or function. */
  let depth = 0
  /** Open parentheses: the actions of a rule stand in some, with semicolons between them. */
  let parens = 0
  const finish = () => {
    if (start >= 0) found.push({ text: text.slice(start, end), line: line + newlines(text, start) })
    start = -1
    words = []
    depth = 0
    parens = 0
  }
  for (let i = 0; i < text.length; ) {
    const { end: next, word, blank } = step(text, i)
    if (!blank) {
      if (text[i] === ";" && depth === 0 && parens === 0) {
        finish()
      } else {
        if (text[i] === "(") parens++
        else if (text[i] === ")" && parens > 0) parens--
        if (start < 0) start = i
        end = next
        if (word !== "") {
          if (word === "BEGIN" ? hasBody(words) : word === "CASE" && depth > 0) depth++
          else if (word === "END" && depth > 0) depth--
          if (words.length < 8) words.push(word)
        }
      }
    }
    i = next
  }
  finish()
  return found
}

const hasBody = (words: ReadonlyArray<string>): boolean =>
  words[0] === "CREATE" && words.some((word) => word === "TRIGGER" || word === "FUNCTION" || word === "PROCEDURE")

const newlines = (text: string, until: number): number => {
  let n = 0
  for (let i = text.indexOf("\n"); i >= 0 && i < until; i = text.indexOf("\n", i + 1)) n++
  return n
}

const control = new Set(["BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "PREPARE"])

/** The statement that would end the transaction it runs in. @since 0.1.0 @category accessors */
export const endsTransaction = (all: ReadonlyArray<Statement>): Statement | undefined =>
  all.find(({ text }) => {
    const words: ReadonlyArray<string> = text.toUpperCase().match(/[A-Z]+/g) ?? []
    if (!control.has(words[0] ?? "")) return false
    return words[0] === "PREPARE" ? words[1] === "TRANSACTION" : !(words[0] === "ROLLBACK" && words.includes("TO"))
  })

const marker = /^[ \t]*--[ \t]*migrate:[ \t]*(\w+)[^\n]*$/gm

/** @since 0.1.0 @category constructors */
export const parse = (text: string, file: string, revision: string): Either.Either<SqlFile, MigrationError> => {
  const wrong = (problem: string, remedy: string, line?: number) =>
    Either.left(new MigrationError({ reason: "bad-sql", problem, remedy, revision, file, line }))
  const marks = [...text.matchAll(marker)]
  const lineOf = (index: number) => newlines(text, index) + 1
  const other = marks.find(([, word]) => word !== "up" && word !== "down")
  if (other !== undefined) {
    return wrong(`it has no section "${other[1]}"`, 'Write "-- migrate:up" or "-- migrate:down"', lineOf(other.index))
  }
  const [first] = marks
  if (first === undefined || first[1] !== "up") {
    return wrong('it has no line "-- migrate:up" to begin with', 'Put "-- migrate:up" above the statements to apply')
  }
  const [stray] = statements(text.slice(0, first.index))
  if (stray !== undefined) {
    return wrong('statements stand above "-- migrate:up"', "Move them below it, where they will be run", stray.line)
  }
  const again = marks.find((mark, i) => marks.findIndex(([, word]) => word === mark[1]) !== i)
  if (again !== undefined) {
    return wrong(`it has two sections "${again[1]}"`, "Join them into one", lineOf(again.index))
  }
  const section = (word: string) => {
    const i = marks.findIndex((mark) => mark[1] === word)
    const mark = marks[i]
    if (mark === undefined) return undefined
    const start = mark.index + mark[0].length
    return { text: text.slice(start, marks[i + 1]?.index ?? text.length), line: lineOf(start) }
  }
  const up = section("up") ?? { text: "", line: 1 }
  const down = section("down")
  return Either.right({
    up: statements(up.text, up.line),
    down: down === undefined ? undefined : statements(down.text, down.line),
    source: { up, down }
  })
}
