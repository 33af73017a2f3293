/** What PostgreSQL answers to single statements: each fails and changes nothing, so all may share one database. */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import type { Case } from "./case.js"

export const schema = `
  CREATE TABLE owners (
    id integer PRIMARY KEY, email text NOT NULL CONSTRAINT one_email UNIQUE, born date, name varchar(5), small smallint
  );
  CREATE TABLE pets (
    id integer PRIMARY KEY,
    owner integer CONSTRAINT has_owner REFERENCES owners (id),
    age integer CONSTRAINT born CHECK (age >= 0)
  );
  CREATE TABLE bookings (room integer, during int4range, CONSTRAINT no_overlap EXCLUDE USING gist (during WITH &&));
  CREATE DOMAIN positive AS integer CONSTRAINT is_positive CHECK (value > 0);
  CREATE VIEW adults AS SELECT * FROM pets WHERE age > 17 WITH CHECK OPTION;
  INSERT INTO owners VALUES (1, 'a@b'); INSERT INTO pets VALUES (1, 1, 3);
  INSERT INTO bookings VALUES (1, '[1,5)')`

/** Sent as a parameter; a server's own sentence may repeat it in `detail`, never in the message. */
const canary = "v4lu3-sent-by-us"

type Run = (sql: SqlClient.SqlClient) => Effect.Effect<unknown, unknown, SqlClient.SqlClient>
type Row = readonly [
  tag: Case["tag"],
  title: string,
  sqlState: string,
  run: Run,
  says?: Readonly<Record<string, unknown>>
]

const rows: ReadonlyArray<Row> = [
  [
    "UniqueViolation",
    "names schema, table, constraint and detail",
    "23505",
    (sql) => sql`INSERT INTO owners VALUES (2, ${"a@b"})`,
    { schema: "public", table: "owners", constraint: "one_email", detail: /Key \(email\)/, column: undefined }
  ],
  [
    "ForeignKeyViolation",
    "names the constraint; what is missing stands in detail",
    "23503",
    (sql) => sql`INSERT INTO pets VALUES (2, 99, 1)`,
    { schema: "public", table: "pets", constraint: "has_owner", detail: /not present in table "owners"/ }
  ],
  [
    "ForeignKeyViolation",
    "names who still refers to the row",
    "23503",
    (sql) => sql`DELETE FROM owners WHERE id = 1`,
    { table: "pets", constraint: "has_owner", detail: /still referenced/ }
  ],
  [
    "NotNullViolation",
    "names table and column",
    "23502",
    (sql) => sql`INSERT INTO owners (id) VALUES (2)`,
    { schema: "public", table: "owners", column: "email" }
  ],
  [
    "CheckViolation",
    "names table and constraint",
    "23514",
    (sql) => sql`INSERT INTO pets VALUES (2, 1, ${-1})`,
    { table: "pets", constraint: "born" }
  ],
  ["CheckViolation", "of a domain", "23514", (sql) => sql`SELECT (0)::positive`, { constraint: "is_positive" }],
  ["CheckViolation", "of a view", "44000", (sql) => sql`INSERT INTO adults VALUES (3, 1, 4)`],
  [
    "ExclusionViolation",
    "names the constraint",
    "23P01",
    (sql) => sql`INSERT INTO bookings VALUES (1, '[2,3)')`,
    { table: "bookings", constraint: "no_overlap", detail: /conflicts with existing key/, recovery: "caller" }
  ],
  ["SqlSyntaxError", "tells the position", "42601", (sql) => sql`SELECT 1 FRM owners`, { position: 14 }],
  ["SqlSyntaxError", "an unknown table, its position", "42P01", (sql) => sql`SELECT * FROM nowhere`, { position: 15 }],
  [
    "SqlSyntaxError",
    "an unknown column, with the server's hint",
    "42703",
    (sql) => sql`SELECT emial FROM owners`,
    { hint: /email/ }
  ],
  ["SqlSyntaxError", "an unknown function", "42883", (sql) => sql`SELECT no_such_function(1)`, { hint: /type cast/ }],
  ["SqlSyntaxError", "an unknown schema", "3F000", (sql) => sql`CREATE TABLE absent.t (a integer)`],
  ["SqlSyntaxError", "a table that is there", "42P07", (sql) => sql`CREATE TABLE owners (id integer)`],
  ["SqlSyntaxError", "an ambiguous name", "42702", (sql) => sql`SELECT id FROM owners, pets`],
  ["DataError", "out of range", "22003", (sql) => sql`INSERT INTO owners (id, email, small) VALUES (2, 'b', ${40000})`],
  ["DataError", "division by zero", "22012", (sql) => sql`SELECT 1 / ${0}::integer`],
  ["DataError", "no number", "22P02", (sql) => sql`SELECT ${"twelve"}::integer`],
  ["DataError", "too long", "22001", (sql) => sql`INSERT INTO owners (id, email, name) VALUES (2, 'b', ${canary})`],
  ["DataError", "no date", "22008", (sql) => sql`SELECT ${"2026-02-31"}::date`],
  ["DataError", "no JSON", "22P02", (sql) => sql`SELECT ${"{"}::json`],
  ["DataError", "a NUL byte in a text", "22021", (sql) => sql`SELECT ${`${canary}\0`}::text`],
  ["DataError", "more rows than one", "21000", (sql) => sql`SELECT (SELECT generate_series(1, 2))`],
  ["ResourceError", "more columns than a table has", "54011", (sql) => sql.unsafe(manyColumns)],
  ["ResourceError", "more disk for one sort than allowed", "53400", (sql) => limitedSort(sql)],
  ["UnsupportedError", "what the server has not built", "0A000", (sql) => sql`CREATE ASSERTION a CHECK (true)`],
  [
    "UnsupportedError",
    "what may not run in a transaction",
    "25001",
    (sql) => sql.withTransaction(Effect.zipRight(sql`SELECT 1`, sql`VACUUM owners`))
  ],
  ["UnknownError", "what an application raises", "P0001", (sql) => sql`DO $$ BEGIN RAISE EXCEPTION 'no'; END $$`],
  [
    "UnknownError",
    "a code of the application's own",
    "AQ001",
    (sql) => sql`DO $$ BEGIN RAISE 'own' USING ERRCODE = 'AQ001', HINT = 'look', TABLE = 'owners'; END $$`,
    { reason: "own", hint: "look", table: "owners" }
  ]
]

const manyColumns = `CREATE TABLE wide (${Array.from({ length: 1601 }, (_, i) => `c${i} integer`).join(", ")})`

const limitedSort: Run = (sql) =>
  sql.withTransaction(
    Effect.zipRight(
      sql`SET LOCAL temp_file_limit = '1MB'`,
      Effect.zipRight(
        sql`SET LOCAL work_mem = '64kB'`,
        sql`SELECT count(*) FROM (SELECT repeat('x', 100) || n FROM generate_series(1, 50000) AS n ORDER BY 1 OFFSET 1) AS t`
      )
    )
  )

export const cases: ReadonlyArray<Case> = rows.map(([tag, title, sqlState, run, says]) => ({
  tag,
  title,
  fails: Effect.flatMap(SqlClient.SqlClient, run),
  says: { sqlState, ...says },
  hides: canary
}))
