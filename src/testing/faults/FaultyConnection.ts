/**
 * A session on which a plan's faults strike; all else is the real one's. A failure leaves the real session as the product
 * itself leaves it: where a statement is to fail, one that cannot succeed is sent in its place. A lost connection is really
 * closed, except where it is the database itself (in memory): that is rolled back, and stays.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Dialect, DriverConnection, Request } from "../../Dialect.js"
import { ConnectionError, type DatabaseError } from "../../model/DatabaseError.js"
import type { Action, Place, Plan } from "./Plan.js"

/** One message on its way: where it is, and what the server is told in its place when it is to fail. */
interface Occasion {
  readonly place: Place
  readonly text: string
  readonly operation: string
  readonly instead: Effect.Effect<unknown, DatabaseError>
}

/** No product knows such a column. */
const hopeless = "SELECT aquifer_injected_fault"

const beginning = /^\s*(?:begin|start\s+transaction)\b/i

/** How long a fault's delays are together. @since 0.1.0 @category accessors */
export const delay = (actions: ReadonlyArray<Action>): Duration.Duration =>
  actions.reduce((sum, action) => (action._tag === "takes" ? Duration.sum(sum, action.duration) : sum), Duration.zero)

/** Waits, without a detour where there is no wait. @since 0.1.0 @category combinators */
export const after = <A, E, R>(wait: Duration.Duration, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Duration.equals(wait, Duration.zero) ? effect : Effect.zipRight(Effect.sleep(wait), effect)

/**
 * `kept`: the real session outlives this one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (real: DriverConnection, dialect: Dialect, plan: Plan, kept: boolean): DriverConnection => {
  const gate = Effect.runSync(Deferred.make<DatabaseError>())
  let gone: DatabaseError | undefined

  const loss = (occasion: { readonly place: Place; readonly operation: string }, sent: boolean) =>
    new ConnectionError({
      operation: occasion.operation,
      reason: "the connection was lost: an injected fault",
      phase: occasion.place === "commit" ? "commit" : "statement",
      sent
    })
  const close = kept
    ? Effect.suspend(() =>
        real.status() === "idle" ? Effect.void : Effect.ignore(real.script(dialect.transaction.rollback))
      )
    : real.destroy
  const lose = (occasion: Occasion, sent: boolean): Effect.Effect<never, DatabaseError> =>
    Effect.suspend(() => {
      const error = loss(occasion, sent)
      gone = error
      Deferred.unsafeDone(gate, Effect.succeed(error))
      return Effect.zipRight(Effect.uninterruptible(close), Effect.fail(error))
    })

  /** The message, unless something is to go wrong with it. */
  const through = <A>(occasion: Occasion, message: Effect.Effect<A, DatabaseError>): Effect.Effect<A, DatabaseError> =>
    Effect.suspend(() => {
      if (gone !== undefined) return Effect.fail(loss(occasion, false))
      const actions = plan.meet(occasion.place, occasion.text)
      if (actions.length === 0) return message
      const action = actions.find(({ _tag }) => _tag !== "takes")
      return after(delay(actions), action === undefined ? message : strike(action, occasion, message))
    })

  const strike = <A>(
    action: Action,
    occasion: Occasion,
    message: Effect.Effect<A, DatabaseError>
  ): Effect.Effect<A, DatabaseError> => {
    if (action._tag === "fails") {
      return Effect.zipRight(Effect.exit(occasion.instead), Effect.fail(action.error(occasion.operation)))
    }
    if (action._tag === "loses" && action.loss === "after") {
      return Effect.zipRight(Effect.exit(message), lose(occasion, true))
    }
    return lose(occasion, action._tag === "loses" && action.loss === "underway")
  }

  const statement = (request: Request, operation: string): Occasion => ({
    place: "statement",
    text: request.text,
    operation,
    instead: real.run({ ...request, text: hopeless, params: [], prepare: false, askId: false })
  })
  /** What travels in front of a statement is met first: where it fails, the statement never comes to its turn. */
  const front = (begin: string): Occasion =>
    beginning.test(begin)
      ? { place: "begin", text: begin, operation: "begin", instead: Effect.void }
      : { place: "statement", text: begin, operation: "savepoint", instead: hopelessly }
  const hopelessly = Effect.suspend(() => real.script(hopeless))

  const run: DriverConnection["run"] = (request) => {
    const message = through(statement(request, "execute"), real.run(request))
    return request.begin === undefined ? message : through(front(request.begin), message)
  }
  const script: DriverConnection["script"] = (text) => {
    const message = real.script(text)
    const { commit, rollback } = dialect.transaction
    // Behind the release of a savepoint all of it stands behind (CockroachDB) it is a COMMIT, too.
    if (text === commit || text.endsWith(`; ${commit}`)) {
      // Like every COMMIT that fails, this one ends its transaction all the same.
      return through({ place: "commit", text, operation: "commit", instead: real.script(rollback) }, message)
    }
    if (text === rollback) {
      return through({ place: "rollback", text, operation: "rollback", instead: Effect.void }, message)
    }
    if (beginning.test(text)) return through(front(text), message)
    return through({ place: "statement", text, operation: "execute", instead: hopelessly }, message)
  }
  /** An answer lost behind it comes after the last row. */
  const stream: DriverConnection["stream"] = (request) =>
    Stream.unwrap(
      Effect.sync(() => {
        const occasion = statement(request, "stream")
        const rows = real.stream(request)
        let late = false
        const start = Effect.suspend(() => {
          if (gone !== undefined) return Effect.fail(loss(occasion, false))
          const actions = plan.meet("statement", request.text)
          const action = actions.find(({ _tag }) => _tag !== "takes")
          late = action?._tag === "loses" && action.loss === "after"
          return after(
            delay(actions),
            action === undefined || late ? Effect.void : strike(action, occasion, Effect.void)
          )
        })
        const begun = request.begin === undefined ? start : through(front(request.begin), start)
        return Stream.concat(
          Stream.unwrap(Effect.as(begun, rows)),
          Stream.unwrap(Effect.suspend(() => (late ? lose(occasion, true) : Effect.succeed(Stream.empty))))
        )
      })
    )

  return {
    run,
    script,
    stream,
    cancel: Effect.suspend(() => (gone === undefined ? real.cancel : Effect.void)),
    status: () => (gone === undefined ? real.status() : "broken"),
    pending: () => (gone === undefined ? real.pending() : 0),
    busySince: () => real.busySince(),
    // What is never lost needs no watcher; that this one is lost is seen in its status.
    lost: real.lost === Effect.never ? Effect.never : Effect.raceFirst(Deferred.await(gate), real.lost),
    ping: Effect.suspend(() => (gone === undefined ? real.ping : Effect.fail(gone))),
    reset: Effect.suspend(() => (gone === undefined ? real.reset : Effect.fail(gone))),
    destroy: Effect.suspend(() => {
      gone ??= loss({ place: "rollback", operation: "rollback" }, true)
      return close
    }),
    notifications: real.notifications,
    copy: real.copy
  }
}
