/** The pools of real products: where there is one session only, and where there are two pools. */
import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { Database, DatabaseError, Pool } from "effect-aquifer"
import * as Connections from "../../src/connection/Connections.js"
import { sqlite } from "../contract/products.js"

const memory = { url: "sqlite::memory:" }

it.live("a database in memory keeps its tables when every connection is evicted", () =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const pool = yield* Pool.Pool
    yield* sql`CREATE TABLE kept (id INTEGER PRIMARY KEY)`
    yield* sql`INSERT INTO kept VALUES (1)`
    yield* pool.evictAll
    expect(yield* sql`SELECT id FROM kept`).toEqual([{ id: 1 }])
    expect((yield* pool.status).totals.opened).toBe(1)
  }).pipe(Effect.provide(Database.layer(memory)))
)

it.live("a database in memory keeps its tables when its session cannot be cleaned as it should be", () =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`INSERT INTO kept VALUES (1)`
    // Resets the session on its way back, and onConnect cannot be done twice.
    yield* sql`CREATE TEMPORARY TABLE passing (id INTEGER)`
    expect(yield* sql`SELECT id FROM kept`).toEqual([{ id: 1 }])
    expect((yield* Effect.flatMap(Pool.Pool, (pool) => pool.status)).totals.opened).toBe(1)
  }).pipe(
    // The pool says each time that it could not.
    Effect.provide(
      Database.layer({
        ...memory,
        pool: { onConnect: ["CREATE TABLE kept (id INTEGER PRIMARY KEY)"], resetOnReturn: "discard" }
      })
    ),
    Logger.withMinimumLogLevel(LogLevel.None)
  )
)

it.scoped(
  "the writer's and the readers' pool wait for what is out of them at the same time, not one after the other",
  () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(Database.layer(yield* sqlite.address), scope)
      const { lease } = yield* Connections.of(Context.get(context, SqlClient.SqlClient))
      yield* lease("write").acquire
      yield* lease("read").acquire
      const ending = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("9 seconds")
      expect(ending.unsafePoll()).toBe(null)
      yield* TestClock.adjust("1 second")
      expect(Exit.isSuccess(yield* Fiber.await(ending))).toBe(true)
    })
)

it.scopedLive("the writer's and the readers' pool end together, and each gives back what it had", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(Database.layer(yield* sqlite.address), scope)
    const pool = Context.get(context, Pool.Pool)
    yield* Effect.provide(
      Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT 1 AS one`),
      context
    )
    const { totals } = yield* pool.status
    expect(totals.opened).toBe(2)
    yield* Scope.close(scope, Exit.void)
    expect(yield* pool.status).toMatchObject({ checkedIn: 0, checkedOut: 0, totals: { closed: 2 } })
  })
)

it.scoped("the options reach the pool: what is held for too long is counted, and an overloaded pool says so", () =>
  Effect.gen(function* () {
    const { url } = yield* sqlite.address
    const pool = { leakThreshold: "3 seconds", queueTarget: "50 millis" } as const
    const context = yield* Layer.build(Database.layer({ url, pool }))
    const sql = Context.get(context, SqlClient.SqlClient)
    const held = (yield* Connections.of(sql)).lease("write")
    yield* held.acquire
    yield* TestClock.adjust("1 second")
    const waiter = yield* Effect.fork(Effect.flip(DatabaseError.refine(sql`CREATE TABLE late (id INTEGER)`)))
    yield* Effect.yieldNow()
    yield* TestClock.adjust("1 second")
    yield* TestClock.adjust("1 second")
    expect((yield* Fiber.join(waiter))._tag).toBe("PoolOverloaded")
    expect((yield* Context.get(context, Pool.Pool).status).totals).toMatchObject({ leaks: 1, shed: 1, timeouts: 0 })
    yield* held.close
  }).pipe(Logger.withMinimumLogLevel(LogLevel.None))
)
