/**
 * What the server says of itself, in one statement that any role may run.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Dialect } from "../../Dialect.js"

const text = `select
  current_setting('server_version') as version,
  current_database() as database,
  pg_is_in_recovery() as "inRecovery",
  floor(extract(epoch from clock_timestamp() - pg_postmaster_start_time()))::float8 as "uptimeSeconds",
  (select count(*)::int from pg_stat_activity where backend_type = 'client backend') as connections,
  current_setting('max_connections')::int as "maxConnections"`

/** @since 0.1.0 @category dialect */
export const vitals: Dialect["vitals"] = (connection) =>
  Effect.map(connection.run({ text, params: [], prepare: false, rows: "objects" }), ({ rows }) => ({
    version: "unknown",
    ...rows[0]
  }))
