/**
 * Tables that belong together, as they are declared: a value, checked by its type where the type can know, and resolved
 * (names under the prefix, references to SQL names) when it is used.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Column, SqlType } from "../model/Column.js"
import type { LiveEnum } from "../model/LiveSchema.js"
import * as Table from "../model/Table.js"
import { SchemaError } from "./SchemaError.js"

/** @since 0.1.0 @category models */
export type Tables = Readonly<Record<string, Table.Table>>

/** @since 0.1.0 @category models */
export interface DatabaseSchema<T extends Tables = Tables> {
  readonly tables: T
  readonly prefix: string
  readonly enums: ReadonlyArray<LiveEnum>
  readonly requires: ReadonlyArray<string | Readonly<Record<string, string>>>
}

/** @since 0.1.0 @category models */
export interface Options {
  /** Stands before every table's name, with an underscore; references and names made from a table's follow. */
  readonly prefix?: string | undefined
  /** Enums that no column has yet; those of columns are known by them. */
  readonly enums?: ReadonlyArray<LiveEnum> | undefined
  /**
   * Statements the tables cannot be made without (extensions, functions): one text for all products or one for each. They
   * run on the empty database where declared tables are tried, and nowhere else: the live one has them by a migration.
   */
  readonly requires?: ReadonlyArray<string | Readonly<Record<string, string>>> | undefined
}

type TargetsOf<T> = T extends Table.Table<infer N, infer C> ? `${N}.${keyof C & string}` : never
type ReferencesOf<C extends Table.Columns> = {
  [K in keyof C]: C[K] extends Column<unknown, boolean, boolean, boolean, infer R>
    ? string extends R
      ? never
      : R
    : never
}[keyof C]

/** References to what is not among the tables. @since 0.1.0 @category models */
export type Dangling<T extends Tables> = Exclude<
  { [K in keyof T]: ReferencesOf<T[K]["columns"]> }[keyof T],
  { [K in keyof T]: TargetsOf<T[K]> }[keyof T]
>

/**
 * `DatabaseSchema.make({ users, posts })`. A column that refers to a table or column which is not among them is an error of
 * types; what types cannot know is a `SchemaError` of whatever uses the schema.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <const T extends Tables>(
  tables: T &
    ([Dangling<T>] extends [never] ? unknown : { readonly "refers to what is not among the tables": Dangling<T> }),
  options: Options = {}
): DatabaseSchema<T> => ({
  tables,
  prefix: options.prefix ?? "",
  enums: options.enums ?? [],
  requires: options.requires ?? []
})

/** A table as a product renders it. @since 0.1.0 @category models */
export interface DeclaredTable {
  readonly definition: Table.TableDefinition
  readonly renamedFrom: string | undefined
  /** Names of constraints and indexes that a person chose. */
  readonly chosen: ReadonlySet<string>
}

/** @since 0.1.0 @category models */
export interface Declared {
  readonly tables: ReadonlyArray<DeclaredTable>
  readonly enums: ReadonlyArray<LiveEnum>
  readonly requires: DatabaseSchema["requires"]
}

/** @since 0.1.0 @category accessors */
export const prefixed = (prefix: string, name: string): string => (prefix === "" ? name : `${prefix}_${name}`)

const bad = (reason: SchemaError["reason"], problem: string, remedy: string, table?: string) =>
  new SchemaError({ reason, problem, remedy, table })

/** Names under their prefix, references to SQL names, enums collected. @since 0.1.0 @category conversions */
export const resolve = (schema: DatabaseSchema): Effect.Effect<Declared, SchemaError> =>
  Effect.gen(function* () {
    const all = Object.values(schema.tables)
    const byName = new Map(all.map((table) => [table.name, table]))
    const under = (name: string) => prefixed(schema.prefix, name)
    const point = (from: string, table: string, column: string): Effect.Effect<string, SchemaError> => {
      const columns = byName.get(table)?.columns
      const found = columns?.[column] ?? Object.values(columns ?? {}).find(({ name }) => name === column)
      return found === undefined
        ? Effect.fail(
            bad(
              "dangling-reference",
              `it refers to ${table}.${column}, which is not among the declared tables`,
              "Declare it, or look at its spelling",
              from
            )
          )
        : Effect.succeed(found.name ?? column)
    }

    const columnOf = (table: string, column: Column.Any) =>
      Effect.gen(function* () {
        if (column.references === undefined) return column
        const to = Table.target(column.references)
        const target = `${under(to.table)}.${yield* point(table, to.table, to.column)}`
        return { ...column, references: { ...column.references, target } }
      })
    const constraintOf = (table: string, constraint: Table.Constraint) =>
      Effect.gen(function* () {
        if (constraint.kind !== "foreign key") return constraint
        const targets = yield* Effect.forEach(constraint.targets, (column) => point(table, constraint.table, column))
        return { ...constraint, table: under(constraint.table), targets }
      })
    const tables = yield* Effect.forEach(all, (table) =>
      Effect.gen(function* () {
        const columns = Object.fromEntries(
          yield* Effect.forEach(Object.entries(table.columns), ([key, column]) =>
            Effect.map(columnOf(table.name, column), (resolved) => [key, resolved])
          )
        )
        const constraints = yield* Effect.forEach(table.constraints, (one) => constraintOf(table.name, one))
        return {
          definition: Table.definition({ ...table, name: under(table.name), columns, constraints }),
          renamedFrom: table.renamedFrom === undefined ? undefined : under(table.renamedFrom),
          chosen: new Set(constraints.flatMap(({ name }) => (name === undefined ? [] : [name])))
        }
      })
    )
    yield* unique(
      undefined,
      "tables",
      tables.map(({ definition }) => definition.name)
    )
    for (const { definition } of tables) {
      yield* unique(
        definition.name,
        "columns",
        definition.columns.map(({ name }) => name)
      )
      yield* unique(
        definition.name,
        "constraints or indexes",
        [...definition.constraints, ...definition.indexes].map(({ name }) => name)
      )
    }
    const types = tables.flatMap(({ definition }) => definition.columns.flatMap(({ type }) => enumsOf(type)))
    return { tables, enums: yield* together([...schema.enums, ...types]), requires: schema.requires }
  })

const unique = (table: string | undefined, what: string, names: ReadonlyArray<string>) => {
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  return twice === undefined
    ? Effect.void
    : Effect.fail(bad("duplicate-name", `two ${what} are called "${twice}"`, "Give one of them another name", table))
}

const enumsOf = (type: SqlType): ReadonlyArray<LiveEnum> => {
  if (type._tag === "array") return enumsOf(type.of)
  return type._tag === "enum" ? [{ name: type.name, values: type.values }] : []
}

const together = (all: ReadonlyArray<LiveEnum>) => {
  const found = new Map<string, LiveEnum>()
  for (const one of all) {
    const known = found.get(one.name)
    if (known !== undefined && JSON.stringify(known.values) !== JSON.stringify(one.values)) {
      return Effect.fail(
        bad("unlike-enums", `the enum "${one.name}" has other words in another place`, "Declare it once and use that")
      )
    }
    found.set(one.name, one)
  }
  return Effect.succeed([...found.values()])
}
