/** Everybody who can be asked for the same things on PostgreSQL, each in its own idiom and with ten connections at most. */
import { eq, sql as raw } from "drizzle-orm"
import { drizzle } from "drizzle-orm/node-postgres"
import { integer, pgTable, text } from "drizzle-orm/pg-core"
import * as Effect from "effect/Effect"
import { type Generated, Kysely, sql as kyselySql, PostgresDialect } from "kysely"
import pg from "pg"
import postgres from "postgres"
import { type Client, effects, ours, stock } from "./effects.js"
import { type Loop, promises } from "./harness.js"

/** One operation, in as many loops as asked for. */
type Work = (loops: number) => Loop

/** What a side can do; what it lacks it is not compared at. */
export interface Side {
  readonly name: string
  readonly point: Work
  readonly rows3?: Work
  readonly rows20?: Work
  readonly many?: Work
  readonly transfer?: Work
  readonly slow?: Work
  /** Ten times a slice: whoever shares its way waits for it. */
  readonly long?: Work
  readonly write?: Work
  readonly close: () => Promise<void>
}

const random = () => 1 + Math.floor(Math.random() * 10_000)

const texts = {
  point: "SELECT id, name, email FROM items WHERE id = $1",
  rows3: "SELECT id, name, email FROM items WHERE id <= $1",
  rows20: "SELECT * FROM wide WHERE id <= $1",
  many: "SELECT id, name, email FROM items WHERE id > $1",
  slow: "SELECT slow($1)",
  read: "SELECT balance FROM accounts WHERE id = $1",
  update: "UPDATE accounts SET balance = balance + 1 WHERE id = $1"
}

const effectSide = (name: string, client: Client): Side => {
  const { sql } = client
  return {
    name,
    point: (loops) => effects(client, loops, () => sql`SELECT id, name, email FROM items WHERE id = ${random()}`),
    rows3: (loops) => effects(client, loops, () => sql`SELECT id, name, email FROM items WHERE id <= ${100}`),
    rows20: (loops) => effects(client, loops, () => sql`SELECT * FROM wide WHERE id <= ${100}`),
    many: (loops) => effects(client, loops, () => sql`SELECT id, name, email FROM items WHERE id > ${0}`),
    slow: (loops) => effects(client, loops, () => sql`SELECT slow(${100})`),
    long: (loops) => effects(client, loops, () => sql`SELECT slow(${2_000})`),
    write: (loops) =>
      effects(client, loops, () => sql`UPDATE accounts SET balance = balance + 1 WHERE id = ${random()}`),
    transfer: (loops) =>
      effects(client, loops, () =>
        sql.withTransaction(
          Effect.gen(function* () {
            const id = random()
            yield* sql`SELECT balance FROM accounts WHERE id = ${id}`
            yield* sql`UPDATE accounts SET balance = balance + 1 WHERE id = ${id}`
          })
        )
      ),
    close: client.close
  }
}

const pgSide = (label: string, url: string, named: boolean): Side => {
  const pool = new pg.Pool({ connectionString: url, max: 10 })
  const query = (name: keyof typeof texts, value: number, on: pg.Pool | pg.PoolClient = pool) =>
    on.query({ text: texts[name], values: [value], ...(named ? { name } : {}) })
  return {
    name: label,
    point: (loops) => promises(loops, () => query("point", random())),
    rows3: (loops) => promises(loops, () => query("rows3", 100)),
    rows20: (loops) => promises(loops, () => query("rows20", 100)),
    many: (loops) => promises(loops, () => query("many", 0)),
    slow: (loops) => promises(loops, () => query("slow", 100)),
    long: (loops) => promises(loops, () => query("slow", 2_000)),
    write: (loops) => promises(loops, () => query("update", random())),
    transfer: (loops) =>
      promises(loops, async () => {
        const client = await pool.connect()
        try {
          await client.query("BEGIN")
          const id = random()
          await query("read", id, client)
          await query("update", id, client)
          await client.query("COMMIT")
        } finally {
          client.release()
        }
      }),
    close: () => pool.end()
  }
}

const pipelined = async (url: string): Promise<Side> => {
  // `pipeline` is not declared in @types/pg.
  const client = new pg.Client({ connectionString: url, pipeline: true } as pg.ClientConfig)
  await client.connect()
  const query = (name: keyof typeof texts, value: number) => client.query({ name, text: texts[name], values: [value] })
  return {
    name: "pg, one pipelined connection",
    point: (loops) => promises(loops, () => query("point", random())),
    rows3: (loops) => promises(loops, () => query("rows3", 100)),
    rows20: (loops) => promises(loops, () => query("rows20", 100)),
    many: (loops) => promises(loops, () => query("many", 0)),
    close: () => client.end()
  }
}

const postgresJs = (url: string): Side => {
  const sql = postgres(url, { max: 10, onnotice: () => {} })
  return {
    name: "postgres.js",
    point: (loops) => promises(loops, () => sql`SELECT id, name, email FROM items WHERE id = ${random()}`),
    rows3: (loops) => promises(loops, () => sql`SELECT id, name, email FROM items WHERE id <= ${100}`),
    rows20: (loops) => promises(loops, () => sql`SELECT * FROM wide WHERE id <= ${100}`),
    many: (loops) => promises(loops, () => sql`SELECT id, name, email FROM items WHERE id > ${0}`),
    slow: (loops) => promises(loops, () => sql`SELECT slow(${100})`),
    write: (loops) => promises(loops, () => sql`UPDATE accounts SET balance = balance + 1 WHERE id = ${random()}`),
    transfer: (loops) =>
      promises(loops, () =>
        sql.begin(async (sql) => {
          const id = random()
          await sql`SELECT balance FROM accounts WHERE id = ${id}`
          await sql`UPDATE accounts SET balance = balance + 1 WHERE id = ${id}`
        })
      ),
    close: () => sql.end()
  }
}

const items = pgTable("items", {
  id: integer("id").primaryKey(),
  name: text("name").notNull(),
  email: text("email").notNull()
})
const accounts = pgTable("accounts", { id: integer("id").primaryKey(), balance: integer("balance").notNull() })

const drizzleSides = (url: string): ReadonlyArray<Side> => {
  const pool = new pg.Pool({ connectionString: url, max: 10 })
  const db = drizzle(pool)
  const prepared = db
    .select()
    .from(items)
    .where(eq(items.id, raw.placeholder("id")))
    .prepare("drizzle_point")
  return [
    {
      name: "Drizzle",
      point: (loops) => promises(loops, () => db.select().from(items).where(eq(items.id, random()))),
      rows3: (loops) => promises(loops, () => db.select().from(items).where(raw`id <= 100`)),
      many: (loops) => promises(loops, () => db.select().from(items)),
      transfer: (loops) =>
        promises(loops, () =>
          db.transaction(async (tx) => {
            const id = random()
            await tx.select().from(accounts).where(eq(accounts.id, id))
            await tx
              .update(accounts)
              .set({ balance: raw`${accounts.balance} + 1` })
              .where(eq(accounts.id, id))
          })
        ),
      close: () => pool.end()
    },
    {
      name: "Drizzle, prepared",
      point: (loops) => promises(loops, () => prepared.execute({ id: random() })),
      close: async () => {}
    }
  ]
}

interface Tables {
  items: { id: Generated<number>; name: string; email: string }
  accounts: { id: Generated<number>; balance: number }
}

const kyselySide = (url: string): Side => {
  const db = new Kysely<Tables>({
    dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: url, max: 10 }) })
  })
  return {
    name: "Kysely",
    point: (loops) =>
      promises(loops, () => db.selectFrom("items").selectAll().where("id", "=", random()).executeTakeFirst()),
    rows3: (loops) => promises(loops, () => db.selectFrom("items").selectAll().where("id", "<=", 100).execute()),
    many: (loops) => promises(loops, () => db.selectFrom("items").selectAll().where("id", ">", 0).execute()),
    transfer: (loops) =>
      promises(loops, () =>
        db.transaction().execute(async (trx) => {
          const id = random()
          await trx.selectFrom("accounts").select("balance").where("id", "=", id).execute()
          await trx.updateTable("accounts").set({ balance: kyselySql`balance + 1` }).where("id", "=", id).execute()
        })
      ),
    close: () => db.destroy()
  }
}

/** All of them, connected; ours first, the stock stack second. */
export const sides = async (url: string): Promise<ReadonlyArray<Side>> => [
  effectSide("ours", await ours(url)),
  effectSide("stock @effect/sql-pg", await stock(url)),
  pgSide("pg, pool", url, false),
  pgSide("pg, pool with names", url, true),
  await pipelined(url),
  postgresJs(url),
  ...drizzleSides(url),
  kyselySide(url)
]

/**
 * Ours once more, with a pool too small for lanes. To be made when what has nothing to do with lanes has been measured: with
 * two clients in one process the engine no longer compiles either as if it were the only one.
 */
export const withoutLanes = async (url: string): Promise<Side> =>
  effectSide("ours, no lane", await ours(url, { size: 4, maxOverflow: 6 }))
