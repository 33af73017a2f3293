/** What SQLite answers, and what keeps its file from being opened, through the public door alone. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Database, Transaction } from "effect-aquifer"
import { temporaryFolder } from "../contract/products.js"
import type { Case } from "./case.js"

const schema: ReadonlyArray<string> = [
  "CREATE TABLE owners (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, kind TEXT, UNIQUE (email, kind))",
  "CREATE UNIQUE INDEX one_kind ON owners (lower(kind))",
  "CREATE TABLE pets (id INTEGER PRIMARY KEY, owner INTEGER REFERENCES owners, age INTEGER CONSTRAINT born CHECK (age >= 0))",
  "CREATE TABLE later (owner INTEGER REFERENCES owners DEFERRABLE INITIALLY DEFERRED)",
  "CREATE TABLE typed (n INTEGER) STRICT",
  "CREATE TRIGGER keep BEFORE DELETE ON owners BEGIN SELECT RAISE(ABORT, 'owners stay'); END",
  "CREATE TRIGGER undo BEFORE DELETE ON pets BEGIN SELECT RAISE(ROLLBACK, 'all of it'); END",
  "INSERT INTO owners VALUES (1, 'a@b', 'x')",
  "INSERT INTO pets VALUES (1, 1, 3)"
]

const canary = "v4lu3-sent-by-us"

const ready = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.forEach(schema, (text) => sql.unsafe(text))
  return sql
})

type Row = readonly [
  tag: Case["tag"],
  title: string,
  sqlState: string | undefined,
  run: (sql: SqlClient.SqlClient) => Effect.Effect<unknown, unknown, SqlClient.SqlClient>,
  says?: Readonly<Record<string, unknown>>
]

const rows: ReadonlyArray<Row> = [
  [
    "UniqueViolation",
    "names table and column",
    "SQLITE_CONSTRAINT_UNIQUE",
    (sql) => sql`INSERT INTO owners VALUES (2, ${"a@b"}, 'y')`,
    { table: "owners", column: "email" }
  ],
  [
    "UniqueViolation",
    "of an index over an expression names the index",
    "SQLITE_CONSTRAINT_UNIQUE",
    (sql) => sql`INSERT INTO owners VALUES (2, 'c', 'X')`,
    { constraint: "one_kind" }
  ],
  [
    "ForeignKeyViolation",
    "deferred, found at COMMIT",
    "SQLITE_CONSTRAINT_FOREIGNKEY",
    (sql) => sql.withTransaction(sql`INSERT INTO later VALUES (99)`),
    { operation: "commit" }
  ],
  [
    "NotNullViolation",
    "names table and column",
    "SQLITE_CONSTRAINT_NOTNULL",
    (sql) => sql`INSERT INTO owners (id) VALUES (2)`,
    { table: "owners", column: "email" }
  ],
  [
    "CheckViolation",
    "names the constraint",
    "SQLITE_CONSTRAINT_CHECK",
    (sql) => sql`INSERT INTO pets VALUES (2, 1, ${-1})`,
    { constraint: "born" }
  ],
  [
    "CheckViolation",
    "what a trigger refuses",
    "SQLITE_CONSTRAINT_TRIGGER",
    (sql) => sql`DELETE FROM owners`,
    { reason: "owners stay" }
  ],
  ["SqlSyntaxError", "names the table", "SQLITE_ERROR", (sql) => sql`SELECT * FROM nowhere`, { table: "nowhere" }],
  [
    "SqlSyntaxError",
    "names the column",
    "SQLITE_ERROR",
    (sql) => sql`INSERT INTO owners (absent) VALUES (1)`,
    { table: "owners", column: "absent" }
  ],
  [
    "DataError",
    "no number for a strict column",
    "SQLITE_CONSTRAINT_DATATYPE",
    (sql) => sql`INSERT INTO typed VALUES (${canary})`,
    { table: "typed", column: "n" }
  ],
  ["DataError", "an overflow", "SQLITE_ERROR", (sql) => sql`SELECT abs(${-(2n ** 63n)})`],
  ["DataError", "no JSON", "SQLITE_ERROR", (sql) => sql`SELECT json(${`{${canary}`})`],
  ["DataError", "an array", undefined, (sql) => sql`SELECT ${[canary] as never} AS a`, { hint: /sql\.in/ }],
  ["DataError", "an integer beyond 2^53", undefined, (sql) => sql`SELECT 9007199254740993 AS n`, { hint: /bigint/ }],
  [
    "ResourceError",
    "no page left",
    "SQLITE_FULL",
    (sql) =>
      Effect.zipRight(
        sql`PRAGMA max_page_count = 20`,
        sql`INSERT INTO pets (age) WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 99999) SELECT i FROM n`
      ),
    { hint: /disk/ }
  ],
  [
    "TransactionAborted",
    "SQLite has ended the transaction, and the error was swallowed",
    undefined,
    (sql) =>
      Transaction.run(Effect.zipRight(sql`UPDATE pets SET age = 9`, Effect.ignore(sql`DELETE FROM pets`)), {
        retry: "never"
      })
  ],
  ["TransactionClosed", "COMMIT where nothing is open", "SQLITE_ERROR", (sql) => sql`COMMIT`]
]

/** A database file with the tables in it, opened with this added to its URL. */
export const file = Effect.gen(function* () {
  const path = join(yield* temporaryFolder, "test.db")
  yield* Effect.provide(ready, at(path))
  return path
})

export const at = (path: string, options: Omit<Database.Options, "url"> = {}) =>
  Database.layer({ url: `sqlite:${path}`, profile: "development", ...options })

const opened = (path: Effect.Effect<string, unknown, Scope.Scope>) =>
  Effect.flatMap(path, (path) => Effect.scoped(Layer.build(at(path))))

const inFolder = (make: (folder: string) => string) => Effect.map(temporaryFolder, make)

/** Two clients of one file: the first holds the write lock while the second is used. */
const locked = (second: Effect.Effect<unknown, unknown, Database.Services>) =>
  Effect.flatMap(file, (path) =>
    Effect.flatMap(SqlClient.SqlClient, (sql) =>
      Transaction.run(
        Effect.zipRight(
          sql`UPDATE pets SET age = 4`,
          Effect.provide(second, Layer.fresh(at(path, { lockTimeout: "30 millis" })))
        ),
        { retry: "never" }
      )
    ).pipe(Effect.provide(at(path)))
  )

export const alone: ReadonlyArray<Case<Scope.Scope>> = [
  {
    tag: "LockTimeoutError",
    title: "another client writes",
    fails: locked(Effect.flatMap(SqlClient.SqlClient, (sql) => sql`UPDATE pets SET age = 5`)),
    says: { sqlState: /^SQLITE_BUSY/, recovery: "caller", detail: "waited 30ms" }
  },
  {
    tag: "SerializationError",
    title: "a snapshot that was overtaken",
    fails: Effect.flatMap(file, (path) =>
      Effect.flatMap(SqlClient.SqlClient, (sql) =>
        Effect.scoped(
          Effect.flatMap(sql.reserve, (connection) => {
            const send = (text: string) => connection.executeUnprepared(text, [], undefined)
            const overtake = Effect.provide(
              Effect.flatMap(SqlClient.SqlClient, (sql) => sql`UPDATE pets SET age = 5`),
              Layer.fresh(at(path))
            )
            return Effect.all([send("BEGIN"), send("SELECT * FROM pets"), overtake, send("UPDATE pets SET age = 6")])
          })
        )
      ).pipe(Effect.provide(at(path)))
    ),
    says: { sqlState: "SQLITE_BUSY_SNAPSHOT", recovery: "restart" }
  },
  {
    tag: "ReadOnlyError",
    title: "a file opened for reading",
    fails: Effect.flatMap(file, (path) =>
      Effect.provide(
        Effect.flatMap(SqlClient.SqlClient, (sql) => sql`UPDATE pets SET age = 5`),
        at(`${path}?mode=ro`)
      )
    ),
    says: { sqlState: /^SQLITE_READONLY/ }
  },
  {
    tag: "DatabaseNotFound",
    title: "a folder that is not there",
    fails: opened(inFolder((folder) => join(folder, "absent", "x.db"))),
    says: { group: "connection", recovery: "never", operation: "connect", reason: /absent does not exist$/ }
  },
  {
    tag: "DatabaseNotFound",
    title: "a folder where the file should be",
    fails: opened(
      inFolder((folder) => {
        mkdirSync(join(folder, "x.db"))
        return join(folder, "x.db")
      })
    ),
    says: { reason: /is a folder$/ }
  },
  {
    tag: "DatabaseNotFound",
    title: "a file that is something else",
    fails: opened(
      inFolder((folder) => {
        writeFileSync(join(folder, "x.db"), "not a database at all".repeat(100))
        return join(folder, "x.db")
      })
    ),
    says: { sqlState: "SQLITE_NOTADB" }
  },
  {
    tag: "UnsupportedError",
    title: "a parameter nobody knows",
    fails: opened(inFolder((folder) => `${join(folder, "x.db")}?mode=strange`)),
    says: { operation: "connect" }
  },
  {
    tag: "ConnectionError",
    title: "the file is removed under the connection, and there is no WAL to write to in its stead",
    fails: Effect.flatMap(file, (path) =>
      Effect.flatMap(SqlClient.SqlClient, (sql) =>
        Effect.scoped(
          Effect.flatMap(sql.reserve, (connection) => {
            rmSync(path)
            return connection.executeUnprepared("UPDATE pets SET age = 5", [], undefined)
          })
        )
      ).pipe(Effect.provide(at(`${path}?journal_mode=DELETE`)))
    ),
    says: { sqlState: "SQLITE_READONLY_DBMOVED", recovery: "reconnect" }
  }
]

export const cases: ReadonlyArray<Case> = rows.map(([tag, title, sqlState, run, says]) => ({
  tag,
  title,
  fails: Effect.flatMap(ready, run),
  says: { sqlState, ...says },
  hides: canary
}))
