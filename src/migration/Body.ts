/**
 * Runs what a revision says, statement by statement or as an effect, on the session that holds the lock; a failure names
 * the statement that was refused, what is left of it, and what to do.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Session from "../connection/Session.js"
import type { DriverConnection } from "../Dialect.js"
import { DatabaseConfig } from "../model/DatabaseConfig.js"
import { type DatabaseError, find, isDatabaseError } from "../model/DatabaseError.js"
import * as LiveSchema from "../model/LiveSchema.js"
import { Operations, type Services } from "../model/Migration.js"
import { MigrationError } from "../model/MigrationError.js"
import { label } from "./Revision.js"
import type { Statement } from "./SqlFile.js"
import { type Failure, type Run, type Task, undo } from "./Task.js"
import { type Watched, watch } from "./watch.js"

/** One statement; its failure names it. @since 0.1.0 @category running */
export const send = (task: Task, own: DriverConnection, statement: Statement): Effect.Effect<void, MigrationError> =>
  Effect.mapBoth(own.script(statement.text), {
    onFailure: (error) => failed(task, error, statement.text, statement.line),
    onSuccess: () => undefined
  })

/**
 * The transaction a body is in: none, one that is open, or one that its first statement opens; `begun` then tells whether
 * anything was sent at all.
 *
 * @since 0.1.0
 * @category models
 */
export type Within =
  | { readonly _tag: "none" }
  | { readonly _tag: "begun"; readonly text: string }
  | { readonly _tag: "pending"; readonly text: string; readonly begun: { value: boolean } }

/** Runs a body; its failure names the statement that was refused. @since 0.1.0 @category running */
export const execute = (task: Task, watched: Watched, within: Within): Effect.Effect<void, Failure> => {
  const { body } = task
  return body._tag === "sql"
    ? Effect.forEach(body.statements, (statement) => send(task, watched.connection, statement), { discard: true })
    : effect(task, body.effect, watched, within)
}

/** An effect of the migration's own, or a hook around it. @since 0.1.0 @category running */
export const effect = (
  task: Task,
  body: Effect.Effect<unknown, unknown, Services>,
  watched: Watched,
  within: Within
): Effect.Effect<void, Failure> =>
  inSession(task.run, body, watched.connection, within, (cause) => failed(task, Cause.squash(cause), watched.refused()))

/** What runs once, before or after all revisions. @since 0.1.0 @category running */
export const around = (run: Run, which: "first" | "last"): Effect.Effect<void, Failure> => {
  const hook = run.hooks[which]
  if (hook === undefined) return Effect.void
  const watched = watch(run.own)
  return inSession(
    run,
    hook,
    watched.connection,
    { _tag: "none" },
    (cause) =>
      new MigrationError({
        reason: "failed",
        problem: `the hook "${which}" failed: ${sentence(Cause.squash(cause))}`,
        remedy:
          which === "first" ? "Nothing was run; mend the hook and run again" : "The revisions before it are applied",
        statement: watched.refused(),
        cause: Cause.squash(cause)
      })
  ).pipe(Effect.onError(() => undo(run.own, run.connections.dialect.transaction.rollback)))
}

const inSession = (
  run: Run,
  body: Effect.Effect<unknown, unknown, Services>,
  connection: DriverConnection,
  within: Within,
  failure: (cause: Cause.Cause<unknown>) => MigrationError
): Effect.Effect<void, Failure> =>
  Effect.scoped(Effect.flatMap(services(run, connection, within), (provide) => provide(body))).pipe(
    Effect.sandbox,
    Effect.catchAll((cause): Effect.Effect<void, Failure> => {
      // Interrupted from outside: no failure of the migration's. A throw in the body is one, like any other.
      if (Cause.isInterruptedOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
      return Effect.fail(failure(cause))
    }),
    Effect.asVoid
  )

/** The client's statements and the operations of the body go to the session that holds the transaction. */
const services = (run: Run, connection: DriverConnection, within: Within) =>
  Effect.gen(function* () {
    const { config, dialect } = run.connections
    const session = new Session.Session({
      owner: run.connections,
      connection: run.tap?.(connection) ?? connection,
      begin: within._tag === "none" ? { _tag: "none" } : { _tag: within._tag, text: within.text },
      limit: config.pool.acquireTimeout,
      prepare: false
    })
    yield* Effect.addFinalizer(() =>
      Effect.zipRight(
        session.end,
        Effect.sync(() => {
          if (within._tag === "pending")
            within.begun.value = session.begin._tag === "begun" || session.firstError !== undefined
        })
      )
    )
    const operations: Operations = {
      apply: (change) =>
        Effect.gen(function* () {
          const before =
            run.schema ?? (dialect.rebuilds?.(change) === false ? LiveSchema.empty : yield* dialect.inspect(connection))
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

const sentence = (cause: unknown): string => {
  const error = find(cause)
  const said = (error?.reason ?? (cause instanceof Error ? cause.message : String(cause))).replace(/\s+/g, " ")
  return `${said.replace(/[.\s]+$/, "")}${error?.detail === undefined ? "" : ` (${error.detail.replace(/\.$/, "")})`}`
}

/** The database's refusal, with the place it happened at and what is left of it. @since 0.1.0 @category errors */
export const failed = (
  task: Task,
  cause: unknown,
  statement?: string | undefined,
  line?: number | undefined
): MigrationError => {
  const error = find(cause)
  const { at, of } = task.step ?? { at: 0, of: 0 }
  return new MigrationError({
    reason: "failed",
    problem: sentence(cause),
    remedy:
      task.step === undefined
        ? `Nothing of it was kept; ${advice(error)}`
        : task.body._tag === "effect"
          ? "It runs without a transaction: look at what it has done, finish or undo that, and say so with Migrator.repair"
          : at === 0
            ? `None of its ${of} statements is done; ${advice(error)}`
            : `Of its ${of} statements ${at} are done; mend the next one and run again, it goes on there`,
    revision: label(task.node),
    file: task.node.file,
    line,
    statement,
    cause: error ?? cause
  })
}

const advice = (error: DatabaseError | undefined): string => {
  if (error?._tag === "LockTimeoutError") return "end what holds the lock, or run again when it is over"
  if (error?.hint !== undefined) return error.hint.replace(/^./, (c) => c.toLowerCase()).replace(/\.$/, "")
  return error?.recovery === "reconnect" ? "run again when the database is back" : "mend the file and run again"
}
