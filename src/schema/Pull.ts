/**
 * A live database as the text of the module that declares it. What is printed otherwise when it is made again is said in the
 * product's own words, and what is written is compared with the database before it is given out: where it differs all the
 * same, and what no table says, stands in it as a comment.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Connections from "../connection/Connections.js"
import type { DriverConnection } from "../Dialect.js"
import * as Change from "../model/Change.js"
import type { DatabaseError } from "../model/DatabaseError.js"
import * as LiveSchema from "../model/LiveSchema.js"
import type { NamedColumn, Table, TableDefinition } from "../model/Table.js"
import { again, type Sure, sureOf, textually } from "./Alike.js"
import type { DatabaseSchema } from "./Declared.js"
import { definitionOf } from "./Definition.js"
import { diffOn, isIgnored, looked, type Options, printedWords } from "./Diff.js"
import { links } from "./diff/constraints.js"
import type { Link } from "./diff/Pair.js"
import { created } from "./diff/tables.js"
import { isLedger } from "./ledgers.js"
import * as Scratch from "./Scratch.js"
import { bare } from "./Spelling.js"
import { column as written } from "./source/columns.js"
import { moduleOf, type Note } from "./source/module.js"
import { text } from "./source/Source.js"

type Own = (sql: string) => Readonly<Record<string, string>>

/**
 * The text of a TypeScript module that declares the tables of the schema in use: `DatabaseSchema.diff` of its default export
 * finds nothing to do on that database. Parents stand before children, else names decide. Ledgers are left out, and `ignore`
 * leaves out more. Reads; what is tried is tried on a scratch database.
 *
 * @since 0.1.0
 * @category looking
 */
export const pull = (
  options: Pick<Options, "ignore"> = {}
): Effect.Effect<string, DatabaseError, SqlClient.SqlClient> =>
  Effect.flatMap(Connections.current, (connections) =>
    Effect.scoped(
      Effect.gen(function* () {
        const { dialect } = connections
        const own: Own = (sql) => ({ [dialect.speaks ?? dialect.name]: sql })
        const found = yield* looked(connections, seen(connections), {
          live: LiveSchema.empty,
          others: [],
          requires: []
        })
        const requires = found.requires.map(own)
        const live = {
          ...found.live,
          tables: found.live.tables.filter(({ name }) => !isLedger(name) && !isIgnored(options, name)),
          enums: found.live.enums.filter(({ name }) => !isIgnored(options, name))
        }
        const scratch = yield* Scratch.make(connections)
        const words = yield* printedWords(scratch, requires)
        const definition = (table: LiveSchema.LiveTable) => definitionOf(table, live, words)
        const made = yield* scratch.madeOf([
          ...requires.map((sql) => ({ whole: Change.make.Execute({ sql }) })),
          ...again(live, definition)
        ])
        const alike = textually(dialect.normal)
        const all = live.tables.map((table) =>
          said(table, definition(table), sureOf(table, LiveSchema.table(made, table.name), alike), own)
        )
        const tables = ordered(all.map((table) => without(table, (link) => !isAmong(all, link))))
        const contents = { tables, enums: live.enums, requires }
        const rest = yield* differing(diffOn(connections, declaration(contents), options))
        const others = found.others.filter((name) => name !== `schema ${live.name}`)
        const besides = {
          heading: "The database also holds what no table says:",
          lines: [...beside(live, all), ...others]
        }
        return moduleOf({ ...contents, notes: [besides, rest].filter(({ lines }) => lines.length > 0) })
      })
    )
  ).pipe(Effect.withSpan("DatabaseSchema.pull", { captureStackTrace: false }))

/** Where what was written is not what is there. */
const differing = (found: ReturnType<typeof diffOn>): Effect.Effect<Note, DatabaseError> =>
  found.pipe(
    Effect.map((changes) => ({
      heading: "Where the tables above differ from the database all the same, they ask for this:",
      lines: changes.map(Change.describe)
    })),
    Effect.catchTag("SchemaError", ({ message }) =>
      Effect.succeed({ heading: "The tables above could not be compared with the database:", lines: [message] })
    )
  )

/** Rights and comments are not what a schema is made of. */
const isAbout = (name: string): boolean => /^(?:rights|comment) on /.test(name)

/** What a table or sequence has besides is told; of the rest, the name. */
const named = ({ name, sql }: LiveSchema.LiveObject): string => {
  const [, owner] = /^(.*), besides$/s.exec(name) ?? []
  return owner === undefined ? name : `${owner}: ${sql}`
}

const seen =
  ({ dialect }: Connections.Connections) =>
  (connection: DriverConnection) =>
    Effect.gen(function* () {
      const live = yield* dialect.inspect(connection)
      const others = yield* dialect.others?.(connection) ?? Effect.succeed([])
      const requires = yield* dialect.requires?.(connection) ?? Effect.succeed([])
      return { live, others: others.filter(({ name }) => !isAbout(name)).map(named), requires }
    })

/** What is printed as it was when it is made again stays; the rest is said as the product says it. */
const said = (live: LiveSchema.LiveTable, made: TableDefinition, sure: Sure, own: Own): TableDefinition => ({
  ...made,
  columns: made.columns.map((one) => {
    const is = live.columns.find(({ name }) => name === one.name)
    return is === undefined ? one : columnSaid(one, is, sure.column(one.name), own)
  }),
  constraints: made.constraints.map((one) => {
    if (one.kind === "check") return { ...one, sql: bare(one.sql) }
    const broken = one.kind === "foreign key" && live.foreignKeys.some(({ name, valid }) => name === one.name && !valid)
    return broken ? { ...one, notValid: true } : one
  }),
  indexes: made.indexes.flatMap(({ using, where, ...one }): TableDefinition["indexes"] => {
    const is = live.indexes.find(({ name }) => name === one.name)
    if (is?.valid !== true) return []
    const condition = where === undefined ? {} : { where: bare(where) }
    if (!sure.index(one.name)) return [{ ...one, ...condition, over: own(is.over.trim()) }]
    const columns = one.columns.map((part) => (typeof part === "string" ? part : { sql: bare(part.sql) }))
    return [{ ...one, columns, ...condition, ...(using === undefined ? {} : { using }) }]
  })
})

const columnSaid = (column: NamedColumn, is: LiveSchema.LiveColumn, sure: boolean, own: Own): NamedColumn => {
  const { computed, default: filled } = column
  const one = computed === undefined ? column : { ...column, computed: { ...computed, sql: bare(computed.sql) } }
  const valued: NamedColumn =
    is.default === undefined ? one : { ...one, default: { _tag: "sql", sql: own(is.default) } }
  const raw: NamedColumn = { ...valued, type: { _tag: "raw", sql: own(is.type) } }
  if (!sure) return raw
  // Where a uuid is a text to the product, what fills it says which of the two it is.
  const typed: NamedColumn = filled?._tag === "uuid" ? { ...one, type: { _tag: "uuid" } } : one
  return [typed, valued].find((candidate) => written(candidate) !== undefined) ?? raw
}

const isAmong = (all: ReadonlyArray<TableDefinition>, { table, targets }: Link): boolean =>
  all.some(({ columns, name }) => name === table && targets.every((target) => columns.some((c) => c.name === target)))

const without = (table: TableDefinition, leaves: (link: Link) => boolean): TableDefinition => {
  const gone = new Set<TableDefinition["constraints"][number]>(links(table.constraints).filter(leaves))
  return { ...table, constraints: table.constraints.filter((one) => !gone.has(one)) }
}

/** Parents before children, else by name. */
const ordered = (tables: ReadonlyArray<TableDefinition>): ReadonlyArray<TableDefinition> => {
  const sorted = tables.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const names = created(sorted).flatMap(({ change }) => (change._tag === "CreateTable" ? [change.table.name] : []))
  return names.flatMap((name) => sorted.find((table) => table.name === name) ?? [])
}

/** What the module will declare. */
const declaration = ({
  requires,
  enums,
  tables
}: {
  readonly tables: ReadonlyArray<TableDefinition>
  readonly enums: ReadonlyArray<LiveSchema.LiveEnum>
  readonly requires: DatabaseSchema["requires"]
}): DatabaseSchema => {
  const table = ({ columns, constraints, indexes, ...one }: TableDefinition): Table => ({
    ...one,
    // Of a column, only what a product renders is looked at.
    columns: Object.fromEntries(columns.map((c) => [c.name, c])) as never,
    constraints: [...constraints, ...indexes]
  })
  return { tables: Object.fromEntries(tables.map((one) => [one.name, table(one)])), prefix: "", enums, requires }
}

/** Views and triggers, sequences of nobody's, references to what is not here, and what a failed build left behind. */
const beside = (live: LiveSchema.LiveSchema, all: ReadonlyArray<TableDefinition>): ReadonlyArray<string> => [
  ...live.tables.flatMap(({ indexes, name }) =>
    indexes
      .filter(({ valid }) => !valid)
      .map((index) => `index ${text(index.name)} on ${text(name)}, whose build failed`)
  ),
  ...all.flatMap(({ constraints, name }) =>
    links(constraints)
      .filter((link) => !isAmong(all, link))
      .map((link) => `foreign key ${text(link.name)} of ${text(name)}, to ${text(link.table)}`)
  ),
  ...[...live.tables, ...live.views].flatMap(({ name, triggers }) =>
    triggers.map((trigger) => `trigger ${text(trigger.name)} on ${text(name)}`)
  ),
  ...live.views.map(({ name }) => `view ${text(name)}`),
  ...live.sequences.map((name) => `sequence ${text(name)}`)
]
