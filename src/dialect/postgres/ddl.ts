/**
 * Changes as PostgreSQL says them. Constraints always carry their name, so that they can be dropped by it. A type change
 * is never forced with a cast of ours: an explicit cast cuts a text where an assignment would refuse it.
 *
 * @since 0.1.0
 */
import type { Dialect } from "../../Dialect.js"
import * as Change from "../../model/Change.js"
import type { Default, OnDelete, SqlType } from "../../model/Column.js"
import { UnsupportedError } from "../../model/DatabaseError.js"
import * as LiveSchema from "../../model/LiveSchema.js"
import {
  type Index,
  type Named,
  type NamedColumn,
  ownConstraints,
  type TableConstraint,
  type TableDefinition,
  withName
} from "../../model/Table.js"

/** @since 0.1.0 @category rendering */
export const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** Holds under `standard_conforming_strings`, the default since 9.1. @since 0.1.0 @category rendering */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`

const list = (names: ReadonlyArray<string>): string => `(${names.map(identifier).join(", ")})`

const qualified = (table: { readonly name: string; readonly schema?: string | undefined }): string =>
  table.schema === undefined ? identifier(table.name) : `${identifier(table.schema)}.${identifier(table.name)}`

const types = {
  text: "text",
  boolean: "boolean",
  uuid: "uuid",
  timestamptz: "timestamp with time zone",
  date: "date",
  json: "jsonb",
  bytes: "bytea",
  int2: "smallint",
  int4: "integer",
  int8: "bigint",
  float8: "double precision"
} as const

/**
 * Changes rendered for a product of this family; `products` are the names under which it looks for its own words, the
 * most particular first, and `names` its own for types.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeDdl = (
  products: ReadonlyArray<string>,
  names: Partial<Record<keyof typeof types, string>> = {}
): Dialect["ddl"] => {
  const own = (sql: string | Readonly<Record<string, string>>): string => {
    if (typeof sql === "string") return sql
    const found = products.find((product) => sql[product] !== undefined)
    const text = found === undefined ? undefined : sql[found]
    if (text !== undefined) return text
    throw new UnsupportedError({
      operation: "ddl",
      reason: `no SQL is given for ${products.join(" or ")}, only for ${Object.keys(sql).join(", ")}`,
      hint: `Add the entry "${products[0]}" to it`
    })
  }

  const type = (t: SqlType): string => {
    switch (t._tag) {
      case "varchar":
        return `character varying(${t.length})`
      case "numeric":
        return `numeric(${t.precision}, ${t.scale})`
      case "enum":
        return identifier(t.name)
      case "array":
        return `${type(t.of)}[]`
      case "raw":
        return own(t.sql)
      default:
        return names[t._tag] ?? types[t._tag]
    }
  }

  const value = (v: unknown, t: SqlType): string => {
    if (v === null || v === undefined) return "NULL"
    if (t._tag === "json") return `${literal(JSON.stringify(v))}::jsonb`
    if (Array.isArray(v)) return `ARRAY[${v.map((item) => value(item, t)).join(", ")}]::${type(t)}`
    if (v instanceof Date) return literal(v.toISOString())
    if (v instanceof Uint8Array) return `'\\x${Buffer.from(v).toString("hex")}'::bytea`
    return typeof v === "string" || (typeof v === "number" && !Number.isFinite(v)) ? literal(String(v)) : String(v)
  }

  const expression = (d: Default, t: SqlType): string => {
    switch (d._tag) {
      case "value":
        return value(d.value, t)
      case "sql":
        return own(d.sql)
      case "now":
        return t._tag === "date" ? "CURRENT_DATE" : "now()"
      case "uuid":
        return "gen_random_uuid()"
      case "identity":
        return `GENERATED ${d.always ? "ALWAYS" : "BY DEFAULT"} AS IDENTITY`
    }
  }

  const withDefault = (d: Default, t: SqlType): string =>
    d._tag === "identity" ? expression(d, t) : `DEFAULT ${expression(d, t)}`

  const column = (c: NamedColumn): string =>
    [
      identifier(c.name),
      type(c.type),
      c.collate === undefined ? undefined : `COLLATE ${identifier(c.collate)}`,
      c.nullable ? undefined : "NOT NULL",
      c.default === undefined ? undefined : withDefault(c.default, c.type),
      // Without the word the column would be virtual, which PostgreSQL has only since 18.
      c.computed === undefined
        ? undefined
        : `GENERATED ALWAYS AS (${c.computed.sql}) ${c.computed.stored ? "STORED" : "VIRTUAL"}`
    ]
      .filter((part) => part !== undefined)
      .join(" ")

  const comments = (table: TableDefinition): ReadonlyArray<string> => [
    ...(table.comment === undefined ? [] : [`COMMENT ON TABLE ${qualified(table)} IS ${literal(table.comment)}`]),
    ...table.columns.flatMap((c) => comment(qualified(table), c))
  ]

  return (change, before) =>
    Change.match(change, {
      CreateTable: ({ table, ifNotExists }) => {
        const lines = [...table.columns.map(column), ...table.constraints.map(constraint)]
        return [
          `CREATE TABLE ${ifNotExists ? "IF NOT EXISTS " : ""}${qualified(table)} (\n  ${lines.join(",\n  ")}\n)`,
          ...table.indexes.map((index) => createIndex(qualified(table), index, ifNotExists, products)),
          ...comments(table)
        ]
      },
      DropTable: ({ name, ifExists }) => [`DROP TABLE ${ifExists ? "IF EXISTS " : ""}${identifier(name)}`],
      RenameTable: ({ from, to }) => [`ALTER TABLE ${identifier(from)} RENAME TO ${identifier(to)}`],
      AddColumn: ({ table, column: c }) => [
        `ALTER TABLE ${identifier(table)} ${[
          `ADD COLUMN ${column(c)}`,
          ...(c.primaryKey === true
            ? [constraint(withName(table, { kind: "primary key", columns: [c.name] }))].map((text) => `ADD ${text}`)
            : []),
          ...ownConstraints(table, c).map((text) => `ADD ${constraint(text)}`)
        ].join(", ")}`,
        ...comment(identifier(table), c)
      ],
      DropColumn: ({ table, column: name }) => [`ALTER TABLE ${identifier(table)} DROP COLUMN ${identifier(name)}`],
      RenameColumn: ({ table, from, to }) => [
        `ALTER TABLE ${identifier(table)} RENAME COLUMN ${identifier(from)} TO ${identifier(to)}`
      ],
      AlterColumn: ({ table, column: name, to, was }) => {
        const alter = (text: string) => `ALTER TABLE ${identifier(table)} ALTER COLUMN ${identifier(name)} ${text}`
        const is = LiveSchema.table(before, table)?.columns.find((c) => c.name === name)
        const numbered = was === undefined ? is?.identity !== undefined : was.default?._tag === "identity"
        const numbers = to.default?._tag === "identity"
        const found: Array<string> = []
        if (to.default !== undefined && numbered && !numbers) found.push(alter("DROP IDENTITY"))
        // A default in the way of a type change, or of numbering, goes first; the new one comes after.
        else if (to.default === null || (to.default !== undefined && (to.type !== undefined || numbers) && !numbered)) {
          found.push(alter("DROP DEFAULT"))
        }
        if (to.type !== undefined) {
          const collate = typeof to.collate === "string" ? ` COLLATE ${identifier(to.collate)}` : ""
          found.push(alter(`TYPE ${type(to.type)}${collate}${to.using === undefined ? "" : ` USING ${to.using}`}`))
        }
        // A column that is numbered must not be null.
        if (to.nullable !== undefined) found.push(alter(to.nullable ? "DROP NOT NULL" : "SET NOT NULL"))
        if (to.default?._tag === "identity" && numbered) {
          found.push(alter(`SET GENERATED ${to.default.always ? "ALWAYS" : "BY DEFAULT"}`))
        } else if (to.default !== undefined && to.default !== null) {
          const text = expression(to.default, to.type ?? typeOf(is, to.default))
          found.push(alter(numbers ? `ADD ${text}` : `SET DEFAULT ${text}`))
        }
        return found
      },
      AddConstraint: ({ table, constraint: c }) => [`ALTER TABLE ${identifier(table)} ADD ${constraint(c)}`],
      DropConstraint: ({ table, name }) => [`ALTER TABLE ${identifier(table)} DROP CONSTRAINT ${identifier(name)}`],
      CreateIndex: ({ table, index, ifNotExists }) => [createIndex(identifier(table), index, ifNotExists, products)],
      DropIndex: ({ name, ifExists, concurrently }) => [
        `DROP INDEX ${concurrently ? "CONCURRENTLY " : ""}${ifExists ? "IF EXISTS " : ""}${identifier(name)}`
      ],
      Comment: ({ table, column: name, comment: text }) => [
        `COMMENT ON ${name === undefined ? `TABLE ${identifier(table)}` : `COLUMN ${identifier(table)}.${identifier(name)}`} IS ${text === null ? "NULL" : literal(text)}`
      ],
      CreateEnum: ({ name, values }) => [
        `CREATE TYPE ${identifier(name)} AS ENUM (${values.map((v) => literal(v)).join(", ")})`
      ],
      AddEnumValue: ({ name, value: v, before, after }) => {
        const at = before === undefined ? after : before
        const place = at === undefined ? "" : ` ${before === undefined ? "AFTER" : "BEFORE"} ${literal(at)}`
        return [`ALTER TYPE ${identifier(name)} ADD VALUE ${literal(v)}${place}`]
      },
      DropEnum: ({ name }) => [`DROP TYPE ${identifier(name)}`],
      Execute: ({ sql }) => [own(sql)]
    })
}

/** Enough of a column's type to write a default for it; a list is JSON where nothing is known. */
const typeOf = (column: LiveSchema.LiveColumn | undefined, value: Default): SqlType => {
  const of = /^(.*)\[\]$/.exec(column?.type ?? "")?.[1]
  if (of !== undefined) return { _tag: "array", of: { _tag: "raw", sql: { postgresql: of } } }
  const object = value._tag === "value" && typeof value.value === "object" && value.value !== null
  const plain = object && !(value.value instanceof Date || value.value instanceof Uint8Array)
  return { _tag: (column === undefined ? plain : /^jsonb?$/.test(column.type)) ? "json" : "text" }
}

const comment = (table: string, c: NamedColumn): ReadonlyArray<string> =>
  c.comment === undefined ? [] : [`COMMENT ON COLUMN ${table}.${identifier(c.name)} IS ${literal(c.comment)}`]

const action = (on: "UPDATE" | "DELETE", does: OnDelete | undefined): string =>
  does === undefined || does === "no action" ? "" : ` ON ${on} ${does.toUpperCase()}`

const constraint = (c: Named<TableConstraint>): string => {
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
        `${c.deferrable === true ? " DEFERRABLE INITIALLY DEFERRED" : ""}${c.notValid === true ? " NOT VALID" : ""}`
      )
    case "exclude":
      return `${name} EXCLUDE ${c.using === undefined ? "" : `USING ${identifier(c.using)} `}(${c.sql})`
  }
}

const createIndex = (
  table: string,
  index: Named<Index>,
  ifNotExists: boolean,
  products: ReadonlyArray<string>
): string =>
  `CREATE ${index.unique === true ? "UNIQUE " : ""}INDEX ${index.concurrently === true ? "CONCURRENTLY " : ""}` +
  `${ifNotExists ? "IF NOT EXISTS " : ""}${identifier(index.name)} ON ${table} ` +
  (products.flatMap((product) => index.over?.[product] ?? [])[0] ?? over(index))

const over = (index: Named<Index>): string =>
  `${index.using === undefined ? "" : `USING ${identifier(index.using)} `}` +
  `(${index.columns.map((part) => (typeof part === "string" ? identifier(part) : `(${part.sql})`)).join(", ")})` +
  `${index.where === undefined ? "" : ` WHERE ${index.where}`}`

/** @since 0.1.0 @category rendering */
export const ddl: Dialect["ddl"] = makeDdl(["postgresql"])

/** ALTER says it all, but how a default is written and taken away depends on the column. @since 0.1.0 @category accessors */
export const rebuilds = (change: Change.Change): boolean =>
  change._tag === "AlterColumn" && change.to.default !== undefined
