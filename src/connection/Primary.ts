/**
 * Where the writers' sessions lead. A write refused because its server takes none (25006: it has become a standby, or a pooler
 * or a name leads to another one by now) makes the pool give up every session it has and look through its hosts again, for
 * one that takes writes. The server is asked why first: a transaction that was begun read only, or a read-only default of the
 * role's, the database's or the URL's own, is somebody's choice and changes nothing.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Dialect, DriverConnection } from "../Dialect.js"
import type { DatabaseConfig } from "../model/DatabaseConfig.js"
import { ConnectionError, type DatabaseError } from "../model/DatabaseError.js"
import { leave } from "./Care.js"
import { within } from "./Limit.js"

/** @since 0.1.0 @category models */
export interface Primary {
  /** Opens a session where writes were taken last. */
  readonly connect: (role: "writer" | "reader") => Effect.Effect<DriverConnection, DatabaseError, Scope.Scope>
  /**
   * Asked of an idle session after `refused`, outside of transactions that were begun read only: the failure it really is, a
   * lost server, and the pool has begun anew. Nothing was done, and on another session it may be done. `undefined`: it is
   * what it says, or no refusal at all.
   */
  readonly moved: (
    connection: DriverConnection,
    refused: DatabaseError | undefined
  ) => Effect.Effect<ConnectionError | undefined>
}

/** The question is one of a moment; a server that does not answer it is no reason to change anything. */
const patience = Duration.seconds(5)

/** However many meet the old server at once, and however long there is no new one: so often at most the pool begins anew. */
const least = 200

/** `evictAll` closes the pool's sessions. @since 0.1.0 @category constructors */
export const make = (config: DatabaseConfig, dialect: Dialect, evictAll: Effect.Effect<void>): Primary => {
  const { replication } = dialect
  const openedIn = new WeakMap<DriverConnection, number>()
  let generation = 0
  let last = Number.NEGATIVE_INFINITY
  let sought = config

  const connect: Primary["connect"] = (role) =>
    Effect.suspend(() => {
      const now = generation
      return Effect.tap(dialect.connect(sought, role), (connection) => Effect.sync(() => openedIn.set(connection, now)))
    })

  const isOld = (connection: DriverConnection) => (openedIn.get(connection) ?? generation) < generation

  const beginAnew = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    if (now - last < least) return Effect.void
    last = now
    generation++
    // Any host would do, until somebody wrote: from now on it should be one that takes writes.
    if (config.target.targetSession === "any") {
      sought = { ...config, target: { ...config.target, targetSession: "prefer-primary" } }
    }
    return Effect.zipRight(
      Effect.logWarning("a write was refused because the server takes none: looking for the primary again"),
      evictAll
    )
  })

  return {
    connect,
    moved: (connection, refused) => {
      if (refused?._tag !== "ReadOnlyError" || replication === undefined) return Effect.succeed(undefined)
      return Effect.suspend(() => {
        // A replica's refusal says nothing of the primary.
        if (!openedIn.has(connection)) return Effect.succeed(undefined)
        if (isOld(connection)) return Effect.succeed(lost(refused))
        if (connection.status() !== "idle") return Effect.succeed(undefined)
        const asked = within(replication.demoted(connection, config), patience, Effect.succeed(false))
        return Effect.flatMap(
          Effect.catchAll(asked, () => Effect.succeed(false)),
          (demoted) => {
            if (!demoted) return Effect.succeed(undefined)
            leave(connection)
            return Effect.as(isOld(connection) ? Effect.void : beginAnew, lost(refused))
          }
        )
      })
    }
  }
}

const lost = (refused: DatabaseError): ConnectionError =>
  new ConnectionError({
    operation: refused.operation,
    reason: `the server takes no writes, it is no primary: ${refused.reason}`,
    hint: "Name all servers in the URL, with target_session_attrs=read-write",
    cause: refused,
    sqlState: refused.sqlState,
    phase: "statement",
    sent: true
  })
