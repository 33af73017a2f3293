/** As much of CockroachDB's dialect as PostgreSQL can play the server of: the savepoint, the lease, statement by statement. */
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { Database, DatabaseError, Health, Listen, MigrationError, Migrator, Transaction } from "effect-aquifer"
import { Faults } from "effect-aquifer/testing"
import * as Connections from "../../../src/connection/Connections.js"
import * as Interposed from "../../../src/connection/Interposed.js"
import type { DriverConnection } from "../../../src/Dialect.js"
import { folder, ledger, put, table } from "../../migration/support.js"
import { proxy } from "../../support/proxy.js"
import { freshDatabase, query } from "../../support/server.js"
import { disguised, freshDisguise } from "./disguise.js"

const raise = `DO $$ BEGIN RAISE EXCEPTION 'restart transaction' USING errcode = '40001'; END $$`

const client = (url: string, options: Partial<Database.Options> = {}) =>
  Database.layer({ url, profile: "test", retry: { conflict: { baseDelay: "1 millis" } }, ...options })

/** What a database says of itself, past everything under test. */
const onFresh = <A, E>(
  use: (url: string, direct: string) => Effect.Effect<A, E, SqlClient.SqlClient>,
  options?: Partial<Database.Options>
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const direct = yield* freshDatabase
      const { cockroachdb } = yield* disguised(direct)
      return yield* Effect.provide(use(cockroachdb, direct), client(cockroachdb, options))
    })
  )

describe("the savepoint", () => {
  it.live("begins a conflict again in the very same transaction, and keeps nothing of the try before", () =>
    onFresh(() =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE t (id INTEGER PRIMARY KEY)`
        const where: Array<unknown> = []
        yield* Transaction.run(
          Effect.gen(function* () {
            const [row] = yield* sql`SELECT pg_current_xact_id()::text AS id, pg_backend_pid() AS pid`
            where.push(row)
            const n = yield* Transaction.attempt
            yield* sql`INSERT INTO t VALUES (${n})`
            yield* Effect.ignore(
              Transaction.savepoint(Effect.zipRight(sql`INSERT INTO t VALUES (100)`, Effect.fail("no")))
            )
            yield* Transaction.savepoint(sql`INSERT INTO t VALUES (${n + 10})`)
            if (n < 3) yield* sql.unsafe(raise)
          })
        )
        assert.strictEqual(where.length, 3)
        assert.deepStrictEqual([where[1], where[2]], [where[0], where[0]])
        assert.deepStrictEqual(yield* sql`SELECT id FROM t ORDER BY id`, [{ id: 3 }, { id: 13 }])
      })
    )
  )

  it.live("does not stand in the way of a conflict met behind its release: that begins a new transaction", () =>
    onFresh((_, direct) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* query(
          direct,
          `CREATE TABLE t (id INTEGER PRIMARY KEY);
           CREATE SEQUENCE commits;
           CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN IF nextval('commits') = 1 THEN RAISE EXCEPTION 'no' USING errcode = '40001'; END IF; RETURN NULL; END $$;
           CREATE CONSTRAINT TRIGGER refusing AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`
        )
        const ids: Array<unknown> = []
        yield* Transaction.run(
          Effect.gen(function* () {
            yield* sql`INSERT INTO t VALUES (1)`
            ids.push((yield* sql`SELECT pg_current_xact_id()::text AS id`)[0]?.id)
          })
        )
        assert.strictEqual(new Set(ids).size, 2)
        assert.deepStrictEqual(yield* sql`SELECT id FROM t`, [{ id: 1 }])
      })
    )
  )

  it.scopedLive("leaves a COMMIT whose answer is lost unknown, and repeats nothing", () =>
    Effect.gen(function* () {
      const direct = yield* freshDatabase
      const line = yield* proxy(direct)
      const { cockroachdb } = yield* disguised(line.through(direct))
      yield* query(direct, "CREATE TABLE t (id INTEGER)")
      const error = yield* Effect.provide(
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* sql`SELECT 1`
          line.next("cut after")
          return DatabaseError.from(yield* Effect.flip(Transaction.run(sql`INSERT INTO t VALUES (1)`)))
        }),
        client(cockroachdb)
      )
      assert.strictEqual(error._tag, "CommitUnknown")
      assert.strictEqual(line.counts["cut after"], 1)
      assert.strictEqual((yield* query(direct, "SELECT id FROM t")).length, 1)
    })
  )

  it.live("lets a repeat behind CommitUnknown find the first result (once)", () =>
    onFresh(() =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE t (id INTEGER)`
        const work = Transaction.once("key")(Effect.as(sql`INSERT INTO t VALUES (1)`, "done"))
        assert.deepStrictEqual([yield* work, yield* work], ["done", "done"])
        assert.strictEqual((yield* sql`SELECT id FROM t`).length, 1)
      })
    )
  )
})

describe("an injected fault", () => {
  it.scopedLive("finds the COMMIT behind the release", () =>
    Effect.gen(function* () {
      const direct = yield* freshDatabase
      yield* query(direct, "CREATE TABLE t (id INTEGER)")
      const { cockroachdb } = yield* disguised(direct)
      const run = Effect.flatMap(SqlClient.SqlClient, (sql) => Transaction.run(sql`INSERT INTO t VALUES (1)`))
      const faulty = (fault: Faults.Fault) =>
        Effect.exit(Effect.provide(run, Faults.layer(client(cockroachdb), [fault])))
      assert.isTrue(Exit.isSuccess(yield* faulty(Faults.commit(1).fails("SerializationError"))))
      assert.strictEqual((yield* query(direct, "SELECT id FROM t")).length, 1)
      const lost = yield* faulty(Faults.commit(1).loses("after"))
      assert.strictEqual(Exit.isFailure(lost) && DatabaseError.find(Cause.squash(lost.cause))?._tag, "CommitUnknown")
      assert.strictEqual((yield* query(direct, "SELECT id FROM t")).length, 2)
    })
  )
})

describe("what there is not", () => {
  it.live("LISTEN is refused before anything is sent", () =>
    onFresh(() =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Stream.runDrain(Listen.channel("channel")))
        assert.strictEqual(DatabaseError.from(error)._tag, "UnsupportedError")
      })
    )
  )

  it.live("lanes: quick reads travel on the pool's own connections", () =>
    onFresh(
      () =>
        Effect.gen(function* () {
          const connections = yield* Effect.flatMap(SqlClient.SqlClient, Connections.of)
          assert.strictEqual((yield* connections.pool.status).lanes, undefined)
        }),
      { pool: { size: 5, maxOverflow: 0 } }
    )
  )
})

describe("what the server says of itself", () => {
  it.live("is asked in words that both servers know", () =>
    onFresh(() =>
      Effect.gen(function* () {
        const { config, dialect, own } = yield* Effect.flatMap(SqlClient.SqlClient, Connections.of)
        assert.strictEqual((yield* Health.check).product, "cockroachdb")
        const checks = yield* Effect.scoped(
          Effect.flatMap(own, (own) => dialect.admin?.checkup(own, config) ?? Effect.succeed([]))
        )
        assert.deepStrictEqual(
          checks.map(({ name, verdict }) => `${name}: ${verdict}`),
          [
            // It is PostgreSQL that answers here.
            "version: wrong",
            "tables: fine",
            "role: fine",
            "isolation: fine",
            "schema changes: fine",
            "clock: fine",
            "encryption: fine"
          ]
        )
      })
    )
  )
})

const five = Object.fromEntries(["a", "b", "c", "d", "e"].map((name, i) => [`${i + 1}_${name}.sql`, table(name)]))

describe("migrations", () => {
  it.live("are applied by one of many runners, under a lease and no advisory lock, and taken back", () =>
    onFresh((url) =>
      Effect.gen(function* () {
        const directory = yield* folder(five)
        const sql = yield* SqlClient.SqlClient
        const run = Effect.provide(Migrator.up({ directory }), client(url))
        const reports = yield* Effect.all(
          Array.from({ length: 6 }, () => run),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(reports.map((report) => report.applied.length).sort(), [0, 0, 0, 0, 0, 5])
        assert.deepStrictEqual(
          yield* ledger,
          ["1", "2", "3", "4", "5"].map((id) => `${id} applied 1`)
        )
        const [lease] = yield* sql`SELECT expires_at < clock_timestamp() AS over FROM aquifer_migrations_lock`
        assert.deepStrictEqual(lease, { over: true })
        yield* Migrator.down({ directory, to: "base" })
        assert.deepStrictEqual(yield* ledger, [])
      }).pipe(Effect.scoped)
    )
  )

  it.live("go on behind the statement that failed: each is committed with the ledger's word for it", () =>
    onFresh(() =>
      Effect.gen(function* () {
        const text = (third: string) =>
          `-- migrate:up\nCREATE TABLE a (id integer);\nCREATE TABLE b (id integer);\n${third};\n`
        const directory = yield* folder({ "1_x.sql": text("CREATE TABLE a (id integer)") })
        const sql = yield* SqlClient.SqlClient
        const error = yield* Effect.flip(Migrator.up({ directory }))
        assert.isTrue(error instanceof MigrationError.MigrationError)
        assert.deepStrictEqual(yield* ledger, ["1 applying 2"])
        yield* put(directory, { "1_x.sql": text("CREATE TABLE c (id integer)") })
        yield* Migrator.up({ directory })
        assert.deepStrictEqual(yield* ledger, ["1 applied 3"])
        assert.strictEqual((yield* sql`SELECT 1 FROM a, b, c`).length, 0)
      }).pipe(Effect.scoped)
    )
  )

  it.scopedLive("whose COMMIT fails behind the ledger's word (XXA00) take that word back", () =>
    Effect.gen(function* () {
      const { cockroachdb } = yield* freshDisguise
      const directory = yield* folder({
        "1_x.sql": "-- migrate:up\nCREATE TABLE a (id integer);\nCREATE TABLE b (id integer);\n"
      })
      let second = false
      // Committed, and the schema change undone behind it: what CockroachDB then answers.
      const aborting = (connection: DriverConnection): DriverConnection => ({
        ...connection,
        script: (text) =>
          Effect.suspend(() => {
            second ||= text.includes("CREATE TABLE b")
            if (text !== "COMMIT" || !second) return connection.script(text)
            second = false
            return Effect.flatMap(connection.script("COMMIT; DROP TABLE b"), () =>
              Effect.fail(new DatabaseError.UnknownError({ operation: "commit", reason: "aborted", sqlState: "XXA00" }))
            )
          })
      })
      const error = yield* Migrator.up({ directory }).pipe(
        Effect.flip,
        Effect.zipLeft(Effect.map(ledger, (rows) => assert.deepStrictEqual(rows, ["1 applying 1"]))),
        Effect.provide(client(cockroachdb)),
        Effect.locally(Interposed.interposer, (_, dialect) =>
          Effect.succeed({
            dialect: { ...dialect, connect: (config, role) => Effect.map(dialect.connect(config, role), aborting) },
            lease: ({ lease }) => lease
          })
        )
      )
      assert.strictEqual(DatabaseError.find(error)?.sqlState, "XXA00")
      yield* Effect.provide(Migrator.up({ directory }), client(cockroachdb))
    })
  )

  it.live("are told what XXA00 means, and never repeated", () =>
    onFresh(() =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        let tries = 0
        const fails = Effect.suspend(() => {
          tries++
          return sql.unsafe(`DO $$ BEGIN RAISE EXCEPTION 'transaction committed' USING errcode = 'XXA00'; END $$`)
        })
        const error = DatabaseError.from(yield* Effect.flip(Transaction.run(fails)))
        assert.deepStrictEqual([error.sqlState, error.recovery, tries], ["XXA00", "never", 1])
        assert.include(error.message, "committed, all but its schema change")
      })
    )
  )

  it.scopedLive("of a runner that has lost its lease write nothing any more", () =>
    Effect.gen(function* () {
      const { cockroachdb } = yield* freshDisguise
      const exit = yield* Effect.provide(
        Effect.gen(function* () {
          const { config, dialect, own } = yield* Effect.flatMap(SqlClient.SqlClient, Connections.of)
          const sql = yield* SqlClient.SqlClient
          const session = yield* own
          const lock = yield* dialect.migrationLock(session, "ledger", config)
          yield* lock.fence
          const other = yield* Effect.flip(
            Effect.flatMap(own, (second) => dialect.migrationLock(second, "ledger", config))
          )
          assert.strictEqual(other._tag, "LockTimeoutError")
          assert.include(other.detail ?? "", "its lease ends in")
          assert.deepStrictEqual(
            (yield* session.run({ text: "SHOW statement_timeout", params: [], prepare: false, rows: "arrays" })).rows,
            [["0"]]
          )
          yield* sql`UPDATE ledger_lock SET token = token + 1`
          return yield* Effect.exit(lock.fence)
        }),
        client(cockroachdb, { statementTimeout: "7 seconds" })
      )
      assert.isTrue(Exit.isFailure(exit))
    })
  )

  it.live("whose lock meets a conflict ask again, and a session is given back as it was", () =>
    onFresh(
      () =>
        Effect.gen(function* () {
          const { config, dialect, own } = yield* Effect.flatMap(SqlClient.SqlClient, Connections.of)
          const session = yield* own
          const limit = Effect.map(
            session.run({ text: "SHOW statement_timeout", params: [], prepare: false, rows: "arrays" }),
            ({ rows }) => rows[0]?.[0]
          )
          const losing: DriverConnection = {
            ...session,
            run: (request) =>
              request.text.startsWith("INSERT")
                ? Effect.fail(new DatabaseError.SerializationError({ operation: "execute", reason: "lost" }))
                : session.run(request)
          }
          const asked = (connection: DriverConnection, told = true) =>
            Effect.scoped(dialect.migrationLock(connection, "ledger", told ? config : undefined))
          assert.strictEqual((yield* Effect.flip(asked(losing)))._tag, "LockTimeoutError")
          assert.strictEqual((yield* Effect.flip(asked(session, false)))._tag, "UnsupportedError")
          yield* Effect.scoped(
            Effect.zipRight(
              dialect.migrationLock(session, "ledger", config),
              Effect.map(limit, (found) => assert.strictEqual(found, "0"))
            )
          )
          // DISCARD ALL brings back what the startup packet said.
          assert.strictEqual(yield* limit, "7s")
        }).pipe(Effect.scoped),
      { statementTimeout: "7 seconds" }
    )
  )
})
