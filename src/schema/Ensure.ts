/**
 * Makes the declared tables that are not there, each with its keys and indexes, and touches nothing that is: no row, no
 * column. Each table is made as a whole or not at all; one that fails does not keep the others from being made.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { withConnection } from "../client/withConnection.js"
import * as Connections from "../connection/Connections.js"
import type { Change } from "../model/Change.js"
import type { DatabaseError } from "../model/DatabaseError.js"
import * as LiveSchema from "../model/LiveSchema.js"
import { runOn } from "../transaction/Run.js"
import { type DatabaseSchema, resolve } from "./Declared.js"
import { creation } from "./Diff.js"
import { carryOut } from "./Render.js"
import type { SchemaError } from "./SchemaError.js"

/**
 * - `created`: it was not there, and is now.
 * - `present`: it was there, whatever it looks like: `check` tells.
 * - `incomplete`: it was made, but a reference to a table made after it was refused.
 * - `failed`: it was refused, and is not there.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ensured {
  readonly table: string
  readonly outcome: "created" | "present" | "incomplete" | "failed"
  readonly error?: DatabaseError | undefined
}

/** @since 0.1.0 @category models */
export interface Report {
  /** Whether every declared table is there and complete. */
  readonly ok: boolean
  readonly tables: ReadonlyArray<Ensured>
}

/** All statements of a change, or, where DDL can be taken back, none: in a transaction, or a savepoint of the one around. */
const carriedOut = (
  connections: Connections.Connections,
  change: Change
): Effect.Effect<void, DatabaseError, SqlClient.SqlClient> => {
  const { dialect } = connections
  const work = withConnection((own) => carryOut(dialect, own, change))
  return dialect.can.has("transactionalDdl") ? runOn(connections, work) : work
}

/**
 * One report for all tables; fails only where there is no database to ask, or the tables make no schema. Safe to be called
 * by many at once: who finds a table that another has just made counts it as present. Inside a transaction it is a part of
 * that, and what is made is kept or taken back with it.
 *
 * @since 0.1.0
 * @category running
 */
export const ensure = (
  schema: DatabaseSchema
): Effect.Effect<Report, DatabaseError | SchemaError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const connections = yield* Connections.current
    const declared = yield* resolve(schema)
    const inspected = withConnection(connections.dialect.inspect)
    const live = yield* inspected
    const found = new Map<string, Ensured>()
    const run = (change: Change) => Effect.either(carriedOut(connections, change))

    for (const change of creation(declared)) {
      switch (change._tag) {
        case "CreateEnum":
          // Where it is refused, the tables that need it are, too, and say so.
          if (!live.enums.some(({ name }) => name === change.name)) yield* run(change)
          break
        case "CreateTable": {
          const table = change.table.name
          if (LiveSchema.table(live, table) !== undefined) {
            found.set(table, { table, outcome: "present" })
            break
          }
          const done = yield* run(change)
          if (done._tag === "Right") found.set(table, { table, outcome: "created" })
          else if (LiveSchema.table(yield* inspected, table) !== undefined) {
            found.set(table, { table, outcome: "present" })
          } else found.set(table, { table, outcome: "failed", error: done.left })
          break
        }
        case "AddConstraint": {
          const { table } = change
          if (found.get(table)?.outcome !== "created") break
          const done = yield* run(change)
          if (done._tag === "Left") found.set(table, { table, outcome: "incomplete", error: done.left })
          break
        }
      }
    }
    // In the order of the declaration.
    const tables = declared.tables.flatMap(({ definition }) => found.get(definition.name) ?? [])
    yield* Effect.forEach(tables, told, { discard: true })
    return { ok: tables.every(({ outcome }) => outcome === "created" || outcome === "present"), tables }
  }).pipe(Effect.withSpan("DatabaseSchema.ensure", { captureStackTrace: false }))

const told = ({ error, outcome, table }: Ensured): Effect.Effect<void> => {
  switch (outcome) {
    case "created":
      return Effect.logInfo(`the table ${table} was created`)
    case "present":
      return Effect.logDebug(`the table ${table} is there`)
    case "incomplete":
      return Effect.logWarning(`the table ${table} was created, but not a reference of it: ${error?.message}`)
    case "failed":
      return Effect.logWarning(`the table ${table} was not created: ${error?.message}`)
  }
}
