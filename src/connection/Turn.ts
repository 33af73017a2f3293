/**
 * One at a time, first come first served, with a limit to every wait. Sessions use it: a statement, or a savepoint for its
 * whole length, has the session to itself. A turn exists before the wait and its `end` gives back whatever it holds.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { LockTimeoutError } from "../model/DatabaseError.js"
import { within } from "./Limit.js"
import { mustNotSuspend } from "./Suspension.js"

interface Waiter {
  resume: ((effect: Effect.Effect<void>) => void) | undefined
}

/** @since 0.1.0 @category models */
export class Turns {
  private holder: Waiter | undefined
  private readonly queue: Array<Waiter> = []

  constructor(private readonly limit: Duration.Duration) {}

  /** Whether nobody has it. */
  get free(): boolean {
    return this.holder === undefined
  }

  /**
   * Runs `effect` alone; fails with `LockTimeoutError` when its turn does not come within the limit. What `settle` gives
   * for the cause of a failure or an interrupt is run before the turn ends, and is not interrupted.
   */
  alone<A, E, R>(
    effect: Effect.Effect<A, E, R>,
    settle?: (cause: Cause.Cause<E>) => Effect.Effect<void> | undefined
  ): Effect.Effect<A, E | LockTimeoutError, R> {
    // One region for the turn and for what must follow: as `ensuring` around `onInterrupt` it costs twice as much.
    return Effect.uninterruptibleMask((restore) => {
      const waiter: Waiter = { resume: undefined }
      const turn = this.take(waiter) ? effect : Effect.flatMap(this.wait(waiter), () => effect)
      return Effect.matchCauseEffect(restore(turn), {
        onSuccess: (value) => {
          this.end(waiter)
          return Effect.succeed(value)
        },
        onFailure: (cause) => {
          // A wait in vain was no turn: there is nothing to settle.
          const settling = this.holder === waiter ? settle?.(cause as Cause.Cause<E>) : undefined
          const failed = (all: Cause.Cause<E | LockTimeoutError>) => {
            this.end(waiter)
            return Effect.failCause(all)
          }
          if (settling === undefined) return failed(cause)
          return Effect.matchCauseEffect(settling, {
            onSuccess: () => failed(cause),
            onFailure: (defect) => failed(Cause.sequential(cause, defect))
          })
        }
      })
    })
  }

  private take(waiter: Waiter): boolean {
    if (this.holder !== undefined) return false
    this.holder = waiter
    return true
  }

  private wait(waiter: Waiter): Effect.Effect<void, LockTimeoutError> {
    return Effect.withFiberRuntime<void, LockTimeoutError>((fiber) => {
      if (this.take(waiter)) return Effect.void
      if (mustNotSuspend(fiber)) return Effect.fail(this.late())
      this.queue.push(waiter)
      const turn = Effect.async<void>((resume) => {
        // It may have come before anybody listened.
        if (this.holder === waiter) resume(Effect.void)
        else waiter.resume = resume
      })
      return within(
        turn,
        this.limit,
        Effect.suspend(() => Effect.fail(this.late()))
      )
    })
  }

  private end(waiter: Waiter) {
    if (this.holder !== waiter) {
      const index = this.queue.indexOf(waiter)
      if (index >= 0) this.queue.splice(index, 1)
      return
    }
    this.holder = this.queue.shift()
    this.holder?.resume?.(Effect.void)
  }

  private late() {
    return new LockTimeoutError({
      operation: "execute",
      reason: `another statement or savepoint kept this session for ${Duration.format(this.limit)}`,
      hint: "A savepoint that waits for a statement of its own outer transaction waits for itself"
    })
  }
}
