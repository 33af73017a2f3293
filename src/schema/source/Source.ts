/**
 * TypeScript as a person would write it: 2 spaces, lines of 120 columns, one line where it fits. Whatever comes from a
 * database is written as a literal whose every unusual character is escaped, so that no name ends a string or a comment.
 *
 * @since 0.1.0
 */

/** A piece of source: a text, pieces behind one another, or a list that stands on one line or on several. @since 0.1.0 @category models */
export type Source = string | ReadonlyArray<Source> | List

interface List {
  readonly open: "(" | "[" | "{"
  readonly items: ReadonlyArray<Source>
  /** On several lines even where one would do. */
  readonly spread: boolean
}

const isList = (source: Source): source is List => typeof source === "object" && "open" in source

const closing = { "(": ")", "[": "]", "{": "}" } as const

/** Several objects of several fields stand below one another. @since 0.1.0 @category constructors */
export const array = (items: ReadonlyArray<Source>): Source => ({
  open: "[",
  items,
  spread: items.length > 1 && items.every((item) => isList(item) && item.open === "{" && item.items.length > 1)
})

/** @since 0.1.0 @category constructors */
export const object = (
  fields: ReadonlyArray<readonly [key: string, value: Source]>,
  options: { readonly spread?: boolean } = {}
): Source => ({
  open: "{",
  items: fields.map(([key, value]) => [keyOf(key), ": ", value]),
  spread: options.spread === true
})

/** @since 0.1.0 @category constructors */
export const call = (name: Source, ...args: ReadonlyArray<Source>): Source => [
  name,
  { open: "(", items: args, spread: false }
]

/** In an object literal, `__proto__` is a key of its own only in brackets. */
const keyOf = (key: string): string =>
  key === "__proto__" ? `["__proto__"]` : /^[A-Za-z_$][\w$]*$/.test(key) ? key : text(key)

/** Control and format characters (one that turns the reading direction, say), line ends, and halves of pairs. */
const unusual = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]/gu

/** As it may stand in a comment of one line. @since 0.1.0 @category constructors */
export const printable = (value: string): string =>
  value.replace(unusual, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`)

/** A field of what that name stands for. @since 0.1.0 @category constructors */
export const member = (of: string, key: string): string =>
  /^[A-Za-z_$][\w$]*$/.test(key) ? `${of}.${key}` : `${of}[${text(key)}]`

/** An object of variables under their own names. @since 0.1.0 @category constructors */
export const shorthand = (names: ReadonlyArray<string>): Source => ({ open: "{", items: names, spread: false })

/** A string literal, in the quotes that need fewer escapes. @since 0.1.0 @category constructors */
export const text = (value: string): string => {
  const body = printable(JSON.stringify(value).slice(1, -1))
  const count = (quote: string) => value.split(quote).length
  if (count('"') <= count("'")) return `"${body}"`
  return `'${body.replace(/\\[\s\S]/g, (c) => (c === '\\"' ? '"' : c)).replaceAll("'", "\\'")}'`
}

const flat = (source: Source): string => {
  if (typeof source === "string") return source
  if (!isList(source)) return source.map(flat).join("")
  const inside = source.items.map(flat).join(", ")
  return source.open === "{" && inside !== "" ? `{ ${inside} }` : `${source.open}${inside}${closing[source.open]}`
}

const isSpread = (source: Source): boolean =>
  typeof source === "string"
    ? false
    : isList(source)
      ? source.spread || source.items.some(isSpread)
      : source.some(isSpread)

const width = 120

/**
 * The text of a piece that begins in `column` of a line indented by `indent`, with `rest` characters to follow on its last
 * line.
 *
 * @since 0.1.0
 * @category rendering
 */
export const print = (source: Source, indent: number, column: number, rest = 0): string => {
  const line = flat(source)
  if (!isSpread(source) && column + line.length + rest <= width) return line
  if (typeof source === "string") return source
  if (!isList(source)) {
    const [key, colon, value] = source
    if (colon === ": " && typeof key === "string" && typeof value === "string" && key.length > 2) {
      return `${key}:\n${" ".repeat(indent + 2)}${value}`
    }
    let written = ""
    source.forEach((piece, i) => {
      const begun = written.lastIndexOf("\n")
      const at = begun < 0 ? column + written.length : written.length - begun - 1
      written += print(piece, indent, at, start(source.slice(i + 1), rest))
    })
    return written
  }
  const { items, open } = source
  if (items.length === 0) return `${open}${closing[open]}`
  const last = items.at(-1)
  const before = items.slice(0, -1)
  // An object or a list behind what fits on the line goes on there.
  if (open === "(" && last !== undefined && isList(last) && last.items.length > 0 && !isLike(before.at(-1), last)) {
    const opening = `(${before.map((item) => `${flat(item)}, `).join("")}`
    const hugged = `${opening}${print({ ...last, spread: true }, indent, column + opening.length)})`
    if (!before.some(isSpread) && column + hugged.indexOf("\n") <= width) return hugged
  }
  const inner = indent + 2
  const lines = items.map((item, i) => {
    const comma = i < items.length - 1 ? "," : ""
    return `${" ".repeat(inner)}${print(item, inner, inner, comma.length)}${comma}`
  })
  return `${open}\n${lines.join("\n")}\n${" ".repeat(indent)}${closing[open]}`
}

/** How much of what follows stands on the same line whatever is done: up to the first list that can be spread. */
const start = (pieces: ReadonlyArray<Source>, rest: number): number => {
  let length = 0
  for (const piece of pieces) {
    if (isList(piece) && piece.items.length > 0) return length + 1
    length += flat(piece).length
  }
  return length + rest
}

const isLike = (one: Source | undefined, other: List): boolean =>
  one !== undefined && isList(one) && one.open === other.open

/**
 * A value as an expression that gives it again; nothing for what only a program can make.
 *
 * @since 0.1.0
 * @category constructors
 */
export const literal = (value: unknown): Source | undefined => {
  switch (typeof value) {
    case "string":
      return text(value)
    case "number":
      return numeral(value)
    case "bigint":
      return `${value}n`
    case "boolean":
    case "undefined":
      return String(value)
    case "object":
      return value === null ? "null" : structure(value)
    default:
      return undefined
  }
}

const numeral = (value: number): string => {
  if (Number.isNaN(value)) return "Number.NaN"
  if (!Number.isFinite(value)) return value > 0 ? "Number.POSITIVE_INFINITY" : "Number.NEGATIVE_INFINITY"
  return Object.is(value, -0) ? "-0" : String(value).replace("e+", "e")
}

const structure = (value: object): Source | undefined => {
  if (value instanceof Date) {
    return call("new Date", Number.isNaN(value.getTime()) ? "Number.NaN" : text(value.toISOString()))
  }
  if (value instanceof Uint8Array) return call("Uint8Array.of", ...Array.from(value, String))
  if (Array.isArray(value)) {
    const items = value.map(literal)
    return all(items) ? array(items) : undefined
  }
  const proto = Object.getPrototypeOf(value)
  if (proto !== Object.prototype && proto !== null) return undefined
  const fields = Object.entries(value).map(([key, one]) => [key, literal(one)] as const)
  return fields.every(isWritten) ? object(fields) : undefined
}

const isWritten = (field: readonly [string, Source | undefined]): field is readonly [string, Source] =>
  field[1] !== undefined

const all = (items: ReadonlyArray<Source | undefined>): items is ReadonlyArray<Source> =>
  items.every((item) => item !== undefined)
