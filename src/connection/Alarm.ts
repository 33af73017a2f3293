/**
 * One fiber that sleeps until the earliest of many moments: a timer for each waiter or connection would cost more than
 * what it watches.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type { Workers } from "./Workers.js"

/** JavaScript's timers go wrong beyond 24 days; and a clock that was set is noticed within the hour. */
const longestNap = 3_600_000

/** @since 0.1.0 @category models */
export class Alarm {
  private at = Number.POSITIVE_INFINITY
  private turn = 0
  private sleeper: Fiber.RuntimeFiber<void> | undefined

  constructor(
    private readonly workers: Workers,
    private readonly now: () => number,
    /** Does what is due and says what is due next: a later moment, or `Infinity` for nothing. */
    private readonly ring: (now: number) => number
  ) {}

  /** Rings at that moment, or before. */
  set(moment: number) {
    if (moment >= this.at) return
    this.at = moment
    this.turn++
    this.sleeper?.unsafeInterruptAsFork(FiberId.none)
    this.sleeper = this.workers.rest(this.sleep(this.turn))
  }

  private sleep(turn: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (turn !== this.turn) return Effect.void
      const now = this.now()
      if (now >= this.at) {
        // While it rings there is no need to set it: it is asked afterwards.
        this.at = Number.NEGATIVE_INFINITY
        this.at = this.ring(now)
        if (this.at === Number.POSITIVE_INFINITY) return Effect.void
      }
      const nap = Effect.interruptible(Effect.sleep(Math.ceil(Math.min(this.at - now, longestNap))))
      return Effect.flatMap(nap, () => this.sleep(turn))
    })
  }
}
