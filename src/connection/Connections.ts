/**
 * The one way to a session for all rooms above: a pooled connection for one statement, for the length of a scope, or a
 * connection of one's own beside the pool. On products with one writer, statements that only read go to readers, so that
 * they are answered while a write transaction stays open.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Dialect, DriverConnection, Kind, Reply, Request, Row } from "../Dialect.js"
import { describeTarget } from "../model/config/redacted.js"
import type { DatabaseConfig } from "../model/DatabaseConfig.js"
import { type DatabaseError, UnsupportedError } from "../model/DatabaseError.js"
import { care, touch } from "./Care.js"
import * as Deadlines from "./Deadlines.js"
import type { Carrier } from "./Facade.js"
import * as Interposed from "./Interposed.js"
import { Late, type Lease } from "./Lease.js"
import { leased } from "./Leased.js"
import * as Pool from "./Pool.js"
import * as Pools from "./Pools.js"
import * as Primary from "./Primary.js"
import * as ReplicaRoute from "./ReplicaRoute.js"
import * as Replicas from "./Replicas.js"
import type { Held, Route } from "./Route.js"
import { carrier } from "./SessionTag.js"
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
  /** What is known of a statement's text. */
  readonly textOf: (text: string) => Texts.Text
  /**
   * A claim on a connection; `read` goes to a reader where there are readers. Where reads go to a replica it is one of those,
   * held to reading; `begins`: by the read-only transaction its holder begins there.
   */
  readonly lease: (kind: Kind, begins?: boolean) => Lease<DriverConnection>
  /** One statement on a connection of the pool, stopped on the server when it is interrupted. */
  readonly run: (request: Request) => Effect.Effect<Reply, DatabaseError>
  readonly runNow: Carrier["runNow"]
  readonly script: (text: string) => Effect.Effect<ReadonlyArray<Reply>, DatabaseError>
  readonly stream: (request: Request) => Stream.Stream<ReadonlyArray<Row>, DatabaseError>
  /** A connection for the length of the scope, out of the pool: the primary's, wherever reads go. */
  readonly reserve: Effect.Effect<DriverConnection, DatabaseError, Scope.Scope>
  /** A connection beside the pool, so that migrations and probes never wait for its callers. A database of one session lends its only one. */
  readonly own: Effect.Effect<DriverConnection, DatabaseError, Scope.Scope>
  /** What a refused write really was, where its server takes none any more; the pool then looks for the primary. */
  readonly moved: Primary.Primary["moved"]
  /** A way for reads, by a replica no more than `bound` milliseconds behind; `outer` is what the tag holds. */
  readonly route: (bound: number, outer: Held | undefined) => Route
  readonly replicas: Replicas.Replicas | undefined
}

/** How long the end of the layer waits for connections still in use. */
const drainLimit = Duration.seconds(10)

/** A rollback or ping that takes longer costs the connection its place in the pool. */
const careLimit = Duration.seconds(5)

/** So many statements that are answered at once, and other fibers have their turn: half as many as their operations would allow. */
const turn = 64

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
  const primary = Primary.make(
    config,
    dialect,
    Effect.suspend(() => pool.evictAll)
  )
  const writers = yield* Pool.make(
    many ? settings(config.pool.size, config.pool.maxOverflow) : settings(1, 0),
    care(config, dialect, primary.connect("writer"))
  )
  // Readers never make the database: the first of them waits until the writer has.
  const afterWriter = Effect.suspend(() => {
    const claim = writers.lease()
    return Effect.ensuring(Effect.asVoid(claim.acquire), claim.close)
  })
  const made = Effect.flatMap(writers.status, ({ totals }) => (totals.opened > 0 ? Effect.void : afterWriter))
  const reader = care(config, dialect, primary.connect("reader"))
  const reading = readers
    ? yield* Pool.make(settings(config.pool.size, config.pool.maxOverflow), {
        ...reader,
        open: Effect.zipRight(made, reader.open)
      })
    : writers

  const atHome = (kind: Kind): Lease<DriverConnection> => {
    const pool = kind === "read" ? reading : writers
    return interposed({ lease: pool.lease(), status: pool.status })
  }

  /** Where it leads is seen by whoever acquires it. */
  const lease: Connections["lease"] = (kind, begins = false) =>
    new Late((fiber) => {
      const way = carrier(connections, fiber.currentContext)
      return way !== undefined && "lease" in way ? way.lease(kind, begins) : atHome(kind)
    })

  const deadlines = yield* Deadlines.make
  const pipelines =
    many && dialect.can.has("pipelining") && config.pooler === "none" && config.pool.size >= smallestWithLanes
  const lanesOver = (open: typeof reader.open) => SharedLane.make(config.pool, open, drainLimit, rules)
  const lanes = pipelines ? yield* lanesOver(reader.open) : undefined

  const members = yield* Effect.forEach(config.replicas, (target) =>
    Effect.gen(function* () {
      const replica = { ...config, target, replicas: [] }
      const kept = care(replica, dialect, Replicas.settled(dialect.connect(replica, "reader"), target))
      const own = yield* Pool.make({ ...settings(config.pool.size, config.pool.maxOverflow), prewarm: false }, kept)
      const lanes = pipelines ? yield* lanesOver(kept.open) : undefined
      const parts: Replicas.Parts = {
        name: describeTarget(target),
        target,
        pool: lanes === undefined ? own : Pools.beside(own, lanes),
        lanes,
        lease: () => interposed({ lease: own.lease(), status: own.status })
      }
      return parts
    })
  )
  const replicas =
    members.length === 0 ? undefined : yield* Replicas.make(members, dialect.replication, () => atHome("read"))

  /** What was refused because its server takes no writes any more did nothing: it is sent once more, where the pool leads now. */
  const following = (connection: DriverConnection, error: DatabaseError): Effect.Effect<boolean> | undefined =>
    error._tag === "ReadOnlyError"
      ? Effect.map(primary.moved(connection, error), (moved) => moved !== undefined)
      : undefined

  const withLease = <A>(kind: Kind, use: (connection: DriverConnection) => Effect.Effect<A, DatabaseError>) =>
    leased(() => atHome(kind), use, { elsewhere: following })

  let warned = false
  /** What a statement leaves on its session must not meet the next holder; who wants to keep it holds the session. */
  const tidy = (connection: DriverConnection, text: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      touch(connection)
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
  const earning = (
    known: Texts.Text,
    claims: () => Lease<DriverConnection>,
    use: (connection: DriverConnection) => Effect.Effect<Reply, DatabaseError>,
    elsewhere?: typeof following
  ): Effect.Effect<Reply, DatabaseError> => {
    let start = Number.POSITIVE_INFINITY
    let on: DriverConnection | undefined
    return leased(
      claims,
      (connection) => {
        on = connection
        start = rules.now()
        return use(connection)
      },
      {
        elsewhere,
        ended: (exit) => {
          const end = rules.now()
          // What changes its session unseen must not do so where others ride.
          if (on?.residue?.any() === true) known.writes = true
          if (Exit.isSuccess(exit) || end - start >= rules.quick) known.took(start, end, rules)
        }
      }
    )
  }

  const reserve = Effect.suspend(() => {
    const claim = atHome("write")
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

  const pool: Pool.Pool = single
    ? Pools.onlySession(writers)
    : readers
      ? Pools.both(writers, reading)
      : lanes === undefined
        ? writers
        : Pools.beside(writers, lanes)
  const shown = replicas === undefined ? pool : Pools.withReplicas(pool, replicas)
  // They end together: what is out of one must not hold up the end of the other.
  yield* Effect.addFinalizer(() => shown.drain(drainLimit))

  const streamOn: ReplicaRoute.Parts["streamOn"] = (claim, request) =>
    Stream.unwrapScoped(
      Effect.addFinalizer(() => claim.close).pipe(
        Effect.zipRight(claim.acquire),
        Effect.map((connection) =>
          Stream.ensuring(
            connection.stream(request),
            Effect.suspend(() => (connection.pending() > 0 ? connection.cancel : Effect.void))
          ).pipe(Stream.tapError((error) => primary.moved(connection, error)))
        )
      )
    )

  let atOnce = 0
  /**
   * Where the answer is there when the driver's call returns: 2 of a fiber's operations instead of 18, and no claim. Those
   * cost some 2 us around a point select of 2.7. Fibers give way by their operations, so it is done here in their place.
   */
  const runNow: Carrier["runNow"] = (request, fiber) => {
    const { kind } = textOf(request.text)
    if (kind !== "read" && kind !== "write") return connections.run(request)
    const pool = kind === "read" ? reading : writers
    const exit = pool.lend((connection) => connection.runNow?.(request, fiber))
    if (exit === undefined) return connections.run(request)
    if (exit._tag === "Failure" && pool !== writers) {
      return Effect.catchAll(exit, (error) => elsewhere(error, request))
    }
    return ++atOnce % turn === 0 ? Effect.zipRight(Effect.yieldNow(), exit) : exit
  }

  const connections: Connections = {
    config,
    dialect,
    pool: shown,
    deadlines,
    kind: (text) => textOf(text).kind,
    textOf,
    lease,
    run: (request) => {
      const known = textOf(request.text)
      if (known.kind !== "read") return alone(request.text, known, (connection) => connection.run(request))
      if (lanes !== undefined) {
        const exclusively = earning(
          known,
          () => atHome("read"),
          (connection) => connection.run(request),
          following
        )
        return lanes.run(request, known, exclusively)
      }
      const sent = withLease("read", (connection) => connection.run(request))
      return readers ? Effect.catchAll(sent, (error) => elsewhere(error, request)) : sent
    },
    runNow: dialect.immediate === true ? runNow : undefined,
    script: (text) => alone(text, textOf(text), (connection) => connection.script(text)),
    stream: (request) => Stream.suspend(() => streamOn(atHome(textOf(request.text).kind), request)),
    reserve,
    own: single ? reserve : primary.connect("writer"),
    moved: primary.moved,
    route: (bound, outer) => ReplicaRoute.make(routes, bound, outer),
    replicas
  }
  const routes: ReplicaRoute.Parts = {
    owner: connections,
    dialect,
    prepare: config.prepare,
    textOf,
    lease: atHome,
    lanes,
    earning,
    streamOn,
    replicas,
    guards: config.pooler === "transaction"
  }
  return connections
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
