/** What PostgreSQL answers where two sessions meet, where limits end, and where a session is lost. */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { DatabaseConfig, Transaction } from "effect-aquifer"
import { adminQuery } from "../support/server.js"
import type { Case } from "./case.js"

const numbers = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE numbers (id integer PRIMARY KEY, n integer NOT NULL)`
  yield* sql`INSERT INTO numbers VALUES (1, 0), (2, 0)`
  return sql
})

/** Runs `first` in a transaction that stays open for the rest of the case. */
const held = (sql: SqlClient.SqlClient, first: Effect.Effect<unknown, unknown, SqlClient.SqlClient>) =>
  Effect.gen(function* () {
    const has = yield* Deferred.make<void>()
    yield* Effect.forkScoped(
      Transaction.run(Effect.zipRight(first, Effect.zipRight(Deferred.succeed(has, undefined), Effect.never)))
    )
    yield* Deferred.await(has)
    return sql
  })

const pidOf = (sql: SqlClient.SqlClient) =>
  Effect.map(sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`, (rows) => rows[0]?.pid)

/** Waits until a session of this database runs a statement with that mark, and gives its pid. */
const running = (mark: string) =>
  Effect.flatMap(DatabaseConfig.DatabaseConfig, ({ target }) =>
    adminQuery(
      `SELECT pid FROM pg_stat_activity
       WHERE datname = $1 AND state = 'active' AND query LIKE $2 AND pid <> pg_backend_pid()`,
      [target.database, `%${mark}%`]
    ).pipe(
      Effect.flatMap((rows) => (rows[0] === undefined ? Effect.fail("not yet" as const) : Effect.succeed(rows[0].pid))),
      Effect.retry(Schedule.spaced("10 millis")),
      Effect.timeout("10 seconds")
    )
  )

/** A statement that sleeps, and what somebody else does to its session meanwhile. */
const disturbed = (sql: SqlClient.SqlClient, disturb: string) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(sql`SELECT pg_sleep(20) AS disturbed`)
    yield* adminQuery(`SELECT ${disturb}($1)`, [yield* running("disturbed")])
    return yield* Fiber.join(fiber)
  })

/** Two transactions, each of which does `before`, waits for the other, and does `after`; the failure of the first to fail. */
const both = (half: (id: number, meet: Effect.Effect<void>) => Effect.Effect<unknown, unknown, SqlClient.SqlClient>) =>
  Effect.gen(function* () {
    const here = yield* Effect.all([Deferred.make<void>(), Deferred.make<void>()])
    const meet = (mine: 0 | 1) =>
      Effect.zipRight(Deferred.succeed(here[mine], undefined), Deferred.await(here[mine === 0 ? 1 : 0]))
    return yield* Effect.all([half(1, meet(0)), half(2, meet(1))], { concurrency: 2 })
  })

const skewed = (sql: SqlClient.SqlClient) =>
  both((id, meet) =>
    Transaction.run(
      sql`SELECT sum(n) FROM numbers`.pipe(
        Effect.zipRight(meet),
        Effect.zipRight(sql`UPDATE numbers SET n = n + 1 WHERE id = ${id}`)
      ),
      { isolation: "serializable", retry: "never" }
    )
  )

const crossed = (sql: SqlClient.SqlClient) =>
  both((id, meet) =>
    Transaction.run(
      sql`SET LOCAL deadlock_timeout = '20ms'`.pipe(
        Effect.zipRight(sql`UPDATE numbers SET n = n + 1 WHERE id = ${id}`),
        Effect.zipRight(meet),
        Effect.zipRight(sql`UPDATE numbers SET n = n + 1 WHERE id = ${3 - id}`)
      ),
      { retry: "never" }
    )
  )

const lockFirst = (sql: SqlClient.SqlClient) => held(sql, sql`UPDATE numbers SET n = 7 WHERE id = 1`)

export const cases: ReadonlyArray<Case> = [
  {
    tag: "SerializationError",
    title: "write skew under SERIALIZABLE",
    fails: Effect.flatMap(numbers, skewed),
    says: { sqlState: "40001", recovery: "restart", hint: /might succeed if retried/ }
  },
  {
    tag: "DeadlockError",
    title: "two transactions that wait for each other",
    fails: Effect.flatMap(numbers, crossed),
    says: { sqlState: "40P01", recovery: "restart", detail: /waits for/ }
  },
  {
    tag: "LockTimeoutError",
    title: "a lock not had within lockTimeout",
    options: { lockTimeout: "50 millis" },
    fails: Effect.flatMap(Effect.flatMap(numbers, lockFirst), (sql) => sql`UPDATE numbers SET n = 1 WHERE id = 1`),
    says: { sqlState: "55P03", recovery: "caller" }
  },
  {
    tag: "LockTimeoutError",
    title: "NOWAIT",
    fails: Effect.flatMap(
      Effect.flatMap(numbers, lockFirst),
      (sql) => sql`SELECT n FROM numbers WHERE id = 1 FOR UPDATE NOWAIT`
    ),
    says: { sqlState: "55P03" }
  },
  {
    tag: "StatementTimeoutError",
    title: "a statement beyond statementTimeout",
    options: { statementTimeout: "50 millis" },
    fails: Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT pg_sleep(20)`),
    says: { sqlState: "57014", recovery: "never" }
  },
  {
    tag: "QueryCanceled",
    title: "cancelled by somebody else",
    fails: Effect.flatMap(SqlClient.SqlClient, (sql) => disturbed(sql, "pg_cancel_backend")),
    says: { sqlState: "57014" }
  },
  {
    tag: "ConnectionError",
    title: "the session ended by somebody else",
    fails: Effect.flatMap(SqlClient.SqlClient, (sql) => disturbed(sql, "pg_terminate_backend")),
    says: { sqlState: "57P01", group: "connection", phase: "statement", recovery: "reconnect" }
  },
  {
    tag: "ReadOnlyError",
    title: "a session that is read-only by default",
    options: { pool: { size: 1, onConnect: ["SET default_transaction_read_only = on"] } },
    fails: Effect.flatMap(SqlClient.SqlClient, (sql) => sql`CREATE TABLE t (id integer)`),
    says: { sqlState: "25006" }
  },
  {
    tag: "ForeignKeyViolation",
    title: "deferred, found at COMMIT",
    fails: Effect.gen(function* () {
      const sql = yield* numbers
      yield* sql`CREATE TABLE refs (id integer CONSTRAINT later REFERENCES numbers DEFERRABLE INITIALLY DEFERRED)`
      yield* sql.withTransaction(sql`INSERT INTO refs VALUES (99)`)
    }),
    says: { operation: "commit", constraint: "later", table: "refs" }
  },
  {
    tag: "TransactionAborted",
    title: "a statement failed and its error was swallowed",
    fails: Effect.flatMap(numbers, (sql) =>
      Transaction.run(
        Effect.zipRight(sql`UPDATE numbers SET n = 1`, Effect.ignore(sql`INSERT INTO numbers VALUES (1, 1)`))
      )
    ),
    says: { operation: "commit" }
  },
  {
    tag: "TransactionAborted",
    title: "a statement after one whose error was swallowed",
    fails: Effect.flatMap(numbers, (sql) =>
      Transaction.run(
        Effect.zipRight(Effect.ignore(sql`INSERT INTO numbers VALUES (1, 1)`), sql`SELECT n FROM numbers`)
      )
    ),
    says: { sqlState: "25P02", operation: "execute" }
  },
  {
    tag: "TransactionClosed",
    title: "idle for too long inside a transaction",
    options: { idleInTransactionTimeout: "50 millis" },
    fails: Effect.flatMap(numbers, (sql) =>
      Transaction.run(
        sql`SELECT n FROM numbers`.pipe(
          Effect.zipRight(pidOf(sql)),
          Effect.zipRight(Effect.sleep("400 millis")),
          Effect.zipRight(sql`SELECT n FROM numbers`)
        ),
        { retry: "never" }
      )
    ),
    says: { sqlState: "25P03" }
  },
  {
    tag: "StaleStatement",
    title: "a prepared statement whose table changed inside the transaction",
    fails: Effect.flatMap(numbers, (sql) => {
      const all = sql`SELECT * FROM numbers`
      return Transaction.run(
        all.pipe(
          Effect.zipRight(all),
          Effect.zipRight(sql`ALTER TABLE numbers ADD COLUMN more integer`),
          Effect.zipRight(all)
        ),
        { retry: "never" }
      )
    }),
    says: { sqlState: "0A000", recovery: "reprepare" }
  },
  {
    tag: "CommitUnknown",
    title: "the session ended inside COMMIT, and the server is not to be asked",
    fails: Effect.gen(function* () {
      const sql = yield* numbers
      yield* sql`CREATE FUNCTION ends() RETURNS trigger LANGUAGE plpgsql AS
        ${sql.literal("$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN NULL; END $$")}`
      yield* sql`CREATE CONSTRAINT TRIGGER at_commit AFTER UPDATE ON numbers
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ends()`
      yield* Transaction.run(sql`UPDATE numbers SET n = 1 WHERE id = 1`, { confirm: "off", retry: "never" })
    }),
    says: { operation: "commit", recovery: "ask" }
  },
  {
    tag: "RetriesExhausted",
    title: "a lost race, lost again",
    fails: Effect.flatMap(numbers, (sql) =>
      Transaction.run(sql`DO $$ BEGIN RAISE 'lost' USING ERRCODE = '40001'; END $$`, {
        retry: { maxRetries: 2, baseDelay: "1 millis" }
      })
    ),
    says: { operation: "execute", reason: /^3 attempts failed, the last with SerializationError: lost/ }
  }
]
