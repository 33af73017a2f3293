/**
 * The migration lock: a session advisory lock, asked for and never waited for, because those who wait in
 * `pg_advisory_lock` hold a snapshot, and CREATE INDEX CONCURRENTLY waits for all snapshots: a deadlock. It lives on the
 * session that runs the revisions, so nothing can outlive it; a killed runner's session is noticed within 500 ms.
 *
 * @since 0.1.0
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import type { Dialect, DriverConnection } from "../../Dialect.js"
import { ConnectionError, LockTimeoutError } from "../../model/DatabaseError.js"

/**
 * Migrations may run as long as they need, but must not make others queue behind a lock they wait for. Settings this
 * server does not have are left out; some systems refuse the last one.
 */
const settings = `SELECT set_config(name, value, false) FROM (VALUES
  ('statement_timeout', '0'), ('transaction_timeout', '0'), ('idle_in_transaction_session_timeout', '0'),
  ('idle_session_timeout', '0'), ('lock_timeout', '5s')) AS wanted(name, value)
  WHERE name IN (SELECT name FROM pg_catalog.pg_settings)`
const watch = `SELECT set_config('client_connection_check_interval', '500ms', false)`

const holder = (high: string, low: string): string => `(SELECT
    coalesce(nullif(a.application_name, ''), a.usename::text, 'another session')
    || ' (process ' || l.pid || coalesce(', from ' || host(a.client_addr), '') || ', connected since ' || to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS') || ')'
  FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
  WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.classid = ${high}::bigint::oid AND l.objid = ${low}::bigint::oid
    AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  LIMIT 1)`

const query = (own: DriverConnection, text: string) =>
  Effect.map(own.run({ text, params: [], prepare: false, rows: "objects" }), (reply) => reply.rows[0])

/** The first 8 bytes of SHA-256, as the signed integer the lock functions take. @since 0.1.0 @category accessors */
export const lockKey = (schema: string, ledger: string): bigint =>
  createHash("sha256").update(`aquifer:${schema}.${ledger}`).digest().readBigInt64BE(0)

/** @since 0.1.0 @category dialect */
export const migrationLock: Dialect["migrationLock"] = Effect.fnUntraced(function* (own, name) {
  const where = yield* query(own, "SELECT current_schema() AS schema")
  const dot = name.indexOf(".")
  const key = dot < 0 ? lockKey(where?.schema ?? "", name) : lockKey(name.slice(0, dot), name.slice(dot + 1))
  const unsigned = BigInt.asUintN(64, key)
  const release = Effect.suspend(() =>
    own.status() === "broken" ? Effect.void : Effect.ignore(own.script(`SELECT pg_advisory_unlock(${key})`))
  )
  yield* Effect.acquireRelease(
    Effect.flatMap(
      query(
        own,
        `SELECT pg_try_advisory_lock(${key}) AS got, ${holder(String(unsigned >> 32n), String(unsigned & 0xffffffffn))} AS holder`
      ),
      (row) =>
        row?.got === true
          ? Effect.void
          : Effect.fail(
              new LockTimeoutError({
                operation: "lock",
                reason: "another runner holds the migration lock",
                detail: row?.holder ?? undefined
              })
            )
    ),
    () => release
  )
  yield* Effect.acquireRelease(query(own, settings), () =>
    Effect.suspend(() => (own.status() === "idle" ? Effect.ignore(own.script("RESET ALL")) : Effect.void))
  )
  yield* Effect.ignore(query(own, watch))
  return {
    fence: Effect.suspend(() =>
      own.status() === "broken"
        ? Effect.fail(
            new ConnectionError({
              operation: "lock",
              phase: "idle",
              sent: false,
              reason: "the session that held the migration lock was lost, and the lock with it"
            })
          )
        : Effect.void
    )
  }
})
