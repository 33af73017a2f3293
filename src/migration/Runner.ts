/**
 * Runs one revision, there or back, on the session that holds the lock. In a transaction, what it does and its row in the
 * ledger are committed together; a failure or an interruption leaves both as they were. Without one, statement by
 * statement, the ledger saying before and after each how far it came.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Connections } from "../connection/Connections.js"
import * as Session from "../connection/Session.js"
import type { DriverConnection } from "../Dialect.js"
import { DatabaseConfig } from "../model/DatabaseConfig.js"
import { type DatabaseError, find, isDatabaseError, TransactionAborted } from "../model/DatabaseError.js"
import * as LiveSchema from "../model/LiveSchema.js"
import { Operations, type Services } from "../model/Migration.js"
import { MigrationError } from "../model/MigrationError.js"
import * as RetryPolicy from "../model/RetryPolicy.js"
import type { Node } from "./Graph.js"
import { type Entry, entryOf, type Ledger } from "./Ledger.js"
import type { Lock } from "./Lock.js"
import { type Body, type Loaded, label } from "./Revision.js"
import { type Watched, watch } from "./watch.js"

/** What every revision of one run shares. @since 0.1.0 @category models */
export interface Run {
  readonly client: SqlClient.SqlClient
  readonly connections: Connections
  readonly own: DriverConnection
  readonly lock: Lock
  readonly ledger: Ledger
  readonly appliedBy: string
}

/** @since 0.1.0 @category models */
export type Direction = "up" | "down"

/** One revision that was run. @since 0.1.0 @category models */
export interface Done {
  readonly id: string
  readonly name: string
  readonly millis: number
}

type Failure = MigrationError | DatabaseError

/**
 * Runs the revision; `entry` is its row, where it has one, `sequence` the next free number.
 *
 * @since 0.1.0
 * @category running
 */
export const runRevision = (
  run: Run,
  node: Node,
  direction: Direction,
  entry: Entry | undefined,
  sequence: number
): Effect.Effect<Done, Failure> =>
  Effect.gen(function* () {
    const loaded = yield* node.load
    const body = direction === "up" ? loaded.up : loaded.down
    if (body === undefined) return yield* irreversible(node)
    const start = yield* Clock.currentTimeMillis
    const task: Task = { run, node, direction, body, entry, sequence, start }
    yield* loaded.transaction && (entry === undefined || entry.state === "applied") ? whole(task) : stepwise(task)
    const millis = (yield* Clock.currentTimeMillis) - start
    yield* Effect.logDebug(`migration ${label(node)}: ${direction} in ${millis} ms`)
    return { id: node.id, name: node.name, millis }
  }).pipe(Effect.withSpan(`migrate ${direction} ${label(node)}`, { captureStackTrace: false }))

const irreversible = (node: Node) =>
  new MigrationError({
    reason: "irreversible",
    problem: "it says no way back",
    remedy: node.kind === "sql" ? `Add a section "-- migrate:down" to it` : "Add down to it",
    revision: label(node),
    file: node.file
  })

interface Task {
  readonly run: Run
  readonly node: Node
  readonly direction: Direction
  readonly body: NonNullable<Loaded["down"]>
  readonly entry: Entry | undefined
  readonly sequence: number
  readonly start: number
  /** Which of how many, where there is no transaction around all of it. */
  readonly step?: { readonly at: number; readonly of: number } | undefined
}

/** A lock somebody else's query holds, or a lost race: nothing was done, so the whole is tried again. */
const patience: RetryPolicy.Decided = {
  maxRetries: 5,
  baseDelay: Duration.millis(200),
  factor: 2,
  maxDelay: Duration.seconds(5),
  jitter: "equal"
}

const retriable = (error: Failure): boolean => {
  const inner = find(error)
  return inner?._tag === "LockTimeoutError" || inner?.recovery === "restart"
}

/** All of it in one transaction. */
const whole = (task: Task): Effect.Effect<void, Failure> => {
  const { run, node } = task
  const { own } = run
  const { transaction } = run.connections.dialect
  const work = Effect.gen(function* () {
    yield* own.script(transaction.begin({}))
    const watched = watch(own)
    yield* execute(task, watched, transaction.begin({}))
    if (own.status() === "idle") return yield* endedItself(node)
    if (own.status() === "failed") return yield* failed(task, swallowed("execute"), watched.refused())
    yield* record(task)
    yield* run.lock.fence
    const committed = Effect.mapError(Effect.uninterruptible(own.script(transaction.commit)), (error) =>
      error._tag === "ConnectionError" ? commitLost(task, error) : error
    )
    yield* Effect.flatMap(
      committed,
      (replies): Effect.Effect<void, Failure> =>
        replies.at(-1)?.tag === "ROLLBACK" ? Effect.fail(swallowed("commit")) : Effect.void
    )
  })
  return Effect.onExit(work, (exit) => (Exit.isSuccess(exit) ? Effect.void : undo(own, transaction.rollback))).pipe(
    Effect.mapError((error) => (error instanceof MigrationError ? error : failed(task, error))),
    Effect.retry({ schedule: RetryPolicy.schedule(patience), while: retriable })
  )
}

/** Whatever still runs is stopped first. The session is this run's own and ends with it, whatever ROLLBACK says. */
const undo = (own: DriverConnection, rollback: string): Effect.Effect<void> =>
  Effect.suspend(() => (own.pending() > 0 ? own.cancel : Effect.void)).pipe(
    Effect.zipRight(
      Effect.suspend(() =>
        own.status() === "open" || own.status() === "failed" ? Effect.ignore(own.script(rollback)) : Effect.void
      )
    )
  )

const swallowed = (operation: string) =>
  new TransactionAborted({
    operation,
    reason: "a statement was refused and its error swallowed, so nothing can be committed"
  })

const endedItself = (node: Node) =>
  new MigrationError({
    reason: "failed",
    problem: "it ended the transaction it ran in, so what it did is committed and not in the ledger",
    remedy: "Undo that by hand, take COMMIT or ROLLBACK out of it, or make it with transaction: false",
    revision: label(node),
    file: node.file
  })

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

const row = (task: Task, state: Entry["state"], finishedAt: Date | undefined): Entry =>
  entryOf(task.node, {
    state,
    origin: "run",
    step: 0,
    sequence: task.sequence,
    startedAt: new Date(task.start),
    finishedAt,
    appliedBy: task.run.appliedBy,
    error: undefined
  })

/** Statement by statement; an effect is one step, because nobody can see into it. */
const stepwise = (task: Task): Effect.Effect<void, Failure> => {
  const { run, node, direction, body, entry } = task
  const { ledger, own } = run
  const state = direction === "up" ? "applying" : "reverting"
  const from = entry?.state === state ? entry.step : 0
  const steps = body._tag === "sql" ? body.statements.map((s): Body => ({ _tag: "sql", statements: [s] })) : [body]
  const work = Effect.gen(function* () {
    if (entry === undefined) yield* ledger.insert(own, row(task, state, undefined))
    else yield* ledger.update(own, node.id, { state, step: from, error: undefined })
    for (const [at, body] of steps.entries()) {
      if (at >= from) yield* oneStep({ ...task, body, step: { at, of: steps.length } })
    }
    yield* run.lock.fence
    if (direction === "down") return yield* ledger.remove(own, node.id)
    const now = new Date(yield* Clock.currentTimeMillis)
    yield* ledger.update(own, node.id, {
      state: "applied",
      finishedAt: now,
      checksum: node.checksum,
      error: undefined
    })
  })
  return Effect.onExit(work, (exit) => {
    if (Exit.isSuccess(exit)) return Effect.void
    const said = Cause.pretty(exit.cause).split("\n")[0]
    return Effect.zipRight(
      undo(own, run.connections.dialect.transaction.rollback),
      Effect.ignore(ledger.update(own, node.id, { error: said }))
    )
  })
}

/**
 * One step and the ledger's word that it is done: together where the statement can run in a transaction. Failing there it
 * leaves no trace, so it is tried once more without one: what may not run in a transaction is the server's to know.
 */
const oneStep = (task: Task): Effect.Effect<void, Failure> => {
  const { run, node, body, step } = task
  const { ledger, own } = run
  const { kind, transaction } = run.connections.dialect
  const work = Effect.zipRight(
    execute(task, watch(own), undefined),
    ledger.update(own, node.id, { step: (step?.at ?? 0) + 1 })
  )
  if (body._tag === "effect" || body.statements.some(({ text }) => kind(text) === "session")) return work
  const together = own.script(transaction.begin({})).pipe(
    Effect.zipRight(work),
    Effect.zipRight(Effect.uninterruptible(own.script(transaction.commit))),
    Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : undo(own, transaction.rollback))),
    Effect.retry({ schedule: RetryPolicy.schedule(patience), while: retriable })
  )
  return Effect.catchAll(together, (error) => (retriable(error) || own.status() !== "idle" ? Effect.fail(error) : work))
}

/** Runs a body; its failure names the statement that was refused. */
const execute = (task: Task, watched: Watched, begun: string | undefined): Effect.Effect<void, Failure> => {
  const { body } = task
  if (body._tag === "sql") {
    return Effect.forEach(
      body.statements,
      (statement) =>
        Effect.mapError(watched.connection.script(statement.text), (error) =>
          failed(task, error, statement.text, statement.line)
        ),
      { discard: true }
    )
  }
  return Effect.scoped(Effect.flatMap(services(task.run, watched, begun), (provide) => provide(body.effect))).pipe(
    Effect.sandbox,
    Effect.catchAll((cause): Effect.Effect<void, Failure> => {
      // Interrupted from outside: no failure of the migration's. A throw in the body is one, like any other.
      if (Cause.isInterruptedOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
      return Effect.fail(failed(task, Cause.squash(cause), watched.refused()))
    }),
    Effect.asVoid
  )
}

/** The client's statements and the operations of the body go to the session that holds the transaction. */
const services = (run: Run, watched: Watched, begun: string | undefined) =>
  Effect.gen(function* () {
    const { config, dialect } = run.connections
    const session = new Session.Session({
      owner: run.connections,
      connection: watched.connection,
      begin: begun === undefined ? { _tag: "none" } : { _tag: "begun", text: begun },
      limit: config.pool.acquireTimeout,
      prepare: false
    })
    yield* Effect.addFinalizer(() => session.end)
    const operations: Operations = {
      apply: (change) =>
        Effect.gen(function* () {
          const before =
            dialect.rebuilds?.(change) === false ? LiveSchema.empty : yield* dialect.inspect(watched.connection)
          const texts = yield* Effect.try({
            try: () => dialect.ddl(change, before),
            // What the product cannot say is thrown as what it is.
            catch: (cause) => (isDatabaseError(cause) ? cause : dialect.classify(cause, "ddl"))
          })
          yield* Effect.forEach(texts, (text) => session.script(text), { discard: true })
        })
    }
    const scope = yield* Effect.scope
    const context = Context.make(SqlClient.SqlClient, run.client).pipe(
      Context.add(Operations, operations),
      Context.add(DatabaseConfig, config),
      Context.add(Scope.Scope, scope)
    )
    return <A, E>(effect: Effect.Effect<A, E, Services>): Effect.Effect<A, E> =>
      Effect.provide(effect, Session.provide(context, session))
  })

/** The database's refusal, with the place it happened at and what is left of it. */
const failed = (
  task: Task,
  cause: unknown,
  statement?: string | undefined,
  line?: number | undefined
): MigrationError => {
  const error = find(cause)
  const said = (error?.reason ?? (cause instanceof Error ? cause.message : String(cause))).replace(/\s+/g, " ")
  const { at, of } = task.step ?? { at: 0, of: 0 }
  return new MigrationError({
    reason: "failed",
    problem: `${said.replace(/[.\s]+$/, "")}${error?.detail === undefined ? "" : ` (${error.detail.replace(/\.$/, "")})`}`,
    remedy:
      task.step === undefined
        ? `Nothing of it was kept; ${advice(error)}`
        : task.body._tag === "effect"
          ? "It runs without a transaction: look at what it has done, finish or undo that, and say so with Migrator.repair"
          : `Of its ${of} statements ${at} are done; mend the next one and run again, it goes on there`,
    revision: label(task.node),
    file: task.node.file,
    line,
    statement,
    cause: error ?? cause
  })
}

/** Its row travels in the same COMMIT, so the next run sees what became of it. */
const commitLost = (task: Task, cause: DatabaseError): MigrationError =>
  new MigrationError({
    reason: "failed",
    problem: `the connection was lost while it was being committed (${cause.reason})`,
    remedy: "Run again: the ledger says whether it was applied",
    revision: label(task.node),
    file: task.node.file,
    cause
  })

const advice = (error: DatabaseError | undefined): string => {
  if (error?._tag === "LockTimeoutError") return "end what holds the lock, or run again when it is over"
  if (error?.hint !== undefined) return error.hint.replace(/^./, (c) => c.toLowerCase()).replace(/\.$/, "")
  return error?.recovery === "reconnect" ? "run again when the database is back" : "mend the file and run again"
}
