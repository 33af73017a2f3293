/** What a person learns of this process on its database, and that nobody is asked for it. */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { Database, DatabaseError, Diagnostics, Transaction } from "effect-aquifer"
import { postgres, sqlite } from "../contract/products.js"

const nobody = Database.layer({
  url: "postgres://somebody:cAnArY@127.0.0.1:1/nowhere",
  connect: "lazy",
  profile: "development",
  applicationName: "mine"
})

const use = Effect.flatMap(SqlClient.SqlClient, (sql) => DatabaseError.refine(sql`SELECT 1`))

describe("info", () => {
  it.scopedLive("of a database that is not there yet, then of one that could not be reached", () =>
    Effect.gen(function* () {
      const before = yield* Diagnostics.info
      expect(before).toMatchObject({
        processId: process.pid,
        threadId: 0,
        product: "postgresql",
        database: "postgres://somebody:***@127.0.0.1:1/nowhere",
        profile: "development",
        applicationName: "mine",
        initialised: false,
        sessionsOpened: 0,
        connectionFailures: 0,
        pool: { size: 5, checkedOut: 0, checkedIn: 0, overflow: 0, invalidated: 0 }
      })
      yield* Effect.flip(use)
      const after = yield* Diagnostics.info
      expect(after.initialised).toBe(false)
      expect(after.connectionFailures).toBeGreaterThanOrEqual(1)
      expect(JSON.stringify(after)).not.toContain("cAnArY")
    }).pipe(Effect.provide(nobody))
  )

  it.scopedLive.each([postgres, sqlite])("of one that works ($name)", (product) =>
    Effect.gen(function* () {
      const options = yield* product.address
      yield* Effect.gen(function* () {
        yield* use
        const { initialised, pool, sessionsOpened } = yield* Diagnostics.info
        expect([initialised, pool.checkedIn >= 1, sessionsOpened]).toEqual([true, true, pool.totals.opened])
      }).pipe(Effect.provide(Database.layer(options)))
    })
  )

  it("names the worker the environment names", () => {
    const worker = (entries: ReadonlyArray<readonly [string, string]>) =>
      Effect.runSync(
        Effect.provide(Diagnostics.info, Database.layer({ url: "sqlite::memory:" })).pipe(
          Effect.map(({ workerId }) => workerId),
          Effect.withConfigProvider(ConfigProvider.fromMap(new Map(entries)))
        )
      )
    expect(worker([["PYTEST_XDIST_WORKER", "gw3"]])).toBe("gw3")
    expect(worker([])).toBe(undefined)
  })
})

describe("counters", () => {
  it.scopedLive("count what the pool did and how often transactions were run again", () =>
    Effect.gen(function* () {
      const before = yield* Diagnostics.counters
      expect(Object.keys(before)).toEqual(
        expect.arrayContaining([
          "pool.acquired",
          "pool.opened",
          "pool.closed",
          "pool.timeouts",
          "pool.failures",
          "pool.invalidated"
        ])
      )
      yield* Effect.replicateEffect(use, 5)
      const conflict = new DatabaseError.SerializationError({ operation: "execute", reason: "again" })
      yield* Effect.flip(
        Transaction.run(Effect.zipRight(use, Effect.fail(conflict)), {
          retry: { maxRetries: 2, baseDelay: "1 millis" }
        })
      )
      const after = yield* Diagnostics.counters
      const grown = (name: string) => (after[name] ?? 0) - (before[name] ?? 0)
      expect(grown("pool.acquired")).toBe(8)
      expect(grown("aquifer.transaction.retries")).toBe(2)
      expect(grown("pool.timeouts") + grown("pool.failures")).toBe(0)
    }).pipe(Effect.provide(Database.layer({ url: "sqlite::memory:", profile: "development" })))
  )
})
