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
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import { toStringUnknown } from "effect/Inspectable"
import * as Scope from "effect/Scope"
import * as Session from "../connection/Session.js"
import type { DriverConnection } from "../Dialect.js"
import { DatabaseConfig } from "../model/DatabaseConfig.js"
import { type DatabaseError, find } from "../model/DatabaseError.js"
import { Operations, type Services } from "../model/Migration.js"
import { MigrationError } from "../model/MigrationError.js"
import { statements } from "../schema/Render.js"
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

/**
 * In a session and a scope of its own. Written out, because histories are long and `provide` and `scoped` around each body
 * cost more than all else of it: half of the time, most of it in copies of the fiber's context.
 */
const inSession = (
  run: Run,
  body: Effect.Effect<unknown, unknown, Services>,
  connection: DriverConnection,
  within: Within,
  failure: (cause: Cause.Cause<unknown>) => MigrationError
): Effect.Effect<void, Failure> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.withFiberRuntime((fiber) =>
      Effect.flatMap(Scope.make(), (scope) => {
        const outer = fiber.currentContext
        const session = sessionOf(run, connection, within)
        const inner = Context.merge(outer, services(run, connection, session, scope))
        // All that the services are is in there.
        const provided = body as Effect.Effect<unknown, unknown>
        const ended = (exit: Exit.Exit<unknown, unknown>) =>
          Effect.zipRight(
            FiberRef.set(FiberRef.currentContext, outer),
            Effect.matchCauseEffect(Scope.close(scope, exit), {
              onFailure: (cause) => Effect.zipRight(over(session, within), Effect.failCause(cause)),
              onSuccess: () => over(session, within)
            })
          )
        const refused = (cause: Cause.Cause<unknown>): Effect.Effect<void, Failure> =>
          // Interrupted from outside: no failure of the migration's. A throw in the body is one, like any other.
          Cause.isInterruptedOnly(cause) ? Effect.failCause(cause as Cause.Cause<never>) : Effect.fail(failure(cause))
        return Effect.flatMap(
          Effect.exit(restore(Effect.zipRight(FiberRef.set(FiberRef.currentContext, inner), provided))),
          (exit) =>
            Effect.matchCauseEffect(ended(exit), {
              onFailure: (cause) => refused(Exit.isFailure(exit) ? Cause.sequential(exit.cause, cause) : cause),
              onSuccess: () => (Exit.isFailure(exit) ? refused(exit.cause) : Effect.void)
            })
        )
      })
    )
  )

const sessionOf = (run: Run, connection: DriverConnection, within: Within): Session.Session =>
  new Session.Session({
    owner: run.connections,
    connection: run.tap?.(connection) ?? connection,
    begin: beginOf(within),
    limit: run.connections.config.pool.acquireTimeout,
    prepare: false
  })

const beginOf = (within: Within): Session.Begin => {
  if (within._tag === "none") return within
  return within._tag === "pending" ? new Session.Pending(within.text, false) : new Session.Begun(within.text)
}

/** Nothing of the body is at work any more. */
const over = (session: Session.Session, within: Within): Effect.Effect<void> =>
  Effect.map(session.end, () => {
    if (within._tag === "pending") {
      within.begun.value = session.begin._tag === "begun" || session.firstError !== undefined
    }
  })

/** The client's statements and the operations of the body go to the session that holds the transaction. */
const services = (
  { client, connections: { config, dialect }, schema }: Run,
  connection: DriverConnection,
  session: Session.Session,
  scope: Scope.Scope
): Context.Context<Services> => {
  const operations: Operations = {
    apply: (change) =>
      Effect.gen(function* () {
        const texts = yield* statements(dialect, connection, change, schema)
        yield* Effect.forEach(texts, (text) => session.script(text), { discard: true })
      })
  }
  return Session.provide(
    Context.make(SqlClient.SqlClient, client).pipe(
      Context.add(Operations, operations),
      Context.add(DatabaseConfig, config),
      Context.add(Scope.Scope, scope)
    ),
    session
  )
}

const sentence = (cause: unknown): string => {
  const error = find(cause)
  const said = (error?.reason ?? (cause instanceof Error ? cause.message : toStringUnknown(cause, 0))).replace(
    /\s+/g,
    " "
  )
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
