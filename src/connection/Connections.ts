/**
 * The one way to a session for all rooms above: a pooled connection for one statement, for the length of a scope, or a
 * connection of one's own beside the pool. On products with one writer, statements that only read go to readers, so that
 * they are answered while a write transaction stays open.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Dialect, DriverConnection, Kind, Reply, Request, Row } from "../Dialect.js"
import type { DatabaseConfig } from "../model/DatabaseConfig.js"
import { type DatabaseError, type PoolSnapshot, UnsupportedError } from "../model/DatabaseError.js"
import type { Lease } from "./Lease.js"
import * as Pool from "./Pool.js"

/** @since 0.1.0 @category models */
export interface Connections {
  readonly config: DatabaseConfig
  readonly dialect: Dialect
  readonly pool: Pool.Pool
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

/** @since 0.1.0 @category constructors */
export const make = Effect.fnUntraced(function* (config: DatabaseConfig, dialect: Dialect) {
  const single = dialect.sessions === "one"
  const readers = dialect.sessions === "one writer"

  const settings = (size: number, maxOverflow: number): Parameters<typeof Pool.make>[0] => ({
    ...config.pool,
    size,
    maxOverflow,
    // Sessions inside this process do not age, and the only session of a database in memory must never be closed.
    ...(dialect.sessions === "many" ? {} : { maxLifetime: Duration.infinity, prePing: Duration.infinity }),
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

  const lease: Connections["lease"] = (kind) => (kind === "read" ? reading : writers).lease()

  const withLease = <A, E, R>(
    kind: Kind,
    use: (connection: DriverConnection) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | DatabaseError, R> =>
    Effect.suspend(() => {
      const claim = lease(kind)
      return Effect.ensuring(
        Effect.flatMap(claim.acquire, (connection) => Effect.onInterrupt(use(connection), () => connection.cancel)),
        claim.close
      )
    })

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

  const connections: Connections = {
    config,
    dialect,
    pool: readers ? both(writers, reading) : writers,
    lease,
    run: (request) => {
      const kind = dialect.kind(request.text)
      const sent = withLease(kind, (connection) => connection.run(request))
      return readers && kind === "read" ? Effect.catchAll(sent, (error) => elsewhere(error, request)) : sent
    },
    script: (text) => withLease("script", (connection) => connection.script(text)),
    stream: (request) =>
      Stream.unwrapScoped(
        Effect.suspend(() => {
          const claim = lease(dialect.kind(request.text))
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

const care = (config: DatabaseConfig, dialect: Dialect, role: "writer" | "reader") => ({
  open: Effect.tap(dialect.connect(config, role), (connection) =>
    Effect.forEach(config.pool.onConnect, (text) => connection.script(text), { discard: true })
  ),
  usable: (connection: DriverConnection) => connection.status() !== "broken",
  ping: (connection: DriverConnection) => connection.ping,
  clean: (connection: DriverConnection) => {
    if (connection.pending() > 0) return Effect.zipRight(connection.cancel, connection.reset)
    if (config.pool.resetOnReturn === "discard") return connection.reset
    return connection.status() === "idle" ? undefined : Effect.asVoid(connection.script(dialect.transaction.rollback))
  },
  lost: (connection: DriverConnection) => connection.lost
})

/** The writer's pool and the readers' as one. */
const both = (writers: Pool.Pool, readers: Pool.Pool): Pool.Pool => ({
  status: Effect.zipWith(writers.status, readers.status, add),
  evictAll: Effect.zipRight(writers.evictAll, readers.evictAll),
  drain: (limit) => Effect.all([writers.drain(limit), readers.drain(limit)], { discard: true, concurrency: 2 })
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
