/**
 * How a command finds its database open: on a layer of its own, with what went wrong told in words.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Database from "../Database.js"
import { Dialect } from "../Dialect.js"
import { protect } from "../model/config/redacted.js"
import { DatabaseConfig } from "../model/DatabaseConfig.js"
import { type DatabaseError, DatabaseNotFound } from "../model/DatabaseError.js"
import { type Told, told } from "./Command.js"

/** What is no server is made by its first session: that is opened by whoever needs one, and not by who only looks. */
const patient = (config: DatabaseConfig): DatabaseConfig =>
  config.target.hosts.length === 0 ? protect({ ...config, connect: "lazy" }) : config

/** There is a database to be asked: a session that is opened only to look must not make it. @since 0.1.0 @category guards */
export const there: Effect.Effect<void, DatabaseError, Dialect | DatabaseConfig> = Effect.gen(function* () {
  const { unmade } = yield* Dialect
  if (unmade === undefined || !(yield* unmade(yield* DatabaseConfig))) return
  return yield* new DatabaseNotFound({
    operation: "connect",
    reason: "it is not there yet",
    hint: "aquifer db create makes it, and so does aquifer migrate up"
  })
})

/**
 * Runs `use` on the database and closes it; a failure is told with the database's place in it.
 *
 * @since 0.1.0
 * @category running
 */
export const onDatabase = <A, E, R>(
  config: DatabaseConfig,
  use: Effect.Effect<A, E, Database.Services | R>
): Effect.Effect<A, Told, Exclude<R, Database.Services>> =>
  told(Effect.provide(use, Database.layerFrom(Effect.succeed(patient(config)))), config)
