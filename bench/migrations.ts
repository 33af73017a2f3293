/**
 * 500 small revisions from an empty database, and a run that finds nothing pending: Aquifer beside the stock migrator of
 * `@effect/sql`, node-pg-migrate, Kysely and Drizzle, on one server of its own, taking turns. Each has its revisions in the
 * form it reads fastest and a connection that is open before the clock starts; the stock migrator a second time with a folder of
 * files, as it is mostly used. Nothing pending is asked fifteen times in one process, so what a process remembers counts; the
 * first time is what a start costs. Prints medians, ratios taken within each round, and the processor time of this process.
 *
 * Run it after a build: `node node_modules/jiti/lib/jiti-cli.mjs bench/migrations.ts [rounds] [revisions]`
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
import { Database, Migration, Migrator } from "effect-aquifer"
import { Kysely, Migrator as KyselyMigrator, sql as kyselySql, PostgresDialect } from "kysely"
import { runner } from "node-pg-migrate"
import pg from "pg"
import { startKeeper } from "../test/support/startKeeper.js"

const rounds = Number(process.argv[2] ?? 9)
const count = Number(process.argv[3] ?? 500)

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

interface Contestant {
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

const contestants: ReadonlyArray<Contestant> = [
  aquifer("Aquifer, .sql files", { directory: ours }),
  aquifer("Aquifer, effects", {
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
    "@effect/sql PgMigrator",
    Effect.succeed(
      all.map(
        (i) =>
          [i + 1, "t", Effect.succeed(Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(create(i))))] as const
      )
    )
  ),
  stock("@effect/sql PgMigrator, its folder", PgMigrator.fromFileSystem(stocked)),
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

const median = (times: ReadonlyArray<number>): number =>
  [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN

interface Taken {
  readonly millis: number
  readonly cpu: number
  readonly applied: number
}

const timed = async (run: () => Promise<number>): Promise<Taken> => {
  const before = process.cpuUsage()
  const start = performance.now()
  const applied = await run()
  const millis = performance.now() - start
  const { system, user } = process.cpuUsage(before)
  return { millis, cpu: (system + user) / 1000, applied }
}

const load = () => (os.loadavg()[0] ?? 0).toFixed(1)

const before = load()
const keeper = await startKeeper()
try {
  const admin = new pg.Client(keeper.url)
  await admin.connect()
  const times = new Map(
    contestants.map(({ name }) => [
      name,
      { empty: [] as Array<number>, cpu: [] as Array<number>, first: [] as Array<number>, none: [] as Array<number> }
    ])
  )
  for (let round = -1; round < rounds; round++) {
    // Nobody is always the first, whom a cold cache would slow, or behind the same one.
    const order = contestants.map((_, i) => contestants[(i * 3 + round + 1) % contestants.length] ?? contestants[0])
    for (const one of new Set(order)) {
      if (one === undefined) continue
      const database = `bench_${round + 1}_${contestants.indexOf(one)}`
      await admin.query(`CREATE DATABASE ${database} TEMPLATE template0`)
      const url = new URL(keeper.url)
      url.pathname = `/${database}`
      const opened = await one.open(url.href)
      const empty = await timed(opened.run)
      if (empty.applied !== count) throw new Error(`${one.name} applied ${empty.applied}`)
      const none: Array<number> = []
      for (let i = 0; i < 16; i++) none.push((await timed(opened.run)).millis)
      await opened.close()
      await admin.query(`DROP DATABASE ${database} WITH (FORCE)`)
      // The first round only warms up.
      if (round >= 0) {
        const mine = times.get(one.name)
        mine?.empty.push(empty.millis)
        mine?.cpu.push(empty.cpu)
        mine?.first.push(none[0] ?? Number.NaN)
        mine?.none.push(median(none.slice(1)))
      }
    }
  }
  await admin.end()
  const stock = times.get("@effect/sql PgMigrator")
  const ratio = (mine: ReadonlyArray<number>, theirs: ReadonlyArray<number> = []) =>
    median(mine.map((one, i) => one / (theirs[i] ?? Number.NaN))).toFixed(2)
  const row = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`
  console.log(
    `Node ${process.versions.node}, ${os.cpus().length} cores, load average ${before} before and ${load()} behind\n`
  )
  console.log(
    row([`${count} revisions from empty`, "ms", "of stock", "CPU ms", "nothing pending, ms", "of stock", "first, ms"])
  )
  console.log(row(["---", "--:", "--:", "--:", "--:", "--:", "--:"]))
  for (const [name, { cpu, empty, first, none }] of times) {
    console.log(
      row([
        name,
        median(empty).toFixed(0),
        ratio(empty, stock?.empty),
        median(cpu).toFixed(0),
        median(none).toFixed(1),
        ratio(none, stock?.none),
        median(first).toFixed(1)
      ])
    )
  }
} finally {
  await keeper.close()
  fs.rmSync(folder, { recursive: true, force: true })
}
