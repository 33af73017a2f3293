/**
 * Moments by which something must have ended, for what is done so often that a timer and a fiber each would cost more than
 * the thing itself (a COMMIT: half of a short transaction). One fiber sleeps until the earliest; what ends in time leaves
 * no more than an entry added and taken away.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import { Bag, type Member } from "./Bag.js"

class Entry implements Member {
  place = -1
  passed = false
  constructor(
    readonly at: number,
    readonly stop: Effect.Effect<void>
  ) {}
}

/** @since 0.1.0 @category models */
export interface Deadlines {
  /**
   * Runs `effect`, which must not be interruptible. When `limit` passes first, `stop` is run elsewhere; it must make
   * `effect` end, and that then fails with `late`.
   */
  readonly bound: <A, E, E2>(
    effect: Effect.Effect<A, E>,
    limit: Duration.Duration,
    stop: Effect.Effect<void>,
    late: () => E2
  ) => Effect.Effect<A, E | E2>
}

/** Ends with the scope. @since 0.1.0 @category constructors */
export const make = Effect.gen(function* () {
  const runtime = yield* Effect.runtime<never>()
  const scope = yield* Effect.scope
  const clock = yield* Effect.clock
  const now = () => clock.unsafeCurrentTimeMillis()
  const entries = new Bag<Entry>()
  let wakesAt = Number.POSITIVE_INFINITY

  /** A later entry is met when the fiber wakes for an earlier one, be that still there or not. */
  const watch = (at: number) => {
    if (at >= wakesAt) return
    wakesAt = at
    Runtime.runFork(runtime, Effect.zipRight(Effect.sleep(Duration.millis(at - now())), wake(at)), { scope })
  }

  const wake = (at: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      // Another fiber was sent to sleep for an earlier moment, and has taken over.
      if (at !== wakesAt) return Effect.void
      wakesAt = Number.POSITIVE_INFINITY
      const passed: Array<Entry> = []
      let next = Number.POSITIVE_INFINITY
      for (const entry of entries) {
        if (entry.at <= at) passed.push(entry)
        else next = Math.min(next, entry.at)
      }
      for (const entry of passed) {
        entry.passed = true
        entries.delete(entry)
      }
      if (next < Number.POSITIVE_INFINITY) watch(next)
      return Effect.forEach(passed, ({ stop }) => stop, { concurrency: "unbounded", discard: true })
    })

  const deadlines: Deadlines = {
    bound: <A, E, E2>(
      effect: Effect.Effect<A, E>,
      limit: Duration.Duration,
      stop: Effect.Effect<void>,
      late: () => E2
    ) =>
      Effect.suspend(() => {
        const entry = new Entry(now() + Duration.toMillis(limit), stop)
        entries.add(entry)
        watch(entry.at)
        return Effect.matchCauseEffect(effect, {
          onSuccess: (value) => {
            entries.delete(entry)
            return Effect.succeed(value)
          },
          onFailure: (cause): Effect.Effect<A, E | E2> => {
            entries.delete(entry)
            return entry.passed ? Effect.fail(late()) : Effect.failCause(cause)
          }
        })
      })
  }
  return deadlines
})
