/**
 * Effects one behind the other, each in a transaction of its own, whose ends nobody waits for alone: the row and COMMIT of
 * one travel with the first statement of the next. The server answers in order, so with that statement's answer the end
 * before it is known, and only then may the next one end, too: a revision is never committed without those before it.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { isTraced } from "../connection/Tracing.js"
import { MigrationError } from "../model/MigrationError.js"
import { failed } from "./Body.js"
import { Leaving } from "./Leaving.js"
import { label } from "./Revision.js"
import { type Failure, type Task, undo } from "./Task.js"
import { closing, open } from "./Whole.js"
import { watch } from "./watch.js"

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
  const { connections, heard } = task.run
  if (heard || !connections.dialect.can.has("pipelining")) return undefined
  const last = closing(task)
  return last === undefined ? undefined : { task, last }
}

/**
 * As many as `next` gives, up to the first that fails.
 *
 * @since 0.1.0
 * @category running
 */
export const trail = (
  next: (index: number, now: () => number) => Effect.Effect<Trailing | undefined>
): Effect.Effect<Trailed> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const clock = yield* Effect.clock
      const now = () => clock.unsafeCurrentTimeMillis()
      const through: Array<{ readonly task: Task; readonly millis: number }> = []
      let before: Leaving | undefined
      for (let index = 0; ; index++) {
        let one: Trailing | undefined
        const opened = yield* Effect.exit(
          restore(
            Effect.flatMap(next(index, now), (found) => {
              one = found
              return found === undefined ? Effect.succeed("") : follow(found, before)
            })
          )
        )
        if (before !== undefined) {
          const { task } = before
          const ended = yield* before.ended
          if (Exit.isFailure(ended)) return { through, stopped: yield* given(task, ended.cause) }
          through.push({ task, millis: now() - task.start })
        }
        if (Exit.isFailure(opened)) {
          return one === undefined
            ? yield* Effect.failCause(opened.cause as Cause.Cause<never>)
            : { through, stopped: yield* given(one.task, opened.cause) }
        }
        if (one === undefined) return { through, stopped: undefined }
        before = new Leaving(one.task, opened.value)
      }
    })
  )

const follow = ({ last, task }: Trailing, before: Leaving | undefined): Effect.Effect<string, Failure> =>
  Effect.withFiberRuntime((fiber) => {
    const opened = open(task, last, watch(task.run.own, before))
    return isTraced(fiber)
      ? Effect.withSpan(opened, `migrate ${task.direction} ${label(task.node)}`, { captureStackTrace: false })
      : opened
  })

/** What is left of it is undone; what was interrupted from outside stays so. */
const given = ({ run, ...task }: Task, cause: Cause.Cause<Failure>): Effect.Effect<Failure> =>
  Effect.flatMap(undo(run.own, run.connections.dialect.transaction.rollback), () => {
    const error = Cause.failureOption(cause)
    if (error._tag === "None") return Effect.failCause(cause as Cause.Cause<never>)
    return Effect.succeed(error.value instanceof MigrationError ? error.value : failed({ run, ...task }, error.value))
  })
