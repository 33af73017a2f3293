/** A database behind the fault proxy, for tests of single faults. */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Database, Pool, Transaction } from "effect-aquifer"
import { type Proxy, proxy } from "../support/proxy.js"
import { freshDatabase, query } from "../support/server.js"

export interface World {
  /** The database itself, past the proxy. */
  readonly url: string
  readonly line: Proxy
  readonly sql: SqlClient.SqlClient
  readonly pool: Pool.Pool
  /** A transaction that writes `id` once, and says which try it was. */
  readonly write: (id: number, options?: Transaction.Options) => Effect.Effect<number, unknown>
  /** `Transaction.run` on this client. */
  readonly run: <A, E>(
    effect: Effect.Effect<A, E, SqlClient.SqlClient>,
    options?: Transaction.Options
  ) => Effect.Effect<A, unknown>
  /** What is committed, in order. */
  readonly written: Effect.Effect<ReadonlyArray<number>, unknown>
  /** Sessions of ours the server has inside a transaction. */
  readonly inTransaction: Effect.Effect<number, unknown>
  /** Every `afterCommit` of `write`, by id. */
  readonly after: ReadonlyArray<number>
}

/** Retries come at once and are enough. */
export const prompt: Partial<Database.Options> = {
  profile: "development",
  connect: "lazy",
  ssl: "disable",
  retry: {
    connection: { maxRetries: 20, baseDelay: "10 millis", maxDelay: "500 millis" },
    conflict: { maxRetries: 20, baseDelay: "5 millis" }
  }
}

export const worldOn = (url: string, options: Partial<Database.Options> = {}) =>
  Effect.gen(function* () {
    yield* query(url, "CREATE TABLE written (id integer NOT NULL)")
    const line = yield* proxy(url)
    const services = yield* Layer.build(Database.layer({ ...prompt, ...options, url: line.through(url) }))
    const sql = Context.get(services, SqlClient.SqlClient)
    const after: Array<number> = []
    const run: World["run"] = (effect, options) => Effect.provide(Transaction.run(effect, options), services)
    const world: World = {
      url,
      line,
      sql,
      pool: Context.get(services, Pool.Pool),
      run,
      write: (id, options) =>
        run(
          Effect.gen(function* () {
            yield* sql`INSERT INTO written VALUES (${id})`
            yield* Transaction.afterCommit(Effect.sync(() => after.push(id)))
            return yield* Transaction.attempt
          }),
          options
        ),
      written: Effect.map(query(url, "SELECT id FROM written ORDER BY id"), (rows) => rows.map(({ id }) => id)),
      inTransaction: Effect.map(
        query(
          url,
          `SELECT count(*)::int AS n FROM pg_stat_activity
           WHERE datname = current_database() AND state LIKE 'idle in transaction%'`
        ),
        (rows) => rows[0]?.n
      ),
      after
    }
    return world
  })

/** On an empty database of the run's own server. */
export const world = (options: Partial<Database.Options> = {}) =>
  Effect.flatMap(freshDatabase, (url) => worldOn(url, options))

/** Asks until it is so; a test that waits for something which never comes says for what. */
export const eventually = <A, E>(
  what: string,
  effect: Effect.Effect<A, E>,
  until: (value: A) => boolean,
  limit: Duration.DurationInput = "20 seconds"
) => {
  const ask: Effect.Effect<A, E> = Effect.flatMap(effect, (value) =>
    until(value) ? Effect.succeed(value) : Effect.delay(ask, "20 millis")
  )
  return Effect.timeoutFail(ask, { duration: limit, onTimeout: () => new Error(`it never came: ${what}`) })
}
