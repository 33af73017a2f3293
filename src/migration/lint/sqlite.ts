/**
 * SQLite's text cut into words, just finely enough for the one rule that concerns it. Nothing here can be refused: what is
 * wrong SQL is SQLite's to say.
 *
 * @since 0.1.0
 */
import type { Script, Span, Statement } from "./Script.js"

/** A statement's tokens; words are in upper case where they are not quoted. @since 0.1.0 @category models */
export type Words = ReadonlyArray<Span & { readonly word: string }>

const token =
  /\s+|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$)|`(?:[^`]|``)*(?:`|$)|\[[^\]]*(?:\]|$)|\d[\w.]*|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|[\s\S]/g

/** @since 0.1.0 @category constructors */
export const read = (text: string): Script<Words> => {
  const statements: Array<Statement<Words>> = []
  const comments: Array<Span> = []
  let words: Array<Words[number]> = []
  const finish = () => {
    const first = words[0]
    const last = words.at(-1)
    if (first !== undefined && last !== undefined) {
      const { start } = first
      statements.push({ start, end: last.end, text: text.slice(start, last.end), tree: words })
    }
    words = []
  }
  for (const match of text.matchAll(token)) {
    const [found] = match
    const span = { start: match.index, end: match.index + found.length, text: found }
    if (found.startsWith("--") || found.startsWith("/*")) comments.push(span)
    else if (found === ";") finish()
    else if (found.trim() !== "") words.push({ ...span, word: /^[A-Za-z_]/.test(found) ? found.toUpperCase() : found })
  }
  finish()
  return { statements, comments, names: [], index: (location) => location }
}

/** A name without its quotes. @since 0.1.0 @category accessors */
export const unquoted = (name: string): string =>
  /^["`[]/.test(name) ? name.slice(1, -1).replace(/(["`])\1/g, "$1") : name

/** A column an ALTER TABLE adds. @since 0.1.0 @category models */
export interface AddedColumn {
  readonly table: string
  readonly column: string
  readonly start: number
  /** The words of its definition, outside of parentheses. */
  readonly words: ReadonlyArray<string>
}

/** `ALTER TABLE [schema.]table ADD [COLUMN] column …`. @since 0.1.0 @category accessors */
export const addedColumn = (words: Words): AddedColumn | undefined => {
  if (words[0]?.word !== "ALTER" || words[1]?.word !== "TABLE") return undefined
  const named = words[3]?.text === "." ? 4 : 2
  const table = words[named]
  if (words[named + 1]?.word !== "ADD" || table === undefined) return undefined
  const at = words[named + 2]?.word === "COLUMN" ? named + 3 : named + 2
  const column = words[at]
  if (column === undefined) return undefined
  let depth = 0
  const rest = words.slice(at + 1).flatMap(({ word }) => {
    if (word === ")") depth--
    const outside = depth === 0
    if (word === "(") depth++
    return outside ? [word] : []
  })
  return { table: unquoted(table.text), column: unquoted(column.text), start: column.start, words: rest }
}

/** The table a statement creates. @since 0.1.0 @category accessors */
export const createdTable = (words: Words): string | undefined => {
  if (words[0]?.word !== "CREATE") return undefined
  const table = words.findIndex(({ word }) => word === "TABLE")
  if (table < 1 || table > 2) return undefined
  const name = words[table + 1]?.word === "IF" ? table + 4 : table + 1
  const last = words[name + 1]?.text === "." ? words[name + 2] : words[name]
  return last === undefined ? undefined : unquoted(last.text)
}
