/**
 * The front door: configuration in, a pooled `SqlClient` out. `DatabaseLive` reads the environment, `layer` takes options,
 * `layerConfig` takes a `Config` of them, `promise` serves code without Effect. Closing the layer's scope waits for what
 * is still in use, at the longest ten seconds, and closes every connection.
 *
 * @since 0.1.0
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import type * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Client from "./client/Client.js"
import * as Listen from "./client/Listen.js"
import * as Connections from "./connection/Connections.js"
import { Pool } from "./connection/Pool.js"
import { Dialect } from "./Dialect.js"
import * as Dialects from "./dialect/index.js"
import * as DatabaseConfig from "./model/DatabaseConfig.js"
import type { DatabaseError } from "./model/DatabaseError.js"
import * as PromiseClient from "./PromiseClient.js"

export { onReplica, type ReplicaOptions } from "./client/onReplica.js"

/** What a database layer provides. @since 0.1.0 @category models */
export type Services = SqlClient.SqlClient | Dialect | Pool | DatabaseConfig.DatabaseConfig

/** What can keep the layer from being built. @since 0.1.0 @category models */
export type Failure = ConfigError | DatabaseError

/** What a database is described with. @since 0.1.0 @category models */
export type Options = DatabaseConfig.Options

const build = (
  config: DatabaseConfig.DatabaseConfig
): Effect.Effect<Context.Context<Services>, DatabaseError, Scope.Scope | Reactivity.Reactivity> =>
  Effect.gen(function* () {
    const dialect = yield* Dialects.forTarget(config.target)
    const connections = yield* Connections.make(config, dialect)
    yield* Effect.addFinalizer(() => Listen.close(connections))
    const client = yield* Client.make(connections)
    if (config.connect === "eager") yield* prove(connections)
    return Context.make(SqlClient.SqlClient, client).pipe(
      Context.add(Dialect, connections.dialect),
      Context.add(Pool, connections.pool),
      Context.add(DatabaseConfig.DatabaseConfig, config)
    )
  })

/** One connection, opened and asked, goes into the pool: what is wrong with the address or the password shows now. */
const prove = (connections: Connections.Connections): Effect.Effect<void, DatabaseError> =>
  Effect.suspend(() => {
    const lease = connections.lease("write")
    return Effect.ensuring(
      Effect.flatMap(lease.acquire, (connection) => connection.ping),
      lease.close
    )
  })

const from = <E, R>(
  config: Effect.Effect<DatabaseConfig.DatabaseConfig, E, R>
): Layer.Layer<Services, E | DatabaseError, R> =>
  Layer.scopedContext(Effect.flatMap(config, (config) => Dialects.recognising(config, build))).pipe(
    Layer.provide(Reactivity.layer)
  )

/**
 * A database from options. The configuration is checked at once; `connect: "lazy"` leaves the first connection to the
 * first use, `"eager"` (the default) proves one while the layer is built.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Services, Failure> => from(DatabaseConfig.make(options))

/**
 * A database from a `Config` of the options.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (options: Config.Config.Wrap<Options>): Layer.Layer<Services, Failure> =>
  from(DatabaseConfig.fromConfig(options))

/** A database from a configuration already decoded: a file's (`DatabaseConfig.fromFile`) or the environment's. @since 0.1.0 @category layers */
export const layerFrom = <E, R>(
  config: Effect.Effect<DatabaseConfig.DatabaseConfig, E, R>
): Layer.Layer<Services, E | DatabaseError, R> => from(config)

/** The database the environment describes, with `.env` behind it. @since 0.1.0 @category layers */
export const DatabaseLive: Layer.Layer<Services, Failure> = from(DatabaseConfig.fromEnvironment)

/**
 * A database for code without Effect: queries and transactions are Promises, rejected with the typed failure itself.
 * Resolves when the first connection is proved (or at once with `connect: "lazy"`); `close` leaves no handle open.
 *
 * @since 0.1.0
 * @category constructors
 */
export const promise = (options: Options): Promise<PromiseClient.PromiseClient> => PromiseClient.open(layer(options))
