/**
 * The `SqlClient` of `@effect/sql`, assembled on our own connections: a drop-in for every library built on that tag.
 * Transactions, reserved connections and single statements all travel by `Connections`; none of upstream's connection,
 * pool or transaction code runs.
 *
 * @since 0.1.0
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Statement from "@effect/sql/Statement"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Tracer from "effect/Tracer"
import * as Connections from "../connection/Connections.js"
import * as Facade from "../connection/Facade.js"
import * as Replicas from "../connection/Replicas.js"
import * as Session from "../connection/Session.js"
import type { Target } from "../model/DatabaseConfig.js"
import { runOn } from "../transaction/Run.js"
import * as Templates from "./Statement.js"

/** @since 0.1.0 @category constructors */
export const make = (
  connections: Connections.Connections
): Effect.Effect<SqlClient.SqlClient, never, Reactivity.Reactivity> =>
  Effect.map(Reactivity.Reactivity, (reactivity) => {
    const { config, dialect } = connections
    const compiler = dialect.compiler({ names: config.transformQueryNames, json: config.transformJson })
    const rows =
      config.transformResultNames === undefined
        ? undefined
        : Statement.defaultTransforms(config.transformResultNames, config.transformJson).array
    const pooled = new Facade.Facade(connections, config.prepare)
    /** The statement's way: the innermost session or route of this client, else a connection of the pool for it alone. */
    const acquirer: Effect.Effect<Connection> = Effect.withFiberRuntime((fiber) =>
      Effect.succeed(Session.carrier(connections, fiber.currentContext)?.facade ?? pooled)
    )
    const { attributes, told } = spans(connections)

    /** Each constructor is one of its own to upstream, which keeps them by their acquirer. */
    const statements = (compiler: Statement.Compiler, transform: typeof rows) =>
      Templates.make({
        compiler,
        way: (context) => Session.carrier(connections, context) ?? connections,
        told,
        isScript: (text) => connections.kind(text) === "script",
        attributes,
        rows: transform,
        prepare: config.prepare,
        upstream: Statement.make(
          Effect.suspend(() => acquirer),
          compiler,
          attributes,
          transform
        )
      })
    const common = {
      [SqlClient.TypeId]: SqlClient.TypeId,
      reserve: reserve(connections),
      withTransaction: <R, E, A>(effect: Effect.Effect<A, E, R>) => withTransaction(connections, effect),
      reactive: reactivity.stream,
      reactiveMailbox: reactivity.query
    }
    // `safe` and `withoutTransforms` close over the finished client, so they are added to it.
    const assemble = (
      constructor: Statement.Constructor,
      withoutTransforms: (self: SqlClient.SqlClient) => SqlClient.SqlClient
    ): SqlClient.SqlClient => {
      const client = Object.assign(constructor, common) as unknown as SqlClient.SqlClient
      Object.assign(client, { safe: client, withoutTransforms: () => withoutTransforms(client) })
      return Connections.mark(client, connections)
    }
    const plain = () => assemble(statements(compiler.withoutTransform, undefined), (self) => self)
    let withoutTransforms: SqlClient.SqlClient | undefined
    return assemble(statements(compiler, rows), (self) => {
      if (rows === undefined && config.transformQueryNames === undefined) return self
      withoutTransforms ??= plain()
      return withoutTransforms
    })
  })

/** What a span says of its statement's server, in OpenTelemetry's words; nothing that could hold a secret. */
const spans = (connections: Connections.Connections): Pick<Templates.Parts, "attributes" | "told"> => {
  const { config, dialect } = connections
  const describe = (target: Target, span: Tracer.Span) => {
    for (const [key, value] of placeOf(target)) span.attribute(key, value)
  }
  return {
    attributes: [...Object.entries(config.spanAttributes), ["db.system.name", dialect.name], ...placeOf(config.target)],
    told: (way, span) => {
      if (way.told !== undefined) return way.told((replica) => describe(replica ?? config.target, span))
      const replica = way instanceof Session.Session ? Replicas.home(way.connection) : undefined
      if (replica !== undefined) describe(replica, span)
      return way
    }
  }
}

const placeOf = ({ database, hosts: [host] }: Target): ReadonlyArray<readonly [string, unknown]> => [
  ["db.namespace", database],
  ...(host === undefined
    ? []
    : ([
        ["server.address", host.host],
        ["server.port", host.port]
      ] as const))
]

/** A connection for the length of the scope; its statements fail with `TransactionClosed` after that. */
const reserve = (connections: Connections.Connections): SqlClient.SqlClient["reserve"] =>
  Effect.suspend(() => {
    const claim = connections.lease("write")
    return Effect.zipRight(
      Effect.addFinalizer(() => claim.close),
      Effect.mapError(claim.acquire, Facade.sqlError)
    )
  }).pipe(
    Effect.flatMap((connection) => {
      const session = new Session.Session({
        owner: connections,
        connection,
        begin: { _tag: "none" },
        limit: connections.config.pool.acquireTimeout,
        prepare: connections.config.prepare
      })
      return Effect.as(
        Effect.addFinalizer(() => session.end),
        session.facade
      )
    })
  )

/** The body's own failure on its way through the transaction, told apart from the transaction's. */
class Own<E> {
  constructor(readonly error: E) {}
}

/** `mapError`, at no cost where nothing fails. */
const failing = <A, E, E2, R>(effect: Effect.Effect<A, E, R>, map: (error: E) => E2): Effect.Effect<A, E2, R> =>
  Effect.catchAllCause(effect, (cause) => Effect.failCause(Cause.map(cause, map)))

/** `Transaction.run` in upstream's signature: what the transaction itself fails with is a `SqlError`, its cause ours. */
const withTransaction = <A, E, R>(
  connections: Connections.Connections,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | SqlError, R> =>
  failing(
    runOn(
      connections,
      failing(effect, (error) => new Own(error))
    ),
    (error) => (error instanceof Own ? error.error : Facade.sqlError(error))
  )
