/** What the tests of test databases share: migrations of their own, and what lies on the server. */
import { randomBytes } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { adminQuery, adminUrl, freshRole } from "../support/server.js"

const table = "CREATE TABLE words (id integer PRIMARY KEY, word text NOT NULL)"

/** A folder with a migration nobody else has, so that its template is this test's. */
export const migrations = (text = table) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const made = mkdtempSync(join(tmpdir(), "aquifer-test-database-"))
      writeFileSync(join(made, "0001_words.sql"), `-- ${randomBytes(6).toString("hex")}\n-- migrate:up\n${text};\n`)
      return made
    }),
    (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
  )

export const name = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(sql<{ name: string }>`SELECT current_database() AS name`, ([row]) => row?.name ?? "")
)

export const add = (id: number, word: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO words ${sql.insert({ id, word })}`)

export const words = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(sql<{ word: string }>`SELECT word FROM words ORDER BY id`, (rows) => rows.map(({ word }) => word))
)

/** What this role owns on the run's server. */
const owned = (role: string) =>
  Effect.map(
    adminQuery("SELECT datname AS name FROM pg_database WHERE pg_get_userbyid(datdba) = $1 ORDER BY oid", [role]),
    (rows) => rows.map(({ name }) => String(name))
  )

const drop = (database: string) =>
  Effect.zipRight(
    adminQuery(`ALTER DATABASE "${database}" IS_TEMPLATE false`),
    adminQuery(`DROP DATABASE "${database}" WITH (FORCE)`)
  )

/** The run's server as a role that may create databases and is no superuser, and what it has made there; all goes with the scope. */
export const server = Effect.gen(function* () {
  const role = yield* freshRole(adminUrl(), "CREATEDB")
  yield* Effect.addFinalizer(() => Effect.ignore(Effect.flatMap(owned(role.name), Effect.forEach(drop))))
  const beginning = (prefix: string) =>
    Effect.map(owned(role.name), (names) => names.filter((name) => name.startsWith(prefix)))
  return {
    url: role.url,
    templates: beginning("aquifer_template_"),
    clones: beginning("aquifer_test_"),
    kept: beginning("aquifer_kept_")
  }
})

export const isThere = (database: string) =>
  Effect.map(adminQuery("SELECT FROM pg_database WHERE datname = $1", [database]), (rows) => rows.length === 1)
