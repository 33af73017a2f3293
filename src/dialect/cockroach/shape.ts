/**
 * What the catalogue answered, put together into a `LiveSchema`.
 *
 * @since 0.1.0
 */
import type { Row } from "../../Dialect.js"
import type { OnDelete } from "../../model/Column.js"
import type { LiveColumn, LiveIndex, LiveSchema, LiveTable } from "../../model/LiveSchema.js"

type Answer = ReadonlyArray<Row>

/** The rows of each question. @since 0.1.0 @category models */
export interface Rows {
  readonly schema: Answer
  readonly tables: Answer
  readonly columns: Answer
  readonly hidden: Answer
  readonly constraints: Answer
  readonly targets: Answer
  readonly indexes: Answer
  readonly parts: Answer
  readonly enums: Answer
  readonly views: Answer
  readonly triggers: Answer
  readonly sequences: Answer
}

const actions: Readonly<Record<string, OnDelete>> = {
  a: "no action",
  r: "restrict",
  c: "cascade",
  n: "set null",
  d: "set default"
}

/** Types in the server's own spelling stand behind three colons in some versions, where others have two. */
const plain = (text: string): string => text.replaceAll(":::", "::")

const expression = (text: string | null): string | undefined => (text === null ? undefined : plain(text))

const numbers = (text: string | null): ReadonlyArray<number> => (text?.match(/\d+/g) ?? []).map(Number)

const by = (rows: Answer, key: string): ReadonlyMap<string, Answer> => {
  const found = new Map<string, Array<Row>>()
  for (const row of rows) found.set(row[key], [...(found.get(row[key]) ?? []), row])
  return found
}

/** @since 0.1.0 @category conversions */
export const schemaOf = (rows: Rows): LiveSchema => {
  const hidden = new Set(
    rows.hidden.filter((row) => row.is_hidden === "YES").map((row) => `${row.table_name} ${row.column_name}`)
  )
  const of = {
    columns: by(rows.columns, "tableId"),
    constraints: by(rows.constraints, "tableId"),
    indexes: by(rows.indexes, "tableId"),
    triggers: by(rows.triggers, "tableId"),
    parts: by(rows.parts, "id")
  }
  const names = new Map(
    [...rows.targets, ...rows.columns].map((row) => [`${row.tableId} ${row.number}`, String(row.name)])
  )
  const schema = String(rows.schema[0]?.name ?? "")

  const table = (row: Row): LiveTable => {
    const constraints = of.constraints.get(row.id) ?? []
    const kind = (type: string) => constraints.filter((one) => one.type === type)
    const named = (id: string, keys: string | null) =>
      numbers(keys).map((number) => names.get(`${id} ${number}`) ?? String(number))
    const key = (one: Row) => ({ name: String(one.name), columns: named(row.id, one.columns) })
    const [primary] = kind("p")
      .map(key)
      .filter(({ columns }) => !columns.every((column) => hidden.has(`${row.name} ${column}`)))
    const keys = new Set(constraints.filter((one) => one.type !== "f").map((one) => one.indexId))
    return {
      name: row.name,
      columns: (of.columns.get(row.id) ?? []).filter((one) => !hidden.has(`${row.name} ${one.name}`)).map(column),
      primaryKey: primary,
      uniques: kind("u").map(key),
      foreignKeys: kind("f").map((one) => ({
        ...key(one),
        table: one.targetSchema === schema ? one.target : `${one.targetSchema}.${one.target}`,
        targets: named(one.targetId, one.targets),
        onDelete: actions[one.onDelete] ?? "no action",
        onUpdate: actions[one.onUpdate] ?? "no action",
        deferrable: one.deferrable,
        valid: one.valid
      })),
      checks: kind("c").map((one) => ({ name: one.name, sql: check(one.definition), valid: one.valid })),
      exclusions: [],
      indexes: (of.indexes.get(row.id) ?? []).filter((one) => !keys.has(one.id)).map(index),
      triggers: (of.triggers.get(row.id) ?? []).map(({ name }) => ({ name, sql: name })),
      comment: row.comment ?? undefined
    }
  }

  const index = (row: Row): LiveIndex => ({
    name: row.name,
    unique: row.unique,
    valid: row.valid,
    using: row.using ?? undefined,
    where: expression(row.where),
    sql: row.sql,
    over: row.sql.slice(Math.max(0, String(row.sql).indexOf(` USING ${row.using} `))),
    columns: (of.parts.get(row.id) ?? []).map(({ part }) => String(part))
  })

  return {
    name: schema,
    tables: rows.tables.map(table),
    enums: [...by(rows.enums, "name")].map(([name, values]) => ({ name, values: values.map(({ value }) => value) })),
    views: rows.views.map((row) => ({
      name: row.name,
      sql: `CREATE ${row.kind === "m" ? "MATERIALIZED " : ""}VIEW ${row.name} AS ${row.definition}`,
      triggers: []
    })),
    sequences: rows.sequences.map(({ name }) => String(name))
  }
}

/** `CHECK ((a > 0)) NOT VALID`: what stands between the outermost parentheses. */
const check = (definition: string): string =>
  plain(/^CHECK \((.*)\)(?: NOT VALID)?$/s.exec(definition)?.[1] ?? definition)

const column = (row: Row): LiveColumn => {
  const computed = row.generated === "s" || row.generated === "v"
  return {
    name: row.name,
    type: row.type,
    nullable: row.nullable,
    default: computed ? undefined : expression(row.expression),
    identity: row.identity === "a" ? "always" : row.identity === "d" ? "by default" : undefined,
    computed: computed ? { sql: expression(row.expression) ?? "", stored: row.generated === "s" } : undefined,
    collate: row.collate ?? undefined,
    comment: row.comment ?? undefined
  }
}
