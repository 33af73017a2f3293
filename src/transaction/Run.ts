/**
 * How a transaction is run: run the effect, COMMIT when it succeeds, ROLLBACK otherwise, and run the whole of it
 * again when the database says that may help. BEGIN travels with the first statement; where no statement ran, nothing is
 * sent. Inside another transaction of the same client it is a savepoint, and repeating is left to the outermost one.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import * as Connections from "../connection/Connections.js"
import { readsOnly } from "../connection/Route.js"
import * as Session from "../connection/Session.js"
import { isTraced } from "../connection/Tracing.js"
import type { Dialect, DriverConnection } from "../Dialect.js"
import { type DatabaseError, UnsupportedError } from "../model/DatabaseError.js"
import type { TransactionMode } from "../model/TransactionMode.js"
import * as Budget from "./Budget.js"
import * as Contention from "./Contention.js"
import * as Deadline from "./Deadline.js"
import * as Ending from "./Ending.js"
import { inSession } from "./inSession.js"
import type { Confirm } from "./Outcome.js"
import * as Restart from "./Restart.js"
import type * as Retry from "./Retry.js"
import * as Sandbox from "./Sandbox.js"
import { Tries } from "./Tries.js"
import { refusedIn, transientIn } from "./Verdict.js"

export { retries } from "./Tries.js"

/** All optional. @since 0.1.0 @category models */
export interface Options extends TransactionMode {
  /**
   * How transient failures are repeated; without it the enclosing `Retry.withPolicy`, then the configuration. Those that lost
   * a race are repeated in turn, one at a time in each pool; one that has lost three times is run alone, while the pool's new
   * transactions that may write wait for it (100 ms at most). Between processes there is no such order, only the waits.
   */
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

/** Which try of the transaction this is, counted from 1; 0 outside of one. @since 0.1.0 @category accessors */
export const attempt: Effect.Effect<number> = Effect.withFiberRuntime((fiber) =>
  Effect.succeed(Session.attempt(fiber.currentContext))
)

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
 * `run` on connections already at hand. `apart`: a transaction of the same pool waits for this one, so that it must not be
 * made to wait for that one's turn.
 *
 * @since 0.1.0
 * @category combinators
 */
export const runOn = <A, E, R>(
  connections: Connections.Connections,
  effect: Effect.Effect<A, E, R>,
  options: Options = {},
  apart = false
): Effect.Effect<A, E | DatabaseError, R> => {
  const begun = (fiber: Fiber.RuntimeFiber<unknown, unknown>): Effect.Effect<A, E | DatabaseError, R> => {
    if (options.settings !== undefined && connections.dialect.transaction.setting === undefined) {
      return Effect.fail(unsupported("begin", `sessions of ${connections.dialect.name} have no parameters to set`))
    }
    const session = Session.current(connections, fiber.currentContext)
    const inside = apart || Session.attempt(fiber.currentContext) > 0
    if (session === undefined) {
      // Where reads go to a replica there is nothing but reading.
      if (!Session.isRouted(connections, fiber.currentContext)) {
        return outermost(connections, effect, options, undefined, inside)
      }
      return options.access === "read write"
        ? Effect.fail(readsOnly())
        : outermost(connections, effect, { ...options, access: "read only" }, undefined, inside)
    }
    // A session without a transaction (a reserved connection) begins one on its own connection.
    if (session.begin._tag === "none") {
      return session.alone(Effect.suspend(() => outermost(connections, effect, options, session.connection, inside)))
    }
    return nested(connections, session, effect, options)
  }
  return Effect.withFiberRuntime((fiber) => {
    // A span of its own name is made for whoever asks who keeps a connection, too.
    if (options.name === undefined && !isTraced(fiber)) return begun(fiber)
    return Effect.withSpan(Effect.withFiberRuntime(begun), options.name ?? "sql.transaction", {
      kind: "client",
      captureStackTrace: false,
      attributes: connections.config.spanAttributes
    })
  })
}

/** To be called when it is to begin. */
const outermost = <A, E, R>(
  connections: Connections.Connections,
  effect: Effect.Effect<A, E, R>,
  options: Options,
  connection: DriverConnection | undefined,
  inside: boolean
): Effect.Effect<A, E | DatabaseError, R> => {
  const budget = Budget.of(connections)
  budget.earn()
  return Deadline.use(options.timeout, (deadline) => {
    const contention = inside || options.access === "read only" ? undefined : Contention.of(connections)
    const tries = new Tries(connections, options.retry, deadline, budget, contention)
    const attempt = (): Effect.Effect<A, E | DatabaseError, R> =>
      Effect.flatMap(
        tries.inTurn(attemptOnce(connections, effect, options, connection, tries)),
        ({ exit, transient }) =>
          transient === undefined ? exit : Effect.flatMap(tries.again(transient), (may) => (may ? attempt() : exit))
      )
    return attempt()
  })
}

const unsupported = (operation: string, reason: string) => new UnsupportedError({ operation, reason })

type Ended<A, E> = Restart.Ended<A, E>

const attemptOnce = <A, E, R>(
  connections: Connections.Connections,
  body: Effect.Effect<A, E, R>,
  options: Options,
  connection: DriverConnection | undefined,
  tries: Tries
): Effect.Effect<Ended<A, E>, never, R> =>
  Effect.uninterruptibleMask((restore) => {
    let committed: Session.Session | undefined
    tries.begin()
    const { begin, restart } = connections.dialect.transaction
    const once = (connection: DriverConnection, begin: Session.Begin) => {
      const doubt = options.access === "read only" ? "wrote nothing" : (options.confirm ?? "ask-server")
      return Effect.withFiberRuntime<Ended<A, E>, never, R>((fiber) => {
        const session = new Session.Session({
          owner: connections,
          connection,
          begin,
          outer: Session.entry(fiber.currentContext),
          limit: connections.config.pool.acquireTimeout,
          prepare: connections.config.prepare,
          attempt: tries.number,
          asksId: doubt === "ask-server" && connections.dialect.fate._tag === "Some" ? connections.textOf : undefined
        })
        const kept: Ending.Kept | undefined =
          restart._tag === "None" ? undefined : (exit) => transientIn(session, exit)?.recovery === "restart"
        const end = (exit: Exit.Exit<A, E | DatabaseError>) =>
          Ending.transaction(connections, session, exit, doubt, kept)
        return Effect.flatMap(inSession(session, tries.bounded(body), restore, end), (exit) => {
          if (Exit.isSuccess(exit)) committed = session
          const transient = transientIn(session, exit)
          if (transient !== undefined || Exit.isSuccess(exit) || options.access === "read only") {
            return Effect.succeed({ exit, transient })
          }
          const refused = refusedIn(session, exit)
          return Effect.map(connections.moved(connection, refused), (transient) => ({ exit, transient }))
        })
      })
    }
    const within = (connection: DriverConnection) => {
      const first = once(connection, beginning(connections.dialect, begin(options), options, Option.toArray(restart)))
      return restart._tag === "None"
        ? first
        : Restart.onIt(connections, connection, restart.value, first, {
            once: Effect.suspend(() => once(connection, new Session.Begun(""))),
            again: (transient) => restore(tries.again(transient))
          })
    }
    // Once the connection is back: what runs then may want one.
    const afterwards = (ended: Ended<A, E>): Effect.Effect<Ended<A, E>> => {
      tries.end()
      return committed === undefined || committed.afterCommit.length === 0
        ? Effect.succeed(ended)
        : Effect.as(Effect.forEach(committed.afterCommit, afterwardsAlone, { discard: true }), ended)
    }
    const died = (cause: Cause.Cause<never>) => {
      tries.end()
      return Effect.failCause(cause)
    }
    if (connection !== undefined) {
      return Effect.matchCauseEffect(within(connection), { onSuccess: afterwards, onFailure: died })
    }
    const lease = connections.lease(options.access === "read only" ? "read" : "write", true)
    const leased = Effect.matchCauseEffect(restore(tries.bounded(lease.acquire)), {
      onSuccess: within,
      onFailure: (cause): Effect.Effect<Ended<A, E>> => {
        const exit = Exit.failCause(cause)
        return Effect.succeed({ exit, transient: transientIn(undefined, exit) })
      }
    })
    return Effect.matchCauseEffect(leased, {
      onSuccess: (ended) => {
        lease.end()
        return afterwards(ended)
      },
      onFailure: (cause) => {
        lease.end()
        return died(cause)
      }
    })
  })

/** BEGIN, and behind it what holds for this transaction alone; then the savepoint, so that going back to it keeps that. */
const beginning = (
  { transaction }: Dialect,
  begin: string,
  options: Options,
  savepoint: ReadonlyArray<string> = []
): Session.Begin => {
  const settings = Object.entries(options.settings ?? {}).map(([name, value]) => transaction.setting?.(name, value))
  const behind = [...settings, ...savepoint.map(transaction.savepoint)]
  return behind.length === 0
    ? new Session.Pending(begin, false)
    : new Session.Pending([begin, ...behind].join("; "), true)
}

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
        const end = (exit: Exit.Exit<A, E | DatabaseError>) => Ending.savepoint(connections, session, name, exit)
        return Effect.flatMap(inSession(session, bounded(effect), restore, end), (exit) => {
          if (Exit.isSuccess(exit)) parent.afterCommit.push(...session.afterCommit)
          // What a rollback to the savepoint undid is no failure of the outer transaction; a lost session is.
          else if (parent.connection.status() === "broken") parent.firstError ??= session.firstError
          return exit
        })
      })
    )
  return Deadline.use(options.timeout, ({ bounded }) => parent.alone(savepoint(bounded)))
}

/** Each on its own: one that dies does not keep the others from running, and none changes what was committed. */
const afterwardsAlone = (effect: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.catchAllCause(effect, (cause) => Effect.logError("an afterCommit effect died", cause))

/**
 * `run` for a part of a transaction: it is undone alone when it fails. Outside of a transaction it is one.
 *
 * @since 0.1.0
 * @category combinators
 */
export const savepoint = <A, E, R>(effect: Effect.Effect<A, E, R>) => run(effect)
