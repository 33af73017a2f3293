/**
 * Another tool's ledger taken over: the stock migrator's `effect_sql_migrations`, or Alembic's `alembic_version`. Done
 * once, under the lock, when our own ledger is empty; that table is read and never written. A revision it names is found
 * by its number, or by `adopts: <name>` in a file's header.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { DriverConnection, Row } from "../Dialect.js"
import type { DatabaseError } from "../model/DatabaseError.js"
import * as LiveSchema from "../model/LiveSchema.js"
import { MigrationError } from "../model/MigrationError.js"
import { ancestors, digits, type Graph, type Node } from "./Graph.js"
import { type Entry, entryOf } from "./Ledger.js"
import { label } from "./Revision.js"
import { now } from "./Task.js"

interface Foreign {
  readonly table: string
  readonly select: string
  /** What a row is called there, and since when it is there. */
  readonly read: (row: Row) => { readonly name: string; readonly number: string; readonly at?: Date | undefined }
  /** Whether a row stands for all that comes before it, too. */
  readonly only: "rows" | "last"
}

const foreign: ReadonlyArray<Foreign> = [
  {
    table: "effect_sql_migrations",
    select: "SELECT migration_id, name, created_at FROM effect_sql_migrations ORDER BY migration_id",
    read: (row) => ({
      name: `${row.migration_id}_${row.name}`,
      number: String(row.migration_id),
      at: new Date(row.created_at)
    }),
    only: "rows"
  },
  {
    table: "alembic_version",
    select: "SELECT version_num FROM alembic_version",
    read: (row) => ({ name: String(row.version_num), number: String(row.version_num) }),
    only: "last"
  }
]

/** Whether there is a ledger to take over. @since 0.1.0 @category accessors */
export const adoptable = (schema: LiveSchema.LiveSchema): string | undefined =>
  foreign.find(({ table }) => LiveSchema.table(schema, table) !== undefined)?.table

const match = (graph: Graph, row: { readonly name: string; readonly number: string }): Node | undefined =>
  graph.nodes.find((node) => node.adopts?.includes(row.name) === true || node.adopts?.includes(row.number) === true) ??
  graph.nodes.find((node) => label(node) === row.name || node.id === row.number) ??
  (/^\d+$/.test(row.number) ? graph.nodes.find((node) => digits(node.id) === BigInt(row.number)) : undefined)

/** The rows our ledger begins with. @since 0.1.0 @category constructors */
export const adopted = (
  own: DriverConnection,
  table: string,
  graph: Graph,
  appliedBy: string
): Effect.Effect<ReadonlyArray<Entry>, DatabaseError | MigrationError> =>
  Effect.gen(function* () {
    const kind = foreign.find((one) => one.table === table)
    if (kind === undefined) return []
    const { rows } = yield* own.run({ text: kind.select, params: [], prepare: false, rows: "objects" })
    const at = yield* now
    const dates = new Map<string, Date | undefined>()
    for (const row of rows.map(kind.read)) {
      const node = match(graph, row)
      if (node === undefined) {
        return yield* new MigrationError({
          reason: "not-adopted",
          problem: `the table ${table} says that ${row.name} is applied, and no file here stands for it`,
          remedy: `Restore its file, write "adopts: ${row.name}" into the header of the one that stands for it, or begin the ledger with Migrator.stamp`
        })
      }
      dates.set(node.id, row.at)
    }
    const wanted = kind.only === "rows" ? new Set(dates.keys()) : ancestors(graph, [...dates.keys()])
    return graph.nodes
      .filter((node) => wanted.has(node.id))
      .map((node, i) => {
        const since = dates.get(node.id) ?? at
        return entryOf(node, {
          state: "applied",
          origin: "adopted",
          step: 0,
          sequence: i + 1,
          startedAt: since,
          finishedAt: since,
          appliedBy: `${appliedBy}, from ${table}`,
          error: undefined
        })
      })
  })
