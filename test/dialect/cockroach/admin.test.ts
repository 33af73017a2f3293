/** What is done to a cluster from outside, and what its answers are taken to mean; the server is a list of answers. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { DatabaseConfig } from "effect-aquifer"
import type { DriverConnection, Row } from "../../../src/Dialect.js"
import { activityOf, admin, dropDatabase } from "../../../src/dialect/cockroach/admin.js"
import { checkup } from "../../../src/dialect/cockroach/checkup.js"
import { kind } from "../../../src/dialect/cockroach/kind.js"
import { versionOf, vitals } from "../../../src/dialect/cockroach/vitals.js"

/** A session that answers this, and is asked nothing else. */
const answering = (rows: ReadonlyArray<Row>) =>
  ({
    run: () => Effect.succeed({ rows, tag: "SELECT", count: rows.length, raw: undefined })
  }) as unknown as DriverConnection

const healthy = {
  version: "CockroachDB CCL v25.4.1 (x86_64-pc-linux-gnu, built 2025/12/16 19:50:28, go1.23.12)",
  role: "app",
  schema: "public",
  now: 0,
  mayCreate: true,
  isolation: "serializable",
  autocommit: "off"
}

const verdicts = (row: Partial<Record<keyof typeof healthy, unknown>>, options: Partial<DatabaseConfig.Options> = {}) =>
  Effect.gen(function* () {
    const config = yield* DatabaseConfig.make({ url: "cockroachdb://app@db.example/x?sslmode=verify-full", ...options })
    const checks = yield* checkup(answering([{ ...healthy, ...row }]), config)
    for (const check of checks) assert.isTrue(check.verdict === "fine" || check.remedy !== undefined, check.name)
    return Object.fromEntries(checks.map(({ name, verdict }) => [name, verdict]))
  })

describe("doctor", () => {
  it.effect("finds nothing where everything is as it should be", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(new Set(Object.values(yield* verdicts({}))), new Set(["fine"]))
    })
  )

  it.effect("finds what is wrong, and says what to do", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* verdicts({ version: "PostgreSQL 18.0 on x86_64" })).version, "wrong")
      assert.strictEqual((yield* verdicts({ version: "CockroachDB CCL v21.2.9 (linux)" })).version, "note")
      assert.strictEqual((yield* verdicts({ version: "CockroachDB CCL v22.1.0 (linux)" })).version, "fine")
      assert.strictEqual((yield* verdicts({ mayCreate: false })).tables, "wrong")
      assert.strictEqual((yield* verdicts({ autocommit: "on" }))["schema changes"], "note")
      assert.strictEqual((yield* verdicts({ role: "root" }, { profile: "production" })).role, "note")
      assert.strictEqual((yield* verdicts({ now: 9e15 })).clock, "note")
      assert.strictEqual(
        (yield* verdicts({}, { url: "cockroachdb://a@db.example/x?sslmode=disable" })).encryption,
        "note"
      )
      assert.strictEqual(
        (yield* verdicts({}, { url: "cockroachdb://a@localhost/x?sslmode=disable" })).encryption,
        "fine"
      )
    })
  )
})

describe("vitals", () => {
  it.effect("tell the version alone", () =>
    Effect.gen(function* () {
      const found = yield* vitals(answering([{ version: healthy.version, database: "x", isolation: "serializable" }]))
      assert.deepStrictEqual(found, { version: "25.4.1", database: "x", isolation: "serializable" })
      assert.strictEqual(versionOf("something else"), "something else")
    })
  )
})

describe("from outside", () => {
  it("a database goes with all that is in it", () => {
    assert.strictEqual(dropDatabase('my"db'), 'DROP DATABASE IF EXISTS "my""db" CASCADE')
  })

  it.effect("the cluster's own databases are never dropped", () =>
    Effect.gen(function* () {
      for (const name of ["system", "postgres", "defaultdb"]) {
        // Nobody listens there: it is refused before anybody is asked.
        const config = yield* DatabaseConfig.make({ url: `cockroachdb://root@127.0.0.1:1/${name}` })
        assert.strictEqual((yield* Effect.flip(admin.drop(config)))._tag, "UnsupportedError")
      }
    })
  )

  it.effect("sessions are those of our name, without the one that asks and without their texts", () =>
    Effect.gen(function* () {
      const session = (id: string, more: Record<string, unknown>) => ({
        node_id: "1",
        session_id: id,
        user_name: "app",
        client_address: "10.0.0.7:50314",
        application_name: "aquifer 1",
        active_queries: "",
        last_active_query: "SELECT 'secret'",
        kv_txn: null,
        ...more
      })
      const found = yield* admin.activity(
        answering([
          session("b", { active_queries: "UPDATE t SET a = 'secret'", kv_txn: "0e1f" }),
          session("a", {}),
          session("c", { application_name: "other" }),
          session("d", { active_queries: "SHOW CLUSTER SESSIONS" })
        ]),
        "aquifer"
      )
      assert.deepStrictEqual(
        found.map(({ client, id, state }) => ({ client, id, state })),
        [
          { client: "10.0.0.7", id: "a", state: "idle" },
          { client: "10.0.0.7", id: "b", state: "active in transaction" }
        ]
      )
      assert.notInclude(JSON.stringify(found), "secret")
      assert.strictEqual(activityOf({ session_id: "x" }).state, "idle")
    })
  )
})

describe("the kind of a text", () => {
  it("is PostgreSQL's, but for jobs that run in no other transaction", () => {
    assert.strictEqual(kind("SELECT 1"), "read")
    assert.strictEqual(kind("INSERT INTO t VALUES (1)"), "write")
    assert.strictEqual(kind("BACKUP INTO 'external://b'"), "session")
    assert.strictEqual(kind("CREATE CHANGEFEED FOR t INTO 'kafka://k'"), "session")
    assert.strictEqual(kind("CREATE TABLE backup (id INT)"), "write")
  })
})
