/**
 * What a statement does, read from its words for tracing: the verb, and the tables it names. Not a parser: texts and
 * comments are blanked out, and names are taken where SQL puts them. Never a parameter's value, never a literal.
 *
 * @since 0.1.0
 */

/** @since 0.1.0 @category models */
export interface Summary {
  /** `{verb} {tables}`, a span's name. */
  readonly name: string
  readonly verb: string
  /** The table, where it is the only one. */
  readonly table: string | undefined
}

/** Comments and texts; quoted names stay. Nested comments end at the first close. */
const hidden = /--[^\n]*|\/\*[\s\S]*?\*\/|\b[eE]'(?:[^'\\]|\\[\s\S]|'')*'|'(?:[^']|'')*'|\$(\w*)\$[\s\S]*?\$\1\$/g

const verbs = /\b(select|insert|update|delete|merge|values|table)\b|[()]/gi

const part = `(?:"(?:[^"]|"")+"|[\\p{L}_][\\p{L}\\p{N}_$]*)`
const name = `(${part}(?:\\s*\\.\\s*${part})*)`
const target = new RegExp(
  `\\b(from|join|into|update|table|truncate)\\s+(?:if\\s+(?:not\\s+)?exists\\s+|only\\s+|lateral\\s+|table\\s+)*${name}`,
  "giu"
)
/** What may follow a table in a list of them. */
const next = new RegExp(`\\s*(?:as\\s+)?(?:${part}\\s*)?,\\s*(?:only\\s+|lateral\\s+)?${name}`, "iuy")
const common = new RegExp(
  `\\b${name}\\s*(?:\\([^()]*\\)\\s*)?as\\s+(?:not\\s+materialized\\s+|materialized\\s+)?\\(`,
  "giu"
)
/** Functions that have a FROM of their own. */
const withFrom = /\b(?:extract|substring|trim|overlay)\s*\([^()]*\)/gi

/** Words that may stand where a table is looked for. */
const noTable = new Set(["set", "select", "lateral", "only", "unnest", "values"])

/** The statement's own verb: behind the parts of a WITH. */
const verbOf = (words: string): string => {
  const first = /^[\s(]*([a-z]+)/i.exec(words)?.[1]?.toUpperCase() ?? "SQL"
  if (first !== "WITH") return first
  let depth = 0
  for (const [found] of words.matchAll(verbs)) {
    if (found === "(") depth++
    else if (found === ")") depth--
    else if (depth === 0) return found.toUpperCase()
  }
  return first
}

const read = (text: string): Summary => {
  const words = text.replace(hidden, " ").replace(withFrom, " ")
  const verb = verbOf(words)
  const parts = new Set(Array.from(words.matchAll(common), (match) => match[1]?.toLowerCase()))
  const found = new Set<string>()
  /** Behind FROM a name with a parenthesis is a function. */
  const note = (table = "", end = 0, keyword = "from") => {
    const small = table.toLowerCase()
    if (noTable.has(small) || parts.has(small)) return
    if (/^(?:from|join)$/i.test(keyword) && /^\s*\(/.test(words.slice(end, end + 20))) return
    found.add(table.replace(/\s*\.\s*/g, "."))
  }
  for (const match of words.matchAll(target)) {
    const [all, keyword, table] = match
    note(table, match.index + all.length, keyword)
    next.lastIndex = match.index + all.length
    for (let more = next.exec(words); more !== null; more = next.exec(words)) note(more[1], next.lastIndex)
  }
  const tables = [...found]
  return { verb, table: tables.length === 1 ? tables[0] : undefined, name: [verb, ...tables].join(" ").slice(0, 255) }
}

const remembered = new Map<string, Summary>()

/** Summaries remembered; beyond that all are forgotten at once. */
const capacity = 500
const longest = 4096

/** The summary of a text. @since 0.1.0 @category conversions */
export const summary = (text: string): Summary => {
  const known = remembered.get(text)
  if (known !== undefined) return known
  const made = read(text.length > longest ? text.slice(0, longest) : text)
  if (text.length > longest) return made
  if (remembered.size >= capacity) remembered.clear()
  remembered.set(text, made)
  return made
}
