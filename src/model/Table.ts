/**
 * A table as plain data, its rows' types inferred. `definition` is the form a product renders: names resolved, every
 * column's key, reference and check moved to the table's constraints, each constraint named the same on every product.
 *
 * @since 0.1.0
 */
import type { Simplify } from "effect/Types"
import type { Column, ColumnDefinition, Reference } from "./Column.js"

export * from "./Column.js"
export { type FromModel, fromModel, type GivenColumns, type Model, type ModelColumns } from "./table/fromModel.js"
export { type Encoded, insert, row, update } from "./table/rows.js"

/** @since 0.1.0 @category models */
export type Columns = Readonly<Record<string, Column.Any>>

/** What an index sorts by: a column, or an expression in SQL. @since 0.1.0 @category models */
export type IndexPart = string | { readonly sql: string }

/** @since 0.1.0 @category models */
export interface Index {
  readonly kind: "index"
  readonly name?: string | undefined
  readonly columns: ReadonlyArray<IndexPart>
  readonly unique?: boolean | undefined
  /** A partial index's condition. */
  readonly where?: string | undefined
  /** The access method, where the product has several. */
  readonly using?: string | undefined
  /**
   * By product, all that stands behind the table's name, where columns and condition do not say it (order, operator classes,
   * INCLUDE): `{ postgresql: "(team, seen DESC)" }`. A product that is not among them takes the rest.
   */
  readonly over?: Readonly<Record<string, string>> | undefined
  /** Built without blocking writers, outside any transaction, where the product can. */
  readonly concurrently?: boolean | undefined
}

/** @since 0.1.0 @category models */
export type TableConstraint =
  | { readonly kind: "primary key"; readonly name?: string | undefined; readonly columns: ReadonlyArray<string> }
  | { readonly kind: "unique"; readonly name?: string | undefined; readonly columns: ReadonlyArray<string> }
  | { readonly kind: "check"; readonly name?: string | undefined; readonly sql: string }
  | ForeignKey
  /** `sql` is what stands in the parentheses: `room WITH =, during WITH &&`. */
  | {
      readonly kind: "exclude"
      readonly name?: string | undefined
      readonly using?: string | undefined
      readonly sql: string
    }

/** @since 0.1.0 @category models */
export interface ForeignKey extends Omit<Reference, "target"> {
  readonly kind: "foreign key"
  readonly name?: string | undefined
  readonly columns: ReadonlyArray<string>
  readonly table: string
  readonly targets: ReadonlyArray<string>
  /** Existing rows are not looked at, where the product can leave that for later. */
  readonly notValid?: boolean | undefined
}

/** @since 0.1.0 @category models */
export type Constraint = TableConstraint | Index

/** @since 0.1.0 @category models */
export interface Table<out Name extends string = string, out C extends Columns = Columns> {
  readonly name: Name
  readonly columns: C
  readonly constraints: ReadonlyArray<Constraint>
  /** Where it is not the connection's own schema. */
  readonly schema?: string | undefined
  readonly comment?: string | undefined
  /** Told to `diff`, which cannot see a rename. */
  readonly renamedFrom?: string | undefined
}

type Of<C> = C extends Column<infer A, boolean, boolean, boolean, string> ? A : never
type Keys<C extends Columns, H extends boolean, G extends boolean> = {
  [K in keyof C]: C[K] extends Column<unknown, boolean, H, G, string> ? K : never
}[keyof C]

/** What a SELECT of all columns gives. @since 0.1.0 @category models */
export type Row<T extends { readonly columns: Columns }> = Simplify<{
  readonly [K in keyof T["columns"]]: Of<T["columns"][K]>
}>
/** What an INSERT takes. @since 0.1.0 @category models */
export type Insert<T extends { readonly columns: Columns }> = Simplify<
  { readonly [K in Keys<T["columns"], false, false>]: Of<T["columns"][K]> } & {
    readonly [K in Keys<T["columns"], true, false>]?: Of<T["columns"][K]> | undefined
  }
>
/** What an UPDATE takes. @since 0.1.0 @category models */
export type Update<T extends { readonly columns: Columns }> = Simplify<{
  readonly [K in Keys<T["columns"], boolean, false>]?: Of<T["columns"][K]> | undefined
}>

/**
 * `Table.make("users", { id: Table.uuid.pipe(Table.withDefault("uuid"), Table.primaryKey) }, (c) => [Table.index([c.id])])`
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <const Name extends string, const C extends Columns>(
  name: Name,
  columns: C,
  constraints?: (c: { readonly [K in keyof C & string]: K }) => ReadonlyArray<Constraint>,
  options?: Pick<Table, "schema" | "comment" | "renamedFrom">
): Table<Name, C> => ({
  name,
  columns,
  // Built from the keys themselves, which is what the mapped type says.
  constraints: constraints?.(Object.fromEntries(Object.keys(columns).map((key) => [key, key])) as never) ?? [],
  schema: options?.schema,
  comment: options?.comment,
  renamedFrom: options?.renamedFrom
})

/** @since 0.1.0 @category constraints */
export const index = (columns: ReadonlyArray<IndexPart>, options?: Omit<Index, "kind" | "columns">): Index => ({
  kind: "index",
  columns,
  ...options
})
/** @since 0.1.0 @category constraints */
export const uniqueIndex = (
  columns: ReadonlyArray<IndexPart>,
  options?: Omit<Index, "kind" | "columns" | "unique">
): Index => ({ kind: "index", columns, unique: true, ...options })
/** A key of several columns. @since 0.1.0 @category constraints */
export const primaryKeyOf = (columns: ReadonlyArray<string>, name?: string): TableConstraint => ({
  kind: "primary key",
  columns,
  name
})
/** Several columns that are unique together. @since 0.1.0 @category constraints */
export const uniqueOf = (columns: ReadonlyArray<string>, name?: string): TableConstraint => ({
  kind: "unique",
  columns,
  name
})
/** A condition over several columns. @since 0.1.0 @category constraints */
export const checkOf = (name: string, sql: string): TableConstraint => ({ kind: "check", name, sql })
/** A reference of several columns. @since 0.1.0 @category constraints */
export const foreignKey = (
  columns: ReadonlyArray<string>,
  table: string,
  targets: ReadonlyArray<string>,
  options?: Omit<ForeignKey, "kind" | "columns" | "table" | "targets">
): ForeignKey => ({ kind: "foreign key", columns, table, targets, ...options })
/** No two rows may collide (PostgreSQL manual, CREATE TABLE, EXCLUDE). @since 0.1.0 @category constraints */
export const exclude = (
  sql: string,
  options?: { readonly name?: string; readonly using?: string }
): TableConstraint => ({
  kind: "exclude",
  sql,
  ...options
})

/** A column under its name in SQL. @since 0.1.0 @category models */
export interface NamedColumn extends ColumnDefinition {
  readonly name: string
}

/** A constraint whose name is decided. @since 0.1.0 @category models */
export type Named<C extends Constraint> = C extends unknown ? Omit<C, "name"> & { readonly name: string } : never

/** The form a product renders. @since 0.1.0 @category models */
export interface TableDefinition {
  readonly name: string
  readonly columns: ReadonlyArray<NamedColumn>
  readonly constraints: ReadonlyArray<Named<TableConstraint>>
  readonly indexes: ReadonlyArray<Named<Index>>
  readonly schema?: string | undefined
  readonly comment?: string | undefined
}

const suffixes = {
  "primary key": "pkey",
  unique: "key",
  check: "check",
  "foreign key": "fkey",
  exclude: "excl",
  index: "idx"
}

/** FNV-1a: enough to keep two shortened names apart. */
const hash = (text: string): string => {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193) >>> 0
  return h.toString(36)
}

/**
 * PostgreSQL cuts names at 63 bytes in silence, and two cut names may be one: longer ones end in a hash.
 *
 * @since 0.1.0
 * @category accessors
 */
export const shortName = (name: string): string => {
  const bytes = new TextEncoder().encode(name)
  if (bytes.length <= 63) return name
  const tail = `_${hash(name)}`
  return `${new TextDecoder().decode(bytes.slice(0, 63 - tail.length)).replace(/\uFFFD+$/, "")}${tail}`
}

const column = (part: IndexPart): string => (typeof part === "string" ? part : "expr")

/**
 * The name a constraint or index of a table has: its own, or one made as PostgreSQL would make it.
 *
 * @since 0.1.0
 * @category accessors
 */
export const constraintName = (table: string, constraint: Constraint): string => {
  if (constraint.name !== undefined) return constraint.name
  const parts = "columns" in constraint ? constraint.columns.map(column) : []
  return shortName(
    [
      table,
      ...(constraint.kind === "primary key" ? [] : parts),
      "unique" in constraint && constraint.unique === true ? "key" : suffixes[constraint.kind]
    ].join("_")
  )
}

/** `constraint` under its decided name. @since 0.1.0 @category accessors */
export const withName = <C extends Constraint>(table: string, constraint: C): Named<C> =>
  // A union's members keep their own shape through a spread; only the name is decided here.
  ({ ...constraint, name: constraintName(table, constraint) }) as unknown as Named<C>

/** A `table.column` in two. @since 0.1.0 @category accessors */
export const target = (reference: Reference): { readonly table: string; readonly column: string } => {
  const dot = reference.target.lastIndexOf(".")
  return { table: reference.target.slice(0, dot), column: reference.target.slice(dot + 1) }
}

/** The constraints that stand at a column itself. @since 0.1.0 @category accessors */
export const ownConstraints = (table: string, column: NamedColumn): ReadonlyArray<Named<TableConstraint>> => {
  const found: Array<TableConstraint> = []
  if (column.unique === true) found.push({ kind: "unique", columns: [column.name] })
  if (column.check !== undefined) {
    found.push({ kind: "check", name: shortName(`${table}_${column.name}_check`), sql: column.check })
  }
  if (column.references !== undefined) {
    const { target: _, ...behaviour } = column.references
    const to = target(column.references)
    found.push({ kind: "foreign key", columns: [column.name], table: to.table, targets: [to.column], ...behaviour })
  }
  return found.map((constraint) => withName(table, constraint))
}

/** Resolves keys to SQL names and moves what stands at columns to the table. @since 0.1.0 @category conversions */
export const definition = (table: Table): TableDefinition => {
  const columns = Object.entries(table.columns).map(([key, column]) => ({ ...column, name: column.name ?? key }))
  const sqlName = (key: string) => table.columns[key]?.name ?? key
  const renamed = <C extends Constraint>(constraint: C): C =>
    "columns" in constraint
      ? {
          ...constraint,
          columns: constraint.columns.map((part) => (typeof part === "string" ? sqlName(part) : part))
        }
      : constraint
  const keys = columns.filter((column) => column.primaryKey === true).map((column) => column.name)
  const primaryKey: ReadonlyArray<TableConstraint> = keys.length === 0 ? [] : [{ kind: "primary key", columns: keys }]
  const constraints = table.constraints.filter((c): c is TableConstraint => c.kind !== "index")
  return {
    name: table.name,
    columns,
    constraints: [
      ...primaryKey.map((c) => withName(table.name, c)),
      ...columns.flatMap((c) => ownConstraints(table.name, c)),
      ...constraints.map((c) => withName(table.name, renamed(c)))
    ],
    indexes: table.constraints
      .filter((c): c is Index => c.kind === "index")
      .map((c) => withName(table.name, renamed(c))),
    schema: table.schema,
    comment: table.comment
  }
}
