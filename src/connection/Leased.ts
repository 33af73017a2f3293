/**
 * A claim for the length of one use.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { DriverConnection } from "../Dialect.js"
import type { DatabaseError } from "../model/DatabaseError.js"
import type { Lease } from "./Lease.js"

/** @since 0.1.0 @category models */
export interface Options<A, E> {
  /** Told how it ended, when the connection is about to go back. */
  readonly ended?: (exit: Exit.Exit<A, E>) => void
  /** Asked of each failure before the connection goes back: whether to do it once more, on another one. */
  readonly elsewhere?: ((connection: DriverConnection, error: E) => Effect.Effect<boolean> | undefined) | undefined
}

/**
 * Acquires, uses and gives back; what an interrupt leaves running is stopped first. Written by hand, and so that success
 * costs nothing: as `acquireUseRelease` it costs twice as much, at every statement.
 *
 * @since 0.1.0
 * @category combinators
 */
export const leased = <A, E, R>(
  claims: () => Lease<DriverConnection>,
  use: (connection: DriverConnection) => Effect.Effect<A, E, R>,
  options: Options<A, E | DatabaseError> = {}
): Effect.Effect<A, E | DatabaseError, R> =>
  Effect.uninterruptibleMask((restore) => {
    const claim = claims()
    let held: DriverConnection | undefined
    const used = Effect.flatMap(claim.acquire, (connection) => {
      held = connection
      return use(connection)
    })
    return Effect.matchCauseEffect(restore(used), {
      onSuccess: (value) => {
        const exit = Exit.succeed(value)
        options.ended?.(exit)
        claim.end()
        return exit
      },
      onFailure: (cause) => {
        const exit = Exit.failCause(cause)
        options.ended?.(exit)
        if (held === undefined) {
          claim.end()
          return exit
        }
        if (Cause.isInterrupted(cause)) return Effect.zipRight(Effect.ensuring(held.cancel, claim.close), exit)
        const failure = Cause.failureOption(cause)
        const asked = failure._tag === "Some" ? options.elsewhere?.(held, failure.value) : undefined
        if (asked === undefined) {
          claim.end()
          return exit
        }
        return Effect.flatMap(Effect.ensuring(asked, claim.close), (again) =>
          again ? restore(leased(claims, use, { ...options, elsewhere: () => undefined })) : exit
        )
      }
    })
  })
