/** Rows in tables of any kind, and which of them a change has to keep. */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { LiveSchema } from "effect-aquifer"
import { rows, schema } from "../migration/support.js"

/** One row in each table. */
export const inhabit = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  for (const table of (yield* schema).tables) {
    const columns = table.columns.filter(({ name }) => ["id", "a", "b1", "b2"].includes(name))
    const own = table.columns.some(({ identity }) => identity === "always") ? "OVERRIDING SYSTEM VALUE" : ""
    const values = columns.map(() => "'1'").join(", ")
    yield* sql.unsafe(
      `INSERT INTO ${table.name} (${columns.map(({ name }) => name).join(", ")}) ${own} VALUES (${values})`
    )
  }
})

export type Contents = ReadonlyMap<string, ReadonlyArray<Record<string, unknown>>>

export const contents: Effect.Effect<Contents, unknown, SqlClient.SqlClient> = Effect.gen(function* () {
  const found = new Map<string, ReadonlyArray<Record<string, unknown>>>()
  for (const { name } of (yield* schema).tables) found.set(name, yield* rows(`SELECT * FROM ${name}`))
  return found
})

/** What is in the columns that are there on both sides, under one type, and that nobody computes. */
export const lasting = (of: Contents, before: LiveSchema.LiveSchema, after: LiveSchema.LiveSchema) =>
  before.tables.flatMap(({ columns, name }) => {
    const other = LiveSchema.table(after, name)?.columns ?? []
    const same = (a: LiveSchema.LiveColumn, b: LiveSchema.LiveColumn) =>
      a.name === b.name && a.type === b.type && a.computed === undefined && b.computed === undefined
    const both = columns.filter((column) => other.some((one) => same(column, one)))
    return both.map((column) => [name, column.name, of.get(name)?.map((row) => row[column.name])])
  })
