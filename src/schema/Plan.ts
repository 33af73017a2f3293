/**
 * Changes as the statements the product in use would be sent, found out on a scratch database: what one change is rendered
 * to may depend on what the ones before it left (SQLite makes tables anew). Nothing is sent to the live one.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Connections from "../connection/Connections.js"
import * as Change from "../model/Change.js"
import type { DatabaseError } from "../model/DatabaseError.js"
import * as LiveSchema from "../model/LiveSchema.js"
import { copied } from "./Alike.js"
import { type DatabaseSchema, resolve } from "./Declared.js"
import { definitionOf } from "./Definition.js"
import { creation, diff, inspect, type Options, printedWords } from "./Diff.js"
import { SchemaError } from "./SchemaError.js"
import * as Scratch from "./Scratch.js"

/** @since 0.1.0 @category models */
export interface Planned {
  readonly change: Change.Change
  readonly statements: ReadonlyArray<string>
}

const planned = (
  changes: ReadonlyArray<Change.Change>,
  live: LiveSchema.LiveSchema,
  requires: DatabaseSchema["requires"]
): Effect.Effect<ReadonlyArray<Planned>, DatabaseError, SqlClient.SqlClient> =>
  Effect.scoped(
    Effect.gen(function* () {
      const scratch = yield* Scratch.make(yield* Connections.current)
      const words = yield* printedWords(scratch)
      const units = [
        ...requires.map((sql) => ({ whole: Change.make.Execute({ sql }) })),
        ...copied(live, (table) => definitionOf(table, live, words))
      ]
      const texts = yield* scratch.statements(units, changes)
      return changes.map((change, i) => ({ change, statements: texts[i] ?? [] }))
    })
  )

/**
 * `diff`, and the statements of each change, as they are sent under the migration lock: SQLite's count on `foreign_keys`
 * being off.
 *
 * @since 0.1.0
 * @category looking
 */
export const plan = (
  schema: DatabaseSchema,
  options: Options = {}
): Effect.Effect<ReadonlyArray<Planned>, DatabaseError | SchemaError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const changes = yield* diff(schema, options)
    return changes.length === 0 ? [] : yield* planned(changes, yield* inspect, schema.requires)
  }).pipe(Effect.withSpan("DatabaseSchema.plan", { captureStackTrace: false }))

/**
 * The text that makes all that is declared out of nothing, as the product in use has it.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toSql = (
  schema: DatabaseSchema
): Effect.Effect<string, DatabaseError | SchemaError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const declared = yield* resolve(schema)
    const { dialect } = yield* Connections.current
    const steps = yield* planned(creation(declared), LiveSchema.empty, schema.requires)
    const { first, last } = dialect.sheet ?? { first: [], last: [] }
    const rebuilt = steps.some(({ change }) => change._tag === "AddConstraint")
    const texts = steps.flatMap(({ statements }) => statements)
    return (rebuilt ? [...first, ...texts, ...last] : texts).map((text) => `${text};\n`).join("\n")
  }).pipe(Effect.withSpan("DatabaseSchema.toSql", { captureStackTrace: false }))

/**
 * Fails with a `SchemaError` of the reason `drifted`, and the changes that would mend it, where the live database is not what
 * is declared.
 *
 * @since 0.1.0
 * @category looking
 */
export const check = (
  schema: DatabaseSchema,
  options: Options = {}
): Effect.Effect<void, DatabaseError | SchemaError, SqlClient.SqlClient> =>
  Effect.flatMap(diff(schema, options), (changes) =>
    changes.length === 0
      ? Effect.void
      : Effect.fail(
          new SchemaError({
            reason: "drifted",
            problem: `the database is not what is declared: ${changes.slice(0, 5).map(Change.describe).join(", ")}${changes.length > 5 ? `, and ${changes.length - 5} more` : ""}`,
            remedy: "Write a migration that makes it so, or declare what is there",
            changes
          })
        )
  ).pipe(Effect.withSpan("DatabaseSchema.check", { captureStackTrace: false }))
