/**
 * How a pool takes care of sessions: what is done to a new one, and before one goes to its next holder.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Dialect, DriverConnection } from "../Dialect.js"
import type { DatabaseConfig } from "../model/DatabaseConfig.js"
import type { DatabaseError } from "../model/DatabaseError.js"
import type { Care } from "./Slot.js"

/** Sessions that a statement left something on. */
const touched = new WeakSet<DriverConnection>()

/** Something was left on it: before its next holder it is reset. @since 0.1.0 @category combinators */
export const touch = (connection: DriverConnection): void => {
  touched.add(connection)
}

/** Sessions nobody is to have any more. */
const left = new WeakSet<DriverConnection>()

/** No pool hands it out again. @since 0.1.0 @category combinators */
export const leave = (connection: DriverConnection): void => {
  left.add(connection)
}

/** `connect` opens a session. @since 0.1.0 @category constructors */
export const care = (
  config: DatabaseConfig,
  dialect: Dialect,
  connect: Effect.Effect<DriverConnection, DatabaseError, Scope.Scope>
): Care<DriverConnection> => {
  const prepare = (connection: DriverConnection) =>
    Effect.map(
      Effect.forEach(config.pool.onConnect, (text) => connection.script(text), { discard: true }),
      () => connection.residue?.accept()
    )
  /** A reset takes along what `onConnect` had done. */
  const reset = (connection: DriverConnection) =>
    config.pool.onConnect.length === 0 ? connection.reset : Effect.zipRight(connection.reset, prepare(connection))
  const cleaning = (connection: DriverConnection): Effect.Effect<void, DatabaseError> | undefined => {
    if (connection.pending() > 0) return Effect.zipRight(connection.cancel, reset(connection))
    const residue = touched.delete(connection) || connection.residue?.any() === true
    if (residue || config.pool.resetOnReturn === "discard") return reset(connection)
    return connection.status() === "idle" ? undefined : Effect.asVoid(connection.script(dialect.transaction.rollback))
  }
  return {
    open: Effect.tap(connect, prepare),
    usable: (connection) => connection.status() !== "broken" && !left.has(connection),
    ping: (connection) => connection.ping,
    clean: (connection) => {
      const work = cleaning(connection)
      return work !== undefined && dialect.sessions === "one" ? sparing(connection, work) : work
    },
    lost: (connection) => connection.lost
  }
}

/** The only session is not closed because cleaning it failed, once nothing is open on it any more. */
const sparing = (connection: DriverConnection, cleaning: Effect.Effect<void, DatabaseError>) =>
  Effect.catchAll(cleaning, (error) =>
    Effect.flatMap(Effect.exit(connection.reset), () =>
      connection.status() === "idle"
        ? Effect.logWarning("the only session of this database could not be cleaned as it should be; it is kept", error)
        : Effect.fail(error)
    )
  )
