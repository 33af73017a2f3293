/**
 * SQLite in a file, everybody with WAL, `synchronous = NORMAL`, foreign keys on: single selects and single inserts. A process of
 * its own, as a program's: `sqlite.js <effort>` prints the figures as JSON.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import Sqlite from "better-sqlite3"
import { eq, sql as raw } from "drizzle-orm"
import { drizzle } from "drizzle-orm/better-sqlite3"
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Database from "../src/Database.js"
import { type Client, effects, stockSqlite } from "./effects.js"
import { type Contender, compare, type Effort, type Figure, type Loop } from "./harness.js"

const pragmas = ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", "PRAGMA foreign_keys = ON"]
/** Everybody fills his own file: one that was closed and opened again is read half a microsecond slower, its WAL being empty. */
const tables = [
  "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, email TEXT)",
  "CREATE TABLE sink (id INTEGER, name TEXT)",
  `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
    INSERT INTO items SELECT i, 'name ' || i, 'someone' || i || '@example.org' FROM n`
]
const random = () => 1 + Math.floor(Math.random() * 10_000)

const items = sqliteTable("items", { id: integer("id").primaryKey(), name: text("name"), email: text("email") })
const sink = sqliteTable("sink", { id: integer("id"), name: text("name") })

/** Nothing to wait for: the loop gives way now and then only to look at the clock. */
const direct =
  (once: () => unknown): Loop =>
  async (until, note) => {
    for (let now = performance.now(); now < until; ) {
      once()
      const then = performance.now()
      note(then - now)
      now = then
    }
  }

const ours = async (file: string): Promise<Client> => {
  const runtime = ManagedRuntime.make(
    Database.layer({
      url: `sqlite:${file}`,
      profile: "production",
      pool: { onConnect: ["PRAGMA synchronous = NORMAL"] }
    })
  )
  return {
    sql: await runtime.runPromise(SqlClient.SqlClient),
    run: (effect) => runtime.runPromise(effect),
    close: () => runtime.dispose()
  }
}

/** Point select and insert. */
const sqlite = async (effort: Effort): Promise<Record<string, ReadonlyArray<Figure>>> => {
  const folder = mkdtempSync(join(tmpdir(), "aquifer-bench-"))
  const file = (name: string) => join(folder, `${name}.db`)
  const opened = (name: string) => {
    const db = new Sqlite(file(name))
    for (const text of [...pragmas, ...tables]) db.exec(text)
    return db
  }
  const bare = opened("bare")
  const orm = opened("drizzle")
  const db = drizzle(orm)
  const our = await ours(file("ours"))
  const stock = await stockSqlite(file("stock"))
  for (const pragma of pragmas) await stock.run(stock.sql.unsafe(pragma))
  for (const { run, sql } of [our, stock]) for (const text of tables) await run(sql.unsafe(text))
  const select = bare.prepare("SELECT id, name, email FROM items WHERE id = ?")
  const insert = bare.prepare("INSERT INTO sink VALUES (?, ?)")
  const ormSelect = db
    .select()
    .from(items)
    .where(eq(items.id, raw.placeholder("id")))
    .prepare()
  const ormInsert = db
    .insert(sink)
    .values({ id: raw.placeholder("id"), name: raw.placeholder("name") })
    .prepare()
  const effectful = ({ sql }: Client) => ({
    select: () => sql`SELECT id, name, email FROM items WHERE id = ${random()}`,
    insert: () => sql`INSERT INTO sink VALUES (${random()}, ${"a name"})`
  })
  const selects: ReadonlyArray<Contender> = [
    { name: "ours", loop: effects(our, 1, effectful(our).select) },
    { name: "stock @effect/sql-sqlite-node", loop: effects(stock, 1, effectful(stock).select) },
    { name: "better-sqlite3, prepared", loop: direct(() => select.get(random())) },
    { name: "Drizzle, prepared", loop: direct(() => ormSelect.get({ id: random() })) }
  ]
  const inserts: ReadonlyArray<Contender> = [
    { name: "ours", loop: effects(our, 1, effectful(our).insert) },
    { name: "stock @effect/sql-sqlite-node", loop: effects(stock, 1, effectful(stock).insert) },
    { name: "better-sqlite3, prepared", loop: direct(() => insert.run(random(), "a name")) },
    { name: "Drizzle, prepared", loop: direct(() => ormInsert.run({ id: random(), name: "a name" })) }
  ]
  const figures = {
    "SQLite: point select": await compare(selects, effort),
    "SQLite: insert": await compare(inserts, effort)
  }
  await Promise.all([our.close(), stock.close()])
  bare.close()
  orm.close()
  rmSync(folder, { recursive: true, force: true })
  return figures
}

process.stdout.write(JSON.stringify(await sqlite(JSON.parse(process.argv[2] ?? "{}"))))
