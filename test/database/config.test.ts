/** Where the front door's configuration comes from: a `Config` of the options, the environment, a `.env` file. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Database, DatabaseConfig, DatabaseLive } from "effect-aquifer"
import { temporaryFolder } from "../contract/products.js"
import { freshDatabase } from "../support/server.js"

const variables = (entries: Readonly<Record<string, string>>) =>
  Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(entries))))

const configured = Effect.zipLeft(
  DatabaseConfig.DatabaseConfig,
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT 1`)
)

/** The layer under this environment alone. */
const under = <E>(layer: Layer.Layer<Database.Services, E>, entries: Readonly<Record<string, string>>) =>
  Effect.provide(configured, Layer.provide(layer, variables(entries)))

const wrapped = Database.layerConfig({
  url: Config.redacted("MY_URL"),
  profile: Config.succeed("production" as const),
  applicationName: Config.withDefault(Config.string("MY_NAME"), "mine"),
  pool: { size: Config.integer("MY_SIZE"), maxOverflow: Config.succeed(0) },
  statementTimeout: Config.duration("MY_LIMIT")
})

describe("layerConfig", () => {
  it.scopedLive("takes a config for each option, nested ones too", () =>
    Effect.gen(function* () {
      const config = yield* under(wrapped, { MY_URL: yield* freshDatabase, MY_SIZE: "3", MY_LIMIT: "5 seconds" })
      expect([config.pool.size, config.pool.maxOverflow, config.applicationName, config.profile]).toEqual([
        3,
        0,
        "mine",
        "production"
      ])
      expect(config.statementTimeout).toEqual(Duration.seconds(5))
    })
  )

  it.effect("tells every missing variable at once", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(under(wrapped, {}))
      for (const name of ["MY_URL", "MY_SIZE", "MY_LIMIT"]) expect(String(error)).toContain(name)
    })
  )

  it.effect("tells everything that is wrong with the values at once", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(under(wrapped, { MY_URL: "mysql://h/d", MY_SIZE: "0", MY_LIMIT: "5 seconds" }))
      expect(error._tag).toBe("ConfigError")
      for (const name of ["url", "pool.size"]) expect(String(error)).toContain(name)
    })
  )
})

describe("DatabaseLive", () => {
  it.scopedLive("reads a map of variables", () =>
    Effect.gen(function* () {
      const config = yield* under(DatabaseLive, {
        DATABASE_URL: yield* freshDatabase,
        DB_ENV: "production",
        DB_POOL_SIZE: "2",
        DB_APPLICATION_NAME: "from the map"
      })
      expect([config.profile, config.pool.size, config.applicationName]).toEqual(["production", 2, "from the map"])
    })
  )

  it.effect("tells every problem at once, by variable, and opens nothing", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        under(DatabaseLive, { DATABASE_URL: "sqlite::memory:", DB_POOL_SIZE: "many", DB_CONNECT_TIMEOUT: "soon" })
      )
      expect(error._tag).toBe("ConfigError")
      for (const name of ["DB_POOL_SIZE", "DB_CONNECT_TIMEOUT"]) expect(String(error)).toContain(name)
    })
  )

  it.scopedLive("finds a .env file's settings behind the environment's", () =>
    Effect.gen(function* () {
      const file = join(yield* temporaryFolder, ".env")
      writeFileSync(file, "DATABASE_URL=sqlite::memory:\nDB_POOL_SIZE=4\nDB_MAX_OVERFLOW=6\n")
      const config = yield* Effect.provide(
        configured,
        Database.layerFrom(DatabaseConfig.fromEnv).pipe(
          Layer.provide(DatabaseConfig.layerDotEnv(file)),
          Layer.provide(variables({ DB_POOL_SIZE: "2" }))
        )
      )
      expect([config.target.driver, config.pool.size, config.pool.maxOverflow]).toEqual(["sqlite", 2, 6])
    })
  )

  it("is built under runSync where the product allows it", () => {
    const config = Effect.runSync(under(DatabaseLive, { DATABASE_URL: "sqlite::memory:" }))
    expect(config.target.database).toBe(":memory:")
  })
})
