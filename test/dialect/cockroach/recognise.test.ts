/** Which product is spoken to: what the URL says, and what the first connection finds out. */
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { Database, DatabaseConfig, DatabaseError, Pool } from "effect-aquifer"
import { Dialect } from "../../../src/Dialect.js"
import * as Dialects from "../../../src/dialect/index.js"
import { freshDatabase } from "../../support/server.js"
import { freshDisguise } from "./disguise.js"

const opened = (options: Database.Options) => Layer.build(Database.layer({ profile: "test", ...options }))

const nameOf = (options: Database.Options) =>
  Effect.provide(
    Effect.map(Dialect, ({ name }) => name),
    Database.layer({ profile: "test", ...options })
  )

describe("which product speaks", () => {
  it("is said by the URL's scheme, or by DATABASE_TYPE", () => {
    const product = (url: string) => Either.getOrThrow(DatabaseConfig.parseUrl(url)).product
    assert.strictEqual(product("cockroachdb://root@h/d"), "cockroachdb")
    assert.strictEqual(product("cockroach+asyncpg://root@h/d"), "cockroachdb")
    assert.strictEqual(product("postgresql://root@h:26257/d"), undefined)
    const parts = (type: string) =>
      Effect.runSync(
        Effect.withConfigProvider(
          DatabaseConfig.fromEnv,
          ConfigProvider.fromMap(
            new Map(Object.entries({ DATABASE_TYPE: type, DATABASE_NAME: "d", DATABASE_HOST: "h" }))
          )
        )
      ).target.product
    assert.deepStrictEqual(["cockroachdb", "crdb", "postgres"].map(parts), ["cockroachdb", "cockroachdb", undefined])
  })

  it.scopedLive("behind cockroachdb:// it is CockroachDB, asked or not", () =>
    Effect.gen(function* () {
      const { cockroachdb } = yield* freshDisguise
      assert.strictEqual(yield* nameOf({ url: cockroachdb }), "cockroachdb")
      assert.strictEqual(yield* nameOf({ url: cockroachdb, connect: "lazy" }), "cockroachdb")
    })
  )

  it.scopedLive("behind postgresql:// the server's own announcement is found out with the first connection", () =>
    Effect.gen(function* () {
      const { postgresql, sessions } = yield* freshDisguise
      const context = yield* opened({ url: postgresql })
      const found = yield* Effect.provide(
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          return [
            (yield* Dialect).name,
            (yield* DatabaseConfig.DatabaseConfig).target.product,
            yield* sql`SELECT 1 AS one`,
            (yield* (yield* Pool.Pool).status).totals.failures
          ]
        }),
        context
      )
      assert.deepStrictEqual(found, ["cockroachdb", "cockroachdb", [{ one: 1 }], 0])
      // The first came as PostgreSQL's; from then on nobody asks again.
      assert.strictEqual(sessions[0]?.has("default_int_size"), false)
      assert.isTrue(sessions.length > 1)
      assert.isTrue(sessions.slice(1).every((given) => given.get("default_int_size") === "4"))
      assert.isTrue(sessions.slice(1).every((given) => given.get("autocommit_before_ddl") === "off"))
    })
  )

  it.scopedLive("without a first connection (lazy) the first use says which scheme to write", () =>
    Effect.gen(function* () {
      const { postgresql } = yield* freshDisguise
      const context = yield* opened({ url: postgresql, connect: "lazy" })
      const error = yield* Effect.provide(
        Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.flip(sql`SELECT 1`)),
        context
      )
      const said = DatabaseError.from(error)
      assert.strictEqual(said._tag, "UnsupportedError")
      assert.include(said.message, "cockroachdb://")
      assert.include(said.message, "CockroachDB CCL v25.4.1")
    })
  )

  it.scopedLive("a plain PostgreSQL stays what it is, and is asked nothing for it", () =>
    Effect.gen(function* () {
      const url = yield* freshDatabase
      assert.strictEqual(yield* nameOf({ url }), "postgresql")
    })
  )

  it.scopedLive("other failures of the first connection are their own", () =>
    Effect.gen(function* () {
      const url = yield* freshDatabase
      const wrong = new URL(url)
      wrong.pathname = "/not_there"
      const error = yield* Effect.flip(opened({ url: wrong.href }))
      assert.strictEqual(error._tag, "DatabaseNotFound")
    })
  )

  it.scopedLive("what the first product had open is closed before the second begins", () =>
    Effect.gen(function* () {
      const closed: Array<string> = []
      const config = yield* DatabaseConfig.make({ url: (yield* freshDisguise).postgresql })
      const seen = yield* Dialects.recognising(config, (config) =>
        Effect.gen(function* () {
          const dialect = yield* Dialects.forTarget(config.target)
          yield* Effect.addFinalizer(() => Effect.sync(() => closed.push(dialect.name)))
          yield* dialect.connect(config, "writer")
          return [dialect.name, [...closed]]
        })
      )
      assert.deepStrictEqual(seen, ["cockroachdb", ["postgresql"]])
    })
  )
})
