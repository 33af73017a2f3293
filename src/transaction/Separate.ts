/**
 * A transaction of its own although another one is open: for what must stay when that one fails, such as an audit log.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Connections from "../connection/Connections.js"
import * as Session from "../connection/Session.js"
import { type DatabaseError, UnsupportedError } from "../model/DatabaseError.js"
import { type Options, runOn } from "./Run.js"
import * as Sandbox from "./Sandbox.js"

/**
 * `run` on another connection, whatever transaction is open: it neither sees what that one has not committed nor is undone
 * with it, it retries by itself, and when the outer one is run again it is done again. Elsewhere known as `requires new`;
 * `run` is `required`. It holds a second connection while the first waits: callers in number need a pool that has both, and
 * the wait ends with `acquireTimeout`. Where it could only ever wait for the transaction around it (one writer, one session,
 * a pool of one), it fails at once with `UnsupportedError`. What both would lock, it waits for in vain: a lock timeout ends
 * that. In a sandbox it is a savepoint, and undone with the rest.
 *
 * @since 0.1.0
 * @category combinators
 */
export const separate: {
  (
    options?: Options
  ): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | DatabaseError, R | SqlClient.SqlClient>
  <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    options?: Options
  ): Effect.Effect<A, E | DatabaseError, R | SqlClient.SqlClient>
} = dual(
  (args) => Effect.isEffect(args[0]),
  <A, E, R>(effect: Effect.Effect<A, E, R>, options: Options = {}) =>
    Effect.flatMap(Connections.current, (connections) =>
      Effect.withFiberRuntime<A, E | DatabaseError, R>((fiber) => {
        const run = runOn(connections, effect, options)
        const session = Session.current(connections, fiber.currentContext)
        if (session === undefined || session.over || Sandbox.covers(session)) return run
        const reason = obstacle(connections, session, options)
        if (reason !== undefined) {
          const hint = "Run it before or after the transaction around it, or with afterCommit"
          return Effect.fail(new UnsupportedError({ operation: "begin", reason, hint }))
        }
        const apart = runOn(connections, effect, options, true)
        return Effect.mapInputContext(apart, (context: Context.Context<R>) => Session.outside(context, session))
      })
    )
)

/** Why it could only wait for the transaction around it, if so. */
const obstacle = (
  { config, dialect }: Connections.Connections,
  { root }: Session.Session,
  options: Options
): string | undefined => {
  const itself = "the transaction around it holds the only one, and would be waited for by itself"
  if (dialect.sessions === "one") return `this database has one session: ${itself}`
  const single = config.pool.size + config.pool.maxOverflow === 1
  if (dialect.sessions === "many") return single ? `the pool has one connection: ${itself}` : undefined
  const reads = options.access === "read only"
  const outerReads =
    root.begin._tag !== "none" && root.begin.text === dialect.transaction.begin({ access: "read only" })
  if (!reads && !outerReads) return `this database has one writer: ${itself}`
  return single && reads && outerReads ? `the pool has one reader: ${itself}` : undefined
}
