/**
 * How a transaction is run: run the effect, COMMIT when it succeeds, ROLLBACK otherwise, and run the whole of it
 * again when the database says that may help. BEGIN travels with the first statement; where no statement ran, nothing is
 * sent. Inside another transaction of the same client it is a savepoint, and repeating is left to the outermost one.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import { dual } from "effect/Function"
import * as Metric from "effect/Metric"
import * as Connections from "../connection/Connections.js"
import * as Session from "../connection/Session.js"
import type { Dialect, DriverConnection } from "../Dialect.js"
import {
  CommitUnknown,
  type DatabaseError,
  find,
  isTransient,
  RetriesExhausted,
  TransactionAborted,
  UnsupportedError
} from "../model/DatabaseError.js"
import type { TransactionMode } from "../model/TransactionMode.js"
import * as Budget from "./Budget.js"
import * as Deadline from "./Deadline.js"
import * as Ending from "./Ending.js"
import type { Confirm } from "./Outcome.js"
import * as Retry from "./Retry.js"
import * as Sandbox from "./Sandbox.js"

/** All optional. @since 0.1.0 @category models */
export interface Options extends TransactionMode {
  /** How transient failures are repeated; without it the enclosing `Retry.withPolicy`, then the configuration. */
  readonly retry?: Retry.Setting | undefined
  /** How long the body may take, all attempts and the waits between them included. COMMIT is never cut short by it. */
  readonly timeout?: Duration.DurationInput | undefined
  /**
   * Parameters of the session for this transaction alone (`SET LOCAL`): `{ work_mem: "64MB" }`. Fails with
   * `UnsupportedError` where sessions have none.
   */
  readonly settings?: Readonly<Record<string, string>> | undefined
  /** The span's name. */
  readonly name?: string | undefined
  /** What to do about a COMMIT whose answer is lost; `ask-server` by default. */
  readonly confirm?: Confirm | undefined
}

/** Transactions run again after a transient failure. @since 0.1.0 @category metrics */
export const retries = Metric.counter("aquifer.transaction.retries", {
  description: "Transactions run again after a transient failure",
  incremental: true
})

const tries = FiberRef.unsafeMake(0)

/** Which try of the transaction this is, counted from 1; 0 outside of one. @since 0.1.0 @category accessors */
export const attempt: Effect.Effect<number> = FiberRef.get(tries)

/**
 * Runs the effect in a transaction. Every statement of this client inside belongs to it; those of forked fibers too, until
 * it ends: then they fail with `TransactionClosed`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const run: {
  (
    options?: Options
  ): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | DatabaseError, R | SqlClient.SqlClient>
  <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    options?: Options
  ): Effect.Effect<A, E | DatabaseError, R | SqlClient.SqlClient>
} = dual(
  (args) => Effect.isEffect(args[0]),
  <A, E, R>(effect: Effect.Effect<A, E, R>, options?: Options) =>
    Effect.flatMap(Connections.current, (connections) => runOn(connections, effect, options))
)

/**
 * `run` on connections already at hand.
 *
 * @since 0.1.0
 * @category combinators
 */
export const runOn = <A, E, R>(
  connections: Connections.Connections,
  effect: Effect.Effect<A, E, R>,
  options: Options = {}
): Effect.Effect<A, E | DatabaseError, R> => {
  const traced = Effect.withFiberRuntime<A, E | DatabaseError, R>((fiber) => {
    if (options.settings !== undefined && connections.dialect.transaction.setting === undefined) {
      return Effect.fail(unsupported("begin", `sessions of ${connections.dialect.name} have no parameters to set`))
    }
    const session = Session.current(connections, fiber.currentContext)
    if (session === undefined) return outermost(connections, effect, options, undefined)
    // A session without a transaction (a reserved connection) begins one on its own connection.
    if (session.begin._tag === "none") return session.alone(outermost(connections, effect, options, session.connection))
    return nested(connections, session, effect, options)
  })
  return Effect.withSpan(traced, options.name ?? "sql.transaction", {
    kind: "client",
    captureStackTrace: false,
    attributes: connections.config.spanAttributes
  })
}

const outermost = <A, E, R>(
  connections: Connections.Connections,
  effect: Effect.Effect<A, E, R>,
  options: Options,
  connection: DriverConnection | undefined
): Effect.Effect<A, E | DatabaseError, R> =>
  Effect.gen(function* () {
    const setting = options.retry ?? (yield* Retry.enclosing)
    const next = Retry.stepper(Retry.byClass(Retry.decide(setting, connections.config.retry)))
    const deadline = yield* Deadline.make(options.timeout)
    const budget = Budget.of(connections)
    const failures: Array<DatabaseError> = []
    yield* budget.earn

    const loop: Effect.Effect<A, E | DatabaseError, R> = Effect.suspend(() => {
      const body = Effect.locally(effect, tries, failures.length + 1)
      const bounded: Deadline.Bounded = (effect) => deadline.bounded(effect, failures.at(-1))
      return Effect.flatMap(attemptOnce(connections, body, options, connection, bounded), ({ exit, transient }) => {
        if (transient === undefined) return exit
        failures.push(transient)
        return failedTry(failures.length, transient).pipe(
          Effect.zipRight(next(transient)),
          Effect.flatMap((wait) => {
            if (wait === undefined) return failures.length > 1 ? Effect.fail(exhausted(failures, transient)) : exit
            const affordable = Retry.isOfConnection(transient) ? budget.spend : Effect.succeed(true)
            return Effect.flatMap(affordable, (may) =>
              may
                ? Effect.zipRight(deadline.wait(wait, transient), Effect.zipRight(Metric.increment(retries), loop))
                : Effect.fail(exhausted(failures, transient, Budget.hint))
            )
          })
        )
      })
    })
    return yield* loop
  })

const unsupported = (operation: string, reason: string) => new UnsupportedError({ operation, reason })

const failedTry = (attempt: number, error: DatabaseError): Effect.Effect<void> =>
  Effect.logDebug(`transaction attempt ${attempt} failed: ${error.message}`).pipe(
    Effect.zipRight(Effect.zip(Effect.currentSpan, Clock.currentTimeNanos)),
    Effect.map(([span, now]) =>
      span.event("transaction attempt failed", now, { attempt, "error.type": error._tag, error: error.message })
    ),
    Effect.ignore
  )

interface Ended<A, E> {
  readonly exit: Exit.Exit<A, E | DatabaseError>
  /** Why running the whole again may help, where it may. */
  readonly transient: DatabaseError | undefined
}

const attemptOnce = <A, E, R>(
  connections: Connections.Connections,
  body: Effect.Effect<A, E, R>,
  options: Options,
  connection: DriverConnection | undefined,
  bounded: Deadline.Bounded
): Effect.Effect<Ended<A, E>, never, R> =>
  Effect.uninterruptibleMask((restore) => {
    let committed: Session.Session | undefined
    const within = (connection: DriverConnection) => {
      const asks = options.access !== "read only" && options.confirm !== "off"
      return Effect.withFiberRuntime<Ended<A, E>, never, R>((fiber) => {
        const session = new Session.Session({
          owner: connections,
          connection,
          begin: beginning(connections.dialect, connections.dialect.transaction.begin(options), options),
          outer: Session.entry(fiber.currentContext),
          limit: connections.config.pool.acquireTimeout,
          prepare: connections.config.prepare,
          asksId: asks && connections.dialect.fate._tag === "Some"
        })
        return bodyIn(session, bounded(body), restore).pipe(
          Effect.flatMap((exit) => Ending.transaction(connections, session, exit, options.confirm ?? "ask-server")),
          Effect.map((exit) => {
            if (Exit.isSuccess(exit)) committed = session
            return { exit, transient: transientIn(session, exit) }
          })
        )
      })
    }
    // Once the connection is back: what runs then may want one.
    const afterwards = (ended: Effect.Effect<Ended<A, E>, never, R>) =>
      Effect.tap(ended, () => Effect.forEach(committed?.afterCommit ?? [], afterwardsAlone, { discard: true }))
    if (connection !== undefined) return afterwards(within(connection))
    const lease = connections.lease(options.access === "read only" ? "read" : "write")
    return restore(bounded(lease.acquire)).pipe(
      Effect.matchCauseEffect({
        onSuccess: within,
        onFailure: (cause): Effect.Effect<Ended<A, E>> => {
          const exit = Exit.failCause(cause)
          return Effect.succeed({ exit, transient: transientIn(undefined, exit) })
        }
      }),
      Effect.ensuring(lease.close),
      afterwards
    )
  })

/** BEGIN, and behind it what holds for this transaction alone. */
const beginning = ({ transaction }: Dialect, begin: string, options: Options): Session.Begin => {
  const settings = Object.entries(options.settings ?? {}).map(([name, value]) => transaction.setting?.(name, value))
  return settings.length === 0
    ? { _tag: "pending", text: begin }
    : { _tag: "pending", text: [begin, ...settings].join("; "), script: true }
}

const bodyIn = <A, E, R>(
  session: Session.Session,
  body: Effect.Effect<A, E, R>,
  restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
): Effect.Effect<Exit.Exit<A, E>, never, R> =>
  Effect.exit(restore(Effect.mapInputContext(body, (context: Context.Context<R>) => Session.provide(context, session))))

const nested = <A, E, R>(
  connections: Connections.Connections,
  parent: Session.Session,
  effect: Effect.Effect<A, E, R>,
  options: Options
): Effect.Effect<A, E | DatabaseError, R> => {
  const foreign = (["isolation", "access", "deferrable", "settings"] as const).filter(
    (name) => options[name] !== undefined
  )
  if (foreign.length > 0 && !Sandbox.covers(parent)) {
    const reason = `${foreign.join(", ")} can only be said of the outermost transaction; a nested one is a savepoint of it`
    return Effect.fail(unsupported("savepoint", reason))
  }
  const savepoint = (bounded: Deadline.Bounded) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.withFiberRuntime<A, E | DatabaseError, R>((fiber) => {
        const name = parent.nextSavepoint()
        const session = new Session.Session({
          owner: connections,
          connection: parent.connection,
          begin: beginning(connections.dialect, connections.dialect.transaction.savepoint(name), options),
          parent,
          outer: Session.entry(fiber.currentContext),
          limit: connections.config.pool.acquireTimeout,
          prepare: connections.config.prepare
        })
        return bodyIn(session, bounded(effect), restore).pipe(
          Effect.flatMap((exit) => Ending.savepoint(connections, session, name, exit)),
          Effect.flatMap((exit) => {
            if (Exit.isSuccess(exit)) parent.afterCommit.push(...session.afterCommit)
            // What a rollback to the savepoint undid is no failure of the outer transaction; a lost session is.
            else if (parent.connection.status() === "broken") parent.firstError ??= session.firstError
            return exit
          })
        )
      })
    )
  return Effect.flatMap(Deadline.make(options.timeout), ({ bounded }) => parent.alone(savepoint(bounded)))
}

/**
 * The first failure the server gave decides, not what the body made of it. Final are a success, an interruption, a COMMIT
 * nobody knows the outcome of, and a defect, unless it is a database's failure in a defect's clothes (repositories do that).
 */
const transientIn = <A, E>(session: Session.Session | undefined, exit: Exit.Exit<A, E>): DatabaseError | undefined => {
  if (Exit.isSuccess(exit)) return undefined
  const defects = Array.from(Cause.defects(exit.cause), find)
  if (defects.includes(undefined)) return undefined
  const failure = Cause.failureOption(exit.cause)
  const ended = failure._tag === "Some" ? find(failure.value) : defects[0]
  if (failure._tag === "None" && ended === undefined) return undefined
  if (ended instanceof CommitUnknown) return undefined
  return [session?.firstError, ended].map(decisive).find(isTransient)
}

/** Where a swallowed failure is all that is left, it is the one that decides. */
const decisive = (error: DatabaseError | undefined): DatabaseError | undefined =>
  error instanceof TransactionAborted ? (find(error.cause) ?? error) : error

/** Each on its own: one that dies does not keep the others from running, and none changes what was committed. */
const afterwardsAlone = (effect: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.catchAllCause(effect, (cause) => Effect.logError("an afterCommit effect died", cause))

const exhausted = (attempts: ReadonlyArray<DatabaseError>, last: DatabaseError, hint?: string) =>
  new RetriesExhausted({
    operation: last.operation,
    reason: `${attempts.length} ${attempts.length === 1 ? "attempt" : "attempts"} failed, the last with ${last._tag}: ${last.reason}`,
    hint,
    cause: last,
    attempts,
    last
  })

/**
 * `run` for a part of a transaction: it is undone alone when it fails. Outside of a transaction it is one.
 *
 * @since 0.1.0
 * @category combinators
 */
export const savepoint = <A, E, R>(effect: Effect.Effect<A, E, R>) => run(effect)
