/**
 * Runs one revision, there or back, on the session that holds the lock. In a transaction, what it does and its row in the
 * ledger are committed together; a failure or an interruption leaves both as they were. Without one, statement by
 * statement, the ledger saying before and after each how far it came.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as LogLevel from "effect/LogLevel"
import { MigrationError } from "../model/MigrationError.js"
import type { Node } from "./Graph.js"
import type { Entry } from "./Ledger.js"
import { type Loaded, label } from "./Revision.js"
import { stepwise } from "./Stepwise.js"
import { type Direction, type Failure, type Run, retriable, subject, type Task } from "./Task.js"
import { type Trailed, type Trailing, trail, trailing } from "./Trail.js"
import { message, together, whole } from "./Whole.js"

/** One revision that was run. @since 0.1.0 @category models */
export interface Done {
  readonly id: string
  readonly name: string
  readonly millis: number
}

/** A revision to be run; `entry` is its row, where it has one. @since 0.1.0 @category models */
export interface Job {
  readonly node: Node
  readonly direction: Direction
  readonly entry: Entry | undefined
  readonly sequence: number
}

/** A message holds no more; and it holds several only while revisions are as quick as that. */
const most = { revisions: 32, characters: 256 * 1024, millis: 10 }

/**
 * Runs them one after the other, each committed with its row; the first failure ends it. Quick ones travel together,
 * twice as many with every message, because most of their time is the way to the server and back.
 *
 * @since 0.1.0
 * @category running
 */
export const runAll = (run: Run, jobs: ReadonlyArray<Job>): Effect.Effect<ReadonlyArray<Done>, Failure> =>
  Effect.gen(function* () {
    const done: Array<Done> = []
    let size = 1
    while (done.length < jobs.length) {
      const trailed = yield* trail((index, now) => follower(run, jobs[done.length + index], now))
      yield* tellAll(trailed.through, done, jobs.length)
      // What another's lock kept from it is tried again, alone.
      if (trailed.stopped !== undefined && !retriable(trailed.stopped)) return yield* Effect.fail(trailed.stopped)
      const start = yield* Clock.currentTimeMillis
      const batch = size > 1 ? yield* gather(run, jobs, done.length, size, start) : undefined
      if (batch === undefined || batch.tasks.length < 2) {
        const job = jobs[done.length]
        if (job === undefined) break
        const one = yield* runRevision(run, job, { index: done.length + 1, total: jobs.length })
        done.push(one)
        size = one.millis < most.millis ? 2 : 1
        continue
      }
      const whole = yield* together(batch.tasks, batch.texts)
      const millis = (yield* Clock.currentTimeMillis) - start
      const through = whole ? batch.tasks : yield* finished(run, batch.tasks)
      const share = Math.round(millis / batch.tasks.length)
      yield* tellAll(
        through.map((task) => ({ task, millis: share })),
        done,
        jobs.length
      )
      // One of them was refused: it is the next, and alone.
      size = whole && millis < most.millis * size ? Math.min(most.revisions, size * 2) : 1
    }
    return done
  })

/** An effect that need not be waited for alone. */
const follower = (run: Run, job: Job | undefined, now: () => number): Effect.Effect<Trailing | undefined> => {
  // What cannot be loaded fails when it is its turn.
  if (job === undefined || job.node.kind === "sql") return Effect.succeed(undefined)
  const { direction, entry, node, sequence } = job
  return Effect.match(node.load, {
    onFailure: () => undefined,
    onSuccess: (loaded) => {
      const body = direction === "up" ? loaded.up : loaded.down
      return body === undefined || !atomic(run, loaded, entry)
        ? undefined
        : trailing({ run, node, direction, body, entry, sequence, start: now() })
    }
  })
}

/** The next revisions that can travel together; none where a hook or a look at the database stands between them. */
const gather = (run: Run, jobs: ReadonlyArray<Job>, from: number, size: number, start: number) =>
  Effect.gen(function* () {
    const tasks: Array<Task> = []
    const texts: Array<string> = []
    let characters = 0
    for (const { direction, entry, node, sequence } of jobs.slice(from, from + size)) {
      // What cannot be loaded fails when it is its turn.
      if (node.kind !== "sql") break
      const loaded = yield* Effect.either(node.load)
      if (loaded._tag === "Left") break
      const body = direction === "up" ? loaded.right.up : loaded.right.down
      if (body === undefined || !atomic(run, loaded.right, entry)) break
      const task: Task = { run, node, direction, body, entry, sequence, start }
      const text = message(task)
      if (text === undefined) break
      characters += text.length
      if (characters > most.characters && tasks.length > 0) break
      tasks.push(task)
      texts.push(text)
    }
    return { tasks, texts }
  })

/** Those whose row came or went. */
const finished = (run: Run, tasks: ReadonlyArray<Task>): Effect.Effect<ReadonlyArray<Task>, Failure> =>
  Effect.map(run.ledger.read(run.own), (entries) => {
    const there = new Set(entries.map((entry) => entry.id))
    return tasks.filter((task) => there.has(task.node.id) === (task.direction === "up"))
  })

/** Adds them to what is done; where nobody listens, as for most histories, hundreds of sentences need not be made. */
const tellAll = (through: Trailed["through"], done: Array<Done>, total: number): Effect.Effect<void> =>
  Effect.withFiberRuntime((fiber) => {
    const logged = LogLevel.lessThanEqual(fiber.getFiberRef(FiberRef.currentMinimumLogLevel), LogLevel.Debug)
    const tell = ({ millis, task }: Trailed["through"][number]) => {
      const { direction, node, run } = task
      done.push({ id: node.id, name: node.name, millis })
      const place = { index: done.length, total, ...subject(task) }
      const ended = run.tell({ _tag: "done", ...place, millis })
      if (!logged && !run.heard) return ended
      return Effect.logDebug(`migration ${label(node)}: ${direction} in ${millis} ms`).pipe(
        Effect.zipRight(run.tell({ _tag: "started", ...place })),
        Effect.zipRight(ended)
      )
    }
    return Effect.forEach(through, tell, { discard: true })
  })

const atomic = (run: Run, loaded: Loaded, entry: Entry | undefined): boolean =>
  loaded.transaction &&
  run.connections.dialect.can.has("transactionalDdl") &&
  (entry === undefined || entry.state === "applied")

const runRevision = (
  run: Run,
  { direction, entry, node, sequence }: Job,
  place: { readonly index: number; readonly total: number }
): Effect.Effect<Done, Failure> =>
  Effect.gen(function* () {
    const loaded = yield* node.load
    const body = direction === "up" ? loaded.up : loaded.down
    if (body === undefined) return yield* irreversible(node)
    const start = yield* Clock.currentTimeMillis
    const task: Task = { run, node, direction, body, entry, sequence, start }
    yield* run.tell({ _tag: "started", ...place, ...subject(task) })
    yield* atomic(run, loaded, entry) ? whole(task) : stepwise(task)
    const millis = (yield* Clock.currentTimeMillis) - start
    yield* Effect.logDebug(`migration ${label(node)}: ${direction} in ${millis} ms`)
    yield* run.tell({ _tag: "done", ...place, millis, ...subject(task) })
    return { id: node.id, name: node.name, millis }
  }).pipe(Effect.withSpan(`migrate ${direction} ${label(node)}`, { captureStackTrace: false }))

/** @since 0.1.0 @category errors */
export const irreversible = (node: Node): MigrationError =>
  new MigrationError({
    reason: "irreversible",
    problem: "it says no way back",
    remedy: node.kind === "sql" ? `Add a section "-- migrate:down" to it` : "Add down to it",
    revision: label(node),
    file: node.file
  })
