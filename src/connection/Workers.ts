/**
 * The fibers of a pool. They begin uninterruptible, so that what was counted when one was started is always uncounted;
 * what may be cut short says so itself. Work begun for a fiber that must not suspend runs on that fiber's scheduler, so
 * that `Effect.runSync` can have it done before it ends.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as RuntimeFlags from "effect/RuntimeFlags"
import type { Scheduler } from "effect/Scheduler"
import { mustNotSuspend, promptly, shouldNotSuspend } from "./Suspension.js"

type Fibers = Set<Fiber.RuntimeFiber<void>>

const keep = (fibers: Fibers, fiber: Fiber.RuntimeFiber<void>) => {
  fibers.add(fiber)
  fiber.addObserver(() => fibers.delete(fiber))
  return fiber
}

/** @since 0.1.0 @category models */
export class Workers {
  private readonly busy: Fibers = new Set()
  private readonly asleep: Fibers = new Set()
  private readonly runtime: Runtime.Runtime<never>

  constructor(runtime: Runtime.Runtime<never>) {
    this.runtime = Runtime.disableRuntimeFlag(runtime, RuntimeFlags.Interruption)
  }

  /** Starts at once, on the caller's stack, and returns when the work ends or first suspends. */
  fork(effect: Effect.Effect<void>): Fiber.RuntimeFiber<void> {
    const caller = Option.getOrUndefined(Fiber.getCurrentFiber())
    const prompt = caller === undefined ? undefined : promptly(caller)
    const scheduler = caller !== undefined && mustNotSuspend(caller) ? caller.currentScheduler : prompt
    const fiber = keep(this.busy, Runtime.runFork(this.runtime, effect, scheduler === undefined ? {} : { scheduler }))
    prompt?.flush()
    return fiber
  }

  /** Starts what only waits, which is nobody's hope. */
  rest(effect: Effect.Effect<void>): Fiber.RuntimeFiber<void> {
    return keep(this.asleep, Runtime.runFork(this.runtime, effect))
  }

  /** Whether work goes on that ends without anything having to suspend. */
  busyOn(scheduler: Scheduler): boolean {
    for (const fiber of this.busy) if (fiber.currentScheduler === scheduler) return true
    return false
  }

  /** Asks everyone to stop. */
  stop() {
    for (const fiber of [...this.busy, ...this.asleep]) fiber.unsafeInterruptAsFork(FiberId.none)
  }

  /** Waits for all, those included who are started meanwhile; under `runSync` not for those who only wait themselves. */
  readonly ended: Effect.Effect<void> = Effect.withFiberRuntime((caller) => {
    const fibers = shouldNotSuspend(caller) ? [...this.busy] : [...this.busy, ...this.asleep]
    return fibers.length === 0 ? Effect.void : Effect.zipRight(Fiber.awaitAll(fibers), this.ended)
  })
}
