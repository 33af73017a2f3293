/**
 * The database that others are copied from: built once among all processes on a server, under a lock they ask for and never
 * wait for in the server. Whole is what the server knows as a template, which is said when it is built to its end; anything
 * less is what a killed builder left, and is built anew.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { within } from "../../connection/Limit.js"
import { type DatabaseError, LockTimeoutError } from "../../model/DatabaseError.js"
import * as Names from "./Names.js"
import { lockOf, type Server, statementLimit } from "./Server.js"
import { until } from "./Waiting.js"

/**
 * Copying files makes the server write a checkpoint. Without fsync it is the faster way all the same (67 ms to 94, on a busy
 * machine), with fsync the disk is waited for (1,150 to 820). Before version 15 there is no other way, and no word for it.
 */
const strategy = ({ facts }: Server): string =>
  facts.version < 150_000 ? "" : ` STRATEGY ${facts.fsync ? "wal_log" : "file_copy"}`

/** @since 0.1.0 @category combinators */
export const copy = (server: Server, template: string, name: string): Effect.Effect<void, DatabaseError> =>
  server.tell(`CREATE DATABASE "${name}" TEMPLATE "${template}"${strategy(server)}`)

const isWhole = (server: Server, name: string) =>
  Effect.map(
    server.ask("SELECT FROM pg_catalog.pg_database WHERE datname = $1 AND datistemplate", [name]),
    (rows) => rows.length > 0
  )

const build = <E>(server: Server, name: string, fill: Effect.Effect<void, E>): Effect.Effect<void, DatabaseError | E> =>
  Effect.gen(function* () {
    yield* server.drop(name)
    yield* copy(server, "template0", name)
    yield* fill
    const now = new Date(yield* Clock.currentTimeMillis)
    yield* server.tell(`COMMENT ON DATABASE "${name}" IS '${now.toISOString()}'`)
    yield* server.tell(`ALTER DATABASE "${name}" ALLOW_CONNECTIONS false IS_TEMPLATE true`)
  }).pipe(Effect.onError(() => within(Effect.ignore(server.drop(name)), statementLimit, Effect.void)))

/**
 * The template with this fingerprint; `fill` makes its contents where nobody has before. When another process takes longer
 * than `limit` to do so, that is a `LockTimeoutError`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ensure = <E>(
  server: Server,
  digits: string,
  limit: Duration.Duration,
  fill: (name: string) => Effect.Effect<void, E>
): Effect.Effect<string, DatabaseError | E> => {
  const name = Names.template(digits)
  const lock = lockOf(`'${digits}'`)
  const underLock = Effect.ensuring(
    Effect.flatMap(isWhole(server, name), (whole) => (whole ? Effect.void : build(server, name, fill(name)))),
    Effect.ignore(server.ask(`SELECT pg_advisory_unlock(${lock})`))
  )
  const attempt = Effect.gen(function* () {
    if (yield* isWhole(server, name)) return name
    const [row] = yield* server.ask(`SELECT pg_try_advisory_lock(${lock}) AS got`)
    return row?.got === true ? yield* Effect.as(underLock, name) : undefined
  })
  return until(
    attempt,
    limit,
    Effect.fail(
      new LockTimeoutError({
        operation: "test database",
        reason: `another process has been building the template ${name} for too long`,
        hint: "Is it stopped in a debugger? A longer wait is set with acquireTimeout"
      })
    )
  )
}
