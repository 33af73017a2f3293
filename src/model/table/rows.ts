/**
 * Rows read and written through a table: schemas to give to `SqlSchema`, `SqlResolver` or `Schema.decodeUnknown`. What they
 * decode is what any product's driver hands out for the table's columns, what they encode is what any of them takes, under the
 * columns' names in SQL. A value the column cannot hold everywhere (an int4 of 33 bits, a digit too many) is a `ParseError`.
 *
 * @since 0.1.0
 */
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import type { Column, SqlType } from "../Column.js"
import type { Insert, Row, Table, Update } from "../Table.js"
import { type Kind, kindOf } from "./kind.js"
import { list, wire } from "./wire.js"

/** A row as drivers hand it out and take it: by names in SQL. @since 0.1.0 @category models */
export type Encoded = Readonly<Record<string, unknown>>

/** A local midnight, as drivers mean a day: `new Date(y, m, d)` would take year 44 for 1944. */
const midnight = (day: string): Date => {
  const [year = 0, month = 1, date = 1] = day.replace(" BC", "").split("-").map(Number)
  const found = new Date(2000, 0, 1)
  found.setFullYear(day.endsWith(" BC") ? 1 - year : year, month - 1, date)
  return found
}

/** The column's value as what its schema decodes: a `Schema.BigInt` wants an int8 as text, a `BooleanFromNumber` 0 or 1. */
const asKind = (kind: Kind | undefined, value: unknown): unknown => {
  switch (kind) {
    case "string":
      if (value instanceof Date) return value.toISOString()
      return typeof value === "bigint" || typeof value === "number" ? String(value) : value
    case "number":
      if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value
      // A decimal of more digits than a double holds stays as it is, for the schema to refuse.
      if (typeof value === "string") return value.replace(/\D/g, "").length <= 15 ? Number(value) : value
      return value instanceof Date || typeof value === "boolean" ? Number(value) : value
    case "bigint":
      return typeof value === "number" || /^-?\d+$/.test(String(value)) ? BigInt(value as number) : value
    case "boolean":
      return value === 1 || value === 1n ? true : value === 0 || value === 0n ? false : value
    case "date":
      return typeof value === "string" ? midnight(value) : value
    default:
      return value
  }
}

const presented = (type: SqlType, ast: AST.AST): ((value: unknown) => unknown) => {
  if (type._tag === "json" || type._tag === "raw") return (value) => value
  if (type._tag !== "array") {
    const kind = kindOf(ast)
    return (value) => asKind(kind, value)
  }
  const of = AST.encodedAST(ast)
  const element = AST.isTupleType(of) ? of.rest[0]?.type : undefined
  const one = element === undefined ? (value: unknown) => value : presented(type.of, element)
  return (value) => (value as ReadonlyArray<unknown>).map((item) => (item === null ? item : one(item)))
}

/** Within an array a union with NULL is not the array itself. */
const source = (column: Column.Any): AST.AST => {
  const encoded = AST.encodedAST(column.schema.ast)
  const found = AST.isUnion(encoded) ? encoded.types.find(AST.isTupleType) : undefined
  return column.type._tag === "array" && found !== undefined ? found : column.schema.ast
}

const worded = (type: SqlType): string =>
  type._tag === "numeric" ? `numeric(${type.precision}, ${type.scale})` : type._tag

/** What travels as it is: the column's own schema says all of it, at a fifth of the cost. */
const travelsAsItIs = new Set<SqlType["_tag"]>(["text", "enum"])

const cell = (column: Column.Any): Schema.Schema<unknown, unknown> => {
  if (travelsAsItIs.has(column.type._tag)) return column.schema
  const { read, write } = wire(column.type)
  const present = presented(column.type, source(column))
  const refused = (ast: AST.AST, value: unknown) =>
    ParseResult.fail(new ParseResult.Type(ast, value, `Expected a value of a ${worded(column.type)} column`))
  return Schema.transformOrFail(Schema.Unknown, column.schema, {
    decode: (sent, _, ast) => {
      if (sent === null) return ParseResult.succeed(null)
      const value = read(sent)
      return value === undefined ? refused(ast, sent) : ParseResult.succeed(present(value))
    },
    encode: (own, _, ast) => {
      // In a column that is never NULL, null is what JSON calls so.
      if (own === null && (column.nullable || column.type._tag !== "json")) return ParseResult.succeed(null)
      const value = read(own)
      const sent = value === undefined ? undefined : write(value)
      if (sent === undefined) return refused(ast, own)
      return ParseResult.succeed(column.type._tag === "array" ? list(value, sent) : sent)
    }
  })
}

type Entry = readonly [key: string, column: Column.Any]

const struct = (entries: ReadonlyArray<Entry>, mayLack: (column: Column.Any) => boolean) =>
  Schema.Struct(
    Object.fromEntries(
      entries.map(([key, column]) => {
        const name = column.name ?? key
        const field = mayLack(column)
          ? Schema.fromKey(Schema.optional(cell(column)), name)
          : Schema.fromKey(Schema.propertySignature(cell(column)), name)
        // Of no type that could be told: which keys there are is known when the program runs.
        return [key, field as unknown as typeof Schema.Unknown]
      })
    )
  )

/** Without the keys whose value is undefined: said to a database, those would be NULL instead of the column's default. */
const said = (fields: ReturnType<typeof struct>) =>
  Schema.transform(Schema.Unknown, fields, {
    strict: false,
    decode: (row) => row,
    encode: (row) => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined))
  })

const writable = (table: Table) => Object.entries(table.columns).filter(([, column]) => !column.generated)

/**
 * A row as a SELECT gives it, with the same values on every product: `SqlSchema.findAll({ Result: Table.row(users), … })`.
 * Columns that the table does not have are left out; `Schema.pick` where a SELECT does not ask for all of them.
 *
 * @since 0.1.0
 * @category schemas
 */
export const row = <T extends Table>(table: T): Schema.Schema<Row<T>, Encoded> =>
  // The columns' own schemas say what the mapped type says.
  struct(Object.entries(table.columns), () => false) as never

/**
 * What `sql.insert` takes. A column left out is left to its default; rows of one statement leave out the same ones.
 *
 * @since 0.1.0
 * @category schemas
 */
export const insert = <T extends Table>(table: T): Schema.Schema<Insert<T>, Encoded> =>
  // As in `row`.
  said(struct(writable(table), (column) => column.optional)) as never

/** What `sql.update` takes: the columns that change. @since 0.1.0 @category schemas */
export const update = <T extends Table>(table: T): Schema.Schema<Update<T>, Encoded> =>
  // As in `row`.
  said(struct(writable(table), () => true)) as never
