/**
 * Columns as the builders of `Table` that make them. What no builder makes has none here, and is written as plain data.
 *
 * @since 0.1.0
 */
import type { ColumnDefinition, Default, Reference, SqlType } from "../../model/Column.js"
import type { NamedColumn } from "../../model/Table.js"
import { array, call, literal, object, type Source, text } from "./Source.js"

const builders = {
  text: "Table.text",
  boolean: "Table.boolean",
  uuid: "Table.uuid",
  timestamptz: "Table.timestamp",
  date: "Table.date",
  json: "Table.json(Schema.Unknown)",
  bytes: "Table.bytes",
  int2: "Table.smallint",
  int4: "Table.int",
  int8: "Table.bigint",
  float8: "Table.float"
} as const

/** What stands for an enum; nothing: the call that makes it. @since 0.1.0 @category models */
export type EnumSource = (name: string) => string | undefined

/** Each made where it stands. @since 0.1.0 @category defaults */
export const inline: EnumSource = () => undefined

/** A column of this type. @since 0.1.0 @category constructors */
export const ofType = (type: SqlType, enums: EnumSource = inline): Source => {
  switch (type._tag) {
    case "varchar":
      return call("Table.varchar", String(type.length))
    case "numeric":
      return call("Table.numeric", String(type.precision), ...(type.scale === 0 ? [] : [String(type.scale)]))
    case "enum":
      return enums(type.name) ?? call("Table.enums", text(type.name), array(type.values.map(text)))
    case "array":
      return call("Table.array", ofType(type.of, enums))
    case "raw":
      return call(
        "Table.raw",
        object(Object.entries(type.sql).map(([product, sql]) => [product, text(sql)])),
        "Schema.Unknown"
      )
    default:
      return builders[type._tag]
  }
}

/** An enum without words is no builder's. @since 0.1.0 @category guards */
export const isBuilt = (type: SqlType): boolean =>
  type._tag === "array" ? isBuilt(type.of) : type._tag !== "enum" || type.values.length > 0

/** One SQL for all products, or one for each. @since 0.1.0 @category constructors */
export const sqlOf = (sql: string | Readonly<Record<string, string>>): Source =>
  typeof sql === "string" ? text(sql) : object(Object.entries(sql).map(([product, one]) => [product, text(one)]))

/** What a builder takes for its column's default, so that the file compiles. */
const fits = (value: unknown, type: SqlType, nullable: boolean): boolean => {
  if (value === null) return nullable
  switch (type._tag) {
    case "json":
    case "raw":
      return value !== undefined
    case "array":
      return Array.isArray(value) && value.every((item) => fits(item, type.of, false))
    case "boolean":
      return typeof value === "boolean"
    case "int2":
    case "int4":
    case "float8":
      return typeof value === "number"
    case "int8":
      return typeof value === "bigint"
    case "timestamptz":
      return value instanceof Date
    case "bytes":
      return value instanceof Uint8Array
    case "enum":
      return typeof value === "string" && type.values.includes(value)
    default:
      return typeof value === "string"
  }
}

/** Words that mean something else where they are a default. */
const means = (value: unknown, type: SqlType): boolean =>
  (value === "now" && type._tag === "date") || (value === "uuid" && type._tag === "uuid")

const defaultOf = (found: Default, type: SqlType, nullable: boolean): Source | undefined => {
  switch (found._tag) {
    case "now":
      return type._tag === "timestamptz" || type._tag === "date" ? call("Table.withDefault", text("now")) : undefined
    case "uuid":
      return type._tag === "uuid" ? call("Table.withDefault", text("uuid")) : undefined
    case "identity":
      return found.always ? "Table.identity" : "Table.identityByDefault"
    case "sql":
      return call("Table.defaultSql", sqlOf(found.sql))
    case "value": {
      const value = fits(found.value, type, nullable) && !means(found.value, type) ? literal(found.value) : undefined
      return value === undefined ? undefined : call("Table.withDefault", value)
    }
  }
}

const options = (reference: Omit<Reference, "target">): ReadonlyArray<Source> => {
  const fields = optional(reference, ["onDelete", "onUpdate", "deferrable"])
  return fields.length === 0 ? [] : [object(fields)]
}

/** Those that are said, as fields. @since 0.1.0 @category accessors */
export const optional = <A extends object>(from: A, names: ReadonlyArray<keyof A & string>) =>
  names.flatMap((name): ReadonlyArray<readonly [string, Source]> => {
    const value = from[name] === undefined ? undefined : literal(from[name])
    return value === undefined ? [] : [[name, value]]
  })

const piped = (start: Source, modifiers: ReadonlyArray<Source>): Source =>
  modifiers.length === 0 ? start : call([start, ".pipe"], ...modifiers)

/** A column with all that stands at it; nothing where no builder makes that. @since 0.1.0 @category constructors */
export const column = (c: ColumnDefinition, enums: EnumSource = inline): Source | undefined => {
  const filled = c.default === undefined ? undefined : defaultOf(c.default, c.type, c.nullable)
  const { references } = c
  const isTarget = references === undefined || /.\../s.test(references.target)
  if (!isBuilt(c.type) || !isTarget || (c.default !== undefined && filled === undefined)) return undefined
  if (c.computed !== undefined && filled !== undefined) return undefined
  return piped(ofType(c.type, enums), [
    ...(c.nullable ? ["Table.nullable"] : []),
    ...(c.primaryKey === true ? ["Table.primaryKey"] : []),
    ...(filled === undefined ? [] : [filled]),
    ...(c.computed === undefined
      ? []
      : [call("Table.computed", text(c.computed.sql), ...(c.computed.stored ? [] : [object([["stored", "false"]])]))]),
    ...(c.unique === true ? ["Table.unique"] : []),
    ...(references === undefined ? [] : [call("Table.references", text(references.target), ...options(references))]),
    ...(c.check === undefined ? [] : [call("Table.check", text(c.check))]),
    ...(c.collate === undefined ? [] : [call("Table.collate", text(c.collate))]),
    ...(c.comment === undefined ? [] : [call("Table.comment", text(c.comment))]),
    ...(c.name === undefined ? [] : [call("Table.named", text(c.name))])
  ])
}

/** A column that carries this default and nothing else. @since 0.1.0 @category constructors */
export const carrying = (found: Default, type: SqlType | undefined): Source | undefined => {
  const candidates: ReadonlyArray<SqlType> = [
    ...(type === undefined ? [] : [type]),
    ...(["text", "int4", "boolean", "timestamptz", "uuid", "int8", "bytes", "json"] as const).map((_tag) => ({ _tag }))
  ]
  for (const one of candidates) {
    const filled = isBuilt(one) ? defaultOf(found, one, false) : undefined
    if (filled !== undefined) return piped(ofType(one), [filled])
  }
  return undefined
}

const facts = [
  "type",
  "nullable",
  "default",
  "primaryKey",
  "unique",
  "name",
  "comment",
  "references",
  "check",
  "computed",
  "collate"
] as const satisfies ReadonlyArray<keyof ColumnDefinition>

/** What a product needs to know of it, and nothing that is a program's. @since 0.1.0 @category conversions */
export const plain = (c: NamedColumn): NamedColumn =>
  // The names are those of the definition's own fields.
  Object.fromEntries(facts.flatMap((name) => (c[name] === undefined ? [] : [[name, c[name]]]))) as never
