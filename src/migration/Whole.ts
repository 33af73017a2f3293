/**
 * A revision in one transaction: what it does and its row in the ledger are committed together, or nothing is. Where
 * nothing has to be asked in between, all of it travels in one message; the server skips what comes behind a failure.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { type DatabaseError, TransactionAborted } from "../model/DatabaseError.js"
import { MigrationError } from "../model/MigrationError.js"
import * as RetryPolicy from "../model/RetryPolicy.js"
import { effect, execute, failed } from "./Body.js"
import { label } from "./Revision.js"
import { begin, type Failure, now, patience, retriable, row, subject, type Task, undo } from "./Task.js"
import { type Watched, watch } from "./watch.js"

/** @since 0.1.0 @category running */
export const whole = (task: Task): Effect.Effect<void, Failure> =>
  Effect.suspend(() => {
    const text = message(task)
    return text === undefined ? stepByStep(task) : atOnce(task, text)
  })

/** All of it as one text, where that says the same. @since 0.1.0 @category running */
export const message = (task: Task): string | undefined => {
  const { body, run } = task
  const { hooks, lock } = run
  if (body._tag === "effect" || lock.quiet !== true || lock.settled !== undefined || lock.locals !== undefined) {
    return undefined
  }
  if (hooks.before !== undefined || hooks.after !== undefined) return undefined
  const record = rowText(task)
  if (record === undefined) return undefined
  const { transaction } = run.connections.dialect
  // A comment at a statement's end must not swallow what follows.
  return [transaction.begin({}), ...body.statements.map(({ text }) => text), record, transaction.commit].join("\n;\n")
}

/** The row's coming or going as a text; what a backslash means in one depends on the server's settings. */
const rowText = (task: Task): string | undefined => {
  const { direction, entry, node, run } = task
  if (direction === "up" && entry !== undefined) return undefined
  const { texts } = run.ledger
  const text = direction === "down" ? texts.remove(node.id) : texts.insert(row(task, "applied", new Date(task.start)))
  return text.includes("\\") ? undefined : text
}

/**
 * Several revisions in one message, each with its row in a transaction of its own. The server leaves off at the first
 * failure: then, and only then, it says `false`, and the ledger tells which of them are done.
 *
 * @since 0.1.0
 * @category running
 */
export const together = (tasks: ReadonlyArray<Task>, texts: ReadonlyArray<string>): Effect.Effect<boolean, Failure> => {
  const [first] = tasks
  if (first === undefined) return Effect.succeed(true)
  const { lock, own } = first.run
  const { rollback } = first.run.connections.dialect.transaction
  const sent = own.script(texts.join("\n;\n")).pipe(
    Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : undo(own, rollback))),
    Effect.flatMap((replies): Effect.Effect<boolean, Failure> => {
      // One BEGIN and one end each; whoever has more ended what was not its own.
      const ends: Array<number> = []
      for (const { tag } of replies) {
        if (tag === "BEGIN") ends.push(0)
        else if (tag === "COMMIT" || tag === "ROLLBACK") ends.push((ends.pop() ?? 0) + 1)
      }
      const bad = ends.findIndex((count) => count !== 1)
      if (bad < 0 && ends.length === tasks.length && own.status() === "idle") return Effect.succeed(true)
      return Effect.zipRight(undo(own, rollback), Effect.fail(endedItself(tasks[bad] ?? first)))
    })
  )
  return Effect.zipRight(lock.fence, sent).pipe(
    Effect.catchAll((error): Effect.Effect<boolean, Failure> => {
      if (error instanceof MigrationError) return Effect.fail(error)
      return own.status() === "broken" ? Effect.fail(commitLost(first, error)) : Effect.succeed(false)
    })
  )
}

const atOnce = (task: Task, text: string): Effect.Effect<void, Failure> =>
  Effect.flatMap(together([task], [text]), (done) => {
    // Nothing is left of it, and statement by statement shows which one was refused.
    if (!done) return stepByStep(task)
    return task.direction === "up" ? finished(task, task.node.id) : Effect.void
  })

/** A revision that took its time says when it was done; the row was written before that was known. */
const finished = (task: Task, id: string): Effect.Effect<void> =>
  Effect.flatMap(now, (at) =>
    at.getTime() - task.start < 1_000
      ? Effect.void
      : Effect.ignore(task.run.ledger.update(task.run.own, id, { finishedAt: at }))
  )

const stepByStep = (task: Task): Effect.Effect<void, Failure> => {
  const { run } = task
  const { own } = run
  const { transaction } = run.connections.dialect
  const last = closing(task)
  const work = last === undefined ? slowly(task) : quickly(task, last)
  return Effect.onExit(work, (exit) => (Exit.isSuccess(exit) ? Effect.void : undo(own, transaction.rollback))).pipe(
    Effect.mapError((error) => (error instanceof MigrationError ? error : failed(task, error))),
    Effect.retry({ schedule: RetryPolicy.schedule(patience), while: retriable })
  )
}

/** The row and COMMIT as one text, where nothing has to be asked between them and the body. @since 0.1.0 @category running */
export const closing = (task: Task): string | undefined => {
  const { hooks, lock } = task.run
  if (task.body._tag === "sql" || lock.quiet !== true || lock.settled !== undefined || lock.locals !== undefined) {
    return undefined
  }
  if (hooks.before !== undefined || hooks.after !== undefined) return undefined
  const text = rowText(task)
  return text === undefined ? undefined : `${text}\n;\n${task.run.connections.dialect.transaction.commit}`
}

/** An effect whose BEGIN travels with its first statement, and whose row with COMMIT. */
const quickly = (task: Task, last: string): Effect.Effect<void, Failure> =>
  Effect.suspend(() => Effect.flatMap(open(task, last, watch(task.run.own)), (sent) => close(task, sent)))

/** Runs the effect, and gives what is to be sent at its end. @since 0.1.0 @category running */
export const open = (task: Task, last: string, watched: Watched): Effect.Effect<string, Failure> => {
  const { own } = task.run
  const text = task.run.connections.dialect.transaction.begin({})
  const begun = { value: false }
  return Effect.flatMap(
    execute(task, watched, { _tag: "pending", text, begun }),
    (): Effect.Effect<string, Failure> => {
      if (begun.value && own.status() === "idle") return Effect.fail(endedItself(task))
      if (own.status() === "failed") return Effect.fail(failed(task, swallowed("execute"), watched.refused()))
      return Effect.as(task.run.lock.fence, begun.value ? last : `${text}\n;\n${last}`)
    }
  )
}

/** Its row, and COMMIT; waited for, whatever happens meanwhile. @since 0.1.0 @category running */
export const close = (task: Task, sent: string): Effect.Effect<void, Failure> =>
  Effect.matchEffect(Effect.uninterruptible(task.run.own.script(sent)), {
    onFailure: (error) => Effect.fail(error._tag === "ConnectionError" ? commitLost(task, error) : error),
    onSuccess: (replies): Effect.Effect<void, Failure> =>
      replies.at(-1)?.tag === "ROLLBACK" ? Effect.fail(swallowed("commit")) : Effect.void
  })

const slowly = (task: Task): Effect.Effect<void, Failure> => {
  const { run } = task
  const { lock, own } = run
  const { transaction } = run.connections.dialect
  return Effect.gen(function* () {
    yield* begin(run)
    const watched = watch(own)
    yield* hook(task, "before", watched)
    yield* execute(task, watched, { _tag: "begun", text: transaction.begin({}) })
    if (own.status() === "idle") return yield* endedItself(task)
    if (own.status() === "failed") return yield* failed(task, swallowed("execute"), watched.refused())
    yield* hook(task, "after", watched)
    yield* record(task)
    yield* lock.settled ?? Effect.void
    yield* lock.fence
    const committed = Effect.mapError(Effect.uninterruptible(own.script(transaction.commit)), (error) =>
      error._tag === "ConnectionError" ? commitLost(task, error) : error
    )
    yield* Effect.flatMap(
      committed,
      (replies): Effect.Effect<void, Failure> =>
        replies.at(-1)?.tag === "ROLLBACK" ? Effect.fail(swallowed("commit")) : Effect.void
    )
  })
}

const hook = (task: Task, which: "before" | "after", watched: Watched): Effect.Effect<void, Failure> => {
  const run = task.run.hooks[which]
  if (run === undefined) return Effect.void
  return effect(task, run(subject(task)), watched, {
    _tag: "begun",
    text: task.run.connections.dialect.transaction.begin({})
  })
}

/** The row comes or goes. */
const record = (task: Task): Effect.Effect<void, DatabaseError> => {
  const { run, node, direction, entry } = task
  if (direction === "down") return run.ledger.remove(run.own, node.id)
  return Effect.flatMap(Clock.currentTimeMillis, (now) =>
    entry === undefined
      ? run.ledger.insert(run.own, row(task, "applied", new Date(now)))
      : run.ledger.update(run.own, node.id, { state: "applied", finishedAt: new Date(now) })
  )
}

const swallowed = (operation: string) =>
  new TransactionAborted({
    operation,
    reason: "a statement was refused and its error swallowed, so nothing can be committed"
  })

const endedItself = (task: Task) =>
  new MigrationError({
    reason: "failed",
    problem: "it ended the transaction it ran in, so what it did is committed and not in the ledger",
    remedy: "Undo that by hand, take COMMIT or ROLLBACK out of it, or make it with transaction: false",
    revision: label(task.node),
    file: task.node.file
  })

/** Its row travels in the same COMMIT, so the next run sees what became of it. @since 0.1.0 @category errors */
export const commitLost = (task: Task, cause: DatabaseError): MigrationError =>
  new MigrationError({
    reason: "failed",
    problem: `the connection was lost while it was being committed (${cause.reason})`,
    remedy: "Run again: the ledger says whether it was applied",
    revision: label(task.node),
    file: task.node.file,
    cause
  })
