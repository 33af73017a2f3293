/**
 * The migration lock: a session advisory lock, asked for and never waited for, because those who wait in
 * `pg_advisory_lock` hold a snapshot, and CREATE INDEX CONCURRENTLY waits for all snapshots: a deadlock. It lives on the
 * session that runs the revisions, so nothing can outlive it; a killed runner's session is noticed within 500 ms. Behind
 * a pooler in transaction mode no session is one's own: there the lock is a leased row.
 *
 * @since 0.1.0
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import type { Dialect, DriverConnection } from "../../Dialect.js"
import { ConnectionError, type DatabaseError, LockTimeoutError } from "../../model/DatabaseError.js"
import { leasedRow, leasePlace } from "../leasedRow.js"
import { connect } from "./connect.js"
import { ddl, literal } from "./ddl.js"

/**
 * Migrations may run as long as they need, but must not make others queue behind a lock they wait for. Settings this
 * server does not have are left out (asked one by one: to list them all takes it 2 ms); some systems refuse the last one.
 */
const settings = `SELECT set_config(name, value, false) FROM (VALUES
  ('statement_timeout', '0'), ('transaction_timeout', '0'), ('idle_in_transaction_session_timeout', '0'),
  ('idle_session_timeout', '0'), ('lock_timeout', '5s')) AS wanted(name, value)
  WHERE current_setting(name, true) IS NOT NULL`
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

/** What the settings above are to a transaction that brings its own along. */
const locals = ["SET LOCAL statement_timeout = 0", "SET LOCAL lock_timeout = '5s'"]

/** @since 0.1.0 @category dialect */
export const migrationLock: Dialect["migrationLock"] = (own, name, config) =>
  config?.pooler === "transaction"
    ? Effect.map(
        leasedRow({ connect, ddl, placeholder: (index) => `$${index}`, rival }, config)(own, name),
        (lock) => ({
          ...lock,
          locals
        })
      )
    : advisory(own, name)

interface Key {
  readonly key: bigint
  /** Who holds it, as an expression. */
  readonly holder: string
  readonly leased: boolean
}

const keyOf = (own: DriverConnection, name: string): Effect.Effect<Key, DatabaseError> =>
  Effect.map(
    query(
      own,
      `SELECT current_schema() AS schema, pg_catalog.to_regclass(${literal(leasePlace(name))}) IS NOT NULL AS leased`
    ),
    (where) => {
      const dot = name.indexOf(".")
      const key = dot < 0 ? lockKey(where?.schema ?? "", name) : lockKey(name.slice(0, dot), name.slice(dot + 1))
      const unsigned = BigInt.asUintN(64, key)
      return {
        key,
        holder: holder(String(unsigned >> 32n), String(unsigned & 0xffffffffn)),
        leased: where?.leased === true
      }
    }
  )

/** Whoever came by another way than the pooler's. */
const rival = (own: DriverConnection, name: string) =>
  Effect.flatMap(keyOf(own, name), ({ holder }) =>
    Effect.map(query(own, `SELECT ${holder} AS holder`), (row): string | undefined => row?.holder ?? undefined)
  )

/** Whoever came by way of a pooler. */
const lessee = (own: DriverConnection, name: string) =>
  query(own, `SELECT holder FROM ${leasePlace(name)} WHERE expires_at > clock_timestamp()`)

const heldBy = (detail: string | undefined) =>
  new LockTimeoutError({ operation: "lock", reason: "another runner holds the migration lock", detail })

const advisory = Effect.fnUntraced(function* (own: DriverConnection, name: string) {
  const { holder, key, leased } = yield* keyOf(own, name)
  const release = Effect.suspend(() =>
    own.status() === "broken" ? Effect.void : Effect.ignore(own.script(`SELECT pg_advisory_unlock(${key})`))
  )
  yield* Effect.acquireRelease(
    Effect.flatMap(query(own, `SELECT pg_try_advisory_lock(${key}) AS got`), (row) =>
      // Asked only where there is one: it takes the server ten times as long as the lock does.
      row?.got === true
        ? Effect.void
        : Effect.flatMap(query(own, `SELECT ${holder} AS holder`), (row) =>
            Effect.fail(heldBy(row?.holder ?? undefined))
          )
    ),
    () => release
  )
  const other = leased ? yield* lessee(own, name) : undefined
  if (other !== undefined) return yield* heldBy(other.holder)
  yield* Effect.acquireRelease(query(own, settings), () =>
    Effect.suspend(() => (own.status() === "idle" ? Effect.ignore(own.script("RESET ALL")) : Effect.void))
  )
  yield* Effect.ignore(query(own, watch))
  return {
    quiet: true,
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
