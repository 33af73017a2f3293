/**
 * Whether the database answers, how fast, and how the pool stands. A check uses a connection of its own, so an exhausted
 * pool does not look like a dead database; and a dead database is a report, not a failure.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as Connections from "../connection/Connections.js"
import { within } from "../connection/Limit.js"
import * as SessionTag from "../connection/SessionTag.js"
import type { DriverConnection } from "../Dialect.js"
import { ConnectionError, type DatabaseError, type PoolSnapshot } from "../model/DatabaseError.js"

/** @since 0.1.0 @category models */
export type Report = {
  readonly product: string
  readonly pool: PoolSnapshot
} & (
  | {
      readonly status: "up"
      readonly latency: Duration.Duration
      readonly version: string
      readonly facts: Readonly<Record<string, unknown>>
    }
  | { readonly status: "down"; readonly error: DatabaseError }
)

/** A check that takes longer reports `down`. @since 0.1.0 @category defaults */
export const limit = Duration.seconds(5)

/**
 * Opens a connection beside the pool and asks the server for its vitals; `latency` is the time of that question alone.
 * A database of one session (SQLite in memory) is asked on that session, in the transaction that has it where there is one.
 *
 * @since 0.1.0
 * @category accessors
 */
export const check: Effect.Effect<Report, DatabaseError, SqlClient.SqlClient> = Effect.flatMap(
  Connections.current,
  (connections) => checkOn(connections)
)

/** `check` on connections already at hand. @since 0.1.0 @category accessors */
export const checkOn = (connections: Connections.Connections): Effect.Effect<Report> => {
  const ask = (connection: DriverConnection) =>
    Effect.gen(function* () {
      const start = yield* Clock.currentTimeNanos
      yield* connection.ping
      const latency = Duration.nanos((yield* Clock.currentTimeNanos) - start)
      const { version, ...facts } = yield* connections.dialect.vitals(connection)
      return { status: "up", latency, version, facts } as const
    })
  const asked = Effect.flatMap(Effect.context<never>(), (context) => {
    const session = connections.dialect.sessions === "one" ? SessionTag.current(connections, context) : undefined
    // Inside a transaction on the only session nobody could wait for it but in vain.
    return session === undefined || session.closing
      ? Effect.scoped(Effect.flatMap(connections.own, ask))
      : session.use(ask)
  })
  const late = Effect.fail(
    new ConnectionError({
      operation: "health",
      reason: `no answer within ${Duration.format(limit)}`,
      phase: "connect",
      sent: false
    })
  )
  const { replicas } = connections
  // A replica that is down is told with the pool, and no reason to call the database down.
  const answer = Effect.catchAll(within(asked, limit, late), (error) =>
    Effect.succeed({ status: "down", error } as const)
  )
  return Effect.zipWith(
    replicas === undefined ? answer : Effect.zipLeft(answer, replicas.look, { concurrent: true }),
    connections.pool.status,
    (answer, pool): Report => ({ product: connections.dialect.name, pool, ...answer })
  )
}

/** Whether the database answers. @since 0.1.0 @category accessors */
export const isHealthy: Effect.Effect<boolean, DatabaseError, SqlClient.SqlClient> = Effect.map(
  check,
  ({ status }) => status === "up"
)

/** A report and when it was made. @since 0.1.0 @category models */
export type Dated = Report & { readonly at: DateTime.Utc }

/**
 * Health that is asked often, by load balancers say: checked in the background, answered from memory.
 *
 * @since 0.1.0
 * @category models
 */
export interface Health {
  /** The last report; a check where there is none yet, or where it is older than two rounds. */
  readonly latest: Effect.Effect<Dated>
  /** A check now. Who asks while one runs gets its report: however many ask, the database is asked once. */
  readonly refresh: Effect.Effect<Dated>
  /** Every report from now on, the last one first. */
  readonly changes: Stream.Stream<Dated>
}

/** Health in use. @since 0.1.0 @category tags */
export const Health = Context.GenericTag<Health>("effect-aquifer/Health")

/** How often the database is asked when nobody says otherwise. @since 0.1.0 @category defaults */
export const round = Duration.seconds(10)

/** Checks once at once and then every `every`, until the scope ends. @since 0.1.0 @category constructors */
export const make = (
  options: { readonly every?: Duration.DurationInput | undefined } = {}
): Effect.Effect<Health, DatabaseError, SqlClient.SqlClient | Scope.Scope> =>
  Effect.gen(function* () {
    const connections = yield* Connections.of(yield* SqlClient.SqlClient)
    const every = Duration.decode(options.every ?? round)
    const scope = yield* Effect.scope
    const last = yield* SubscriptionRef.make(Option.none<Dated>())
    let running: Fiber.Fiber<Dated> | undefined

    const checked = Effect.zipWith(checkOn(connections), DateTime.now, (report, at): Dated => ({ ...report, at })).pipe(
      Effect.tap((dated) => SubscriptionRef.set(last, Option.some(dated))),
      Effect.ensuring(
        Effect.sync(() => {
          running = undefined
        })
      )
    )
    // In a fiber of the layer: whoever asked may be interrupted, the others still get their report.
    const refresh = Effect.suspend(() =>
      running === undefined
        ? Effect.tap(Effect.forkIn(Effect.interruptible(checked), scope), (fiber) =>
            Effect.sync(() => {
              running = fiber
            })
          )
        : Effect.succeed(running)
    ).pipe(Effect.uninterruptible, Effect.flatMap(Fiber.join))

    const latest = Effect.flatMap(Effect.zip(SubscriptionRef.get(last), DateTime.now), ([dated, now]) =>
      Option.isSome(dated) && DateTime.distance(dated.value.at, now) <= 2 * Duration.toMillis(every)
        ? Effect.succeed(dated.value)
        : refresh
    )
    yield* Effect.forkScoped(Effect.repeat(refresh, Schedule.spaced(every)))
    return { latest, refresh, changes: Stream.filterMap(last.changes, (dated) => dated) }
  })

/**
 * `Health` in the background of a program, every ten seconds unless `every` says otherwise.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: { readonly every?: Duration.DurationInput | undefined } = {}
): Layer.Layer<Health, DatabaseError, SqlClient.SqlClient> => Layer.scoped(Health, make(options))
