/**
 * What a diagram shows, of declared tables or of live ones: tables with their columns, and what refers to what, how often.
 *
 * @since 0.1.0
 */
import type { SqlType } from "../../model/Column.js"
import type { LiveSchema, LiveTable } from "../../model/LiveSchema.js"
import { definition, type Table, type TableDefinition } from "../../model/Table.js"
import { type DatabaseSchema, prefixed } from "../Declared.js"
import { links } from "../diff/constraints.js"
import { isLedger } from "../ledgers.js"

/** @since 0.1.0 @category models */
export interface Attribute {
  readonly name: string
  readonly type: string
  readonly nullable: boolean
  readonly marks: ReadonlyArray<"PK" | "FK" | "UK">
}

/** @since 0.1.0 @category models */
export interface Entity {
  readonly name: string
  readonly attributes: ReadonlyArray<Attribute>
}

/** @since 0.1.0 @category models */
export interface Relation {
  readonly child: string
  readonly columns: ReadonlyArray<string>
  readonly parent: string
  readonly targets: ReadonlyArray<string>
  /** A child need not have a parent. */
  readonly optional: boolean
  /** A parent has one child at most. */
  readonly single: boolean
}

/** @since 0.1.0 @category models */
export interface Drawing {
  readonly entities: ReadonlyArray<Entity>
  readonly relations: ReadonlyArray<Relation>
}

type Names = ReadonlyArray<string>

/** Of a table, what counts here. */
interface Sketch {
  readonly name: string
  readonly columns: ReadonlyArray<Pick<Attribute, "name" | "type" | "nullable">>
  readonly primaryKey: Names
  /** The primary key is not among them. */
  readonly uniques: ReadonlyArray<Names>
  readonly links: ReadonlyArray<{ readonly columns: Names; readonly table: string; readonly targets: Names }>
}

const typeName = (type: SqlType): string => {
  switch (type._tag) {
    case "varchar":
      return `varchar(${type.length})`
    case "numeric":
      return `numeric(${type.precision},${type.scale})`
    case "enum":
      return type.name
    case "array":
      return `${typeName(type.of)}[]`
    case "raw":
      return Object.values(type.sql)[0] ?? ""
    default:
      return type._tag
  }
}

/** Indexes over columns alone, and over all rows. */
const whole = (
  indexes: TableDefinition["indexes"] | LiveTable["indexes"],
  columns: ReadonlyArray<{ readonly name: string }>
): ReadonlyArray<Names> =>
  indexes.flatMap(({ columns: parts, unique, where }): ReadonlyArray<Names> => {
    const names = parts.filter((part) => typeof part === "string" && columns.some(({ name }) => name === part))
    return unique === true && where === undefined && names.length === parts.length ? [names as Names] : []
  })

const ofLive = (table: LiveTable): Sketch => ({
  name: table.name,
  columns: table.columns,
  primaryKey: table.primaryKey?.columns ?? [],
  uniques: [...table.uniques.map(({ columns }) => columns), ...whole(table.indexes, table.columns)],
  links: table.foreignKeys
})

/** A target may be named by its key, and what is not declared is drawn as it is called. */
const ofDeclared = (table: Table, { prefix, tables }: DatabaseSchema): Sketch => {
  const { columns, constraints, indexes } = definition(table)
  const all = Object.values(tables)
  return {
    name: prefixed(prefix, table.name),
    columns: columns.map(({ name, nullable, type }) => ({ name, nullable, type: typeName(type) })),
    primaryKey: constraints.flatMap((one) => (one.kind === "primary key" ? one.columns : [])),
    uniques: [
      ...constraints.flatMap((one) => (one.kind === "unique" ? [one.columns] : [])),
      ...whole(indexes, columns)
    ],
    links: links(constraints).map((link) => {
      const other = all.find(({ name }) => name === link.table)
      return {
        columns: link.columns,
        table: prefixed(prefix, link.table),
        targets: link.targets.map((target) => other?.columns[target]?.name ?? target)
      }
    })
  }
}

const entity = ({ columns, links, name, primaryKey, uniques }: Sketch): Entity => ({
  name,
  attributes: columns.map((column) => ({
    name: column.name,
    type: column.type,
    nullable: column.nullable && !primaryKey.includes(column.name),
    marks: [
      ...(primaryKey.includes(column.name) ? ["PK" as const] : []),
      ...(links.some(({ columns }) => columns.includes(column.name)) ? ["FK" as const] : []),
      ...(uniques.some((key) => key.length === 1 && key[0] === column.name) ? ["UK" as const] : [])
    ]
  }))
})

const relations = (sketch: Sketch): ReadonlyArray<Relation> => {
  const keys = [sketch.primaryKey, ...sketch.uniques].filter((key) => key.length > 0)
  const mayBeNull = (name: string) => sketch.columns.some((column) => column.name === name && column.nullable)
  return sketch.links.map(({ columns, table, targets }) => ({
    child: sketch.name,
    columns,
    parent: table,
    targets,
    optional: columns.some((name) => !sketch.primaryKey.includes(name) && mayBeNull(name)),
    single: keys.some((key) => key.every((name) => columns.includes(name)))
  }))
}

const sorted = <A>(all: ReadonlyArray<A>, by: (one: A) => string): ReadonlyArray<A> =>
  all.toSorted((a, b) => (by(a) < by(b) ? -1 : by(a) > by(b) ? 1 : 0))

const isLive = (schema: DatabaseSchema | LiveSchema): schema is LiveSchema => Array.isArray(schema.tables)

/** By name, whatever order they were declared or found in. @since 0.1.0 @category constructors */
export const drawing = (schema: DatabaseSchema | LiveSchema): Drawing => {
  const sketches = isLive(schema)
    ? schema.tables.filter(({ name }) => !isLedger(name)).map(ofLive)
    : Object.values(schema.tables).map((table) => ofDeclared(table, schema))
  const drawn = sorted(sketches, ({ name }) => name)
  const found = drawn.flatMap((sketch) => sorted(relations(sketch), (one) => JSON.stringify([one.columns, one.parent])))
  const elsewhere = new Set(found.map(({ parent }) => parent).filter((name) => !drawn.some((one) => one.name === name)))
  return {
    entities: [
      ...drawn.map(entity),
      ...sorted([...elsewhere], (name) => name).map((name) => ({ name, attributes: [] }))
    ],
    relations: found
  }
}

/** The names as `spell` writes them, no two of them alike. @since 0.1.0 @category rendering */
export const distinct = (names: Names, spell: (name: string) => string): ((name: string) => string) => {
  const spelled = new Map<string, string>()
  const taken = new Set<string>()
  for (const name of names) {
    let found = spell(name)
    while (taken.has(found)) found = `${found}_`
    taken.add(found)
    spelled.set(name, found)
  }
  return (name) => spelled.get(name) ?? spell(name)
}
