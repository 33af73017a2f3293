/**
 * Which product speaks behind which driver: the one table that names them all. A product's driver is loaded when it is
 * chosen, so that using SQLite never loads `pg`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Dialect } from "../Dialect.js"
import type { DatabaseConfig, Driver, Target } from "../model/DatabaseConfig.js"
import { type DatabaseError, isDatabaseError, UnsupportedError } from "../model/DatabaseError.js"
import { productOf } from "./relative.js"
import * as Sqlite from "./sqlite/index.js"

/** Synchronous for SQLite, so that its layer can be built under `Effect.runSync`. */
const drivers: Readonly<Record<Driver, (target: Target) => Effect.Effect<Dialect, DatabaseError, Scope.Scope>>> = {
  sqlite: (target) => Effect.succeed(Sqlite.forTarget(target)),
  postgres: ({ product }) =>
    product === undefined
      ? Effect.map(
          load(() => import("./postgres/index.js")),
          (module) => module.postgres
        )
      : Effect.map(
          load(() => import("./cockroach/index.js")),
          (module) => module.cockroach
        ),
  pglite: (target) =>
    Effect.flatMap(
      load(() => import("./pglite/index.js")),
      (module) => module.forTarget(target)
    )
}

/** Drivers behind which more than one product may answer. */
const relatives: Partial<Record<Driver, true>> = { postgres: true }

/** What a product keeps besides its sessions ends with the scope. @since 0.1.0 @category constructors */
export const forTarget = (target: Target): Effect.Effect<Dialect, DatabaseError, Scope.Scope> =>
  drivers[target.driver](target)

/**
 * Does what `use` does with the product a configuration names; where its first connection finds a relative of that one, all
 * of it is given back and done again with the relative.
 *
 * @since 0.1.0
 * @category combinators
 */
export const recognising = <A, E, R>(
  config: DatabaseConfig,
  use: (config: DatabaseConfig) => Effect.Effect<A, E | DatabaseError, R>
): Effect.Effect<A, E | DatabaseError, R | Scope.Scope> =>
  Effect.catchAll(contained(use(config)), (error) => {
    const product = isDatabaseError(error) ? productOf(error) : undefined
    return product === undefined ? Effect.fail(error) : use({ ...config, target: { ...config.target, product } })
  })

/**
 * The configuration with the product its server turns out to be, for a layer that must not connect. Nobody learns here that
 * the server cannot be reached: the configuration then stays what it is, at the latest when the connect timeout is over.
 *
 * @since 0.1.0
 * @category combinators
 */
export const identified = (config: DatabaseConfig): Effect.Effect<DatabaseConfig> => {
  const { driver, product } = config.target
  if (!Object.hasOwn(relatives, driver) || product !== undefined) return Effect.succeed(config)
  return recognising(config, (config) =>
    Effect.flatMap(forTarget(config.target), (dialect) => Effect.as(dialect.connect(config, "writer"), config))
  ).pipe(
    Effect.scoped,
    Effect.orElseSucceed(() => config)
  )
}

/** What a failure leaves open is closed at once, and not when the whole scope ends. */
const contained = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.scope, (outer) =>
      Effect.flatMap(Scope.fork(outer, ExecutionStrategy.sequential), (inner) =>
        Effect.onError(restore(Scope.extend(effect, inner)), (cause) => Scope.close(inner, Exit.failCause(cause)))
      )
    )
  )

const load = <A>(importer: () => Promise<A>): Effect.Effect<A, DatabaseError> =>
  Effect.tryPromise({
    try: importer,
    catch: (cause) =>
      new UnsupportedError({
        operation: "connect",
        reason: "the database's driver could not be loaded",
        hint: "Install the project's dependencies again",
        cause
      })
  })
