/**
 * A revision without a transaction around all of it: statement by statement, each with the ledger's word that it is done in
 * its own transaction where it can run in one. One that cannot is announced in the ledger, run, and reported; what was
 * announced and never reported is looked at before it is repeated.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { type DatabaseError, find } from "../model/DatabaseError.js"
import { MigrationError } from "../model/MigrationError.js"
import * as RetryPolicy from "../model/RetryPolicy.js"
import { effect, send } from "./Body.js"
import { doneSteps, type Fields } from "./Ledger.js"
import { label } from "./Revision.js"
import { atomically, type Failure, now, patience, retriable, row, subject, type Task, undo, written } from "./Task.js"
import { type Unit, units } from "./Units.js"
import { watch } from "./watch.js"

const update = (task: Task, fields: Fields): Effect.Effect<void, DatabaseError> =>
  task.run.ledger.update(task.run.own, task.node.id, fields)

/** How far an earlier run came in the same direction. */
const reached = ({ direction, entry }: Task): number =>
  entry?.state === (direction === "up" ? "applying" : "reverting") ? entry.step : 0

/** @since 0.1.0 @category running */
export const stepwise = (task: Task): Effect.Effect<void, Failure> => {
  const { body, direction, entry, node, run } = task
  const state = direction === "up" ? "applying" : "reverting"
  const start = reached(task)
  const progress = { step: start }
  const note = (step: number) =>
    Effect.sync(() => {
      progress.step = step
    })
  const work = Effect.gen(function* () {
    const parts =
      body._tag === "effect"
        ? undefined
        : yield* units(run.connections.dialect, body, { revision: label(node), file: node.file })
    yield* written(
      run,
      entry === undefined
        ? run.ledger.insert(run.own, row(task, state, undefined))
        : update(task, { state, step: start, error: undefined })
    )
    yield* hook(task, "before")
    if (parts === undefined) {
      yield* whole({ ...task, step: { at: 0, of: 1 } })
      yield* note(1)
    } else {
      const of = parts.at(-1)?.to ?? 0
      for (const unit of parts) {
        if (unit.to <= doneSteps(start)) continue
        yield* one({ ...task, step: { at: unit.from, of } }, unit, start === -(unit.from + 1), note)
        yield* note(unit.to)
        yield* run.tell({ _tag: "statement", done: unit.to, of, ...subject(task) })
      }
    }
    yield* hook(task, "after")
    const finishedAt = yield* now
    yield* atomically(
      run,
      Effect.zipRight(
        run.lock.settled ?? Effect.void,
        direction === "down"
          ? run.ledger.remove(run.own, node.id)
          : update(task, {
              state: "applied",
              step: progress.step,
              finishedAt,
              checksum: node.checksum,
              error: undefined
            })
      )
    )
  })
  return Effect.onExit(work, (exit) => {
    if (Exit.isSuccess(exit)) return Effect.void
    const said = Cause.failureOption(exit.cause)
    const error = (said._tag === "Some" ? said.value.message : Cause.pretty(exit.cause)).split("\n")[0]
    return Effect.zipRight(
      undo(run.own, run.connections.dialect.transaction.rollback),
      Effect.suspend(() =>
        run.own.status() === "broken" ? Effect.void : Effect.ignore(written(run, aftermath(task, progress.step, error)))
      )
    )
  })
}

/**
 * Where nothing at all is done, the ledger is as it was; else it says how far it came, and why no further. The step is said
 * again, because a COMMIT may fail behind which the row stands: CockroachDB's XXA00 keeps it, and not the schema change.
 */
const aftermath = (task: Task, step: number, error: string | undefined): Effect.Effect<void, DatabaseError> => {
  const { body, entry, node, run } = task
  if (body._tag === "effect" || step !== 0 || reached(task) !== 0) return update(task, { step, error })
  if (entry === undefined) return run.ledger.remove(run.own, node.id)
  return update(task, { state: entry.state, step: entry.step, error: entry.error })
}

const hook = (task: Task, which: "before" | "after"): Effect.Effect<void, Failure> => {
  const run = task.run.hooks[which]
  return run === undefined ? Effect.void : effect(task, run(subject(task)), watch(task.run.own), { _tag: "none" })
}

/** An effect is one step, because nobody can see into it. */
const whole = (task: Task): Effect.Effect<void, Failure> =>
  task.body._tag === "effect" ? effect(task, task.body.effect, watch(task.run.own), { _tag: "none" }) : Effect.void

const patiently = <A>(effect: Effect.Effect<A, Failure>): Effect.Effect<A, Failure> =>
  Effect.retry(effect, { schedule: RetryPolicy.schedule(patience), while: retriable })

type Note = (step: number) => Effect.Effect<void>

const one = (task: Task, unit: Unit, begun: boolean, note: Note): Effect.Effect<void, Failure> => {
  if (unit.run === "alone" || begun) return alone(task, unit, begun, note)
  const together = patiently(
    atomically(
      task.run,
      Effect.zipRight(
        Effect.forEach(unit.statements, (statement) => send(task, task.run.own, statement), { discard: true }),
        update(task, { step: unit.to })
      )
    )
  )
  return unit.run === "transaction"
    ? together
    : Effect.catchIf(together, refusedInside, () => alone(task, unit, false, note))
}

/** What may not run in a transaction is the server's to know; in it, it has done nothing. */
const refusedInside = (error: Failure): boolean => {
  const said = find(error)
  return (
    said?.sqlState === "25001" || /(?:with|)in(?:side)? a (?:multi-statement )?transaction/i.test(said?.reason ?? "")
  )
}

const alone = (task: Task, unit: Unit, begun: boolean, note: Note): Effect.Effect<void, Failure> => {
  const { run } = task
  const announced = -(unit.from + 1)
  const announce = Effect.zipRight(written(run, update(task, { step: announced })), note(announced))
  const report = Effect.zipRight(written(run, update(task, { step: unit.to })), note(unit.to))
  const statements = Effect.forEach(unit.statements, (statement) => send(task, run.own, statement), { discard: true })
  // A refusal that reached us ended the statement: it is no longer on its way.
  const withdraw = Effect.suspend(() =>
    run.own.status() === "idle"
      ? Effect.zipRight(Effect.ignore(written(run, update(task, { step: unit.from }))), note(unit.from))
      : Effect.void
  )
  if (begun && unit.resume._tag === "never") return Effect.fail(unknown(task, unit))
  let again = begun
  return patiently(
    Effect.flatMap(
      Effect.suspend(() => before(task, unit, again)),
      (state) => {
        again = true
        if (state === "done") return report
        return announce.pipe(
          Effect.zipRight(statements),
          Effect.zipRight(after(task, unit)),
          Effect.tapError(() => Effect.zipRight(state === "fresh" ? clean(task, unit) : Effect.void, withdraw)),
          Effect.zipRight(report)
        )
      }
    )
  )
}

/**
 * What the catalogue says before an index is built or dropped. `fresh`: it is not there, so whatever is there when the
 * statement has failed is the statement's. With `again`, the statement was begun before: what it left is taken away.
 */
const before = (task: Task, unit: Unit, again: boolean): Effect.Effect<"done" | "fresh" | "go", DatabaseError> => {
  const { resume } = unit
  const { resumption } = task.run.connections.dialect
  if (resume._tag !== "probe" || resumption === undefined) return Effect.succeed("go")
  const { own } = task.run
  return Effect.flatMap(resumption.index(own, resume.index), (state) => {
    if (resume.action === "drop")
      return Effect.succeed(again && state === "absent" ? ("done" as const) : ("go" as const))
    if (state === "absent") return Effect.succeed("fresh" as const)
    if (!again) return Effect.succeed("go" as const)
    return state === "valid"
      ? Effect.succeed("done" as const)
      : Effect.as(own.script(resumption.dropIndex(resume.index)), "fresh" as const)
  })
}

/** IF NOT EXISTS is content with an index that nobody can use. */
const after = (task: Task, unit: Unit): Effect.Effect<void, Failure> => {
  const { resume } = unit
  const { resumption } = task.run.connections.dialect
  if (resume._tag !== "probe" || resume.action !== "create" || resumption === undefined) return Effect.void
  return Effect.flatMap(resumption.index(task.run.own, resume.index), (state) =>
    state === "valid"
      ? Effect.void
      : Effect.fail(
          new MigrationError({
            reason: "failed",
            problem: `the index ${resume.index.name} is ${state === "invalid" ? "there, but invalid: an earlier build of it did not come to its end" : "not there"}`,
            remedy: `Take it away with ${resumption.dropIndex(resume.index)}, then run again`,
            revision: label(task.node),
            file: task.node.file,
            line: unit.statements[0]?.line,
            statement: unit.statements[0]?.text
          })
        )
  )
}

/** A build that failed leaves an index that costs every write and serves no read. */
const clean = (task: Task, unit: Unit): Effect.Effect<void> => {
  const { resume } = unit
  const { resumption } = task.run.connections.dialect
  if (resume._tag !== "probe" || resume.action !== "create" || resumption === undefined) return Effect.void
  const { own } = task.run
  return Effect.suspend(() =>
    own.status() === "idle" ? resumption.index(own, resume.index) : Effect.succeed("absent")
  ).pipe(
    Effect.flatMap((state) =>
      state === "invalid" ? own.script(resumption.dropIndex(resume.index)) : Effect.succeed([])
    ),
    Effect.ignore
  )
}

const unknown = (task: Task, unit: Unit) =>
  new MigrationError({
    reason: "interrupted",
    problem: `a runner stopped while statement ${unit.to} ran, and nothing tells whether that is done (${unit.from} before it are)`,
    remedy:
      "Look at what it has done, then say so with Migrator.repair({ done }) or, undone by hand or never begun, Migrator.repair({ undone })",
    revision: label(task.node),
    file: task.node.file,
    line: unit.statements[0]?.line,
    statement: unit.statements[0]?.text
  })
