/** The application's tables as models are the tables that `migrations/` makes. */
import * as path from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as AppSchema from "../../src/app/AppSchema.js"
import * as Database from "../../src/Database.js"
import * as Migrator from "../../src/migration/Migrator.js"
import type { Change } from "../../src/model/Change.js"
import { Operations } from "../../src/model/Migration.js"
import * as Table from "../../src/model/Table.js"

const directory = path.resolve(import.meta.dirname, "../../migrations")

/** Everything a product renders; how a value is decoded is the program's business. */
const plain = (table: Table.TableDefinition) =>
  JSON.parse(
    JSON.stringify({ ...table, columns: table.columns.map(({ ...column }) => ({ ...column, schema: undefined })) })
  )

/** What the migrations ask for, written down instead of run. */
const asked = (prefix: string) =>
  Effect.gen(function* () {
    const changes: Array<Change> = []
    const revisions = yield* Migrator.fromDirectory(directory)
    for (const revision of revisions) {
      const { up } = yield* revision.load
      if (up._tag !== "effect") return yield* Effect.dieMessage(`${revision.id} has a text of its own`)
      yield* Effect.scoped(
        Effect.provideService(up.effect, Operations, {
          apply: (change) => Effect.sync(() => void changes.push(change))
        })
      )
    }
    return changes
  }).pipe(Effect.provide(Database.layer({ url: "sqlite::memory:", tablePrefix: prefix })))

describe("AppSchema", () => {
  for (const prefix of ["app", "acme"]) {
    it.live(`has the tables of the migrations, under the prefix ${prefix}`, () =>
      Effect.gen(function* () {
        const found = (yield* asked(prefix)).map((change) =>
          change._tag === "CreateTable" ? plain(change.table) : change._tag
        )
        const { apiKeys, logs, refreshTokens, usage, users } = AppSchema.make(prefix)
        const expected = [apiKeys, logs, users, refreshTokens, usage].map((table: Table.Table) =>
          plain(Table.definition(table))
        )
        expect(found).toEqual(expected)
        expect(expected.map(({ name }) => name)).toContain(`${prefix}_users`)
      })
    )
  }

  it.live("is found under the configured prefix, and its rows can be written and read", () =>
    Effect.gen(function* () {
      yield* Migrator.up({ directory })
      const { users } = yield* AppSchema.fromConfig
      expect(users.name).toBe("acme_users")
      const sql = yield* SqlClient.SqlClient
      const user: AppSchema.NewUser = { username: "ada", email: "ada@example.org" }
      yield* sql`INSERT INTO ${sql(users.name)} ${sql.insert({ username: user.username, email: user.email })}`
      const rows = yield* sql<AppSchema.User>`SELECT username, is_active, roles FROM ${sql(users.name)}`
      expect(rows).toEqual([{ username: "ada", is_active: true, roles: [] }])
    }).pipe(Effect.provide(Database.layer({ url: "sqlite::memory:", tablePrefix: "acme" })))
  )
})
