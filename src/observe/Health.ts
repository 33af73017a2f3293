/**
 * Whether the database answers, how fast, and how the pool stands. A check uses a connection of its own, so an exhausted
 * pool does not look like a dead database; and a dead database is a report, not a failure.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Connections from "../connection/Connections.js"
import { within } from "../connection/Limit.js"
import { ConnectionError, type DatabaseError, type PoolSnapshot } from "../model/DatabaseError.js"

/** @since 0.1.0 @category models */
export type Report = {
  readonly product: string
  readonly pool: PoolSnapshot
} & (
  | {
      readonly status: "up"
      readonly latency: Duration.Duration
      readonly version: string
      readonly facts: Readonly<Record<string, unknown>>
    }
  | { readonly status: "down"; readonly error: DatabaseError }
)

/** A check that takes longer reports `down`. @since 0.1.0 @category defaults */
export const limit = Duration.seconds(5)

/**
 * Opens a connection beside the pool and asks the server for its vitals; `latency` is the time of that question alone.
 * A database of one session (SQLite in memory) is asked on that session.
 *
 * @since 0.1.0
 * @category accessors
 */
export const check: Effect.Effect<Report, DatabaseError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (client) => Effect.flatMap(Connections.of(client), (connections) => checkOn(connections))
)

/** `check` on connections already at hand. @since 0.1.0 @category accessors */
export const checkOn = (connections: Connections.Connections): Effect.Effect<Report> => {
  const asked = Effect.scoped(
    Effect.flatMap(connections.own, (connection) =>
      Effect.gen(function* () {
        const start = yield* Clock.currentTimeNanos
        yield* connection.ping
        const latency = Duration.nanos((yield* Clock.currentTimeNanos) - start)
        const { version, ...facts } = yield* connections.dialect.vitals(connection)
        return { status: "up", latency, version, facts } as const
      })
    )
  )
  const late = Effect.fail(
    new ConnectionError({
      operation: "health",
      reason: `no answer within ${Duration.format(limit)}`,
      phase: "connect",
      sent: false
    })
  )
  return Effect.zipWith(
    Effect.catchAll(within(asked, limit, late), (error) => Effect.succeed({ status: "down", error } as const)),
    connections.pool.status,
    (answer, pool): Report => ({ product: connections.dialect.name, pool, ...answer })
  )
}

/** Whether the database answers. @since 0.1.0 @category accessors */
export const isHealthy: Effect.Effect<boolean, DatabaseError, SqlClient.SqlClient> = Effect.map(
  check,
  ({ status }) => status === "up"
)
