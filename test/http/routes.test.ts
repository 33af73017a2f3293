/** What the routes say, to whom, and what it costs the database. */
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { Database, Health, Pool, Transaction } from "effect-aquifer"
import { DatabaseHttp } from "effect-aquifer/http"
import { postgres, sqlite, sqliteMemory } from "../contract/products.js"
import { proxy } from "../support/proxy.js"
import { freshDatabase, freshRole, scratchServer, urlWith } from "../support/server.js"
import { parse } from "./exposition.js"
import { type Answer, atRest, serve } from "./support.js"

const everything: DatabaseHttp.RoutesOptions = { metrics: "/metrics", diagnostics: "/diagnostics", details: true }
const paths = ["/health/live", "/health/ready", "/health", "/metrics", "/diagnostics"]

const watched = <E>(database: Layer.Layer<Database.Services, E>, every: Duration.DurationInput = "1 hour") =>
  Layer.provideMerge(Health.layer({ every }), database)

const said = ({ body, headers, status }: Answer) => [
  status,
  headers["retry-after"],
  body === "" ? "" : JSON.parse(body)
]

describe.each([postgres, sqlite, sqliteMemory])("on $name", (product) => {
  it.scopedLive("say that it is up and no more, unless more is asked for", () =>
    Effect.gen(function* () {
      const call = yield* serve(DatabaseHttp.routes())
      for (const path of paths.slice(0, 3)) expect(said(yield* call(path))).toEqual([200, undefined, { status: "up" }])
      for (const path of paths.slice(3)) expect((yield* call(path)).status).toBe(404)

      const open = yield* serve(DatabaseHttp.routes(everything))
      const health = said(yield* open("/health"))
      expect(health).toMatchObject([200, undefined, { status: "up", pool: { waiting: 0, totals: { failures: 0 } } }])
      expect(Object.keys(health[2]).sort()).toEqual(["at", "latencyMillis", "pool", "product", "status", "version"])
      const diagnostics = said(yield* open("/diagnostics"))
      expect(diagnostics).toMatchObject([
        200,
        undefined,
        { processId: process.pid, product: health[2].product, counters: { "pool.timeouts": 0 } }
      ])
    }).pipe(Effect.provide(watched(product.database())))
  )

  it.scopedLive("are where one says, in the router of the service, and answer GET and HEAD alone", () =>
    Effect.gen(function* () {
      const app = HttpRouter.empty.pipe(
        HttpRouter.concat(DatabaseHttp.routes({ live: "/up", health: false, metrics: "/scrape" })),
        HttpRouter.prefixAll("/internal")
      )
      const call = yield* serve(app)
      const got = yield* call("/internal/up")
      expect([got.status, got.headers["cache-control"], got.headers["content-type"]]).toEqual([
        200,
        "no-store",
        "application/json"
      ])
      const head = yield* call("/internal/up", { method: "HEAD" })
      expect([head.status, head.body, head.headers["content-length"]]).toEqual([
        200,
        "",
        String(Buffer.byteLength(got.body))
      ])
      expect((yield* call("/internal/up?verbose")).status).toBe(200)
      for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
        const refused = yield* call("/internal/scrape", { method })
        expect([method, refused.status, refused.headers.allow, refused.body]).toEqual([method, 405, "GET, HEAD", ""])
      }
      for (const path of ["/up", "/internal/health", "/health/live"]) expect((yield* call(path)).status).toBe(404)
    }).pipe(Effect.provide(watched(product.database())))
  )

  it.scopedLive("tell Prometheus what the pool holds, in its own format", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`SELECT 1`
      yield* Metric.increment(Transaction.retries)
      const call = yield* serve(DatabaseHttp.routes({ metrics: "/metrics" }))
      const scrape = Effect.map(call("/metrics"), ({ body, headers, status }) => {
        expect([status, headers["content-type"]]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"])
        const families = parse(body)
        return (name: string, state?: string) =>
          families
            .get(name)
            ?.samples.filter(({ labels }) => labels.db_client_connection_state === state)
            .map(({ value }) => value)
      })
      const pool = yield* Pool.Pool
      yield* atRest(pool)
      const first = yield* scrape
      const { checkedIn, totals } = yield* pool.status
      expect(first("db_client_connection_count", "idle")).toEqual([checkedIn])
      expect(first("db_client_connection_count", "used")).toEqual([0])
      expect(first("db_client_connection_pending_requests")).toEqual([0])
      expect(first("db_client_connection_timeouts_total")).toEqual([0])
      expect(first("aquifer_pool_acquired_total")).toEqual([totals.acquired])
      // What the process has counted stands there, too.
      expect(first("aquifer_transaction_retries_total")?.[0]).toBeGreaterThanOrEqual(1)
      expect(first("db_client_connection_max")?.[0]).toBeGreaterThanOrEqual(1)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* sql.reserve
          expect((yield* scrape)("db_client_connection_count", "used")).toEqual([1])
        })
      )
    }).pipe(Effect.provide(watched(product.database())))
  )

  it.scopedLive("a pool that is drained takes no work: not ready, and alive", () =>
    Effect.gen(function* () {
      const call = yield* serve(DatabaseHttp.routes())
      expect((yield* call("/health/ready")).status).toBe(200)
      const pool = yield* Pool.Pool
      const sql = yield* SqlClient.SqlClient
      const scope = yield* Effect.fork(Effect.scoped(Effect.zipRight(sql.reserve, Effect.never)))
      yield* Effect.repeat(Effect.delay(pool.status, "5 millis"), { until: ({ checkedOut }) => checkedOut === 1 })
      const draining = yield* Effect.fork(pool.drain("1 minute"))
      yield* Effect.repeat(Effect.delay(pool.status, "5 millis"), { until: ({ draining }) => draining === true })
      expect(said(yield* call("/health/ready"))).toEqual([503, "10", { status: "draining" }])
      yield* Fiber.interrupt(scope)
      yield* Fiber.join(draining)
      expect((yield* call("/health/ready")).status).toBe(503)
      expect((yield* call("/health/live")).status).toBe(200)
    }).pipe(Effect.provide(watched(product.database())))
  )
})

it.scopedLive("follow a server that goes down and comes back", () =>
  Effect.gen(function* () {
    const server = yield* scratchServer
    yield* Effect.gen(function* () {
      const call = yield* serve(DatabaseHttp.routes({ details: true }))
      const until = (status: number) =>
        Effect.repeat(Effect.delay(call("/health/ready"), "20 millis"), { until: (answer) => answer.status === status })
      yield* until(200)
      yield* server.stop
      expect(said(yield* until(503))).toEqual([503, "10", { status: "down" }])
      const health = said(yield* call("/health"))
      expect([health[0], health[2].error.tag]).toEqual([503, expect.stringMatching(/Error$/)])
      expect((yield* call("/health/live")).status).toBe(200)
      yield* server.start
      expect(said(yield* until(200))).toEqual([200, undefined, { status: "up" }])
    }).pipe(Effect.provide(watched(Database.layer({ url: server.url, profile: "development" }), "50 millis")))
  })
)

it.scopedLive(
  "hundreds of probes at once ask the database no more than one look does, and take no connection of the pool",
  () =>
    Effect.gen(function* () {
      const url = yield* freshDatabase
      /** The sessions a program opens that looks after its health, once in the first hour. */
      const sessions = <E, R>(program: Effect.Effect<unknown, E, R>) =>
        Effect.gen(function* () {
          const line = yield* proxy(url)
          const options = { url: line.through(url), connect: "lazy", profile: "development" } as const
          const acquired = Effect.flatMap(Pool.Pool, (pool) => Effect.map(pool.status, ({ totals }) => totals.acquired))
          const watching = watched(Database.layer({ ...options, pool: { prewarm: false } }))
          expect(yield* Effect.provide(Effect.zipRight(program, acquired), watching)).toBe(0)
          return line.counts.connections
        })
      const probes = Effect.gen(function* () {
        const call = yield* serve(DatabaseHttp.routes(everything))
        const all = Array.from({ length: 300 }, (_, i) => call(paths[i % paths.length] ?? ""))
        // At first there is no report yet, and they wait for the same one.
        for (const round of [all, all]) {
          const answers = yield* Effect.all(round, { concurrency: "unbounded" })
          expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
        }
      })
      const one = yield* sessions(Effect.flatMap(Health.Health, ({ latest }) => latest))
      expect(one).toBeGreaterThanOrEqual(1)
      expect(yield* sessions(probes)).toBe(one)
    })
)

it.scopedLive("no secret is in any answer, whether the database is there, is not, or refuses us", () =>
  Effect.gen(function* () {
    const role = yield* Effect.flatMap(freshDatabase, (url) => freshRole(url))
    const nobody = new URL(role.url)
    nobody.port = "1"
    const stranger = urlWith(role.url, { password: `not-${role.password}` })
    for (const [options, status] of [
      [{ url: role.url, replicaUrls: [nobody.href] }, 200],
      [{ url: nobody.href }, 503],
      [{ url: stranger }, 503]
    ] as const) {
      yield* Effect.gen(function* () {
        const call = yield* serve(DatabaseHttp.routes(everything))
        const answers = yield* Effect.forEach(paths, (path) => call(path))
        expect(answers.map((answer) => answer.status)).toEqual([200, status, status, 200, 200])
        // What is looked for would be found: the address stands there.
        expect(answers[4]?.body).toContain(role.name)
        for (const answer of answers) expect(JSON.stringify(answer)).not.toContain(role.password)
        // Of a failure, a replica's too, its name is told and not what the driver knows.
        for (const at of [2, 4]) {
          expect(answers[at]?.body).not.toMatch(/"(?:cause|stack)"/)
          if (status === 200) expect(answers[at]?.body).toContain('"error":{"tag":"ConnectionError"')
        }
        const closed = yield* serve(DatabaseHttp.routes())
        expect((yield* closed("/health")).body).toBe(`{"status":"${status === 200 ? "up" : "down"}"}`)
      }).pipe(Effect.provide(watched(Database.layer({ ...options, connect: "lazy", profile: "development" }))))
    }
  })
)
