/**
 * The portable words for what a product prints, learned from the product: a table with one column of every type is made on
 * the scratch database, and what it is printed as is translated back. Where several types are one to a product, the first
 * counts.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type { Dialect } from "../Dialect.js"
import type { Default, SqlType } from "../model/Column.js"
import type { LiveEnum, LiveTable } from "../model/LiveSchema.js"
import * as Table from "../model/Table.js"
import { unquoted } from "./Spelling.js"

/** @since 0.1.0 @category defaults */
export const sample = Table.definition(
  Table.make(
    "aquifer_sample",
    {
      text: Table.text,
      boolean: Table.boolean,
      uuid: Table.uuid.pipe(Table.withDefault("uuid")),
      timestamptz: Table.timestamp.pipe(Table.withDefault("now")),
      date: Table.date.pipe(Table.withDefault("now")),
      json: Table.json(Schema.Unknown),
      bytes: Table.bytes,
      int4: Table.int,
      int2: Table.smallint,
      int8: Table.bigint,
      float8: Table.float,
      varchar: Table.varchar(7),
      numeric: Table.numeric(9, 2),
      array: Table.array(Table.text)
    },
    (c) => [Table.index([c.text])]
  )
)

/** @since 0.1.0 @category models */
export interface Words {
  readonly type: (printed: string, enums: ReadonlyArray<LiveEnum>) => SqlType
  readonly default: (printed: string, type: SqlType) => Default
  /** How an index is built when nothing is said. */
  readonly access: string | undefined
}

const pattern = (printed: string): RegExp =>
  new RegExp(
    `^${printed
      .replace(/[^\w\s]/g, "\\$&")
      .replace(/\d+/g, "(\\d+)")
      .replace(/\s+/g, "\\s*")}$`
  )

/** From the sample table, as it was printed. @since 0.1.0 @category constructors */
export const learned = (printed: LiveTable, dialect: Dialect): Words => {
  const same = dialect.normal ?? ((text: string) => text)
  const printedAs = new Map(printed.columns.map((column) => [column.name, same(column.type)]))
  const own = (sql: string) => ({ [dialect.speaks ?? dialect.name]: sql })
  const items = /^(.*)(\[.*\])$/.exec(printedAs.get("array") ?? "")?.[2]

  const type: Words["type"] = (text, enums) => {
    const words = enums.find(({ name }) => name === unquoted(text))
    if (words !== undefined) return { _tag: "enum", name: words.name, values: words.values }
    const found = sample.columns.find((column) => printedAs.get(column.name) === same(text))
    if (found !== undefined && found.type._tag !== "varchar" && found.type._tag !== "numeric") return found.type
    const numbers = (like: string) =>
      pattern(printedAs.get(like) ?? "")
        .exec(same(text))
        ?.slice(1)
        .map(Number)
    const [length] = numbers("varchar") ?? []
    if (length !== undefined) return { _tag: "varchar", length }
    const [precision, scale] = numbers("numeric") ?? []
    if (precision !== undefined && scale !== undefined) return { _tag: "numeric", precision, scale }
    if (items !== undefined && text.endsWith(items)) {
      return { _tag: "array", of: type(text.slice(0, -items.length), enums) }
    }
    return { _tag: "raw", sql: own(text) }
  }

  return {
    type,
    default: (text, type) => {
      const known = printed.columns.find(
        (c) => c.default === text && sample.columns.some(({ name }) => name === c.name)
      )
      const portable = sample.columns.find((column) => column.name === known?.name)?.default
      return portable ?? literal(text, type) ?? { _tag: "sql", sql: own(text) }
    },
    access: printed.indexes[0]?.using
  }
}

/** A text, a number or a truth that stands there plainly; anything that would have to be computed stays SQL. */
const literal = (text: string, type: SqlType): Default | undefined => {
  const value = (value: unknown): Default => ({ _tag: "value", value })
  const string = /^'((?:[^'\\]|'')*)'(?:::[\w\s".()]+)?$/.exec(text)?.[1]?.replaceAll("''", "'")
  // A negative one may be printed as a text that is cast.
  const number = string ?? text
  switch (type._tag) {
    case "text":
    case "varchar":
    case "enum":
    case "uuid":
      return string === undefined ? undefined : value(string)
    case "boolean":
      return /^(?:true|false|[01])$/.test(text) ? value(text === "true" || text === "1") : undefined
    case "int2":
    case "int4":
    case "float8":
      return String(Number(number)) === number ? value(Number(number)) : undefined
    case "int8":
      return /^-?\d{1,18}$/.test(number) ? value(BigInt(number)) : undefined
    case "numeric":
      return /^-?\d+(?:\.\d+)?$/.test(number) ? value(number) : undefined
    case "json":
      try {
        return string === undefined ? undefined : value(JSON.parse(string))
      } catch {
        return undefined
      }
    default:
      return undefined
  }
}
