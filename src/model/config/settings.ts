/**
 * Every setting: its variable, its default, what it means and why the default is what it is. The decoder takes its defaults
 * from here and the README its table, so neither can drift from the other. An option path is the key.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type { Profile } from "../DatabaseConfig.js"
import * as RetryPolicy from "../RetryPolicy.js"

/** A default that differs between profiles. @since 0.1.0 @category models */
export type ByProfile<A> = Readonly<Record<Profile, A>>

/** @since 0.1.0 @category models */
export interface Setting {
  readonly variable: string
  /** `undefined`: none; what stands in its place is told in `meaning`. `Duration.infinity` is off. */
  readonly default: Duration.Duration | string | number | boolean | ByProfile<string | number> | undefined
  readonly meaning: string
  readonly reason: string
}

const table = <const Table extends Readonly<Record<string, Setting>>>(rows: Table): Table => rows

/**
 * The settings by option path.
 *
 * @since 0.1.0
 * @category defaults
 */
export const settings = table({
  url: {
    variable: "DATABASE_URL",
    default: undefined,
    meaning:
      "where the database is (required, or its parts): `postgres://`, `postgresql://`, `cockroachdb://`, `sqlite:path`, `sqlite::memory:`, `pglite:path`, `pglite::memory:`; several hosts with commas",
    reason: "a guessed database is the wrong one"
  },
  "parts.type": {
    variable: "DATABASE_TYPE",
    default: undefined,
    meaning: "in place of a URL: `postgres`, `cockroachdb`, `sqlite` or `pglite`; `postgres` when only a host is named",
    reason: "the URL wins where both are there"
  },
  "parts.name": {
    variable: "DATABASE_NAME",
    default: undefined,
    meaning: "the database; for SQLite a file, `.db` is added where it has no ending",
    reason: "a guessed database is the wrong one"
  },
  "parts.user": {
    variable: "DATABASE_USER",
    default: undefined,
    meaning: "the role; also fills in what a URL leaves out",
    reason: "the driver takes the user of the operating system, as libpq does"
  },
  "parts.password": {
    variable: "DATABASE_PASSWORD",
    default: undefined,
    meaning: "its password; also fills in what a URL leaves out",
    reason: "a secret often comes from another place than the URL"
  },
  "parts.host": {
    variable: "DATABASE_HOST",
    default: "localhost",
    meaning: "host, several with commas, or the folder of a Unix socket",
    reason: "where a database is during development"
  },
  "parts.port": {
    variable: "DATABASE_PORT",
    default: undefined,
    meaning: "port, or one for each host; 5432, for CockroachDB 26257",
    reason: "the products' own"
  },
  "parts.ssl": {
    variable: "DATABASE_SSL",
    default: undefined,
    meaning: "`sslmode` of the parts; `DB_SSL` wins over it",
    reason: "see `DB_SSL`"
  },
  replicaUrls: {
    variable: "DATABASE_REPLICA_URLS",
    default: undefined,
    meaning: "URLs of read replicas with spaces between them, read by `Database.onReplica`; PostgreSQL family only",
    reason: "none unless named"
  },
  maxStaleness: {
    variable: "DATABASE_REPLICA_MAX_STALENESS",
    default: Duration.seconds(30),
    meaning: "a replica whose data may be older is not read from, the next one or the primary is; 0: however old",
    reason: "a replica that was cut off hours ago still answers"
  },
  profile: {
    variable: "DB_ENV",
    default: "development",
    meaning:
      "the profile: `production`, `development` or `test` (also `prod`, `dev`, `testing`); without it `NODE_ENV`, where anything else is development",
    reason: "the smallest surprise on one's own machine"
  },
  "pool.size": {
    variable: "DB_POOL_SIZE",
    default: { production: 10, development: 5, test: 1 },
    meaning: "connections kept open",
    reason: "a server of few cores is fastest with few sessions; parallel tests share one server"
  },
  "pool.maxOverflow": {
    variable: "DB_MAX_OVERFLOW",
    default: { production: 20, development: 10, test: 1 },
    meaning: "connections more under load, closed when idle",
    reason: "a burst is carried without keeping sessions for it"
  },
  "pool.acquireTimeout": {
    variable: "DB_POOL_TIMEOUT",
    default: Duration.seconds(30),
    meaning: "longest wait for a connection",
    reason: "as SQLAlchemy; as long as a statement may run, so that one slow statement fails nobody else"
  },
  "pool.maxLifetime": {
    variable: "DB_POOL_RECYCLE",
    default: Duration.minutes(30),
    meaning: "a connection is replaced at this age, less up to 10 % at random; 0: never",
    reason: "shorter than what firewalls and proxies allow; jitter keeps them from leaving together"
  },
  "pool.idleTimeout": {
    variable: "DB_POOL_IDLE_TIMEOUT",
    default: Duration.minutes(10),
    meaning: "overflow connections unused for this long are closed; 0: never",
    reason: "the next burst is often near"
  },
  "pool.prePing": {
    variable: "DB_POOL_PRE_PING",
    default: Duration.seconds(1),
    meaning:
      "a connection idle for longer is asked before it is handed out; `true`: the default, `false` or 0: never, `always`: each time",
    reason: "a busy connection has just proved itself; asking costs a round trip"
  },
  "pool.keepAlive": {
    variable: "DB_POOL_KEEP_ALIVE",
    default: Duration.minutes(2),
    meaning: "an idle connection is asked this often; 0: never",
    reason: "common load balancers forget a silent connection after four to six minutes"
  },
  "pool.queueTarget": {
    variable: "DB_POOL_QUEUE_TARGET",
    default: Duration.infinity,
    meaning: "load is shed while every wait is longer than this",
    reason: "a plain loop over 2,000 jobs would lose half of them"
  },
  "pool.leakThreshold": {
    variable: "DB_POOL_LEAK_THRESHOLD",
    default: Duration.infinity,
    meaning: "a connection held for longer is reported with its holder",
    reason: "long work is not a leak unless you say so"
  },
  "pool.prewarm": {
    variable: "DB_POOL_PREWARM",
    default: false,
    meaning: "once one connection is open, the others up to the pool's size are opened without waiting for work",
    reason: "what nobody needs is not opened; turn it on where the first requests come all at once"
  },
  "pool.resetOnReturn": {
    variable: "DB_POOL_RESET_ON_RETURN",
    default: { production: "rollback", development: "rollback", test: "discard" },
    meaning: "`rollback`: end what is open; `discard`: forget session settings too",
    reason: "discarding costs a round trip; a test must not see another one's session"
  },
  connectTimeout: {
    variable: "DB_CONNECT_TIMEOUT",
    default: Duration.seconds(10),
    meaning: "longest wait for a new session (`connect_timeout` in the URL, seconds)",
    reason: "a name server or a failover may take seconds, a black hole takes minutes"
  },
  statementTimeout: {
    variable: "DB_STATEMENT_TIMEOUT",
    default: Duration.seconds(30),
    meaning: "the server cancels a statement that runs longer (`statement_timeout` in the URL, ms); 0: off",
    reason: "a request's user has left by then"
  },
  lockTimeout: {
    variable: "DB_LOCK_TIMEOUT",
    default: Duration.infinity,
    meaning: "longest wait for a lock (`lock_timeout` in the URL, ms); 0: off",
    reason: "the statement's limit covers it"
  },
  idleInTransactionTimeout: {
    variable: "DB_IDLE_IN_TRANSACTION_TIMEOUT",
    default: Duration.seconds(60),
    meaning: "the server ends a session that holds a transaction open and does nothing; 0: off",
    reason: "its locks block everybody else"
  },
  transactionTimeout: {
    variable: "DB_TRANSACTION_TIMEOUT",
    default: Duration.infinity,
    meaning: "longest transaction; 0: off",
    reason: "only the application knows how long its work takes"
  },
  "retry.connection.maxRetries": {
    variable: "DB_MAX_RETRIES",
    default: RetryPolicy.connection.maxRetries,
    meaning: "tries again after a lost or refused connection",
    reason: "with the delay below about seven seconds: a restart, not an outage"
  },
  "retry.connection.baseDelay": {
    variable: "DB_RETRY_DELAY",
    default: RetryPolicy.connection.baseDelay,
    meaning: "wait before the first of them, doubling, with jitter",
    reason: "a server that restarts needs seconds"
  },
  "retry.conflict.maxRetries": {
    variable: "DB_CONFLICT_RETRIES",
    default: RetryPolicy.conflict.maxRetries,
    meaning: "tries again after a serialization failure or a deadlock",
    reason: "a crowd at one row gets through one by one"
  },
  "retry.conflict.baseDelay": {
    variable: "DB_CONFLICT_DELAY",
    default: RetryPolicy.conflict.baseDelay,
    meaning: "wait before the first of them: random up to this, doubling up to 1 s",
    reason: "the winner of a race is gone in milliseconds"
  },
  applicationName: {
    variable: "DB_APPLICATION_NAME",
    default: "aquifer",
    meaning:
      "what the server calls our sessions (`application_name` in the URL), at most 63 bytes; in a worker process the default becomes `aquifer_{worker}_{pid}`",
    reason: "the server cuts a longer one; parallel workers can be told apart"
  },
  tablePrefix: {
    variable: "DB_TABLE_PREFIX",
    default: "app",
    meaning: "prefix of the application tables",
    reason: "several applications may share one database"
  },
  pooler: {
    variable: "DB_POOLER",
    default: "none",
    meaning:
      "`transaction`: a pooler in transaction mode is in between, so no startup settings, session SET, session locks or LISTEN",
    reason: "a pooler cannot be seen safely from the client's side"
  },
  prepare: {
    variable: "DB_PREPARE",
    default: true,
    meaning: "statements are prepared by name",
    reason: "PgBouncer carries them since 1.21"
  },
  connect: {
    variable: "DB_CONNECT",
    default: "eager",
    meaning: "`eager`: one connection is proved at start; `lazy`: the first use opens it",
    reason: "a wrong password should stop a deployment, not the first request"
  },
  "tls.mode": {
    variable: "DB_SSL",
    default: "prefer",
    meaning:
      "`disable`, `allow`, `prefer`, `require`, `verify-ca`, `verify-full` with libpq's meanings (`sslmode` in the URL); `true`: require, `false`: disable",
    reason: "as libpq; it proves nothing about the server, so say `verify-full` where it matters"
  },
  "tls.rootCert": {
    variable: "DB_SSL_ROOT_CERT",
    default: undefined,
    meaning: "file of trusted authorities (`sslrootcert`), or `system` for those that come with Node",
    reason: "`verify-full` without it uses those that come with Node"
  },
  "tls.cert": {
    variable: "DB_SSL_CERT",
    default: undefined,
    meaning: "file of our certificate (`sslcert`)",
    reason: "only servers that ask for one need it"
  },
  "tls.key": {
    variable: "DB_SSL_KEY",
    default: undefined,
    meaning: "file of its key (`sslkey`)",
    reason: "belongs to the certificate"
  },
  "tls.passphrase": {
    variable: "DB_SSL_PASSWORD",
    default: undefined,
    meaning: "passphrase of that key (`sslpassword`)",
    reason: "only encrypted keys need it"
  }
})

/** The option path of a setting that has a variable. @since 0.1.0 @category models */
export type Key = keyof typeof settings

/** The keys in the order of the table. @since 0.1.0 @category accessors */
export const keys = Object.keys(settings) as ReadonlyArray<Key> // `Object.keys` forgets the keys' type

const show = (value: Setting["default"]): string => {
  if (value === undefined) return ""
  if (Duration.isDuration(value)) return Duration.isFinite(value) ? Duration.format(value) : "off"
  if (typeof value === "boolean") return value ? "on" : "off"
  if (typeof value === "object") {
    const { production, development, test } = value
    return production === development ? `${production}, test ${test}` : `${production}, ${development}, ${test}`
  }
  return typeof value === "string" ? `\`${value}\`` : String(value)
}

/**
 * The settings as a Markdown table. Three defaults in a row are those of production, development and test.
 *
 * @since 0.1.0
 * @category conversions
 */
export const settingsTable = (): string =>
  [
    "| variable | default | meaning | why |",
    "|---|---|---|---|",
    ...Object.values<Setting>(settings).map(
      (row) => `| \`${row.variable}\` | ${show(row.default)} | ${row.meaning} | ${row.reason} |`
    )
  ].join("\n")
