/**
 * Effects one behind the other, each in a transaction of its own, whose ends nobody waits for alone: the row and COMMIT of
 * one travel with the first statement of the next. The server answers in order, so with that statement's answer the end
 * before it is known, and only then may the next one end, too: a revision is never committed without those before it.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { isTraced } from "../connection/Tracing.js"
import type { DatabaseError } from "../model/DatabaseError.js"
import { TransactionAborted } from "../model/DatabaseError.js"
import { MigrationError } from "../model/MigrationError.js"
import { failed } from "./Body.js"
import { label } from "./Revision.js"
import { type Failure, silent, type Task, undo } from "./Task.js"
import { close, closing, open } from "./Whole.js"
import { watch } from "./watch.js"

/** One whose end is on its way. */
interface Leaving {
  readonly task: Task
  readonly arrived: Fiber.Fiber<void, Failure>
}

/** @since 0.1.0 @category models */
export interface Trailed {
  readonly through: ReadonlyArray<{ readonly task: Task; readonly millis: number }>
  /** What ended it before its time; nothing of the revision behind those that got through is left. */
  readonly stopped: Failure | undefined
}

/** A revision that can be one of these, and the text that ends it. @since 0.1.0 @category models */
export interface Trailing {
  readonly task: Task
  readonly last: string
}

/** Nothing where it cannot be one: whoever listens, say, would hear of its end too late. @since 0.1.0 @category constructors */
export const trailing = (task: Task): Trailing | undefined => {
  const { connections, tell } = task.run
  if (tell !== silent || !connections.dialect.can.has("pipelining")) return undefined
  const last = closing(task)
  return last === undefined ? undefined : { task, last }
}

/**
 * As many as `next` gives, up to the first that fails.
 *
 * @since 0.1.0
 * @category running
 */
export const trail = (next: (index: number) => Effect.Effect<Trailing | undefined>): Effect.Effect<Trailed> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const through: Array<{ readonly task: Task; readonly millis: number }> = []
      let before: Leaving | undefined
      for (let index = 0; ; index++) {
        const found: Exit.Exit<Trailing | undefined> = yield* Effect.exit(restore(next(index)))
        const one = Exit.isSuccess(found) ? found.value : undefined
        const opened = one === undefined ? undefined : yield* Effect.exit(restore(follow(one, before)))
        if (before !== undefined) {
          const arrived = yield* Fiber.await(before.arrived)
          if (Exit.isFailure(arrived)) return { through, stopped: yield* given(before.task, arrived.cause) }
          through.push({ task: before.task, millis: (yield* Clock.currentTimeMillis) - before.task.start })
        }
        if (Exit.isFailure(found)) return yield* Effect.failCause(found.cause)
        if (one === undefined || opened === undefined) return { through, stopped: undefined }
        const { task } = one
        if (Exit.isFailure(opened)) return { through, stopped: yield* given(task, opened.cause) }
        // Sent here and now, so that nothing can get in front of it.
        before = { task, arrived: Effect.runFork(close(task, opened.value)) }
      }
    })
  )

const follow = ({ last, task }: Trailing, before: Leaving | undefined): Effect.Effect<string, Failure> =>
  Effect.withFiberRuntime((fiber) => {
    const opened = open(task, last, watch(task.run.own, before && behind(before)))
    return isTraced(fiber)
      ? Effect.withSpan(opened, `migrate ${task.direction} ${label(task.node)}`, { captureStackTrace: false })
      : opened
  })

/** A statement that was answered although the end before it failed has been in vain, and no code may go on from it. */
const behind = ({ arrived }: Leaving): Effect.Effect<void, DatabaseError> =>
  Effect.flatMap(Fiber.await(arrived), (exit) => (Exit.isSuccess(exit) ? Effect.void : Effect.fail(inVain)))

const inVain = new TransactionAborted({
  operation: "execute",
  reason: "the revision before it could not be committed, so nothing of this one is kept"
})

/** What is left of it is undone; what was interrupted from outside stays so. */
const given = ({ run, ...task }: Task, cause: Cause.Cause<Failure>): Effect.Effect<Failure> =>
  Effect.flatMap(undo(run.own, run.connections.dialect.transaction.rollback), () => {
    const error = Cause.failureOption(cause)
    if (error._tag === "None") return Effect.failCause(cause as Cause.Cause<never>)
    return Effect.succeed(error.value instanceof MigrationError ? error.value : failed({ run, ...task }, error.value))
  })
