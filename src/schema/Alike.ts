/**
 * Whether two texts of one table say the same. A product that keeps texts as they were written has an eye for it; where it
 * prints its own, what it prints of what it printed says the same, and a text may come to rest only at the second print.
 *
 * @since 0.1.0
 */
import * as Change from "../model/Change.js"
import type { LiveSchema, LiveTable } from "../model/LiveSchema.js"
import { shortName, type TableDefinition } from "../model/Table.js"
import type { Unit } from "./Scratch.js"
import { quoted } from "./Spelling.js"

/** @since 0.1.0 @category models */
export type Alike = (table: string, a: string | undefined, b: string | undefined) => boolean

/** By the texts alone. @since 0.1.0 @category constructors */
export const textually =
  (normal: (text: string) => string = (text) => text): Alike =>
  (_, a, b) =>
    a === b || (a !== undefined && b !== undefined && normal(a) === normal(b))

/** Schemas of which each is what the one before it was printed as. @since 0.1.0 @category constructors */
export const printed = (first: Alike, ...chains: ReadonlyArray<ReadonlyArray<LiveSchema>>): Alike => {
  const parents = new Map<string, string>()
  const root = (text: string): string => {
    const parent = parents.get(text)
    return parent === undefined ? text : root(parent)
  }
  const at = (table: string, text: string) => `${table}\n${text}`
  for (const chain of chains) {
    for (const [i, before] of chain.entries()) {
      for (const table of before.tables) {
        const after = chain[i + 1]?.tables.find(({ name }) => name === table.name)
        const next = after === undefined ? {} : texts(after)
        for (const [place, text] of Object.entries(texts(table))) {
          const [from, to] = [root(at(table.name, text)), root(at(table.name, next[place] ?? text))]
          if (from !== to) parents.set(from, to)
        }
      }
    }
  }
  return (table, a, b) =>
    first(table, a, b) || (a !== undefined && b !== undefined && root(at(table, a)) === root(at(table, b)))
}

/** What of a table is text, by its place. */
const texts = (table: LiveTable): Record<string, string> => {
  const found: Record<string, string> = {}
  for (const column of table.columns) {
    if (column.default !== undefined) found[`default ${column.name}`] = column.default
    if (column.computed !== undefined) found[`computed ${column.name}`] = column.computed.sql
  }
  for (const { name = "", sql } of table.checks) found[`check ${name}`] = sql
  for (const { name, sql } of table.exclusions) found[`exclusion ${name}`] = sql
  for (const { name, over } of table.indexes) found[`index ${name}`] = over
  return found
}

const execute = (sql: string) => Change.make.Execute({ sql })

/** Names of indexes are one schema's, not one table's. */
const rehearsal = (table: string, what: "idx" | "excl", i: number): string =>
  shortName(`aquifer_sample_${what}_${i}_${table}`)

/**
 * Live tables to be made again, each in its own words; and beside every index and exclusion, whose texts may say more than
 * there are words for, the same by its definition. References have no texts and would only be in the way.
 *
 * @since 0.1.0
 * @category constructors
 */
export const again = (schema: LiveSchema, definitionOf: (table: LiveTable) => TableDefinition): ReadonlyArray<Unit> => [
  ...schema.enums.map((one): Unit => ({ whole: Change.make.CreateEnum(one) })),
  ...schema.tables.flatMap((live): ReadonlyArray<Unit> => {
    const { constraints: all, indexes, ...rest } = definitionOf(live)
    const table = live.name
    const constraints = all.filter(({ kind }) => kind !== "foreign key" && kind !== "exclude")
    const create = (some: TableDefinition["constraints"]) =>
      Change.make.CreateTable({ table: { ...rest, constraints: some, indexes: [] }, ifNotExists: false })
    const exclusions = all.filter(({ kind }) => kind === "exclude")
    return [
      {
        whole: create(constraints),
        parts: [create([]), ...constraints.map((constraint) => Change.make.AddConstraint({ table, constraint }))]
      },
      ...live.exclusions.map(({ name, sql }) => ({
        whole: execute(`ALTER TABLE ${quoted(table)} ADD CONSTRAINT ${quoted(name)} ${sql}`)
      })),
      ...exclusions.map((one, i) => ({
        whole: Change.make.AddConstraint({ table, constraint: { ...one, name: rehearsal(table, "excl", i) } })
      })),
      ...live.indexes.map(({ name, over, source, unique }) => ({
        whole: execute(source ?? `CREATE ${unique ? "UNIQUE " : ""}INDEX ${quoted(name)} ON ${quoted(table)} ${over}`)
      })),
      ...indexes.map((index, i) => ({
        whole: Change.make.CreateIndex({
          table,
          index: { ...index, name: rehearsal(table, "idx", i) },
          ifNotExists: false
        })
      }))
    ]
  })
]

/**
 * What is there, made once more: by the texts the product keeps, views and triggers with them, or as above.
 *
 * @since 0.1.0
 * @category constructors
 */
export const copied = (
  schema: LiveSchema,
  definitionOf: (table: LiveTable) => TableDefinition
): ReadonlyArray<Unit> => {
  if (!schema.tables.every(({ source }) => source !== undefined)) return again(schema, definitionOf)
  const objects = [
    ...schema.tables.flatMap(({ indexes }) => indexes),
    ...schema.views,
    ...[...schema.tables, ...schema.views].flatMap(({ triggers }) => triggers)
  ]
  return [
    ...schema.tables.map(({ source = "" }) => ({ whole: execute(source) })),
    ...objects.map(({ source, sql }) => ({ whole: execute(source ?? sql) }))
  ]
}

/** Whether a definition says all of what is there, so that it can be put back. @since 0.1.0 @category models */
export interface Sure {
  readonly check: (name: string) => boolean
  readonly column: (name: string) => boolean
  readonly exclusion: (name: string) => boolean
  readonly index: (name: string) => boolean
  readonly table: boolean
}

/** By how the table was printed when it was made again; none: it could not be. @since 0.1.0 @category constructors */
export const sureOf = (live: LiveTable, made: LiveTable | undefined, alike: Alike): Sure => {
  const same = (a: string | undefined, b: string | undefined) => alike(live.name, a, b)
  const column = (name: string): boolean => {
    const is = live.columns.find((one) => one.name === name)
    const was = made?.columns.find((one) => one.name === name)
    return (
      is !== undefined &&
      was !== undefined &&
      same(is.type, was.type) &&
      is.nullable === was.nullable &&
      is.collate === was.collate &&
      is.identity === was.identity &&
      same(is.default, was.default) &&
      same(is.computed?.sql, was.computed?.sql)
    )
  }
  const index = (name: string): boolean => {
    const i = live.indexes.findIndex((one) => one.name === name)
    const over = (name: string) => made?.indexes.find((one) => one.name === name)?.over
    return over(name) !== undefined && over(name) === over(rehearsal(live.name, "idx", i))
  }
  const exclusion = (name: string): boolean => {
    const i = live.exclusions.findIndex((one) => one.name === name)
    const sql = (name: string) => made?.exclusions.find((one) => one.name === name)?.sql
    return sql(name) !== undefined && sql(name) === sql(rehearsal(live.name, "excl", i))
  }
  /** Only a product that keeps texts prints some that cannot be told it again. */
  const check = (name: string): boolean =>
    same(live.checks.find((one) => one.name === name)?.sql, made?.checks.find((one) => one.name === name)?.sql)
  return {
    check,
    column,
    exclusion,
    index,
    table:
      live.triggers.length === 0 &&
      live.columns.every(({ name }) => column(name)) &&
      live.indexes.every(({ name }) => index(name)) &&
      live.exclusions.every(({ name }) => exclusion(name)) &&
      live.checks.every(({ name = "" }) => check(name))
  }
}

/** Before anything was made again. @since 0.1.0 @category constants */
export const trusting: Sure = {
  check: () => true,
  column: () => true,
  exclusion: () => true,
  index: () => true,
  table: true
}
