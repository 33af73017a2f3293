/**
 * The one way to a session for all rooms above: a pooled connection for one statement, for the length of a scope, or a
 * connection of one's own beside the pool. On products with one writer, statements that only read go to readers, so that
 * they are answered while a write transaction stays open.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Dialect, DriverConnection, Kind, Reply, Request, Row } from "../Dialect.js"
import type { DatabaseConfig } from "../model/DatabaseConfig.js"
import { type DatabaseError, type PoolSnapshot, UnsupportedError } from "../model/DatabaseError.js"
import * as Deadlines from "./Deadlines.js"
import * as Interposed from "./Interposed.js"
import type { Lease } from "./Lease.js"
import * as Pool from "./Pool.js"
import * as SharedLane from "./SharedLane.js"
import * as Texts from "./Texts.js"

/** @since 0.1.0 @category models */
export interface Connections {
  readonly config: DatabaseConfig
  readonly dialect: Dialect
  readonly pool: Pool.Pool
  readonly deadlines: Deadlines.Deadlines
  /** `dialect.kind`, remembered. */
  readonly kind: (text: string) => Kind
  /** A claim on a connection; `read` goes to a reader where there are readers. */
  readonly lease: (kind: Kind) => Lease<DriverConnection>
  /** One statement on a connection of the pool, stopped on the server when it is interrupted. */
  readonly run: (request: Request) => Effect.Effect<Reply, DatabaseError>
  readonly script: (text: string) => Effect.Effect<ReadonlyArray<Reply>, DatabaseError>
  readonly stream: (request: Request) => Stream.Stream<ReadonlyArray<Row>, DatabaseError>
  /** A connection for the length of the scope, out of the pool. */
  readonly reserve: Effect.Effect<DriverConnection, DatabaseError, Scope.Scope>
  /** A connection beside the pool, so that migrations and probes never wait for its callers. A database of one session lends its only one. */
  readonly own: Effect.Effect<DriverConnection, DatabaseError, Scope.Scope>
}

/** How long the end of the layer waits for connections still in use. */
const drainLimit = Duration.seconds(10)

/** A rollback or ping that takes longer costs the connection its place in the pool. */
const careLimit = Duration.seconds(5)

/** Smaller pools have no lanes beside them: their owner has few connections to spare. */
const smallestWithLanes = 5

/**
 * `rules` are the lanes'; tests have their own.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (
  config: DatabaseConfig,
  product: Dialect,
  rules: SharedLane.Rules = SharedLane.rules
) {
  const { dialect, lease: interposed } = yield* Interposed.around(config, product)
  const single = dialect.sessions === "one"
  const textOf = Texts.make(dialect)
  const readers = dialect.sessions === "one writer"

  const settings = (size: number, maxOverflow: number): Parameters<typeof Pool.make>[0] => ({
    ...config.pool,
    size,
    maxOverflow,
    // Sessions inside this process do not age, and the only session of a database in memory must never be closed.
    ...(dialect.sessions === "many"
      ? {}
      : { maxLifetime: Duration.infinity, prePing: Duration.infinity, keepAlive: Duration.infinity }),
    careLimit,
    drainLimit
  })
  const many = dialect.sessions === "many"
  const writers = yield* Pool.make(
    many ? settings(config.pool.size, config.pool.maxOverflow) : settings(1, 0),
    care(config, dialect, "writer")
  )
  // Readers never make the database: the first of them waits until the writer has.
  const afterWriter = Effect.suspend(() => {
    const claim = writers.lease()
    return Effect.ensuring(Effect.asVoid(claim.acquire), claim.close)
  })
  const made = Effect.flatMap(writers.status, ({ totals }) => (totals.opened > 0 ? Effect.void : afterWriter))
  const reader = care(config, dialect, "reader")
  const reading = readers
    ? yield* Pool.make(settings(config.pool.size, config.pool.maxOverflow), {
        ...reader,
        open: Effect.zipRight(made, reader.open)
      })
    : writers

  const lease: Connections["lease"] = (kind) => {
    const pool = kind === "read" ? reading : writers
    return interposed({ lease: pool.lease(), status: pool.status })
  }

  const deadlines = yield* Deadlines.make
  const lanes =
    many && dialect.can.has("pipelining") && config.pooler === "none" && config.pool.size >= smallestWithLanes
      ? yield* SharedLane.make(config.pool, care(config, dialect, "reader").open, drainLimit, rules)
      : undefined

  /** One finaliser for both: what an interrupt leaves running is stopped, then the connection goes back. */
  const withLease = <A, E, R>(
    kind: Kind,
    use: (connection: DriverConnection) => Effect.Effect<A, E, R>,
    ended?: (exit: Exit.Exit<A, E | DatabaseError>) => void
  ): Effect.Effect<A, E | DatabaseError, R> =>
    Effect.suspend(() => {
      const claim = lease(kind)
      let held: DriverConnection | undefined
      return Effect.onExit(
        Effect.flatMap(claim.acquire, (connection) => {
          held = connection
          return use(connection)
        }),
        (exit) => {
          ended?.(exit)
          return held !== undefined && Exit.isFailure(exit) && Cause.isInterrupted(exit.cause)
            ? Effect.zipRight(held.cancel, claim.close)
            : claim.close
        }
      )
    })

  let warned = false
  /** What a statement leaves on its session must not meet the next holder; who wants to keep it holds the session. */
  const tidy = (connection: DriverConnection, text: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      touched.add(connection)
      if (warned) return Effect.void
      warned = true
      const verb = /^[\s(]*([a-z]+)/i.exec(text)?.[1]?.toUpperCase() ?? "a statement"
      return Effect.logWarning(
        `${verb} changes its session, and outside a transaction the next statement may run on another one: the session was reset. Use sql.reserve or a transaction to keep one.`
      )
    })

  /** One on a connection for itself; afterwards the connection is as it was. */
  const alone = <A>(
    text: string,
    known: Texts.Text,
    use: (connection: DriverConnection) => Effect.Effect<A, DatabaseError>
  ): Effect.Effect<A, DatabaseError> =>
    known.kind === "session" || known.kind === "script"
      ? withLease(known.kind, (connection) =>
          Effect.ensuring(
            use(connection),
            Effect.suspend(() =>
              known.leaves || connection.status() === "open" || connection.status() === "failed"
                ? tidy(connection, text)
                : Effect.void
            )
          )
        )
      : withLease(known.kind, use)

  /** As above, and the text earns the lane by it; a failure may be quick for reasons of its own. */
  const earning = (request: Request, known: Texts.Text): Effect.Effect<Reply, DatabaseError> => {
    let start = Number.POSITIVE_INFINITY
    return withLease(
      "read",
      (connection) => {
        start = rules.now()
        return connection.run(request)
      },
      (exit) => {
        const end = rules.now()
        if (Exit.isSuccess(exit) || end - start >= rules.quick) known.took(start, end, rules)
      }
    )
  }

  const reserve = Effect.suspend(() => {
    const claim = lease("write")
    return Effect.zipRight(
      Effect.addFinalizer(() => claim.close),
      Effect.map(claim.acquire, (connection) => connection)
    )
  })

  /** What a reader cannot see (a temporary table) or refuses was not done: the writer decides. */
  const elsewhere = (error: DatabaseError, request: Request): Effect.Effect<Reply, DatabaseError> =>
    error._tag === "SqlSyntaxError" || error._tag === "ReadOnlyError"
      ? withLease("write", (connection) => connection.run(request))
      : Effect.fail(error)

  const pool = single
    ? onlySession(writers)
    : readers
      ? both(writers, reading)
      : lanes === undefined
        ? writers
        : beside(writers, lanes)
  // They end together: what is out of one must not hold up the end of the other.
  yield* Effect.addFinalizer(() => pool.drain(drainLimit))

  const connections: Connections = {
    config,
    dialect,
    pool,
    deadlines,
    kind: (text) => textOf(text).kind,
    lease,
    run: (request) => {
      const known = textOf(request.text)
      if (known.kind !== "read") return alone(request.text, known, (connection) => connection.run(request))
      if (lanes !== undefined) return lanes.run(request, known, earning(request, known))
      const sent = withLease("read", (connection) => connection.run(request))
      return readers ? Effect.catchAll(sent, (error) => elsewhere(error, request)) : sent
    },
    script: (text) => alone(text, textOf(text), (connection) => connection.script(text)),
    stream: (request) =>
      Stream.unwrapScoped(
        Effect.suspend(() => {
          const claim = lease(textOf(request.text).kind)
          return Effect.addFinalizer(() => claim.close).pipe(
            Effect.zipRight(claim.acquire),
            Effect.map((connection) =>
              Stream.ensuring(
                connection.stream(request),
                Effect.suspend(() => (connection.pending() > 0 ? connection.cancel : Effect.void))
              )
            )
          )
        })
      ),
    reserve,
    own: single ? reserve : dialect.connect(config, "writer")
  }
  return connections
})

/** Sessions that a statement left something on. */
const touched = new WeakSet<DriverConnection>()

const care = (config: DatabaseConfig, dialect: Dialect, role: "writer" | "reader") => {
  const prepare = (connection: DriverConnection) =>
    Effect.forEach(config.pool.onConnect, (text) => connection.script(text), { discard: true })
  /** A reset takes along what `onConnect` had done. */
  const reset = (connection: DriverConnection) =>
    config.pool.onConnect.length === 0 ? connection.reset : Effect.zipRight(connection.reset, prepare(connection))
  const cleaning = (connection: DriverConnection): Effect.Effect<void, DatabaseError> | undefined => {
    if (connection.pending() > 0) return Effect.zipRight(connection.cancel, reset(connection))
    if (touched.delete(connection) || config.pool.resetOnReturn === "discard") return reset(connection)
    return connection.status() === "idle" ? undefined : Effect.asVoid(connection.script(dialect.transaction.rollback))
  }
  return {
    open: Effect.tap(dialect.connect(config, role), prepare),
    usable: (connection: DriverConnection) => connection.status() !== "broken",
    ping: (connection: DriverConnection) => connection.ping,
    clean: (connection: DriverConnection) => {
      const work = cleaning(connection)
      return work !== undefined && dialect.sessions === "one" ? sparing(connection, work) : work
    },
    lost: (connection: DriverConnection) => connection.lost
  }
}

/** A database in memory ends with its only session, which is therefore never closed to be replaced. */
const onlySession = (pool: Pool.Pool): Pool.Pool => ({
  status: pool.status,
  changes: pool.changes,
  drain: (limit) => pool.drain(limit),
  evictAll: Effect.void
})

/** Nor because cleaning it failed, once nothing is open on it any more. */
const sparing = (connection: DriverConnection, cleaning: Effect.Effect<void, DatabaseError>) =>
  Effect.catchAll(cleaning, (error) =>
    Effect.flatMap(Effect.exit(connection.reset), () =>
      connection.status() === "idle"
        ? Effect.logWarning("the only session of this database could not be cleaned as it should be; it is kept", error)
        : Effect.fail(error)
    )
  )

/** The pool with the lanes beside it. */
const beside = (pool: Pool.Pool, lanes: SharedLane.SharedLane): Pool.Pool => ({
  status: Effect.map(pool.status, (status) => ({ ...status, lanes: lanes.status() })),
  changes: Stream.map(pool.changes, (status) => ({ ...status, lanes: lanes.status() })),
  evictAll: Effect.zipRight(lanes.evictAll, pool.evictAll),
  drain: (limit) => Effect.all([pool.drain(limit), lanes.drain(limit)], { discard: true, concurrency: 2 })
})

/** The writer's pool and the readers' as one. */
const both = (writers: Pool.Pool, readers: Pool.Pool): Pool.Pool => ({
  status: Effect.zipWith(writers.status, readers.status, add),
  // Each tells its own counts at first; of both together that is one.
  changes: Stream.mapEffect(Stream.merge(writers.changes, Stream.drop(readers.changes, 1)), () =>
    Effect.zipWith(writers.status, readers.status, add)
  ),
  evictAll: Effect.zipRight(writers.evictAll, readers.evictAll),
  // One after the other within one limit, the writer last: whoever closes last empties the log, and a reader cannot.
  drain: (limit) =>
    Effect.gen(function* () {
      const start = yield* Clock.currentTimeMillis
      yield* readers.drain(limit)
      const left = Duration.toMillis(limit) - ((yield* Clock.currentTimeMillis) - start)
      yield* writers.drain(Math.max(0, left))
    })
})

const add = (a: PoolSnapshot, b: PoolSnapshot): PoolSnapshot => ({
  size: a.size + b.size,
  checkedOut: a.checkedOut + b.checkedOut,
  checkedIn: a.checkedIn + b.checkedIn,
  overflow: a.overflow + b.overflow,
  opening: a.opening + b.opening,
  waiting: a.waiting + b.waiting,
  invalidated: a.invalidated + b.invalidated,
  totals: {
    acquired: a.totals.acquired + b.totals.acquired,
    opened: a.totals.opened + b.totals.opened,
    closed: a.totals.closed + b.totals.closed,
    timeouts: a.totals.timeouts + b.totals.timeouts,
    shed: a.totals.shed + b.totals.shed,
    leaks: a.totals.leaks + b.totals.leaks,
    failures: a.totals.failures + b.totals.failures
  }
})

const ConnectionsId: unique symbol = Symbol.for("effect-aquifer/Connections")

/** Marks `client` as one that travels by `connections`. @since 0.1.0 @category combinators */
export const mark = <C extends object>(client: C, connections: Connections): C =>
  Object.assign(client, { [ConnectionsId]: connections })

/**
 * The connections behind a client: what lets `Transaction`, `Migrator` and `Health` ask for nothing but a `SqlClient`.
 * Fails with `UnsupportedError` for a client this library did not make.
 *
 * @since 0.1.0
 * @category accessors
 */
export const of = (client: SqlClient.SqlClient): Effect.Effect<Connections, UnsupportedError> => {
  const connections = (client as { readonly [ConnectionsId]?: Connections })[ConnectionsId]
  return connections === undefined
    ? Effect.fail(
        new UnsupportedError({
          operation: "acquire",
          reason: "the SqlClient in use is not Aquifer's",
          hint: "Provide Database.layer (or DatabaseLive) in the place of the stock client's layer"
        })
      )
    : Effect.succeed(connections)
}

/** `of` the client in use. @since 0.1.0 @category accessors */
export const current: Effect.Effect<Connections, UnsupportedError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  of
)
