/**
 * A limit that also holds where nothing may be interrupted: COMMIT, ROLLBACK and resets run to their end, but not for ever.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import { promptly } from "./Suspension.js"

/**
 * Runs `effect` in a fiber of its own, which is nobody's child: where the caller must not be interrupted, no interrupt
 * reaches it, neither one already pending nor one yet to come. (`Effect.timeout` runs children, and a parent passes each
 * interrupt on to them at once, uninterruptible or not.) When `limit` passes first, `effect` is told to stop, nobody
 * waits for that, and `otherwise` runs. A caller that is interrupted waits for `effect` to stop, and no longer than the limit.
 *
 * @since 0.1.0
 * @category combinators
 */
export const within = <A, E, R, B, E2, R2>(
  effect: Effect.Effect<A, E, R>,
  limit: Duration.DurationInput,
  otherwise: Effect.Effect<B, E2, R2>
): Effect.Effect<A | B, E | E2, R | R2> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(started(Effect.interruptible(effect)), (running) => {
      const ended = running.unsafePoll()
      if (ended !== null) return ended
      return Effect.flatMap(Effect.forkDaemon(Effect.interruptible(Effect.sleep(limit))), (timer) => {
        const first = Effect.async<Option.Option<A>, E>((resume) => {
          running.addObserver((exit) => resume(Effect.map(exit, Option.some)))
          timer.addObserver(() => resume(Effect.succeedNone))
        })
        return restore(first).pipe(
          Effect.onInterrupt(() => Effect.zipRight(Fiber.interruptFork(running), Effect.exit(first))),
          Effect.ensuring(Fiber.interruptFork(timer)),
          Effect.flatMap(
            (answer): Effect.Effect<A | B, E | E2, R | R2> =>
              Option.isSome(answer)
                ? Effect.as(Fiber.inheritAll(running), answer.value)
                : Effect.zipRight(Fiber.interruptFork(running), restore(otherwise))
          )
        )
      })
    })
  )

/**
 * Whichever ends first; the other is interrupted and waited for. `Effect.raceFirst` (3.22) never ends when it is interrupted
 * between having made its two fibers and starting them.
 *
 * @since 0.1.0
 * @category combinators
 */
export const first = <A, E, R, B, E2, R2>(
  one: Effect.Effect<A, E, R>,
  other: Effect.Effect<B, E2, R2>
): Effect.Effect<A | B, E | E2, R | R2> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      Effect.zip(Effect.forkDaemon(Effect.interruptible(one)), Effect.forkDaemon(Effect.interruptible(other))),
      ([left, right]) =>
        Effect.async<Fiber.RuntimeFiber<A | B, E | E2>>((resume) => {
          for (const fiber of [left, right]) fiber.addObserver(() => resume(Effect.succeed(fiber)))
        }).pipe(
          restore,
          Effect.ensuring(Fiber.interruptAll([left, right])),
          Effect.flatMap((winner) => Fiber.join(winner))
        )
    )
  )

/** Where suspending would be the end of a `runSync`, as much of it is done at once as can be. */
const started = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Fiber.RuntimeFiber<A, E>, never, R> =>
  Effect.withFiberRuntime((caller) => {
    const scheduler = promptly(caller)
    if (scheduler === undefined) return Effect.forkDaemon(effect)
    return Effect.map(Effect.runtime<R>(), (runtime) => {
      const fiber = Runtime.runFork(runtime, effect, { scheduler })
      scheduler.flush()
      return fiber
    })
  })
