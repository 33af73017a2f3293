/**
 * A scheduler under which every operation of every fiber is a step of its own, so that a test can interrupt a fiber
 * before each single one of them and see that nothing is ever left behind.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import type { Scheduler, Task } from "effect/Scheduler"

/**
 * The priority to give way with. A number makes Effect wrap the yield in operations of its own, before and after, which
 * would be asked in turn; without one it is a single operation.
 */
const plainly = undefined as unknown as number

/** Fibers give way before each operation; `before` is called with the number of each step, counted from 0. */
export class SteppingScheduler implements Scheduler {
  steps = 0
  private readonly tasks: Array<Task> = []
  private running = false
  private stopped = false
  /** Having given way a fiber is asked twice before it gets on: for its return, and for the operation it stopped at. */
  private readonly unasked = new WeakMap<Fiber.RuntimeFiber<unknown, unknown>, number>()

  constructor(private readonly before: (step: number) => void = () => undefined) {}

  shouldYield(fiber: Fiber.RuntimeFiber<unknown, unknown>): number | false {
    const past = this.unasked.get(fiber) ?? 0
    this.unasked.set(fiber, past > 0 ? past - 1 : 2)
    if (past > 0) return false
    this.stopped = true
    return plainly
  }

  scheduleTask(task: Task) {
    this.tasks.push(task)
    if (this.running) return
    this.running = true
    queueMicrotask(() => this.run())
  }

  private run() {
    for (let task = this.tasks.shift(); task !== undefined; task = this.tasks.shift()) {
      // Outside of every fiber, when one has just given way.
      if (this.stopped) this.before(this.steps++)
      this.stopped = false
      task()
    }
    this.running = false
  }
}

/** How one run ended that was interrupted before one step, and in how many steps. */
export interface Run<A, E> {
  readonly exit: Exit.Exit<A, E>
  readonly steps: number
}

/** Runs `effect` stepwise, and interrupts its fiber before step `at`; `Infinity` is never. */
export const interruptedAt = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  at: number
): Effect.Effect<Run<A, E>, never, R> =>
  Effect.flatMap(Effect.runtime<R>(), (runtime) =>
    Effect.suspend(() => {
      let fiber: Fiber.RuntimeFiber<A, E> | undefined
      const scheduler = new SteppingScheduler((step) => {
        if (step === at) fiber?.unsafeInterruptAsFork(FiberId.none)
      })
      const running = Runtime.runFork(runtime, effect, { scheduler })
      fiber = running
      // Observed, not awaited: `await` sends the fiber a message, which would be one more operation of its own.
      return Effect.async<Run<A, E>>((resume) => {
        running.addObserver((exit) => resume(Effect.succeed({ exit, steps: scheduler.steps })))
      })
    })
  )

/**
 * Runs what `attempt` makes once untouched, then again and again with an interrupt before step 0, 1, 2 … up to its last, or
 * before every `stride`th. Each time `verify` sees what is left. Returns how many runs were interrupted.
 */
export const interruptEverywhere = <World, A, E, R, R2>(
  attempt: Effect.Effect<{ readonly world: World; readonly effect: Effect.Effect<A, E, R> }, never, R>,
  verify: (world: World, run: Run<A, E>, at: number) => Effect.Effect<void, never, R2>,
  stride = 1
): Effect.Effect<number, never, R | R2> =>
  Effect.gen(function* () {
    const once = (at: number) =>
      Effect.gen(function* () {
        const { world, effect } = yield* attempt
        const run = yield* interruptedAt(effect, at)
        yield* verify(world, run, at)
        return run.steps
      })
    const steps = yield* once(Number.POSITIVE_INFINITY)
    for (let at = 0; at < steps; at += stride) yield* once(at)
    return Math.ceil(steps / stride)
  })
