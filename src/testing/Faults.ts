/**
 * Faults on purpose, on any product's layer: "the third COMMIT fails with a serialization error", "the next acquire takes
 * 2 s". Pool, sessions, transactions and the database are the real ones; only what their connections are told is
 * changed, always at the same place, and under `TestClock` at the same time.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Interposed from "../connection/Interposed.js"
import * as Database from "../Database.js"
import type { Dialect, DriverConnection } from "../Dialect.js"
import { ConnectionError, classes, type DatabaseError, type Plain, PoolTimeout } from "../model/DatabaseError.js"
import * as FaultyConnection from "./faults/FaultyConnection.js"
import { type Action, type Entry, type Fault, type Loss, type Place, Plan } from "./faults/Plan.js"

export type { Entry, Fault, Loss } from "./faults/Plan.js"

/** A failure: its tag, or one made by yourself. `ConnectionError` is one nothing was sent before. @since 0.1.0 @category models */
export type Failing = Plain["_tag"] | "ConnectionError" | DatabaseError

/** A place where something can fail or be slow. @since 0.1.0 @category models */
export interface Door {
  readonly fails: (failure: Failing) => Fault
  /** On the Clock in use. */
  readonly takes: (duration: Duration.DurationInput) => Fault
}

/** A message to the server, on whose way the connection can also be lost. @since 0.1.0 @category models */
export interface Message {
  readonly fails: (failure: Exclude<Failing, "ConnectionError">) => Fault
  /** On the Clock in use; the message goes out afterwards. */
  readonly takes: (duration: Duration.DurationInput) => Fault
  /**
   * `before`: nothing was sent. `underway`: it was sent and never arrived, which the client cannot tell from the next.
   * `after`: it was carried out, and its answer never came.
   */
  readonly loses: (loss: Loss) => Fault
}

const make = (failure: Failing) => (operation: string) => {
  if (typeof failure !== "string") return failure
  const details = { operation, reason: "an injected fault" }
  return failure === "ConnectionError"
    ? new ConnectionError({ ...details, phase: "connect", sent: false })
    : new classes[failure](details)
}

const at = (place: Place, nth: number | "every", pattern?: RegExp): Message => {
  const where = `${place}${pattern === undefined ? "" : ` ${pattern}`} ${nth}`
  const fault = (action: Action, what: string): Fault => ({ place, nth, pattern, action, fault: `${where} ${what}` })
  return {
    fails: (failure) =>
      fault(
        { _tag: "fails", error: make(failure) },
        `fails with ${typeof failure === "string" ? failure : failure._tag}`
      ),
    takes: (input) => {
      const duration = Duration.decode(input)
      return fault({ _tag: "takes", duration }, `takes ${Duration.format(duration)}`)
    },
    loses: (loss) => fault({ _tag: "loses", loss }, `loses its connection (${loss})`)
  }
}

/** The nth session to be opened, or every one. @since 0.1.0 @category places */
// What a door opens may fail with anything, so its `fails` takes more than a message's.
export const connect = (nth: number | "every" = 1): Door => at("connect", nth) as Door

/**
 * The nth time a connection is taken from the pool: for a transaction, a stream, a statement outside of both. One that takes
 * longer than `acquireTimeout` is a `PoolTimeout` by then.
 *
 * @since 0.1.0
 * @category places
 */
// As above.
export const acquire = (nth: number | "every" = 1): Door => at("acquire", nth) as Door

/** The nth BEGIN, with which nothing behind it runs. @since 0.1.0 @category places */
export const begin = (nth: number | "every" = 1): Message => at("begin", nth)

/** The nth COMMIT. One that fails has rolled back. @since 0.1.0 @category places */
export const commit = (nth: number | "every" = 1): Message => at("commit", nth)

/** The nth ROLLBACK of a whole transaction. @since 0.1.0 @category places */
export const rollback = (nth: number | "every" = 1): Message => at("rollback", nth)

/** The nth statement whose text matches, savepoints among them. @since 0.1.0 @category places */
export const statement = (pattern: RegExp, nth: number | "every" = 1): Message => at("statement", nth, pattern)

/** The faults in use. @since 0.1.0 @category models */
export interface Faults {
  readonly report: Effect.Effect<ReadonlyArray<Entry>>
  readonly inject: (...faults: ReadonlyArray<Fault>) => Effect.Effect<void>
}

/** @since 0.1.0 @category tags */
export const Faults = Context.GenericTag<Faults>("effect-aquifer/Faults")

/** Each fault, how many occasions it had and how often it struck: so that a test can tell that it tested something. @since 0.1.0 @category accessors */
export const report: Effect.Effect<ReadonlyArray<Entry>, never, Faults> = Effect.flatMap(Faults, ({ report }) => report)

/** More faults, whose occasions are counted from now on: `inject(acquire().takes("2 seconds"))` is the next one. @since 0.1.0 @category combinators */
export const inject = (...faults: ReadonlyArray<Fault>): Effect.Effect<void, never, Faults> =>
  Effect.flatMap(Faults, ({ inject }) => inject(...faults))

/**
 * A database on which these things go wrong: options, or any layer of one (`DatabaseTest.sqlite({ migrations })`). Occasions
 * are counted from when the layer stands, so that what it does while it is built meets no fault. Each statement of a
 * `Transaction.batch` is an occasion of its own: here they go one by one.
 *
 * @example
 * ```ts
 * import { SqlClient } from "@effect/sql"
 * import { Effect } from "effect"
 * import { Transaction } from "effect-aquifer"
 * import { Faults } from "effect-aquifer/testing"
 *
 * const test = Effect.gen(function* () {
 *   const sql = yield* SqlClient.SqlClient
 *   yield* sql`CREATE TABLE words (word TEXT)`
 *   for (const word of ["one", "two", "three"]) {
 *     yield* Transaction.run(sql`INSERT INTO words ${sql.insert({ word })}`)
 *   }
 *   // Four COMMITs for three words: the third was run again.
 *   const [third] = yield* Faults.report
 *   yield* Faults.inject(Faults.acquire().takes("2 seconds"))
 *   return { third, words: yield* sql`SELECT word FROM words` }
 * })
 *
 * export const outcome = Effect.provide(
 *   test,
 *   Faults.layer({ url: "sqlite::memory:" }, [Faults.commit(3).fails("SerializationError")])
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export function layer(
  database: Database.Options,
  faults?: ReadonlyArray<Fault>
): Layer.Layer<Database.Services | Faults, Database.Failure>
export function layer<A, E, R>(
  database: Layer.Layer<A, E, R>,
  faults?: ReadonlyArray<Fault>
): Layer.Layer<A | Faults, E, R>
export function layer<A, E, R>(
  database: Database.Options | Layer.Layer<A, E, R>,
  faults: ReadonlyArray<Fault> = []
): Layer.Layer<A | Faults, E, R> | Layer.Layer<Database.Services | Faults, Database.Failure> {
  return isLayer(database) ? on(database, faults) : on(Database.layer(database), faults)
}

const isLayer = <A, E, R>(database: Database.Options | Layer.Layer<A, E, R>): database is Layer.Layer<A, E, R> =>
  Layer.isLayer(database)

const on = <A, E, R>(database: Layer.Layer<A, E, R>, faults: ReadonlyArray<Fault>): Layer.Layer<A | Faults, E, R> =>
  Layer.scopedContext(
    Effect.gen(function* () {
      const plan = new Plan(faults)
      const built = yield* Effect.locally(Layer.build(database), Interposed.interposer, interpose(plan))
      plan.armed = true
      return Context.add(built, Faults, {
        report: Effect.sync(() => plan.report),
        inject: (...faults) => Effect.sync(() => plan.add(...faults))
      })
    })
  )

const interpose =
  (plan: Plan): Interposed.Interposer =>
  (config, dialect) =>
    Effect.map(Effect.scope, (scope) => ({
      dialect: faulty(dialect, plan, scope),
      lease: ({ lease, status }) => ({
        acquire: Effect.suspend(() => {
          const actions = plan.meet("acquire")
          const limit = config.pool.acquireTimeout
          const wait = FaultyConnection.delay(actions)
          if (Duration.greaterThanOrEqualTo(wait, limit)) {
            return FaultyConnection.after(
              limit,
              Effect.flatMap(status, (snapshot) => Effect.fail(late(limit, snapshot)))
            )
          }
          return FaultyConnection.after(wait, Effect.zipRight(failing(actions, "acquire"), lease.acquire))
        }),
        end: () => lease.end(),
        close: lease.close
      })
    }))

const late = (limit: Duration.Duration, snapshot: PoolTimeout["snapshot"]) =>
  new PoolTimeout({
    operation: "acquire",
    reason: `no connection within ${Duration.format(limit)}: an injected fault`,
    snapshot,
    holders: []
  })

const failing = (actions: ReadonlyArray<Action>, operation: string): Effect.Effect<void, DatabaseError> => {
  const action = actions.find((action) => action._tag === "fails")
  return action?._tag === "fails" ? Effect.fail(action.error(operation)) : Effect.void
}

/** The product, its sessions with faults on them. What it asks a session itself goes past them. */
const faulty = (dialect: Dialect, plan: Plan, scope: Scope.Scope): Dialect => {
  const bare = new WeakMap<DriverConnection, DriverConnection>()
  const real = (connection: DriverConnection) => bare.get(connection) ?? connection
  const single = dialect.sessions === "one"
  let kept: DriverConnection | undefined
  const opened: Dialect["connect"] = (config, role) => {
    if (!single) return dialect.connect(config, role)
    // The session is the database: a loss of it is played, and the next one meets what it held.
    if (kept !== undefined) return Effect.succeed(kept)
    return Effect.tap(Scope.extend(dialect.connect(config, role), scope), (connection) => {
      kept = connection
    })
  }
  const { admin, replication, resumption } = dialect
  return {
    ...dialect,
    // A fault may take its time.
    immediate: false,
    connect: (config, role) =>
      Effect.suspend(() => {
        const actions = plan.meet("connect")
        const door = Effect.zipRight(failing(actions, "connect"), opened(config, role))
        return Effect.map(FaultyConnection.after(FaultyConnection.delay(actions), door), (connection) => {
          const session = FaultyConnection.make(connection, dialect, plan, single)
          bare.set(session, connection)
          return session
        })
      }),
    fate: Option.map(dialect.fate, (fate) => (fresh, id, lost) => fate(real(fresh), id, real(lost))),
    migrationLock: (own, name, config) => dialect.migrationLock(real(own), name, config),
    inspect: (connection) => dialect.inspect(real(connection)),
    vitals: (connection) => dialect.vitals(real(connection)),
    resumption:
      resumption === undefined
        ? undefined
        : { ...resumption, index: (own, index) => resumption.index(real(own), index) },
    replication:
      replication === undefined
        ? undefined
        : {
            demoted: (connection, config) => replication.demoted(real(connection), config),
            position: (primary) => replication.position(real(primary)),
            standing: (replica) => replication.standing(real(replica))
          },
    admin:
      admin === undefined
        ? undefined
        : {
            ...admin,
            activity: (connection, name) => admin.activity(real(connection), name),
            checkup: (connection, config) => admin.checkup(real(connection), config)
          }
  }
}
