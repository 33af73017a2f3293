/**
 * Columns and constraints in SQLite's words. The declared type is what values are decoded by (BOOLEAN, TIMESTAMPTZ, JSON);
 * a decimal is kept as text, because NUMERIC would make a double of it. A key numbered by the database is
 * `INTEGER PRIMARY KEY AUTOINCREMENT`, the one form SQLite has.
 *
 * @since 0.1.0
 */
import type { Default, OnDelete, SqlType } from "../../model/Column.js"
import { UnsupportedError } from "../../model/DatabaseError.js"
import {
  constraintName,
  type Index,
  type Named,
  type NamedColumn,
  shortName,
  type TableConstraint,
  type TableDefinition
} from "../../model/Table.js"
import { type ColumnSource, clause, identifier, type TableSource } from "./tableSource.js"

/** @since 0.1.0 @category rendering */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`

const list = (names: ReadonlyArray<string>): string => `(${names.map(identifier).join(", ")})`

const refuse = (reason: string, hint: string): never => {
  throw new UnsupportedError({ operation: "ddl", reason, hint })
}

/** The words meant for SQLite. @since 0.1.0 @category rendering */
export const own = (sql: string | Readonly<Record<string, string>>): string =>
  typeof sql === "string"
    ? sql
    : (sql.sqlite ??
      refuse(`no SQL is given for sqlite, only for ${Object.keys(sql).join(", ")}`, `Add the entry "sqlite" to it`))

const types = {
  text: "TEXT",
  boolean: "BOOLEAN",
  uuid: "TEXT",
  timestamptz: "TIMESTAMPTZ",
  date: "DATE",
  json: "JSON",
  bytes: "BLOB",
  int2: "SMALLINT",
  int4: "INTEGER",
  int8: "BIGINT",
  float8: "DOUBLE PRECISION",
  enum: "TEXT",
  array: "JSON"
} as const

/** @since 0.1.0 @category rendering */
export const type = (t: SqlType): string => {
  switch (t._tag) {
    case "varchar":
      return `VARCHAR(${t.length})`
    case "numeric":
      return `DECIMAL_TEXT(${t.precision}, ${t.scale})`
    case "raw":
      return own(t.sql)
    default:
      return types[t._tag]
  }
}

const value = (v: unknown): string => {
  if (v === null || v === undefined) return "NULL"
  if (typeof v === "boolean") return v ? "1" : "0"
  if (v instanceof Date) return literal(v.toISOString())
  if (v instanceof Uint8Array) return `X'${Buffer.from(v).toString("hex")}'`
  if (typeof v === "object") return literal(JSON.stringify(v))
  if (Number.isNaN(v)) return refuse("SQLite has no NaN", "Leave the default out, or take a number")
  // A number too large to be one is infinite there.
  return typeof v === "string" ? literal(v) : String(v).replace("Infinity", "9e999")
}

const expression = (d: Exclude<Default, { readonly _tag: "identity" }>, t: SqlType): string => {
  switch (d._tag) {
    case "value":
      return t._tag === "json" ? literal(JSON.stringify(d.value)) : value(d.value)
    case "sql":
      return `(${own(d.sql)})`
    case "now":
      return t._tag === "date" ? "(date('now'))" : "(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))"
    case "uuid":
      return "(gen_random_uuid())"
  }
}

/** @since 0.1.0 @category rendering */
export const defaultClause = (d: Default, t: SqlType): string =>
  d._tag === "identity"
    ? refuse("SQLite numbers only a table's primary key", "Make the column the primary key of its table")
    : `DEFAULT ${expression(d, t)}`

/** How the CHECK is named that stands for an enum's type: found again by its end when a value is added. @since 0.1.0 @category rendering */
export const enumCheck = (table: string, column: string, name: string): string =>
  shortName(`${table}_${column}_${enumSuffix(name)}`)

/** @since 0.1.0 @category rendering */
export const enumSuffix = (name: string): string => `${name}_enum`

/** @since 0.1.0 @category rendering */
export const enumClause = (name: string, column: string, values: ReadonlyArray<string>): string =>
  `CONSTRAINT ${identifier(name)} CHECK (${identifier(column)} IN (${values.map(literal).join(", ")}))`

/** What follows the column's name and type. @since 0.1.0 @category rendering */
export const column = (table: string, c: NamedColumn): ColumnSource => {
  const identity = c.default?._tag === "identity"
  const texts: ReadonlyArray<string | undefined> = identity
    ? [
        `CONSTRAINT ${identifier(constraintName(table, { kind: "primary key", columns: [c.name] }))} PRIMARY KEY AUTOINCREMENT`
      ]
    : [
        c.nullable ? undefined : "NOT NULL",
        c.collate === undefined ? undefined : `COLLATE ${identifier(c.collate)}`,
        c.default === undefined ? undefined : defaultClause(c.default, c.type),
        c.computed === undefined
          ? undefined
          : `GENERATED ALWAYS AS (${c.computed.sql}) ${c.computed.stored ? "STORED" : "VIRTUAL"}`,
        c.type._tag === "enum" ? enumClause(enumCheck(table, c.name, c.type.name), c.name, c.type.values) : undefined
      ]
  return {
    name: c.name,
    type: identity ? "INTEGER" : type(c.type),
    clauses: texts.filter((text) => text !== undefined).map(clause)
  }
}

const action = (on: "UPDATE" | "DELETE", does: OnDelete | undefined): string =>
  does === undefined || does === "no action" ? "" : ` ON ${on} ${does.toUpperCase()}`

/** @since 0.1.0 @category rendering */
export const constraint = (c: Named<TableConstraint>): string => {
  const name = `CONSTRAINT ${identifier(c.name)}`
  switch (c.kind) {
    case "primary key":
      return `${name} PRIMARY KEY ${list(c.columns)}`
    case "unique":
      return `${name} UNIQUE ${list(c.columns)}`
    case "check":
      return `${name} CHECK (${c.sql})`
    case "foreign key":
      return (
        `${name} FOREIGN KEY ${list(c.columns)} REFERENCES ${identifier(c.table)} ${list(c.targets)}` +
        `${action("DELETE", c.onDelete)}${action("UPDATE", c.onUpdate)}` +
        `${c.deferrable === true ? " DEFERRABLE INITIALLY DEFERRED" : ""}`
      )
    case "exclude":
      return refuse("SQLite has no exclusion constraints", "Use a unique index or a trigger there")
  }
}

/** @since 0.1.0 @category rendering */
export const table = (t: TableDefinition): TableSource => {
  const numbered = t.columns.filter((c) => c.default?._tag === "identity")
  const key = t.constraints.find((c) => c.kind === "primary key")
  if (numbered.length > 0) {
    const alone = numbered.length === 1 && key?.columns.length === 1 && key.columns[0] === numbered[0]?.name
    if (!alone) {
      refuse(
        `SQLite numbers only a table's one primary key column, "${t.name}.${numbered[0]?.name}" is not that`,
        "Make it the primary key, or leave identity away"
      )
    }
  }
  return {
    columns: t.columns.map((c) => column(t.name, c)),
    // The numbered key stands at its column; SQLite refuses it twice.
    constraints: t.constraints
      .filter((c) => numbered.length === 0 || c.kind !== "primary key")
      .map((c) => clause(constraint(c))),
    options: ""
  }
}

/** SQLite builds every index at once; `concurrently` and the access method say nothing here. @since 0.1.0 @category rendering */
export const createIndex = (table: string, index: Named<Index>, ifNotExists: boolean): string =>
  `CREATE ${index.unique === true ? "UNIQUE " : ""}INDEX ${ifNotExists ? "IF NOT EXISTS " : ""}` +
  `${identifier(index.name)} ON ${identifier(table)} ${index.over?.sqlite ?? over(index)}`

const over = (index: Named<Index>): string =>
  `(${index.columns.map((part) => (typeof part === "string" ? identifier(part) : part.sql)).join(", ")})` +
  `${index.where === undefined ? "" : ` WHERE ${index.where}`}`
