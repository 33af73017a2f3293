/**
 * A configuration in a form that is safe to show. `protect` gives the value itself this form wherever it is printed;
 * statements and unknown URL parameters are counted or named, because they may hold secrets that nobody marked.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import { NodeInspectSymbol } from "effect/Inspectable"
import type { DatabaseConfig, Target } from "../DatabaseConfig.js"

const hidden = "<redacted>"

const readable = new Set([
  "application_name",
  "connect_timeout",
  "statement_timeout",
  "lock_timeout",
  "idle_in_transaction_session_timeout",
  "transaction_timeout",
  "mode",
  "cache",
  "channel_binding",
  "client_encoding",
  "schema",
  "pgbouncer"
])

/**
 * Where the database is, without its password: `postgres://user:***@host:5432/db`, `sqlite:path`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const describeTarget = (config: DatabaseConfig | Target): string => {
  const target = "target" in config ? config.target : config
  if (target.driver !== "postgres") return `${target.driver}:${target.database}`
  const user = target.user === undefined ? "" : encodeURIComponent(target.user)
  const credentials = target.password === undefined ? user : `${user}:***`
  const hosts = target.hosts.map(({ host, port }) =>
    host.startsWith("/")
      ? `${encodeURIComponent(host)}:${port}`
      : host.includes(":")
        ? `[${host}]:${port}`
        : `${host}:${port}`
  )
  return `postgres://${credentials === "" ? "" : `${credentials}@`}${hosts.join(",")}/${encodeURIComponent(target.database)}`
}

const showDuration = (duration: Duration.Duration | undefined): string =>
  duration === undefined || !Duration.isFinite(duration) ? "off" : Duration.format(duration)

const showTarget = (target: Target): Record<string, unknown> => ({
  url: describeTarget(target),
  driver: target.driver,
  ...(target.product === undefined ? {} : { product: target.product }),
  hosts: target.hosts.map((host) => ({ ...host })),
  database: target.database,
  user: target.user,
  password: target.password === undefined ? undefined : hidden,
  tls: { ...target.tls, passphrase: target.tls.passphrase === undefined ? undefined : hidden },
  targetSession: target.targetSession,
  parameters: Object.fromEntries(
    Object.entries(target.parameters).map(([name, value]) => [name, readable.has(name) ? value : hidden])
  )
})

/**
 * A plain object that is safe to print.
 *
 * @since 0.1.0
 * @category conversions
 */
export const redacted = (config: DatabaseConfig): Record<string, unknown> => ({
  target: showTarget(config.target),
  replicas: config.replicas.map(showTarget),
  maxStaleness: showDuration(config.maxStaleness),
  profile: config.profile,
  pool: {
    size: config.pool.size,
    maxOverflow: config.pool.maxOverflow,
    acquireTimeout: showDuration(config.pool.acquireTimeout),
    maxLifetime: showDuration(config.pool.maxLifetime),
    idleTimeout: showDuration(config.pool.idleTimeout),
    prePing: showDuration(config.pool.prePing),
    keepAlive: showDuration(config.pool.keepAlive),
    queueTarget: showDuration(config.pool.queueTarget),
    leakThreshold: showDuration(config.pool.leakThreshold),
    resetOnReturn: config.pool.resetOnReturn,
    onConnect: config.pool.onConnect.length
  },
  retry: Object.fromEntries(
    (["connection", "conflict"] as const).map((name) => {
      const policy = config.retry[name]
      return [
        name,
        { ...policy, baseDelay: Duration.format(policy.baseDelay), maxDelay: Duration.format(policy.maxDelay) }
      ]
    })
  ),
  connectTimeout: showDuration(config.connectTimeout),
  statementTimeout: showDuration(config.statementTimeout),
  lockTimeout: showDuration(config.lockTimeout),
  idleInTransactionTimeout: showDuration(config.idleInTransactionTimeout),
  transactionTimeout: showDuration(config.transactionTimeout),
  applicationName: config.applicationName,
  tablePrefix: config.tablePrefix,
  pooler: config.pooler,
  prepare: config.prepare,
  connect: config.connect,
  functions: Object.keys(config.functions),
  transformQueryNames: config.transformQueryNames !== undefined,
  transformResultNames: config.transformResultNames !== undefined,
  transformJson: config.transformJson,
  spanAttributes: config.spanAttributes
})

const Proto = {
  toJSON(this: DatabaseConfig) {
    return redacted(this)
  },
  toString(this: DatabaseConfig) {
    return `DatabaseConfig(${describeTarget(this)})`
  },
  [NodeInspectSymbol](this: DatabaseConfig) {
    return redacted(this)
  }
}

/**
 * The same configuration, printing itself redacted (`String`, `JSON.stringify`, `inspect`, loggers).
 *
 * @since 0.1.0
 * @category constructors
 */
export const protect = (config: DatabaseConfig): DatabaseConfig =>
  Object.freeze(Object.assign(Object.create(Proto), config))
