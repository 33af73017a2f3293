/**
 * What is done to a database from outside of it, over the server's maintenance database: `postgres`, or `template1` where
 * that is missing. Those two are never dropped.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Activity, Admin, Dialect, DriverConnection, Reply } from "../../Dialect.js"
import type { DatabaseConfig } from "../../model/DatabaseConfig.js"
import { type DatabaseError, UnsupportedError } from "../../model/DatabaseError.js"
import { checkup } from "./checkup.js"
import { connect } from "./connect.js"
import { identifier, literal } from "./ddl.js"

/** How a product of this family does it. @since 0.1.0 @category models */
export interface Ways extends Pick<Admin, "activity" | "checkup"> {
  readonly connect: Dialect["connect"]
  /** Databases from which the others are seen to, the first that is there. None of them is dropped. */
  readonly maintenance: readonly [usual: string, other: string]
  /** Nor these. */
  readonly kept: ReadonlyArray<string>
  readonly drop: (name: string) => string
}

/** A session of its own: both statements are refused in any transaction. */
const outside = <A>(
  { connect, maintenance: [usual, other] }: Ways,
  config: DatabaseConfig,
  use: (own: DriverConnection) => Effect.Effect<A, DatabaseError>
): Effect.Effect<A, DatabaseError> => {
  const by = (database: string) =>
    Effect.scoped(
      Effect.flatMap(
        connect({ ...config, target: { ...config.target, database }, statementTimeout: undefined }, "writer"),
        use
      )
    )
  return Effect.catchTag(by(usual), "DatabaseNotFound", () => by(other))
}

const ask = (
  own: DriverConnection,
  text: string,
  params: ReadonlyArray<unknown>
): Effect.Effect<Reply, DatabaseError> => own.run({ text, params, prepare: false, rows: "objects" })

const isThere = (own: DriverConnection, name: string) =>
  Effect.map(ask(own, "SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1", [name]), ({ rows }) => rows.length > 0)

const create = (ways: Ways, config: DatabaseConfig) =>
  outside(ways, config, (own) =>
    Effect.gen(function* () {
      const name = config.target.database
      if (yield* isThere(own, name)) return false
      return yield* Effect.as(own.script(`CREATE DATABASE ${identifier(name)}`), true).pipe(
        // Somebody else may have been faster: then it is there, which is what was wanted.
        Effect.catchAll((error) =>
          Effect.if(isThere(own, name), { onTrue: () => Effect.succeed(false), onFalse: () => Effect.fail(error) })
        )
      )
    })
  )

const drop = (ways: Ways, config: DatabaseConfig) => {
  const name = config.target.database
  if ([...ways.maintenance, ...ways.kept].includes(name)) {
    return Effect.fail(
      new UnsupportedError({
        operation: "drop",
        reason: `${name} is the server's own database and is not dropped`,
        hint: "Name the application's database in DATABASE_URL"
      })
    )
  }
  return outside(ways, config, (own) =>
    Effect.flatMap(isThere(own, name), (there) =>
      there ? Effect.as(own.script(ways.drop(name)), true) : Effect.succeed(false)
    )
  )
}

const activity: Admin["activity"] = (own, applicationName) =>
  Effect.map(
    ask(
      own,
      `SELECT pid::text AS id, application_name AS "applicationName", coalesce(usename::text, '') AS "user",
  coalesce(host(client_addr), 'local') AS client, coalesce(state, 'hidden') AS state,
  CASE WHEN wait_event_type IN ('Client', 'Activity') THEN NULL ELSE wait_event_type || ': ' || wait_event END AS "waitsFor",
  extract(epoch FROM clock_timestamp() - state_change)::float8 AS "stateSeconds",
  extract(epoch FROM clock_timestamp() - xact_start)::float8 AS "transactionSeconds"
FROM pg_catalog.pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
  AND starts_with(application_name, ${literal(applicationName)})
ORDER BY application_name, backend_start, pid`,
      []
    ),
    ({ rows }) =>
      rows.map(
        (row): Activity => ({
          ...row,
          waitsFor: row.waitsFor ?? undefined,
          stateSeconds: row.stateSeconds ?? undefined,
          transactionSeconds: row.transactionSeconds ?? undefined
        })
      )
  )

/** @since 0.1.0 @category constructors */
export const makeAdmin = (ways: Ways): Admin => ({
  create: (config) => create(ways, config),
  drop: (config) => drop(ways, config),
  activity: ways.activity,
  checkup: ways.checkup
})

/** @since 0.1.0 @category dialect */
export const admin: Admin = makeAdmin({
  connect,
  maintenance: ["postgres", "template1"],
  kept: ["template0"],
  drop: (name) => `DROP DATABASE IF EXISTS ${identifier(name)} WITH (FORCE)`,
  activity,
  checkup
})
