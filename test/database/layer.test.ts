/** The front door on both products: when it connects, what it shares, what it closes, and what its options reach. */
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import {
  Database,
  DatabaseConfig,
  DatabaseError,
  DatabaseLive,
  Dialect,
  Health,
  Pool,
  Transaction
} from "effect-aquifer"
import { postgres, sqlite, sqliteMemory, temporaryFolder } from "../contract/products.js"
import { closedPort } from "../errors/postgresDoor.js"
import { query, scratchServer } from "../support/server.js"

const products = [sqlite, sqliteMemory, postgres]

const database = (product: (typeof products)[number], more: Partial<Database.Options> = {}) =>
  Effect.map(product.address, (options) => Database.layer({ ...options, ...more }))

const one = Effect.flatMap(SqlClient.SqlClient, (sql) => sql<{ one: number }>`SELECT 1 AS one`)

describe.each(products)("$name", (product) => {
  it.scopedLive(
    "provides the client, the product, the pool and the configuration, and nothing is open after its end",
    () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const context = yield* Layer.buildWithScope(yield* database(product), scope)
        expect(yield* Effect.provide(one, context)).toEqual([{ one: 1 }])
        expect(Context.get(context, Dialect.Dialect).name.slice(0, 5)).toBe(product.name.toLowerCase().slice(0, 5))
        expect(Context.get(context, DatabaseConfig.DatabaseConfig).profile).toBe("development")
        const pool = Context.get(context, Pool.Pool)
        expect((yield* pool.status).totals.opened).toBeGreaterThanOrEqual(1)
        yield* Scope.close(scope, Exit.void)
        const { checkedIn, checkedOut, opening, totals } = yield* pool.status
        expect([checkedIn, checkedOut, opening, totals.opened - totals.closed]).toEqual([0, 0, 0, 0])
        const after = yield* Effect.flip(DatabaseError.refine(Effect.provide(one, context)))
        expect(after._tag).toBe("PoolClosed")
      })
  )

  it.scopedLive("eager proves one connection while it is built, lazy opens none before the first use", () =>
    Effect.gen(function* () {
      const opened = Effect.map(
        Effect.flatMap(Pool.Pool, (pool) => pool.status),
        ({ totals }) => totals.opened
      )
      expect(yield* Effect.provide(opened, yield* database(product))).toBe(1)
      const lazy = yield* database(product, { connect: "lazy" })
      expect(yield* Effect.provide(Effect.all([opened, Effect.asVoid(one), opened]), lazy)).toEqual([
        0,
        undefined,
        expect.toSatisfy((count: number) => count >= 1)
      ])
    })
  )

  it.scopedLive("one layer value in many places is one pool, closed once", () =>
    Effect.gen(function* () {
      const layer = yield* database(product)
      class Users extends Context.Tag("test/Users")<Users, Pool.Pool>() {}
      class Orders extends Context.Tag("test/Orders")<Orders, Pool.Pool>() {}
      const both = Layer.mergeAll(
        Layer.provide(Layer.effect(Users, Pool.Pool), layer),
        Layer.provide(Layer.effect(Orders, Pool.Pool), layer),
        layer
      )
      const pool = yield* Effect.provide(
        Effect.flatMap(Effect.all([Users, Orders, Pool.Pool]), ([users, orders, pool]) => {
          expect(users).toBe(pool)
          expect(orders).toBe(pool)
          return Effect.as(one, pool)
        }),
        both
      )
      const { totals } = yield* pool.status
      expect(totals.closed).toBe(totals.opened)
    })
  )

  it.scopedLive("two databases in one program keep their tables and transactions to themselves", () =>
    Effect.gen(function* () {
      class Other extends Context.Tag("test/Other")<Other, SqlClient.SqlClient>() {}
      const other = Layer.provide(Layer.effect(Other, SqlClient.SqlClient), Layer.fresh(yield* database(product)))
      const program = Effect.gen(function* () {
        const here = yield* SqlClient.SqlClient
        const there = yield* Other
        yield* here`CREATE TABLE t (a INTEGER)`
        yield* there`CREATE TABLE t (a INTEGER)`
        yield* Effect.ignore(
          Transaction.run(
            here`INSERT INTO t VALUES (1)`.pipe(
              Effect.zipRight(there`INSERT INTO t VALUES (2)`),
              Effect.zipRight(Effect.fail("undone here alone"))
            )
          )
        )
        return [yield* here`SELECT a FROM t`, yield* there`SELECT a FROM t`]
      })
      const [here, there] = yield* Effect.provide(program, Layer.merge(yield* database(product), other))
      expect([here, there]).toEqual([[], [{ a: 2 }]])
    })
  )

  it.scopedLive("onConnect runs once on every new connection, before anybody uses it", () =>
    Effect.gen(function* () {
      const statements = ["CREATE TEMPORARY TABLE mine (a INTEGER)", "INSERT INTO mine VALUES (7)"]
      const layer = yield* database(product, { pool: { size: 3, maxOverflow: 0, onConnect: statements } })
      const held = Effect.scoped(
        Effect.flatMap(SqlClient.SqlClient, (sql) =>
          Effect.flatMap(sql.reserve, (connection) => connection.execute("SELECT a FROM mine", [], undefined))
        )
      )
      const rows = yield* Effect.provide(
        Effect.all(Array(6).fill(held) as Array<typeof held>, { concurrency: 3 }),
        layer
      )
      expect(rows).toEqual(Array(6).fill([{ a: 7 }]))
    })
  )

  it.scopedLive("an onConnect statement that fails keeps the layer from being built, typed, and nothing open", () =>
    Effect.gen(function* () {
      const layer = yield* database(product, {
        pool: { onConnect: ["SELEC 1"] },
        retry: { connection: { maxRetries: 0 } }
      })
      const error = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
      expect(error._tag).toBe("SqlSyntaxError")
    })
  )

  it.scopedLive("a service on DatabaseLive is tested by providing another layer in its place", () =>
    Effect.gen(function* () {
      class Counter extends Effect.Service<Counter>()("test/Counter", {
        effect: Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* sql`CREATE TABLE IF NOT EXISTS counter (n INTEGER)`
          return {
            add: sql`INSERT INTO counter VALUES (1)`,
            count: Effect.map(sql<{ n: number }>`SELECT count(*) AS n FROM counter`, (rows) => Number(rows[0]?.n))
          }
        })
      }) {}
      const application = Effect.flatMap(Counter, (counter) => Effect.zipRight(counter.add, counter.count))
      const live: Layer.Layer<Counter, unknown> = Layer.provide(Counter.Default, DatabaseLive)
      const test: typeof live = Layer.provide(Counter.Default, yield* database(product))
      expect(yield* Effect.provide(application, test)).toBe(1)
    })
  )

  it.scopedLive("a ManagedRuntime waits like any other program, from its first call on", () =>
    Effect.gen(function* () {
      const runtime = ManagedRuntime.make(yield* database(product, { pool: { size: 1, maxOverflow: 0 } }))
      const program = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE t (a INTEGER)`
        const slow = (n: number) =>
          Transaction.run(Effect.zipRight(sql`INSERT INTO t VALUES (${n})`, Effect.sleep("20 millis")))
        const [report] = yield* Effect.all([Effect.delay(Health.check, "5 millis"), slow(1), slow(2), slow(3)], {
          concurrency: "unbounded"
        })
        const rows = yield* sql<{ n: number }>`SELECT count(*) AS n FROM t`
        return [report.status, Number(rows[0]?.n)]
      })
      expect(yield* Effect.promise(() => runtime.runPromise(program))).toEqual(["up", 3])
      expect(yield* Effect.promise(() => runtime.runPromise(Effect.map(Health.check, ({ status }) => status)))).toBe(
        "up"
      )
      yield* Effect.promise(() => runtime.dispose())
    })
  )

  it.scopedLive("the end of the layer waits for what is still running", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(yield* database(product), scope)
      const sql = Context.get(context, SqlClient.SqlClient)
      yield* sql`CREATE TABLE t (a INTEGER)`
      const working = yield* Effect.fork(
        Effect.provide(
          Transaction.run(
            Effect.zipRight(sql`INSERT INTO t VALUES (1)`, Effect.as(Effect.sleep("100 millis"), "done"))
          ),
          context
        )
      )
      yield* Effect.flatMap(Context.get(context, Pool.Pool).status, ({ checkedOut }) =>
        checkedOut > 0 ? Effect.void : Effect.fail("not yet")
      ).pipe(Effect.retry(Schedule.spaced("1 millis")))
      yield* Scope.close(scope, Exit.void)
      // No grace afterwards: it has ended by now.
      expect(yield* Effect.map(Fiber.poll(working), (exit) => exit._tag)).toBe("Some")
      expect(yield* Fiber.join(working)).toBe("done")
    })
  )
})

describe("PostgreSQL that is not there yet", () => {
  it.scopedLive("lazy is built, fails typed at the first use, and works once the server is there", () =>
    Effect.gen(function* () {
      const server = yield* scratchServer
      yield* server.stop
      const options = { url: server.url, connect: "lazy", profile: "development" } as const
      yield* Effect.gen(function* () {
        expect((yield* Effect.flip(DatabaseError.refine(one)))._tag).toBe("ConnectionError")
        yield* server.start
        expect(yield* one).toEqual([{ one: 1 }])
      }).pipe(Effect.provide(Database.layer(options)))
    })
  )

  it.scopedLive("eager fails while it is built, and leaves no session behind", () =>
    Effect.gen(function* () {
      const url = `postgres://nobody@127.0.0.1:${yield* closedPort}/nothing`
      const error = yield* Effect.flip(Effect.scoped(Layer.build(Database.layer({ url }))))
      expect([error._tag, "phase" in error && error.phase]).toEqual(["ConnectionError", "connect"])
    })
  )

  it.scopedLive("the server has no session of ours after the layer's end", () =>
    Effect.gen(function* () {
      const { url } = yield* postgres.address
      const layer = Database.layer({ url, profile: "development", applicationName: "counted", pool: { size: 3 } })
      const sessions = Effect.map(
        query(String(url), "SELECT pid FROM pg_stat_activity WHERE application_name = 'counted'"),
        (rows) => rows.length
      )
      const within = yield* Effect.provide(
        Effect.zipRight(Effect.all(Array(9).fill(one) as Array<typeof one>, { concurrency: 9 }), sessions),
        layer
      )
      expect(within).toBeGreaterThanOrEqual(1)
      yield* Effect.repeat(sessions, { until: (count) => count === 0, schedule: Schedule.spaced("10 millis") }).pipe(
        Effect.timeout("5 seconds")
      )
    })
  )
})

const atOnce = <A, E, R>(effect: Effect.Effect<ReadonlyArray<A>, E, R>) =>
  Effect.map(Effect.all([effect, effect, effect], { concurrency: 3 }), (all) => all.flat())

describe("SQLite", () => {
  it.scopedLive("its own functions are there on every connection, inside and outside of transactions", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const functions = { twice: (n: number) => n * 2, shout: (text: string) => text.toUpperCase() }
      const layer = Database.layer({ url: `sqlite:${join(folder, "x.db")}`, profile: "development", functions })
      const shouted = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT shout('a') AS a, twice(${21}) AS b`)
      const answers = yield* Effect.provide(Effect.all([shouted, Transaction.run(shouted), atOnce(shouted)]), layer)
      expect(answers.flat(2)).toEqual(Array(5).fill({ a: "A", b: 42 }))
    })
  )

  it.scopedLive("a function that throws is a DataError with its own error behind it", () =>
    Effect.gen(function* () {
      const own = new Error("mine")
      const functions = {
        fails: () => {
          throw own
        }
      }
      const layer = Database.layer({ url: "sqlite::memory:", functions })
      const failing = Effect.flatMap(SqlClient.SqlClient, (sql) => DatabaseError.refine(sql`SELECT fails()`))
      const error = yield* Effect.flip(Effect.provide(failing, layer))
      expect(error._tag).toBe("DataError")
      expect(error._tag === "DataError" && (error.cause as Error).cause).toBe(own)
    })
  )
})
