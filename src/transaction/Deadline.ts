/**
 * A transaction's own `timeout`: one moment for all its attempts and the waits between them. A wait that would end after it
 * is not begun.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type DatabaseError, StatementTimeoutError } from "../model/DatabaseError.js"

/** Cuts an effect at the deadline; `last`, what failed before, stands behind. @since 0.1.0 @category models */
export type Bounded = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  last?: DatabaseError
) => Effect.Effect<A, E | StatementTimeoutError, R>

/** @since 0.1.0 @category models */
export interface Deadline {
  readonly bounded: Bounded
  /** Waits so many ms, or fails at once where the deadline comes first. */
  readonly wait: (millis: number, last: DatabaseError) => Effect.Effect<void, StatementTimeoutError>
}

const pause = (millis: number) => (millis > 0 ? Effect.sleep(millis) : Effect.void)

const none: Deadline = { bounded: (effect) => effect, wait: pause }

/** `run` with the moment `timeout` from now; where there is none, at once. @since 0.1.0 @category combinators */
export const use = <A, E, R>(
  timeout: Duration.DurationInput | undefined,
  run: (deadline: Deadline) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => (timeout === undefined ? run(none) : Effect.flatMap(make(timeout), run))

const make = (timeout: Duration.DurationInput): Effect.Effect<Deadline> => {
  const over = (reason: string, cause: DatabaseError | undefined) =>
    new StatementTimeoutError({ operation: "transaction", reason, cause })
  return Effect.map(Clock.currentTimeMillis, (start): Deadline => {
    const left = Effect.map(Clock.currentTimeMillis, (now) => start + Duration.toMillis(timeout) - now)
    return {
      bounded: (effect, last) =>
        Effect.flatMap(left, (duration) =>
          Effect.timeoutFail(effect, {
            duration,
            onTimeout: () => over(`the transaction took longer than ${Duration.format(timeout)}`, last)
          })
        ),
      wait: (millis, last) =>
        Effect.flatMap(left, (rest) => {
          if (millis < rest) return pause(millis)
          const wait = Duration.format(Duration.millis(Math.ceil(millis)))
          return Effect.fail(
            over(
              `the next attempt, ${wait} from now, would come after the transaction's timeout of ${Duration.format(timeout)}`,
              last
            )
          )
        })
    }
  })
}
