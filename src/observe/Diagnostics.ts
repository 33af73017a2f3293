/**
 * What this process does on its database, for the person who wonders: which worker this is, whether anything was opened
 * yet, how the pool stands, what has been counted. Asks the database nothing, so it answers when that does not.
 *
 * @since 0.1.0
 */
import * as process from "node:process"
import { threadId } from "node:worker_threads"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"
import * as Connections from "../connection/Connections.js"
import { place } from "../model/config/place.js"
import { describeTarget, type Profile } from "../model/DatabaseConfig.js"
import type { DatabaseError, PoolSnapshot } from "../model/DatabaseError.js"

/** @since 0.1.0 @category models */
export interface Info {
  /** The test runner's or process manager's number of this worker; none in a process of its own. */
  readonly workerId: string | undefined
  readonly processId: number
  readonly threadId: number
  readonly product: string
  /** Where the database is, without its password. */
  readonly database: string
  readonly profile: Profile
  readonly applicationName: string
  /** Whether a session has been opened at all; a lazy layer opens none before its first use. */
  readonly initialised: boolean
  readonly sessionsOpened: number
  /** Attempts to open a session that came to nothing. */
  readonly connectionFailures: number
  readonly pool: PoolSnapshot
}

const connections: Effect.Effect<Connections.Connections, DatabaseError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  Connections.of
)

/** Never asks the database. @since 0.1.0 @category accessors */
export const info: Effect.Effect<Info, DatabaseError, SqlClient.SqlClient> = Effect.gen(function* () {
  const { config, dialect, pool } = yield* connections
  const here = yield* Effect.option(place)
  const snapshot = yield* pool.status
  return {
    workerId: here._tag === "Some" ? here.value.worker : undefined,
    // The identity of this process is no input of a program; there is no service for it.
    processId: process.pid,
    threadId,
    product: dialect.name,
    database: describeTarget(config),
    profile: config.profile,
    applicationName: config.applicationName,
    initialised: snapshot.totals.opened > 0,
    sessionsOpened: snapshot.totals.opened,
    connectionFailures: snapshot.totals.failures,
    pool: snapshot
  }
})

/** Counts since the start, by name. @since 0.1.0 @category models */
export type Counters = Readonly<Record<string, number>>

/**
 * The pool's totals of this client (`pool.acquired`, `pool.opened` …), and what the whole process has counted in this
 * library's metrics (`aquifer.transaction.retries` …).
 *
 * @since 0.1.0
 * @category accessors
 */
export const counters: Effect.Effect<Counters, DatabaseError, SqlClient.SqlClient> = Effect.gen(function* () {
  const { pool } = yield* connections
  const { invalidated, totals } = yield* pool.status
  const counted: Record<string, number> = {}
  for (const [name, count] of Object.entries({ ...totals, invalidated })) counted[`pool.${name}`] = count
  for (const { metricKey, metricState } of yield* Metric.snapshot) {
    if (!metricKey.name.startsWith("aquifer.") || !MetricState.isCounterState(metricState)) continue
    // Series of one name that differ in their tags are one count here.
    counted[metricKey.name] = (counted[metricKey.name] ?? 0) + Number(metricState.count)
  }
  return counted
})
