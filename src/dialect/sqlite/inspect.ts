/**
 * A SQLite database read into a `LiveSchema`. The pragmas say most of it; names of constraints, checks, collations and
 * generated expressions stand only in the text of CREATE TABLE. Virtual tables, their shadows and what SQLite keeps for
 * itself are left out.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Dialect, DriverConnection } from "../../Dialect.js"
import type { OnDelete } from "../../model/Column.js"
import type {
  LiveColumn,
  LiveEnum,
  LiveForeignKey,
  LiveIndex,
  LiveKey,
  LiveObject,
  LiveSchema,
  LiveTable
} from "../../model/LiveSchema.js"
import { enumOf, names } from "./names.js"
import { type Clause, type ColumnSource, parse, parseIndex, plain, type TableSource, unquote } from "./tableSource.js"

interface Item {
  readonly type: "table" | "index" | "trigger" | "view"
  readonly name: string
  readonly tbl_name: string
  readonly sql: string
}
interface ColumnRow {
  readonly tbl: string
  readonly name: string
  readonly type: string
  readonly notnull: number
  readonly dflt_value: string | null
  readonly pk: number
  readonly hidden: number
}
interface IndexRow {
  readonly tbl: string
  readonly name: string
  readonly unique: number
  readonly origin: "c" | "u" | "pk"
  readonly partial: number
  readonly column: string | null
}
interface ReferenceRow {
  readonly tbl: string
  readonly id: number
  readonly table: string
  readonly from: string
  readonly to: string | null
  readonly on_update: string
  readonly on_delete: string
}

const tables = `SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'`

const queries = {
  items: `SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid`,
  columns: `SELECT t.name AS tbl, c.name, c.type, c."notnull", c.dflt_value, c.pk, c.hidden
    FROM (${tables}) t, pragma_table_xinfo(t.name) c ORDER BY t.name, c.cid`,
  indexes: `SELECT t.name AS tbl, i.name, i."unique", i.origin, i.partial, c.name AS "column"
    FROM (${tables}) t, pragma_index_list(t.name) i, pragma_index_xinfo(i.name) c WHERE c.key = 1 ORDER BY t.name, i.name, c.seqno`,
  references: `SELECT t.name AS tbl, f.id, f."table", f."from", f."to", f.on_update, f.on_delete
    FROM (${tables}) t, pragma_foreign_key_list(t.name) f ORDER BY t.name, f.id DESC, f.seq`
}

/** @since 0.1.0 @category inspection */
export const inspect: Dialect["inspect"] = Effect.fnUntraced(function* (connection) {
  const items: ReadonlyArray<Item> = yield* rows(connection, queries.items)
  const columns: ReadonlyArray<ColumnRow> = yield* rows(connection, queries.columns)
  const indexes: ReadonlyArray<IndexRow> = yield* rows(connection, queries.indexes)
  const references: ReadonlyArray<ReferenceRow> = yield* rows(connection, queries.references)
  const names = [...new Set(columns.map((c) => c.tbl))].sort()
  const exact = spelling(columns)
  const types = enums(items)
  const of = <R extends { readonly tbl: string }>(all: ReadonlyArray<R>, name: string) =>
    all.filter((r) => r.tbl === name)
  const schema: LiveSchema = {
    name: "main",
    tables: names.map((name) =>
      table(name, items, of(columns, name), of(indexes, name), of(references, name).map(exact), types)
    ),
    enums: types,
    views: items
      .filter((item) => item.type === "view")
      .map((item) => ({ ...object(item), triggers: triggers(items, item.name) }))
      .sort(byName),
    sequences: []
  }
  return schema
})

/** A reference under the names its target has: there the case of letters means nothing. */
const spelling = (columns: ReadonlyArray<ColumnRow>) => {
  const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase()
  return (row: ReferenceRow): ReferenceRow => {
    const target = columns.filter(({ tbl }) => same(tbl, row.table))
    const to = target.find(({ name }) => row.to !== null && same(name, row.to))?.name ?? row.to
    return { ...row, table: target[0]?.tbl ?? row.table, to }
  }
}

const rows = (connection: DriverConnection, text: string) =>
  Effect.map(connection.run({ text, params: [], prepare: false, rows: "objects" }), (reply) => reply.rows)

const object = (item: Item): LiveObject => ({ name: item.name, sql: plain(item.sql), source: item.sql })

const byName = (a: { readonly name: string }, b: { readonly name: string }): number => (a.name < b.name ? -1 : 1)

const triggers = (items: ReadonlyArray<Item>, name: string): ReadonlyArray<LiveObject> =>
  items
    .filter((item) => item.type === "trigger" && item.tbl_name === name)
    .map(object)
    .sort(byName)

const table = (
  name: string,
  items: ReadonlyArray<Item>,
  columns: ReadonlyArray<ColumnRow>,
  indexes: ReadonlyArray<IndexRow>,
  references: ReadonlyArray<ReferenceRow>,
  types: ReadonlyArray<LiveEnum>
): LiveTable => {
  const text = items.find((item) => item.type === "table" && item.name === name)?.sql ?? ""
  const source = parse(text)
  const clauses = [...source.constraints, ...source.columns.flatMap((c) => c.clauses)]
  const known = names(name, source)
  const words = new Set(source.columns.flatMap((c) => c.clauses.filter((clause) => typeOf(name, c, clause, types))))
  const keyColumns = columns.filter((c) => c.pk > 0).sort((a, b) => a.pk - b.pk)
  return {
    name,
    columns: columns.filter((c) => c.hidden !== 1).map((c) => column(name, c, source, types)),
    primaryKey:
      keyColumns.length === 0
        ? undefined
        : {
            name: clauses.flatMap((c) => (c.kind === "primary key" ? [known.get(c)] : []))[0],
            columns: keyColumns.map((c) => c.name)
          },
    uniques: uniques(source, known),
    foreignKeys: foreignKeys(source, known, references),
    checks: clauses
      .filter((c) => c.kind === "check" && !words.has(c))
      .map((c) => ({ name: known.get(c), sql: plain(c.inner ?? ""), valid: true }))
      .sort((a, b) => (key(a) < key(b) ? -1 : 1)),
    exclusions: [],
    indexes: liveIndexes(items, indexes),
    triggers: triggers(items, name),
    source: text
  }
}

const key = (check: { readonly name?: string | undefined; readonly sql: string }): string => check.name ?? check.sql

/** The enums that CHECKs stand for. Where two of one name differ, the first counts, and the other is but a CHECK. */
const enums = (items: ReadonlyArray<Item>): ReadonlyArray<LiveEnum> => {
  const found = new Map<string, LiveEnum>()
  for (const item of items.filter(({ type }) => type === "table")) {
    for (const column of parse(item.sql).columns) {
      const [is] = column.clauses.flatMap((clause) => enumOf(item.name, column, clause) ?? [])
      if (is !== undefined && !found.has(is.name)) found.set(is.name, is)
    }
  }
  return [...found.values()].sort(byName)
}

const typeOf = (table: string, column: ColumnSource, clause: Clause, types: ReadonlyArray<LiveEnum>) => {
  const is = enumOf(table, column, clause)
  return is === undefined
    ? undefined
    : types.find(({ name, values }) => name === is.name && values.join("\n") === is.values.join("\n"))
}

const column = (table: string, row: ColumnRow, source: TableSource, types: ReadonlyArray<LiveEnum>): LiveColumn => {
  const own = source.columns.find((c) => c.name === row.name)
  const clauses = own?.clauses ?? []
  const [words] = own === undefined ? [] : clauses.flatMap((clause) => typeOf(table, own, clause, types) ?? [])
  const clause = (kind: string) => clauses.find((c) => c.kind === kind)
  const generated = clause("generated")
  return {
    name: row.name,
    // As elsewhere, where an enum is a type.
    type: words?.name ?? row.type,
    nullable: row.notnull === 0 && row.pk === 0,
    default: row.dflt_value ?? undefined,
    identity: clause("primary key")?.words.includes("AUTOINCREMENT") === true ? "by default" : undefined,
    computed: generated === undefined ? undefined : { sql: plain(generated.inner ?? ""), stored: row.hidden === 3 },
    collate: collation(clause("collate")?.text)
  }
}

/** Our own clauses quote the name. */
const collation = (clause: string | undefined): string | undefined => {
  const name = /\bCOLLATE\s+([\s\S]+)$/i.exec(clause ?? "")?.[1]
  return name === undefined ? undefined : unquote(name.trim())
}

type Names = ReadonlyMap<Clause, string>

const uniques = (source: TableSource, known: Names): ReadonlyArray<LiveKey> =>
  [
    ...source.constraints.filter((c) => c.kind === "unique").map((c) => ({ name: known.get(c), columns: c.columns })),
    ...source.columns.flatMap((column) =>
      column.clauses.filter((c) => c.kind === "unique").map((c) => ({ name: known.get(c), columns: [column.name] }))
    )
  ].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))

const keyOf = (k: LiveKey): string => k.name ?? k.columns.join(" ")

const foreignKeys = (
  source: TableSource,
  known: Names,
  rows: ReadonlyArray<ReferenceRow>
): ReadonlyArray<LiveForeignKey> => {
  const written = [
    ...source.constraints
      .filter((c) => c.kind === "foreign key")
      .map((clause) => ({ columns: clause.columns, clause })),
    ...source.columns.flatMap((column) =>
      column.clauses.filter((c) => c.kind === "references").map((clause) => ({ columns: [column.name], clause }))
    )
  ]
  return [...new Set(rows.map((row) => row.id))]
    .map((id) => {
      const own = rows.filter((row) => row.id === id)
      const [first] = own
      const columns = own.map((row) => row.from)
      const clause = written.find((w) => w.columns.join("\n") === columns.join("\n"))?.clause
      const words = clause?.words ?? []
      const at = words.indexOf("DEFERRABLE")
      return {
        name: clause === undefined ? undefined : known.get(clause),
        columns,
        table: first?.table ?? "",
        targets: own.flatMap((row) => (row.to === null ? [] : [row.to])),
        onDelete: does(first?.on_delete),
        onUpdate: does(first?.on_update),
        deferrable: at >= 0 && words[at - 1] !== "NOT" && words.includes("DEFERRED"),
        valid: true
      }
    })
    .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
}

const does = (action: string | undefined): OnDelete => (action ?? "NO ACTION").toLowerCase() as OnDelete

const liveIndexes = (items: ReadonlyArray<Item>, rows: ReadonlyArray<IndexRow>): ReadonlyArray<LiveIndex> =>
  items
    .filter((item) => item.type === "index" && rows.some((row) => row.name === item.name && row.origin === "c"))
    .map((item) => {
      const own = rows.filter((row) => row.name === item.name)
      const { over, parts, where } = parseIndex(item.sql)
      return {
        ...object(item),
        columns: own.map((row, i) => row.column ?? plain(parts[i] ?? "")),
        unique: own[0]?.unique === 1,
        where: where === undefined ? undefined : plain(where),
        over: plain(over),
        valid: true
      }
    })
    .sort(byName)
