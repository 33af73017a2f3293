/**
 * What the server says of itself, in one statement that any role may run and that asks no other node: `pg_stat_activity`
 * and `pg_postmaster_start_time` are empty shells there.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Dialect } from "../../Dialect.js"

const text = `select
  version() as version,
  current_database() as database,
  current_setting('default_transaction_isolation') as isolation`

/** `CockroachDB CCL v25.4.1 (x86_64-pc-linux-gnu, built …)`: 25.4.1. @since 0.1.0 @category accessors */
export const versionOf = (text: string): string => /\bv?(\d+\.\d+\S*)/.exec(text)?.[1] ?? text

/** @since 0.1.0 @category dialect */
export const vitals: Dialect["vitals"] = (connection) =>
  Effect.map(connection.run({ text, params: [], prepare: false, rows: "objects" }), ({ rows }) => ({
    ...rows[0],
    version: versionOf(String(rows[0]?.version ?? "unknown"))
  }))
