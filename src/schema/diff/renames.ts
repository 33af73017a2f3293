/**
 * Renames, which are only ever told: a column or table that says what it was called, where that is still there and the new
 * name is not. The live schema is looked at as it will be after them.
 *
 * @since 0.1.0
 */
import { make } from "../../model/Change.js"
import type { LiveSchema, LiveTable } from "../../model/LiveSchema.js"
import type { Declared } from "../Declared.js"
import { quoted, respelled, unquoted } from "../Spelling.js"
import { type Step, step } from "./Pair.js"

/** @since 0.1.0 @category models */
export interface Renamed {
  readonly steps: ReadonlyArray<Step>
  readonly schema: LiveSchema
}

/** @since 0.1.0 @category comparisons */
export const renames = (declared: Declared, live: LiveSchema): Renamed => {
  const steps: Array<Step> = []
  let schema = live
  for (const { definition, renamedFrom: from } of declared.tables) {
    const has = (name: string) => schema.tables.some((table) => table.name === name)
    if (from === undefined || !has(from) || has(definition.name)) continue
    steps.push(step("tables renamed", make.RenameTable({ from, to: definition.name })))
    schema = withTable(schema, from, definition.name)
  }
  for (const { definition } of declared.tables) {
    for (const { name: to, renamedFrom: from } of definition.columns) {
      const is = schema.tables.find((table) => table.name === definition.name)
      const has = (name: string) => is?.columns.some((column) => column.name === name) === true
      if (from === undefined || !has(from) || has(to)) continue
      steps.push(step("columns renamed", make.RenameColumn({ table: definition.name, from, to })))
      schema = withColumn(schema, definition.name, from, to)
    }
  }
  return { steps, schema }
}

const withTable = (schema: LiveSchema, from: string, to: string): LiveSchema => ({
  ...schema,
  tables: schema.tables.map((table) => ({
    ...table,
    name: table.name === from ? to : table.name,
    foreignKeys: table.foreignKeys.map((key) => (key.table === from ? { ...key, table: to } : key)),
    indexes: table.indexes.map((index) =>
      index.source === undefined || table.name !== from
        ? index
        : { ...index, source: respelled(index.source, from, quoted(to)) }
    )
  }))
})

const withColumn = (schema: LiveSchema, of: string, from: string, to: string): LiveSchema => {
  const name = (column: string) => (column === from ? to : column)
  const text = (sql: string) => respelled(sql, from, to)
  const own = (table: LiveTable): LiveTable => ({
    ...table,
    columns: table.columns.map((column) => ({
      ...column,
      name: name(column.name),
      computed: column.computed === undefined ? undefined : { ...column.computed, sql: text(column.computed.sql) }
    })),
    primaryKey:
      table.primaryKey === undefined ? undefined : { ...table.primaryKey, columns: table.primaryKey.columns.map(name) },
    uniques: table.uniques.map((key) => ({ ...key, columns: key.columns.map(name) })),
    foreignKeys: table.foreignKeys.map((key) => ({ ...key, columns: key.columns.map(name) })),
    checks: table.checks.map((check) => ({ ...check, sql: text(check.sql) })),
    exclusions: table.exclusions.map((one) => ({ ...one, sql: text(one.sql) })),
    indexes: table.indexes.map((index) => ({
      ...index,
      columns: index.columns.map((part) => (unquoted(part) === from ? to : text(part))),
      where: index.where === undefined ? undefined : text(index.where),
      over: text(index.over),
      source: index.source === undefined ? undefined : text(index.source)
    }))
  })
  return {
    ...schema,
    tables: schema.tables.map((table) => {
      const mine = table.name === of ? own(table) : table
      return {
        ...mine,
        foreignKeys: mine.foreignKeys.map((key) =>
          key.table === of ? { ...key, targets: key.targets.map(name) } : key
        )
      }
    })
  }
}
