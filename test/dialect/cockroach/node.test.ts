/** What only a live node can show: its own conflicts, its schema changes, its catalogue. Runs where `COCKROACH_TEST_URL` names one. */
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { Database, Health, Migrator, Transaction } from "effect-aquifer"
import * as Connections from "../../../src/connection/Connections.js"
import { folder, table } from "../../migration/support.js"
import { freshOn, nodeUrl } from "./node.js"

const client = (url: string, options: Partial<Database.Options> = {}) =>
  Database.layer({ url, profile: "development", pool: { size: 8, maxOverflow: 0 }, ...options })

const suite = (nodeUrl: string) => {
  const promise = (
    title: string,
    body: (url: string) => Effect.Effect<unknown, unknown, SqlClient.SqlClient | Scope.Scope>,
    parameters = ""
  ) =>
    it.scopedLive(
      title,
      () =>
        Effect.flatMap(freshOn(nodeUrl), (url) => {
          const at = parameters === "" ? url : `${url}${url.includes("?") ? "&" : "?"}${parameters}`
          return Effect.provide(body(at), client(at))
        }),
      60_000
    )

  promise(
    "retry errors the server injects are begun again on the same connection",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        let tries = 0
        yield* sql`CREATE TABLE t (id INT PRIMARY KEY)`
        yield* Transaction.run(
          Effect.gen(function* () {
            tries = yield* Transaction.attempt
            yield* sql`INSERT INTO t VALUES (1)`
          })
        )
        assert.isAbove(tries, 1)
        assert.strictEqual((yield* sql`SELECT id FROM t`).length, 1)
      }),
    "options=-c%20inject_retry_errors_enabled%3Don"
  )

  promise("many fibers count one row up, and no count is lost", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE t (id INT4 PRIMARY KEY, n INT4 NOT NULL)`
      yield* sql`INSERT INTO t VALUES (1, 0)`
      const up = Transaction.run(
        Effect.flatMap(
          sql<{ n: number }>`SELECT n FROM t WHERE id = 1`,
          ([row]) => sql`UPDATE t SET n = ${(row?.n ?? 0) + 1} WHERE id = 1`
        ),
        { retry: { maxRetries: 50, baseDelay: "5 millis" } }
      )
      yield* Effect.all(
        Array.from({ length: 32 }, () => up),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(yield* sql`SELECT n FROM t`, [{ n: 32 }])
    })
  )

  promise("a statement is cancelled, and its connection good", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const begun = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(Effect.zipRight(Deferred.succeed(begun, undefined), sql`SELECT pg_sleep(60)`))
      yield* Deferred.await(begun)
      yield* Effect.sleep("300 millis")
      const [took] = yield* Effect.timed(Fiber.interrupt(fiber))
      assert.isBelow(Duration.toSeconds(took), 30)
      yield* sql`SELECT 1`
    })
  )

  promise("migrations are applied by one of many runners, and taken back", (url) =>
    Effect.gen(function* () {
      const directory = yield* folder({ "1_a.sql": table("a"), "2_b.sql": table("b") })
      const run = Effect.provide(Migrator.up({ directory }), client(url))
      const reports = yield* Effect.all([run, run, run], { concurrency: "unbounded" })
      assert.deepStrictEqual(reports.map((report) => report.applied.length).sort(), [0, 0, 2])
      yield* Migrator.down({ directory, to: "base" })
    })
  )

  promise("the catalogue is read without what the server hides, and says its product", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE t (a INT4 NOT NULL DEFAULT 7, b STRING UNIQUE, CONSTRAINT c CHECK (a > 0))`
      yield* sql`CREATE INDEX by_a ON t (a)`
      const { config, dialect, own } = yield* Effect.flatMap(SqlClient.SqlClient, Connections.of)
      const session = yield* own
      const [found] = (yield* dialect.inspect(session)).tables
      assert.deepStrictEqual(
        found?.columns.map(({ name, type }) => `${name} ${type}`),
        ["a integer", "b text"]
      )
      assert.strictEqual(found?.primaryKey, undefined)
      assert.deepStrictEqual(
        found?.indexes.map(({ columns, name }) => `${name} ${columns}`),
        ["by_a a"]
      )
      assert.strictEqual((yield* Health.check).product, "cockroachdb")
      const checks = yield* dialect.admin?.checkup(session, config) ?? Effect.succeed([])
      assert.isFalse(checks.some(({ verdict }) => verdict === "wrong"))
      const sessions = yield* dialect.admin?.activity(session, config.applicationName) ?? Effect.succeed([])
      assert.isAbove(sessions.length, 0)
    })
  )
}

if (nodeUrl === undefined) {
  describe("a live node", () => {
    it.skip("shows what PostgreSQL cannot (needs COCKROACH_TEST_URL: the address of a live node)", () => undefined)
  })
} else {
  const url = nodeUrl
  describe("a live node", () => suite(url))
}
