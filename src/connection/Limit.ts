/**
 * A limit that also holds where nothing may be interrupted: COMMIT, ROLLBACK and resets run to their end, but not for ever.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/**
 * Runs `effect` in a fiber of its own, so that neither an interrupt already pending nor an uninterruptible region around
 * it matters; when `limit` passes first, abandons it and runs `otherwise`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const within = <A, E, R, B, E2, R2>(
  effect: Effect.Effect<A, E, R>,
  limit: Duration.DurationInput,
  otherwise: Effect.Effect<B, E2, R2>
): Effect.Effect<A | B, E | E2, R | R2> =>
  Effect.flatMap(
    Effect.timeoutOption(Effect.interruptible(effect), limit),
    (result): Effect.Effect<A | B, E2, R2> => (result._tag === "Some" ? Effect.succeed(result.value) : otherwise)
  )
