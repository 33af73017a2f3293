/**
 * Some fibers must not wait: under `Effect.runSync` a fiber that suspends is given up on, and goes on alone later.
 *
 * @since 0.1.0
 */
import type * as Fiber from "effect/Fiber"
import { SyncScheduler } from "effect/Scheduler"

/**
 * Whether the fiber runs under a `runSync` that still waits for it. Once that has given up, or where a runtime was built
 * under one, its scheduler stays with the fiber, which may suspend like any other.
 *
 * @since 0.1.0
 * @category guards
 */
export const mustNotSuspend = (fiber: Fiber.RuntimeFiber<unknown, unknown>): boolean =>
  fiber.currentScheduler instanceof SyncScheduler && !fiber.currentScheduler.deferred
