/**
 * Reads that a replica may answer. Where they go is the route's business; here it is put around an effect.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Connections from "../connection/Connections.js"
import * as Route from "../connection/Route.js"
import * as Session from "../connection/Session.js"
import type { LimitInput } from "../model/DatabaseConfig.js"
import type { UnsupportedError } from "../model/DatabaseError.js"

/** @since 0.1.0 @category models */
export interface ReplicaOptions {
  /** The most the data may be behind the primary's; without it the configuration's `maxStaleness`. */
  readonly maxStaleness?: LimitInput | undefined
}

/**
 * The effect's statements go to a replica, or to the primary when no replica answers or all are older than `maxStaleness`. One
 * replica, the least busy at the start, serves the whole effect as long as it is fit; a statement that loses it, or stands in
 * the way of its replay, is sent again elsewhere. Each statement sees data of its own moment: who needs one view of them runs
 * a `Transaction` inside, which stays on one session and is read only (a standby has no `serializable`).
 *
 * Nothing inside can write, wherever it runs: a write is a `ReadOnlyError`, with replicas and without. Inside a transaction of
 * the same client this changes nothing: the effect belongs to the transaction, on its connection, and sees what that has
 * written. A database without replicas answers itself.
 *
 * @since 0.1.0
 * @category combinators
 */
export const onReplica: {
  (
    options?: ReplicaOptions
  ): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | UnsupportedError, R | SqlClient.SqlClient>
  <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    options?: ReplicaOptions
  ): Effect.Effect<A, E | UnsupportedError, R | SqlClient.SqlClient>
} = dual(
  (args) => Effect.isEffect(args[0]),
  <A, E, R>(effect: Effect.Effect<A, E, R>, options: ReplicaOptions = {}) =>
    Effect.flatMap(Connections.current, (connections) =>
      Effect.withFiberRuntime<A, E, R>((fiber) => {
        const around = Session.carrier(connections, fiber.currentContext)
        if (around instanceof Session.Session || (around !== undefined && options.maxStaleness === undefined))
          return effect
        return Effect.mapInputContext(effect, (context: Context.Context<R>) =>
          Route.provide(context, connections.route(bound(connections, options), Session.entry(fiber.currentContext)))
        )
      })
    )
)

/** In milliseconds. */
const bound = ({ config }: Connections.Connections, { maxStaleness }: ReplicaOptions): number => {
  if (maxStaleness === undefined) return Duration.toMillis(config.maxStaleness ?? Duration.infinity)
  const millis = maxStaleness === "off" ? 0 : Duration.toMillis(Duration.decode(maxStaleness))
  return millis === 0 ? Number.POSITIVE_INFINITY : millis
}
