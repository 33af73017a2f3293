/**
 * The pool's counts as metrics, under the names of the OpenTelemetry database conventions (1.44) where those have one. They
 * are read when they are asked for, so the pool pays nothing for them.
 *
 * @since 0.1.0
 */
import * as MetricKey from "effect/MetricKey"
import * as MetricPair from "effect/MetricPair"
import * as MetricState from "effect/MetricState"
import type { Connections } from "../connection/Connections.js"
import { describeTarget } from "../model/DatabaseConfig.js"
import type { PoolSnapshot } from "../model/DatabaseError.js"

/** Of the pool, and of each replica's. @since 0.1.0 @category conversions */
export const pairs = (
  { config, dialect }: Connections,
  { replicas = [], ...pool }: PoolSnapshot
): ReadonlyArray<MetricPair.MetricPair.Untyped> => {
  const beyond = dialect.sessions === "one" ? 0 : config.pool.maxOverflow
  return [
    ...ofPool(describeTarget(config), pool, beyond),
    ...replicas.flatMap(({ name, pool }) => ofPool(name, pool, beyond))
  ]
}

const ofPool = (name: string, { invalidated, totals, ...now }: PoolSnapshot, beyond: number) => {
  const { timeouts, ...events } = { ...totals, invalidated }
  const pool = MetricKey.tagged("db.client.connection.pool.name", name)
  const gauge = (key: string, description: string, value: number, state?: string) => {
    const named = pool(MetricKey.gauge(key, { description }))
    return MetricPair.unsafeMake(
      state === undefined ? named : MetricKey.tagged(named, "db.client.connection.state", state),
      MetricState.gauge(value)
    )
  }
  const counter = (key: string, description: string, value: number) =>
    MetricPair.unsafeMake(pool(MetricKey.counter(key, { description, incremental: true })), MetricState.counter(value))
  const open = "Connections open at this moment"
  return [
    gauge("db.client.connection.count", open, now.checkedIn, "idle"),
    gauge("db.client.connection.count", open, now.checkedOut, "used"),
    gauge("db.client.connection.max", "Connections allowed", now.size + beyond),
    gauge("db.client.connection.pending_requests", "Callers waiting for a connection", now.waiting),
    counter("db.client.connection.timeouts", "Callers who waited for a connection in vain", timeouts),
    ...Object.entries(events).map(([event, count]) =>
      counter(`aquifer.pool.${event}`, `What the pool has counted as ${event} since the start`, count)
    )
  ]
}
