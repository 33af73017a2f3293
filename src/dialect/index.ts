/**
 * Which product speaks behind which driver: the one table that names them all. A product's driver is loaded when it is
 * chosen, so that using SQLite never loads `pg`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Dialect } from "../Dialect.js"
import type { Driver, Target } from "../model/DatabaseConfig.js"
import { type DatabaseError, UnsupportedError } from "../model/DatabaseError.js"
import * as Sqlite from "./sqlite/index.js"

/** Synchronous for SQLite, so that its layer can be built under `Effect.runSync`. */
const drivers: Readonly<Record<Driver, (target: Target) => Effect.Effect<Dialect, DatabaseError, Scope.Scope>>> = {
  sqlite: (target) => Effect.succeed(Sqlite.forTarget(target)),
  postgres: () =>
    Effect.map(
      load(() => import("./postgres/index.js")),
      (module) => module.postgres
    ),
  pglite: (target) =>
    Effect.flatMap(
      load(() => import("./pglite/index.js")),
      (module) => module.forTarget(target)
    )
}

/** What a product keeps besides its sessions ends with the scope. @since 0.1.0 @category constructors */
export const forTarget = (target: Target): Effect.Effect<Dialect, DatabaseError, Scope.Scope> =>
  drivers[target.driver](target)

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
