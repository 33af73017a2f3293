/**
 * Closes a pool's connections, a fiber for each, none for longer than its limit. Until one is closed its server has it: it
 * counts.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { within } from "./Limit.js"
import type { Slot } from "./Slot.js"
import type { Workers } from "./Workers.js"

/** @since 0.1.0 @category models */
export class Closing<C> {
  underway = 0
  /** Closed since the start. */
  done = 0

  constructor(
    private readonly limit: Duration.Duration,
    private readonly workers: Workers,
    /** One is closed. */
    private readonly closed: () => void
  ) {}

  /** All are counted before anything else happens: one that is in no count makes room for one too many. */
  start(slots: ReadonlyArray<Slot<C>>): ReadonlyArray<Fiber.RuntimeFiber<void>> {
    this.underway += slots.length
    return slots.map((slot) =>
      this.workers.fork(
        Effect.map(Effect.exit(within(Scope.close(slot.scope, Exit.void), this.limit, Effect.void)), () => {
          this.underway--
          this.done++
          this.closed()
        })
      )
    )
  }
}
