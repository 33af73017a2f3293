/**
 * How the database stands, for whoever asks by HTTP. Reports come from `Health` in the background, counts from memory, so that
 * probes do not load the database; only where there is no report yet, or it is two rounds old, is one check made, for all who
 * ask. What answers without being asked for says `up` or `down` and no more; versions, addresses and counts are for those who switch them on.
 *
 * @since 0.1.0
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type * as SqlClient from "@effect/sql/SqlClient"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Connections from "../connection/Connections.js"
import type { DatabaseError, PoolSnapshot } from "../model/DatabaseError.js"
import * as Diagnostics from "../observe/Diagnostics.js"
import * as Health from "../observe/Health.js"
import * as PoolMetrics from "./PoolMetrics.js"
import * as Prometheus from "./Prometheus.js"

/** Where a route is. @since 0.1.0 @category models */
export type Path = `/${string}`

/** Where each route is; `false`: nowhere. @since 0.1.0 @category models */
export interface Options {
  /** Whether this process answers: always 200. `/health/live` when nothing is said. */
  readonly live?: Path | false | undefined
  /** Whether it may be sent work: 200, or 503 while the database is down or the pool is being drained. `/health/ready` when nothing is said. */
  readonly ready?: Path | false | undefined
  /** The last report of `Health`, with 200 or 503. `/health` when nothing is said. */
  readonly health?: Path | false | undefined
  /** Whether `health` also tells product, version, latency, pool, and what the failure was. Not for the public. */
  readonly details?: boolean | undefined
  /** All metrics of this process and those of the pool, for Prometheus. Nowhere when nothing is said. */
  readonly metrics?: Path | false | undefined
  /** `Diagnostics.info` and `Diagnostics.counters`: process, database without its password, pool. Nowhere when nothing is said. */
  readonly diagnostics?: Path | false | undefined
}

/** A database, and `Health.layer` to look after it. */
type Needs = Health.Health | SqlClient.SqlClient

type Answer = Effect.Effect<HttpServerResponse.HttpServerResponse, DatabaseError, Needs>

/**
 * A router of its own, to be concatenated or mounted. Answers GET and HEAD, all else with 405. Its paths should not be
 * inside `transactional`, which takes a connection for each request.
 *
 * @since 0.1.0
 * @category constructors
 */
export const routes = ({
  live = "/health/live",
  ready = "/health/ready",
  health = "/health",
  details = false,
  metrics = false,
  diagnostics = false
}: Options = {}): HttpRouter.HttpRouter<DatabaseError, Needs> =>
  HttpRouter.fromIterable(
    [
      [live, Effect.sync(() => json(200, { status: "up" }))] as const,
      [ready, readiness] as const,
      [health, details ? Effect.map(last, (report) => standing(report.status, detailed(report))) : summary] as const,
      [metrics, exposition] as const,
      [
        diagnostics,
        Effect.map(Effect.all({ info: Diagnostics.info, counters: Diagnostics.counters }), diagnosed)
      ] as const
    ].flatMap(([path, answer]) => (path === false ? [] : [HttpRouter.makeRoute("*", path, reading(answer))]))
  )

const last = Effect.flatMap(Health.Health, (health) => health.latest)

const status = Effect.flatMap(Connections.current, (connections) => connections.pool.status)

const readiness: Answer = Effect.flatMap(status, ({ draining }) =>
  draining ? Effect.succeed(standing("draining")) : summary
)

const summary: Answer = Effect.map(last, (report) => standing(report.status))

const exposition: Answer = Effect.gen(function* () {
  const pairs = [...(yield* Metric.snapshot), ...PoolMetrics.pairs(yield* Connections.current, yield* status)]
  return HttpServerResponse.text(Prometheus.text(pairs), { contentType: Prometheus.contentType, headers: noStore })
})

/** A report is of its moment; a cache in between would answer for a database it has never seen. */
const noStore = { "cache-control": "no-store" }

const json = (status: number, body: object, headers: Readonly<Record<string, string>> = {}) =>
  HttpServerResponse.unsafeJson(body, { status, headers: { ...noStore, ...headers } })

/** The next report may say something else. */
const retryAfter = String(Math.ceil(Duration.toSeconds(Health.round)))

const standing = (status: Health.Report["status"] | "draining", body: object = { status }) =>
  status === "up" ? json(200, body) : json(503, body, { "retry-after": retryAfter })

/** RFC 9110: 9.1 asks for GET and HEAD, 15.5.6 for a list of them where something else is tried. */
const reading = (answer: Answer): HttpApp.Default<DatabaseError, Needs> =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ method }) =>
    method === "GET" || method === "HEAD"
      ? answer
      : Effect.succeed(HttpServerResponse.empty({ status: 405, headers: { allow: "GET, HEAD" } }))
  )

const detailed = (report: Health.Dated) => ({
  status: report.status,
  at: DateTime.formatIso(report.at),
  product: report.product,
  ...(report.status === "up"
    ? { version: report.version, latencyMillis: Duration.toMillis(report.latency) }
    : { error: named(report.error) }),
  pool: counts(report.pool)
})

const diagnosed = ({ counters, info }: { readonly counters: Diagnostics.Counters; readonly info: Diagnostics.Info }) =>
  json(200, { ...info, pool: counts(info.pool), counters })

/** The cause is the driver's, and may hold anything. */
const named = ({ _tag, reason, sqlState }: DatabaseError) => ({ tag: _tag, reason, sqlState })

/** A replica's failure is shown by its name, too. */
const counts = (pool: PoolSnapshot): object => ({
  ...pool,
  replicas: pool.replicas?.map(({ error, pool, ...replica }) => ({
    ...replica,
    ...(error === undefined ? {} : { error: named(error) }),
    pool: counts(pool)
  }))
})
