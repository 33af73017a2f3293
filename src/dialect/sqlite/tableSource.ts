/**
 * The text of a CREATE TABLE, as SQLite keeps it, taken apart into columns, clauses and constraints, and put together
 * again. Nothing is lost on the way: what a rebuild does not touch keeps its own words. It reads what SQLite has already
 * accepted and judges nothing.
 *
 * @since 0.1.0
 */

/** @since 0.1.0 @category models */
export type ClauseKind =
  | "primary key"
  | "not null"
  | "null"
  | "unique"
  | "check"
  | "default"
  | "collate"
  | "references"
  | "generated"
  | "foreign key"

/** A clause of a column or a constraint of the table. @since 0.1.0 @category models */
export interface Clause {
  readonly kind: ClauseKind
  readonly name?: string | undefined
  /** As written, its name included. */
  readonly text: string
  /** What stands in its first parentheses. */
  readonly inner?: string | undefined
  /** Its words in upper case, quoted names and strings left out. */
  readonly words: ReadonlyArray<string>
  /** The columns a table's key or reference stands for. */
  readonly columns: ReadonlyArray<string>
}

/** @since 0.1.0 @category models */
export interface ColumnSource {
  readonly name: string
  readonly type: string
  readonly clauses: ReadonlyArray<Clause>
}

/** @since 0.1.0 @category models */
export interface TableSource {
  readonly columns: ReadonlyArray<ColumnSource>
  readonly constraints: ReadonlyArray<Clause>
  /** `WITHOUT ROWID`, `STRICT`. */
  readonly options: string
}

interface Token {
  readonly text: string
  readonly word: string
  readonly start: number
  readonly end: number
}

const pattern =
  /\s+|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|\d[\w.]*|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|[\s\S]/g

const tokens = (text: string): ReadonlyArray<Token> => {
  const found: Array<Token> = []
  for (const match of text.matchAll(pattern)) {
    const part = match[0]
    if (/^(?:\s|--|\/\*)/.test(part)) continue
    const word = /^[A-Za-z_\u0080-\uffff]/.test(part) ? part.toUpperCase() : ""
    found.push({ text: part, word, start: match.index, end: match.index + part.length })
  }
  return found
}

/** A name without its quotes. @since 0.1.0 @category conversions */
export const unquote = (name: string): string => {
  const quote = name[0]
  if (quote === '"' || quote === "`" || quote === "'") return name.slice(1, -1).replaceAll(quote + quote, quote)
  return quote === "[" ? name.slice(1, -1) : name
}

const constraintWords = new Set(["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"])
const clauseWords = new Set([...constraintWords, "NOT", "NULL", "DEFAULT", "COLLATE", "REFERENCES", "GENERATED", "AS"])

/** @since 0.1.0 @category constructors */
export const parse = (source: string): TableSource => {
  const all = tokens(source)
  const open = all.findIndex((token) => token.text === "(")
  const items: Array<ReadonlyArray<Token>> = []
  let depth = 0
  let item: Array<Token> = []
  let close = all.length
  for (let i = open; i < all.length && i >= 0; i++) {
    const token = all[i] as Token
    if (token.text === "(" && depth++ === 0) continue
    if (token.text === ")" && --depth === 0) {
      close = i
      break
    }
    if (token.text === "," && depth === 1) {
      items.push(item)
      item = []
    } else {
      item.push(token)
    }
  }
  if (item.length > 0) items.push(item)
  const isConstraint = (item: ReadonlyArray<Token>) => constraintWords.has(item[0]?.word ?? "")
  const closing = all[close]
  return {
    columns: items.filter((item) => !isConstraint(item)).map((item) => column(source, item)),
    constraints: items.filter(isConstraint).flatMap((item) => clauses(source, item)),
    options: closing === undefined ? "" : source.slice(closing.end).trim()
  }
}

const column = (source: string, item: ReadonlyArray<Token>): ColumnSource => {
  const [name, ...rest] = item
  const first = rest.findIndex((token) => clauseWords.has(token.word))
  const type = first < 0 ? rest : rest.slice(0, first)
  return {
    name: unquote(name?.text ?? ""),
    type: slice(source, type),
    clauses: first < 0 ? [] : clauses(source, rest.slice(first))
  }
}

const slice = (source: string, part: ReadonlyArray<Token>): string => {
  const [first, last] = [part[0], part[part.length - 1]]
  return first === undefined || last === undefined ? "" : source.slice(first.start, last.end)
}

/** Where the clause that starts at `i` ends. What may follow a keyword is SQLite's grammar, written out. */
const clauses = (source: string, item: ReadonlyArray<Token>): ReadonlyArray<Clause> => {
  const found: Array<Clause> = []
  let i = 0
  const word = (at = i) => item[at]?.word ?? ""
  const group = () => {
    if (item[i]?.text !== "(") return
    let depth = 0
    do {
      if (item[i]?.text === "(") depth++
      if (item[i]?.text === ")") depth--
      i++
    } while (depth > 0 && i < item.length)
  }
  const onConflict = () => {
    if (word() === "ON" && word(i + 1) === "CONFLICT") i += 3
  }
  const reference = () => {
    i++
    group()
    for (;;) {
      if (word() === "ON") i += ["SET", "NO"].includes(word(i + 2)) ? 4 : 3
      else if (word() === "MATCH") i += 2
      else if (word() === "NOT" && word(i + 1) === "DEFERRABLE") i += 2
      else if (word() === "DEFERRABLE") i++
      else if (word() === "INITIALLY") i += 2
      else return
    }
  }
  const next = (): ClauseKind => {
    const at = word()
    i++
    switch (at) {
      case "PRIMARY":
        i++
        group()
        if (word() === "ASC" || word() === "DESC") i++
        onConflict()
        if (word() === "AUTOINCREMENT") i++
        return "primary key"
      case "NOT":
        i++
        onConflict()
        return "not null"
      case "UNIQUE":
        group()
        onConflict()
        return "unique"
      case "CHECK":
        group()
        onConflict()
        return "check"
      case "DEFAULT":
        if (item[i]?.text === "(") group()
        else i += item[i]?.text === "+" || item[i]?.text === "-" ? 2 : 1
        // A blob is X and its digits.
        if (word(i - 1) === "X" && item[i]?.text.startsWith("'")) i++
        return "default"
      case "COLLATE":
        i++
        return "collate"
      case "REFERENCES":
        reference()
        return "references"
      case "FOREIGN":
        i++
        group()
        i++
        reference()
        return "foreign key"
      case "GENERATED":
        i += 2
        group()
        if (word() === "STORED" || word() === "VIRTUAL") i++
        return "generated"
      case "AS":
        group()
        if (word() === "STORED" || word() === "VIRTUAL") i++
        return "generated"
      default:
        onConflict()
        return "null"
    }
  }
  while (i < item.length) {
    const start = i
    let name: string | undefined
    if (word() === "CONSTRAINT") {
      name = unquote(item[i + 1]?.text ?? "")
      i += 2
    }
    const kind = next()
    const part = item.slice(start, i)
    const inner = parenthesised(part)
    found.push({
      kind,
      name,
      text: slice(source, part),
      inner: slice(source, inner),
      words: part.flatMap((token) => (token.word === "" ? [] : [token.word])),
      columns: kind === "check" || kind === "default" || kind === "generated" ? [] : names(inner)
    })
  }
  return found
}

/**
 * The text of a CREATE INDEX: its parts, its condition, and all that stands behind the table's name.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseIndex = (
  source: string
): { readonly parts: ReadonlyArray<string>; readonly where?: string | undefined; readonly over: string } => {
  const all = tokens(source)
  const open = all.findIndex((token) => token.text === "(")
  const inner = parenthesised(all)
  const parts: Array<Array<Token>> = [[]]
  let depth = 0
  for (const token of inner) {
    if (token.text === "(") depth++
    if (token.text === ")") depth--
    if (token.text === "," && depth === 0) parts.push([])
    else parts.at(-1)?.push(token)
  }
  const behind = all.slice(open + inner.length + 2)
  return {
    parts: parts.map((part) => slice(source, part)),
    where: behind[0]?.word === "WHERE" ? slice(source, behind.slice(1)) : undefined,
    over: slice(source, all.slice(Math.max(open, 0)))
  }
}

const parenthesised = (part: ReadonlyArray<Token>): ReadonlyArray<Token> => {
  const open = part.findIndex((token) => token.text === "(")
  if (open < 0) return []
  let depth = 0
  for (let i = open; i < part.length; i++) {
    if (part[i]?.text === "(") depth++
    if (part[i]?.text === ")" && --depth === 0) return part.slice(open + 1, i)
  }
  return []
}

const names = (inner: ReadonlyArray<Token>): ReadonlyArray<string> =>
  inner.filter((_, i) => i === 0 || inner[i - 1]?.text === ",").map((token) => unquote(token.text))

/** @since 0.1.0 @category rendering */
export const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** Words that are no names without quotes, or mean something else (SQLite, parse.y: what does not fall back to a name). */
const keywords = new Set(
  "add all alter and as asc autoincrement between by case cast check collate commit constraint create current_date current_time current_timestamp default deferrable delete desc distinct drop else end escape except exists false filter foreign from glob group having in index insert intersect into is isnull join like limit match not nothing notnull null nulls on or order over primary raise references regexp returning select set table then to transaction true union unique update using values when where window".split(
    " "
  )
)

/** Whether it stands in quotes it does not need. */
const isOverquoted = (text: string): boolean =>
  /^["`[][A-Za-z_]\w*["`\]]$/.test(text) && !keywords.has(unquote(text).toLowerCase())

/**
 * A text as it is compared: a rename quotes the name wherever it stands, and that is no difference. It says what it said.
 *
 * @since 0.1.0
 * @category conversions
 */
export const plain = (text: string): string => {
  let end = 0
  let result = ""
  for (const token of tokens(text)) {
    if (token.start > end && result !== "") result += " "
    result += isOverquoted(token.text) ? unquote(token.text) : token.text
    end = token.end
  }
  return result
}

/**
 * What an expression or a type says, whatever its blanks, comments, outer parentheses, quotes around names, and the case of
 * its words: none of these means anything to SQLite.
 *
 * @since 0.1.0
 * @category conversions
 */
export const normal = (text: string): string => {
  const all = tokens(text)
  const words = all.map((token) =>
    token.word !== "" || isOverquoted(token.text) ? unquote(token.text).toLowerCase() : token.text
  )
  return parenthesised(all).length === all.length - 2 && words[0] === "("
    ? normal(slice(text, parenthesised(all)))
    : words.join(" ")
}

/** @since 0.1.0 @category rendering */
export const render = (name: string, source: TableSource): string => {
  const lines = [
    ...source.columns.map((c) =>
      [identifier(c.name), c.type, ...c.clauses.map((clause) => clause.text)].filter((part) => part !== "").join(" ")
    ),
    ...source.constraints.map((constraint) => constraint.text)
  ]
  const options = source.options === "" ? "" : ` ${source.options}`
  return `CREATE TABLE ${identifier(name)} (\n  ${lines.join(",\n  ")}\n)${options}`
}

/** A clause of our own making. @since 0.1.0 @category constructors */
export const clause = (text: string): Clause => {
  const [found] = clauses(text, tokens(text))
  return found ?? { kind: "null", text, words: [], columns: [] }
}
