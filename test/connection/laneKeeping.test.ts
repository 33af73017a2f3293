/** What becomes of a lane nobody rides: asked now and then, closed when it is dead, unused or too old, whoever asks. */
import * as Reactivity from "@effect/experimental/Reactivity"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Client from "../../src/client/Client.js"
import * as Connections from "../../src/connection/Connections.js"
import * as SharedLane from "../../src/connection/SharedLane.js"
import { postgres } from "../../src/dialect/postgres/index.js"
import * as DatabaseConfig from "../../src/model/DatabaseConfig.js"
import type * as ScriptedConnection from "../../src/testing/ScriptedConnection.js"
import { proxy } from "../support/proxy.js"
import { adminQuery, freshDatabase } from "../support/server.js"
import { pass } from "../transaction/support.js"
import { lanes } from "./laneSupport.js"

/** The lanes' rules go by the test's clock, as waiting fibers do. */
const kept = (pool: NonNullable<ScriptedConnection.Options["pool"]>) =>
  Effect.flatMap(Effect.clock, (clock) => lanes({ pool }, { now: () => clock.unsafeCurrentTimeMillis() }))

describe("an idle lane", () => {
  it.scoped("is asked each time it has been silent for as long as keepAlive says, and not when it was just used", () =>
    Effect.gen(function* () {
      const { earn, server, sql, status, ways } = yield* kept({ keepAlive: Duration.seconds(60) })
      yield* earn("SELECT 1")
      // The pool has opened the first session, and the lane is the second.
      const asked = () => server.events.filter(({ session, what }) => session === 2 && what === "ping").length
      yield* pass(59_000)
      yield* sql.unsafe("SELECT 1")
      assert.strictEqual(ways().at(-1), "lane")
      yield* pass(59_999)
      assert.strictEqual(asked(), 0)
      yield* pass(1)
      assert.strictEqual(asked(), 1)
      yield* pass(60_000)
      assert.strictEqual(asked(), 2)
      assert.deepInclude(yield* status, { open: 1 })
    })
  )

  it.scoped("is closed when it has not been used for the idle timeout, although it was asked meanwhile", () =>
    Effect.gen(function* () {
      const { earn, server, status } = yield* kept({
        keepAlive: Duration.seconds(60),
        idleTimeout: Duration.minutes(10)
      })
      yield* earn("SELECT 1")
      yield* Effect.replicateEffect(pass(60_000), 9)
      assert.deepInclude(yield* status, { open: 1 })
      yield* pass(60_000)
      yield* pass(1_000)
      assert.deepInclude(yield* status, { open: 0, opening: 0 })
      assert.strictEqual(server.count("destroy"), 1)
    })
  )

  it.scoped("is closed at the end of its lifetime, although nobody asks for it", () =>
    Effect.gen(function* () {
      const { earn, status } = yield* kept({ maxLifetime: Duration.minutes(30) })
      yield* earn("SELECT 1")
      yield* pass(26 * 60_000)
      assert.deepInclude(yield* status, { open: 1 })
      yield* pass(5 * 60_000)
      yield* pass(1_000)
      assert.deepInclude(yield* status, { open: 0 })
    })
  )
})

/** A real one: five connections, lanes, and a way to wait until a lane is there or gone. */
const world = (url: string, pool: object = {}) =>
  Effect.gen(function* () {
    const config = yield* DatabaseConfig.make({
      url,
      applicationName: "lane keeping",
      connectTimeout: "1 second",
      pool: { size: 5, ...pool }
    })
    const patient = { ...SharedLane.rules, quick: 60_000, stuck: 60_000 }
    const connections = yield* Connections.make(config, postgres, patient)
    const sql = yield* Effect.provide(Client.make(connections), Reactivity.layer)
    const open = (many: number) =>
      Effect.map(connections.pool.status, ({ lanes }) => lanes).pipe(
        Effect.repeat({
          until: (lanes) => lanes?.open === many,
          schedule: Schedule.intersect(Schedule.spaced("10 millis"), Schedule.recurs(2_000))
        }),
        Effect.zipRight(connections.pool.status),
        Effect.map(({ lanes }) => lanes)
      )
    yield* Effect.replicateEffect(sql`SELECT 1 AS one`, 3)
    yield* open(1)
    return { connections, sql, open }
  })

describe("an idle lane on a real server", () => {
  it.scopedLive("whose back end is killed is gone before anybody asks for it", () =>
    Effect.gen(function* () {
      const url = yield* freshDatabase
      const { connections, open, sql } = yield* world(url)
      yield* adminQuery("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", [
        new URL(url).pathname.slice(1)
      ])
      const lanes = yield* open(0)
      assert.deepInclude(lanes, { open: 0 })
      assert.deepInclude(lanes?.totals, { lost: 1, resent: 0, carried: 0 })
      // The pool's own has gone the same way.
      yield* Effect.repeat(connections.pool.status, {
        until: ({ checkedIn }) => checkedIn === 0,
        schedule: Schedule.intersect(Schedule.spaced("10 millis"), Schedule.recurs(2_000))
      })
      assert.deepStrictEqual(yield* sql`SELECT 1 AS one`, [{ one: 1 }])
    })
  )

  it.scopedLive("that fell into a black hole is found out by the keep-alive, before anybody asks for it", () =>
    Effect.gen(function* () {
      const url = yield* freshDatabase
      const way = yield* proxy(url)
      const { open } = yield* world(way.through(url), { keepAlive: "100 millis" })
      way.all("hole")
      const lanes = yield* open(0)
      assert.deepInclude(lanes, { open: 0 })
      assert.deepInclude(lanes?.totals, { carried: 0, resent: 0 })
    })
  )
})
