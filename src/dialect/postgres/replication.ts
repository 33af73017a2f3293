/**
 * Primaries and standbys: which one a server is, how far it has come, how old a standby's data are.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { DriverConnection, Replication, Row } from "../../Dialect.js"
import type { DatabaseError } from "../../model/DatabaseError.js"

const row = (connection: DriverConnection, text: string): Effect.Effect<Row, DatabaseError> =>
  Effect.map(connection.run({ text, params: [], prepare: false, rows: "arrays" }), ({ rows }) => rows[0])

/**
 * A read-only default is the operator's where a file or the command line says it: so a primary is fenced off. The connection's,
 * the role's and the database's are somebody's own choice.
 */
const fenced =
  "select pg_is_in_recovery(), setting = 'on' and source in ('configuration file', 'command line')" +
  " from pg_settings where name = 'default_transaction_read_only'"

/** What is flushed is sent; what is only written may stay here for long. Bytes, because positions as texts do not compare. */
const position =
  "select case when pg_is_in_recovery() then null else (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::text end"

/**
 * A standby that has replayed all it received is up to date as long as somebody still sends: of the receiver, every role sees
 * whether it lives. Otherwise its data are as old as the last commit it replayed, which says too much where nothing was committed
 * since; whoever compares positions knows better.
 */
const standing = `select
  case when pg_is_in_recovery() then (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::text end,
  case
    when not pg_is_in_recovery() then 0
    when pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn()
      and exists (select from pg_stat_wal_receiver) then 0
    else greatest(0, extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000)
  end::float8`

const bytes = (text: string | null): bigint | undefined => (text === null ? undefined : BigInt(text))

/** @since 0.1.0 @category dialect */
export const replication: Replication = {
  demoted: (connection, { target }) => {
    // Whoever asked for a server that takes no writes has found one.
    if (!["any", "read-write", "primary"].includes(target.targetSession)) return Effect.succeed(false)
    return Effect.map(
      row(connection, fenced),
      ([standby, closed]) => standby === true || (closed === true && target.hosts.length > 1)
    )
  },
  position: (primary) => Effect.map(row(primary, position), ([text]) => bytes(text)),
  standing: (replica) =>
    Effect.map(row(replica, standing), ([text, age]) => ({ position: bytes(text), age: age ?? undefined }))
}
