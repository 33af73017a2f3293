/**
 * `aquifer db create`, `drop` and `reset`: the database itself, from outside of it. What removes it asks first, and never
 * happens under the production profile.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Admin } from "../Dialect.js"
import * as Dialects from "../dialect/index.js"
import * as History from "../migration/History.js"
import * as Move from "../migration/Move.js"
import { type DatabaseConfig, describeTarget } from "../model/DatabaseConfig.js"
import { type DatabaseError, UnsupportedError } from "../model/DatabaseError.js"
import { confirmed, type Run, show, Told, told } from "./Command.js"
import { plural } from "./layout.js"
import { source, watched } from "./migrate/source.js"
import type { Options } from "./Options.js"
import { onDatabase } from "./onDatabase.js"
import * as Target from "./Target.js"
import { prefix } from "./words.js"

const outside = <A>(
  config: DatabaseConfig,
  does: (admin: Admin, config: DatabaseConfig) => Effect.Effect<A, DatabaseError>
): Effect.Effect<A, Told> =>
  told(
    Effect.scoped(
      Dialects.recognising(config, (config) =>
        Effect.flatMap(
          Dialects.forTarget(config.target),
          ({ admin }): Effect.Effect<A, DatabaseError> =>
            admin === undefined
              ? Effect.fail(
                  new UnsupportedError({
                    operation: "connect",
                    reason: "this product's databases are not made or dropped from outside",
                    hint: "Use the product's own tools"
                  })
                )
              : does(admin, config)
        )
      )
    ),
    config
  )

const make = (config: DatabaseConfig) => outside(config, (admin, config) => admin.create(config))
const remove = (config: DatabaseConfig) => outside(config, (admin, config) => admin.drop(config))

/** @since 0.1.0 @category commands */
export const create: Run = (options) =>
  Effect.gen(function* () {
    const config = yield* Target.resolve(options)
    const created = yield* make(config)
    yield* show(options, { database: describeTarget(config), created }, (result) => [
      `  ${result.database} ${result.created ? "created" : "is already there"}`
    ])
    return 0 as const
  })

/** A person who means it says another profile. */
const notInProduction = (config: DatabaseConfig): Effect.Effect<void, Told> =>
  config.profile === "production"
    ? Effect.fail(
        new Told({
          lines: [
            `${prefix}${describeTarget(config)} is a production database (DB_ENV or NODE_ENV says so) and is not dropped. Drop it with the product's own tools.`
          ]
        })
      )
    : Effect.void

const permitted = (options: Options, what: string, check: Effect.Effect<unknown, Told> = Effect.void) =>
  Effect.gen(function* () {
    const config = yield* Target.resolve(options)
    yield* notInProduction(config)
    yield* check
    yield* confirmed(options, `${what} ${describeTarget(config)} and everything in it`)
    return config
  })

/** @since 0.1.0 @category commands */
export const drop: Run = (options) =>
  Effect.gen(function* () {
    const config = yield* permitted(options, "this drops")
    const dropped = yield* remove(config)
    yield* show(options, { database: describeTarget(config), dropped }, (result) => [
      `  ${result.database} ${result.dropped ? "dropped" : "was not there"}`
    ])
    return 0 as const
  })

/** @since 0.1.0 @category commands */
export const reset: Run = (options) =>
  Effect.gen(function* () {
    // What could not be migrated afterwards is not dropped.
    const files = told(History.graph(source(options)))
    const config = yield* permitted(options, "this drops and makes anew", files)
    const dropped = yield* remove(config)
    yield* make(config)
    const report = yield* onDatabase(config, watched(options, Move.up))
    yield* show(options, { database: describeTarget(config), dropped, applied: report.applied }, (result) => [
      `  ${result.database} ${result.dropped ? "dropped and " : ""}created, ${plural(result.applied.length, "migration", "migrations")} applied`
    ])
    return 0 as const
  })
