/**
 * Everybody who brings a database to its newest revision, each with its revisions in the form it reads fastest and a connection
 * that is open before the clock starts; the stock migrator a second time with a folder of files, as it is mostly used.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as SqlClient from "@effect/sql/SqlClient"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as PgMigrator from "@effect/sql-pg/PgMigrator"
import { drizzle } from "drizzle-orm/node-postgres"
import { migrate as drizzleMigrate } from "drizzle-orm/node-postgres/migrator"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import { Kysely, Migrator as KyselyMigrator, sql as kyselySql, PostgresDialect } from "kysely"
import { runner } from "node-pg-migrate"
import pg from "pg"
import * as Database from "../src/Database.js"
import * as Migrator from "../src/migration/Migrator.js"
import * as Migration from "../src/model/Migration.js"

export interface Contestant {
  readonly name: string
  /** Opens what it needs; the function it gives is what is timed. */
  readonly open: (
    url: string
  ) => Promise<{ readonly run: () => Promise<number>; readonly close: () => Promise<unknown> }>
}

const runtime = <R, E>(layer: Layer.Layer<R, E>) =>
  ManagedRuntime.make(Layer.merge(layer, Logger.minimumLogLevel(LogLevel.None)))

const aquifer = (name: string, options: Migrator.Options): Contestant => ({
  name,
  open: async (url) => {
    const managed = runtime(Database.layer({ url }))
    await managed.runPromise(SqlClient.SqlClient)
    return {
      run: async () => (await managed.runPromise(Migrator.up(options))).applied.length,
      close: () => managed.dispose()
    }
  }
})

const stock = (name: string, loader: PgMigrator.Loader<FileSystem>): Contestant => ({
  name,
  open: async (url) => {
    const client = PgClient.layer({ url: Redacted.make(url) })
    const managed = runtime(Layer.merge(Layer.orDie(client), NodeContext.layer))
    await managed.runPromise(Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT 1`))
    return {
      run: async () => (await managed.runPromise(PgMigrator.run({ loader }))).length,
      close: () => managed.dispose()
    }
  }
})

/** The database is dropped while the pool says goodbye. */
const quietly = (pool: pg.Pool): pg.Pool => pool.on("error", () => {})

/** All of them with `count` revisions, in a folder that is gone when `close` was called. */
export const migrators = (
  count: number
): { readonly contestants: ReadonlyArray<Contestant>; readonly close: () => void } => {
  const number = (i: number) => String(i + 1).padStart(4, "0")
  const all = Array.from({ length: count }, (_, i) => i)
  const create = (i: number) => `CREATE TABLE t${i} (id integer PRIMARY KEY)`

  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "aquifer-bench-"))
  const into = (name: string, files: Readonly<Record<string, string>>) => {
    for (const [file, text] of Object.entries(files)) {
      fs.mkdirSync(path.dirname(path.join(folder, name, file)), { recursive: true })
      fs.writeFileSync(path.join(folder, name, file), text)
    }
    return path.join(folder, name)
  }
  const named = (make: (i: number) => readonly [name: string, text: string]) => Object.fromEntries(all.map(make))

  const ours = into(
    "ours",
    named((i) => [`${number(i)}_t.sql`, `-- migrate:up\n${create(i)};\n-- migrate:down\nDROP TABLE t${i};\n`])
  )
  const stocked = into(
    "stock",
    named((i) => [
      `${number(i)}_t.js`,
      `import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
export default Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe("${create(i)}"))
`
    ])
  )
  fs.symlinkSync(path.resolve("node_modules"), path.join(folder, "node_modules"))
  fs.writeFileSync(path.join(folder, "package.json"), '{ "type": "module" }')
  const pgm = into(
    "pgm",
    named((i) => [`${number(i)}_t.sql`, `-- Up Migration\n${create(i)};\n-- Down Migration\nDROP TABLE t${i};\n`])
  )
  const drizzled = into("drizzle", {
    ...named((i) => [`${number(i)}_t.sql`, `${create(i)};\n`]),
    "meta/_journal.json": JSON.stringify({
      version: "7",
      dialect: "postgresql",
      entries: all.map((i) => ({
        idx: i,
        version: "7",
        when: 1_700_000_000_000 + i,
        tag: `${number(i)}_t`,
        breakpoints: true
      }))
    })
  })
  const contestants: ReadonlyArray<Contestant> = [
    aquifer("ours, .sql files", { directory: ours }),
    aquifer("ours, effects", {
      loader: Migrator.fromRecord(
        Object.fromEntries(
          all.map((i) => [
            `${number(i)}_t`,
            Migration.make({ up: Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(create(i))) })
          ])
        )
      )
    }),
    stock(
      "stock @effect/sql-pg, effects",
      Effect.succeed(
        all.map(
          (i) =>
            [i + 1, "t", Effect.succeed(Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(create(i))))] as const
        )
      )
    ),
    stock("stock @effect/sql-pg, its folder", PgMigrator.fromFileSystem(stocked)),
    ...[true, false].map(
      (singleTransaction): Contestant => ({
        name: `node-pg-migrate, ${singleTransaction ? "one transaction" : "one each"}`,
        open: async (url) => {
          const client = new pg.Client(url)
          await client.connect()
          return {
            run: async () => {
              const done = await runner({
                dbClient: client,
                dir: pgm,
                direction: "up",
                migrationsTable: "pgmigrations",
                singleTransaction,
                log: () => {},
                logger: { debug: () => {}, info: () => {}, warn: () => {}, error: console.error }
              })
              return done.length
            },
            close: () => client.end()
          }
        }
      })
    ),
    {
      name: "Kysely",
      open: async (url) => {
        const pool = quietly(new pg.Pool({ connectionString: url }))
        await pool.query("SELECT 1")
        const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) })
        const migrations = Object.fromEntries(
          all.map((i) => [
            `${number(i)}_t`,
            {
              up: async (db: Kysely<unknown>) => {
                await kyselySql.raw(create(i)).execute(db)
              }
            }
          ])
        )
        const migrator = new KyselyMigrator({ db, provider: { getMigrations: async () => migrations } })
        return {
          run: async () => {
            const { error, results } = await migrator.migrateToLatest()
            if (error !== undefined) throw error
            return results?.length ?? 0
          },
          close: () => db.destroy()
        }
      }
    },
    {
      name: "Drizzle",
      open: async (url) => {
        const pool = quietly(new pg.Pool({ connectionString: url }))
        await pool.query("SELECT 1")
        const db = drizzle(pool)
        return {
          run: async () => {
            await drizzleMigrate(db, { migrationsFolder: drizzled })
            return count
          },
          close: () => pool.end()
        }
      }
    }
  ]
  return { contestants, close: () => fs.rmSync(folder, { recursive: true, force: true }) }
}
