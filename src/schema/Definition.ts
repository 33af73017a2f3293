/**
 * A live table in the words it could have been declared with: what goes into a change's `was`, and what is made again on
 * the scratch database.
 *
 * @since 0.1.0
 */
import type { SqlType } from "../model/Column.js"
import type { LiveIndex, LiveSchema, LiveTable } from "../model/LiveSchema.js"
import type { IndexPart, Named, NamedColumn, TableConstraint, TableDefinition } from "../model/Table.js"
import { unquoted } from "./Spelling.js"
import type { Words } from "./Words.js"

/** The enum a type is made of. @since 0.1.0 @category accessors */
export const enumOf = (type: SqlType): string | undefined =>
  type._tag === "array" ? enumOf(type.of) : type._tag === "enum" ? type.name : undefined

/** Declared columns and what they are printed as: where a live one is printed the same, their words are taken. @since 0.1.0 @category models */
export interface Model {
  readonly definition: TableDefinition
  readonly printed: LiveTable
}

/** @since 0.1.0 @category conversions */
export const definitionOf = (
  live: LiveTable,
  schema: LiveSchema,
  words: Words,
  model?: Model | undefined
): TableDefinition => ({
  name: live.name,
  columns: live.columns.map((column) => columnOf(column, schema, words, model)),
  constraints: [...keys(live), ...foreignKeys(live, schema), ...conditions(live)],
  indexes: live.indexes.map((index) => indexOf(live, index, words)),
  comment: live.comment
})

const columnOf = (
  live: LiveTable["columns"][number],
  schema: LiveSchema,
  words: Words,
  model: Model | undefined
): NamedColumn => {
  const declared = model?.definition.columns.find(({ name }) => name === live.name)
  const printed = model?.printed.columns.find(({ name }) => name === live.name)
  const type =
    declared !== undefined && printed?.type === live.type && enumOf(declared.type) === undefined
      ? declared.type
      : words.type(live.type, schema.enums)
  const is = (): NamedColumn["default"] => {
    if (live.identity !== undefined) return { _tag: "identity", always: live.identity === "always" }
    if (live.default === undefined) return undefined
    return declared?.default !== undefined && printed?.default === live.default && printed.type === live.type
      ? declared.default
      : words.default(live.default, type)
  }
  return {
    name: live.name,
    type,
    nullable: live.nullable,
    default: is(),
    computed: live.computed,
    collate: live.collate,
    comment: live.comment
  }
}

const keys = (live: LiveTable): ReadonlyArray<Named<TableConstraint>> => [
  ...(live.primaryKey === undefined
    ? []
    : [
        {
          kind: "primary key" as const,
          name: live.primaryKey.name ?? `${live.name}_pkey`,
          columns: live.primaryKey.columns
        }
      ]),
  ...live.uniques.map(({ columns, name = "" }) => ({ kind: "unique" as const, name, columns }))
]

const foreignKeys = (live: LiveTable, schema: LiveSchema): ReadonlyArray<Named<TableConstraint>> =>
  live.foreignKeys.map(({ columns, deferrable, name = "", onDelete, onUpdate, table, targets }) => ({
    kind: "foreign key" as const,
    name,
    columns,
    table,
    // Without columns it is the primary key that is referred to.
    targets:
      targets.length > 0 ? targets : (schema.tables.find((one) => one.name === table)?.primaryKey?.columns ?? []),
    ...(onDelete === "no action" ? {} : { onDelete }),
    ...(onUpdate === "no action" ? {} : { onUpdate }),
    ...(deferrable ? { deferrable } : {})
  }))

const conditions = (live: LiveTable): ReadonlyArray<Named<TableConstraint>> => [
  ...live.checks.map(({ name = "", sql }) => ({ kind: "check" as const, name, sql })),
  ...live.exclusions.map(({ name, sql }) => {
    const [, using, inner = sql] = /^EXCLUDE USING (\S+) \(([\s\S]*)\)$/.exec(sql) ?? []
    return { kind: "exclude" as const, name, sql: inner, using }
  })
]

const indexOf = (live: LiveTable, index: LiveIndex, words: Words): TableDefinition["indexes"][number] => {
  const part = (text: string): IndexPart =>
    live.columns.some(({ name }) => name === unquoted(text)) ? unquoted(text) : { sql: text }
  return {
    kind: "index",
    name: index.name,
    columns: index.columns.map(part),
    ...(index.unique ? { unique: true } : {}),
    ...(index.where === undefined ? {} : { where: index.where }),
    ...(index.using === undefined || index.using === words.access ? {} : { using: index.using })
  }
}
