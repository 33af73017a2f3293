/**
 * Some fibers must not wait: under `Effect.runSync` a fiber that suspends is given up on, and goes on alone later.
 *
 * @since 0.1.0
 */
import type * as Fiber from "effect/Fiber"
import { type Scheduler, SyncScheduler } from "effect/Scheduler"

/**
 * Whether the fiber runs under a `runSync` that still waits for it. Once that has given up, or where a runtime was built
 * under one, its scheduler stays with the fiber, which may suspend like any other.
 *
 * @since 0.1.0
 * @category guards
 */
export const mustNotSuspend = (fiber: Fiber.RuntimeFiber<unknown, unknown>): boolean =>
  fiber.currentScheduler instanceof SyncScheduler && !fiber.currentScheduler.deferred

/** Whether it does, or did, or runs on a runtime that was built so: what need not suspend should then not do so. @since 0.1.0 @category guards */
export const shouldNotSuspend = (fiber: Fiber.RuntimeFiber<unknown, unknown>): boolean =>
  fiber.currentScheduler instanceof SyncScheduler

/**
 * A scheduler for work that is begun by a fiber whose own scheduler no longer has anything done at once: the first
 * `runSync` of a `ManagedRuntime` is such a one. What can be done without waiting is done by `flush`; what waits goes on
 * like any other.
 *
 * @since 0.1.0
 * @category schedulers
 */
export class Promptly implements Scheduler {
  private readonly inner = new SyncScheduler()
  readonly shouldYield: Scheduler["shouldYield"] = (fiber) => this.inner.shouldYield(fiber)
  readonly scheduleTask: Scheduler["scheduleTask"] = (task, priority, fiber) =>
    this.inner.scheduleTask(task, priority, fiber)
  readonly flush = () => this.inner.flush()
}

/** One for work begun by this fiber, where that needs one. @since 0.1.0 @category schedulers */
export const promptly = (fiber: Fiber.RuntimeFiber<unknown, unknown>): Promptly | undefined =>
  shouldNotSuspend(fiber) && !mustNotSuspend(fiber) ? new Promptly() : undefined
