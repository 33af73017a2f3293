/**
 * Connections that all workers' test databases may have together: so many numbered advisory locks, each good for one. They
 * belong to the session that took them, so a killed worker gives them back.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type DatabaseError, TooManyConnections } from "../../model/DatabaseError.js"
import type { Server } from "./Server.js"
import { until } from "./Waiting.js"

/** The first of the two numbers such a lock has; the first four bytes of SHA-256 of `aquifer:test connections`. */
const family = 1_669_175_076

/** The rest is for whoever else uses the server, and for what is only just closing. */
const share = 2 / 3

const refused = (reason: string) =>
  Effect.fail(
    new TooManyConnections({
      operation: "test database",
      reason,
      hint: "Run fewer workers, use smaller pools, or allow more with the option connections, if the server takes them"
    })
  )

/** Takes as many as are needed for as long as the session lives: all of them or, for the moment, none. @since 0.1.0 @category combinators */
export const take = (
  server: Server,
  needed: number,
  allowed: number | undefined,
  limit: Duration.Duration
): Effect.Effect<void, DatabaseError> => {
  const { sessions } = server.facts
  const total = Math.floor(Math.min(allowed ?? sessions * share, sessions))
  // Nor are there enough of what is no number.
  if (!(needed <= total)) {
    return refused(`a test database takes ${needed} connections, and all of them together may have ${total}`)
  }
  const attempt = Effect.gen(function* () {
    const got = yield* server.ask(
      `SELECT n FROM generate_series(1, ${total}) AS n WHERE pg_try_advisory_lock(${family}, n) LIMIT ${needed}`
    )
    if (got.length === needed) return true
    for (const { n } of got) yield* server.ask(`SELECT pg_advisory_unlock(${family}, ${n})`)
    return undefined
  })
  return Effect.asVoid(
    until(attempt, limit, refused(`other test databases have all ${total} connections they may have`))
  )
}
