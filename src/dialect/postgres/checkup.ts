/**
 * What most often is wrong with a server, in one statement that any role may run: rights, a pooler in between, clocks, too
 * few sessions, settings that lose data.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Admin, Check, DriverConnection, Row } from "../../Dialect.js"
import type { DatabaseConfig } from "../../model/DatabaseConfig.js"
import type { DatabaseError } from "../../model/DatabaseError.js"
import * as Backend from "./backend.js"

const text = `SELECT
  current_setting('server_version_num')::int AS version, current_setting('server_version') AS "versionText",
  pg_is_in_recovery() AS standby, pg_backend_pid() AS pid, current_user::text AS role,
  (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now,
  current_schema()::text AS schema,
  coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS "mayCreate",
  has_database_privilege(current_database(), 'TEMPORARY') AS "mayTemp",
  (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) AS super,
  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS seats,
  (SELECT count(*)::int FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend') AS taken,
  current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit,
  (SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_backend_pid()) AS tls`

/** The last one that still gets fixes when this was written (https://www.postgresql.org/support/versioning/). */
const oldest = 140_000

/** A difference in seconds that a busy network does not explain. */
const tolerance = 5

/** @since 0.1.0 @category constructors */
export const check = (name: string, wrong: Check["verdict"] | false, finding: string, remedy?: string): Check =>
  wrong === false ? { name, verdict: "fine", finding } : { name, verdict: wrong, finding, remedy }

/** @since 0.1.0 @category guards */
export const isLocal = (config: DatabaseConfig): boolean =>
  config.target.hosts.every(({ host }) => host.startsWith("/") || /^(localhost|127\..*|::1)$/.test(host))

const pooler = (pooled: boolean, config: DatabaseConfig): Check => {
  const told = config.pooler === "transaction"
  if (pooled && !told) {
    return check(
      "pooler",
      "wrong",
      "another process answers than the one that was connected to: a pooler is in between",
      "If it pools by transaction, set DB_POOLER=transaction: what a session keeps is lost or shared otherwise"
    )
  }
  return !pooled && told
    ? check("pooler", "note", "DB_POOLER says transaction, but the server answers itself", "Leave DB_POOLER out here")
    : check("pooler", false, pooled ? "in between, as DB_POOLER says" : "none in between")
}

const seats = (row: Row, config: DatabaseConfig): Check => {
  const most = config.pool.size + config.pool.maxOverflow
  const free = row.seats - row.taken
  return check(
    "sessions",
    most > row.seats ? "wrong" : most > free ? "note" : false,
    `${row.taken} of ${row.seats} in use; this pool may take ${most}`,
    "Lower DB_POOL_SIZE and DB_MAX_OVERFLOW, or raise max_connections; all instances share them"
  )
}

/** @since 0.1.0 @category constructors */
export const tables = (row: Row): Check =>
  check(
    "tables",
    row.mayCreate ? false : "wrong",
    row.schema === null
      ? `${row.role} finds no schema on its search_path`
      : `${row.role} ${row.mayCreate ? "may" : "may not"} create tables in ${row.schema}`,
    row.schema === null
      ? "Create the schema, or correct search_path"
      : `Run migrations as another role, or: GRANT CREATE ON SCHEMA ${row.schema} TO ${row.role}`
  )

/** `drift` in seconds, ahead of this machine's. @since 0.1.0 @category constructors */
export const clock = (drift: number): Check =>
  check(
    "clock",
    Math.abs(drift) > tolerance ? "note" : false,
    `${Math.abs(drift) < 1 ? "within a second" : `${Math.abs(drift).toFixed(1)} s ${drift > 0 ? "ahead" : "behind"}`} of this machine's`,
    "Let both machines take their time from the same source (NTP)"
  )

const judge = (row: Row, config: DatabaseConfig, own: number | undefined, drift: number): ReadonlyArray<Check> => [
  check(
    "version",
    row.version < oldest ? "note" : false,
    `PostgreSQL ${row.versionText}`,
    "Upgrade: it gets no fixes any more"
  ),
  check(
    "primary",
    row.standby ? "note" : false,
    row.standby ? "a standby: it can only be read" : "the primary, it can be written",
    "Name the primary in DATABASE_URL, or add target_session_attrs=read-write"
  ),
  tables(row),
  check(
    "role",
    row.super && config.profile === "production" ? "note" : false,
    row.super ? `${row.role} is a superuser` : `${row.role} is no superuser`,
    "Give the application a role of its own that owns its tables and no more"
  ),
  pooler(own !== undefined && own !== row.pid, config),
  seats(row, config),
  clock(drift),
  check(
    "durability",
    row.fsync === "off" ? (config.profile === "production" ? "wrong" : "note") : false,
    `fsync ${row.fsync}, synchronous_commit ${row.commit}`,
    "With fsync off a crash destroys the data: switch it on where they matter"
  ),
  check(
    "encryption",
    row.tls === true || isLocal(config) ? false : "note",
    row.tls === true ? "TLS" : "none",
    "Say sslmode=verify-full (DB_SSL) where the network is not your own"
  )
]

/**
 * The one row that `query` gives, and by how many seconds the server's clock (its column `now`, in ms) differs from ours. The
 * server looked at its own somewhere between our two looks: only what lies outside is a difference.
 *
 * @since 0.1.0
 * @category running
 */
export const examined = (
  own: DriverConnection,
  query: string
): Effect.Effect<{ readonly row: Row; readonly drift: number }, DatabaseError> =>
  Effect.gen(function* () {
    const before = yield* Clock.currentTimeMillis
    const { rows } = yield* own.run({ text: query, params: [], prepare: false, rows: "objects" })
    const after = yield* Clock.currentTimeMillis
    const [row] = rows
    const drift = row.now > after ? row.now - after : row.now < before ? row.now - before : 0
    return { row, drift: drift / 1_000 }
  })

/** @since 0.1.0 @category dialect */
export const checkup: Admin["checkup"] = (own, config) =>
  Effect.map(examined(own, text), ({ row, drift }) => judge(row, config, Backend.of(own), drift))
