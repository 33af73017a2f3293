/** A database for code without Effect, on both products. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as fs from "node:fs/promises"
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Database from "../src/Database.js"
import { isDatabaseError, SerializationError, UniqueViolation } from "../src/model/DatabaseError.js"
import * as PromiseClient from "../src/PromiseClient.js"
import { command } from "./cli/command.js"
import { freshFile } from "./cli/folder.js"
import { eventually } from "./reliability/world.js"
import { freshDatabase } from "./support/server.js"
import { sharedPair } from "./support/sharedPair.js"

const products: Readonly<Record<string, Effect.Effect<string, unknown, Scope.Scope>>> = {
  sqlite: Effect.map(freshFile("promise.db"), (path) => `sqlite:${path}`),
  postgres: freshDatabase
}

const open = (url: string) => PromiseClient.open(Database.layer({ url, pool: { size: 2, maxOverflow: 0 } }))

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => expect.fail(`resolved with ${String(value)}`),
    (error: unknown) => error
  )

describe.each(Object.entries(products))("Promises on %s", (_, fresh) => {
  const test = (title: string, body: (db: PromiseClient.PromiseClient, url: string) => Promise<void>) =>
    it.scopedLive(title, () =>
      Effect.flatMap(fresh, (url) =>
        Effect.promise(async () => {
          const db = await open(url)
          try {
            await db.query`CREATE TABLE people (id INTEGER PRIMARY KEY, name VARCHAR(50) NOT NULL)`
            await body(db, url)
          } finally {
            await db.close()
          }
        })
      )
    )

  const names = async (db: PromiseClient.Queries) =>
    (await db.query<{ name: string }>`SELECT name FROM people ORDER BY id`).map(({ name }) => name)

  test("values are bound, names and lists are quoted", async (db) => {
    const nasty = "x'); DROP TABLE people; --"
    await db.query`INSERT INTO people ${db.sql.insert([
      { id: 1, name: nasty },
      { id: 2, name: "b" }
    ])}`
    expect(await db.query<{ id: number }>`SELECT id FROM ${db.sql("people")} WHERE name = ${nasty}`).toEqual([
      { id: 1 }
    ])
    expect(await db.query`SELECT name FROM people WHERE ${db.sql.in("id", [2, 3])}`).toEqual([{ name: "b" }])
  })

  test("a failing statement rejects with the classified error itself", async (db) => {
    await db.query`INSERT INTO people VALUES (1, 'a')`
    const error = await rejection(db.query`INSERT INTO people VALUES (1, 'b')`)
    expect(error).toBeInstanceOf(UniqueViolation)
    expect(isDatabaseError(error)).toBe(true)
  })

  test("a transaction commits what it resolves with, and rolls back what it rejects", async (db) => {
    const result = await db.transaction(async (tx) => {
      await tx.query`INSERT INTO people VALUES (1, 'kept')`
      return (await names(tx)).length
    })
    expect(result).toBe(1)
    const mine = new Error("changed my mind")
    const thrown = await rejection(
      db.transaction(async (tx) => {
        await tx.query`INSERT INTO people VALUES (2, 'gone')`
        throw mine
      })
    )
    expect(thrown).toBe(mine)
    expect(await names(db)).toEqual(["kept"])
  })

  test("a lost race runs the body again, and only the last try is kept", async (db) => {
    let tries = 0
    await db.transaction(
      async (tx) => {
        tries += 1
        await tx.query`INSERT INTO people VALUES (${tries}, ${`try ${tries}`})`
        if (tries < 3) throw new SerializationError({ operation: "execute", reason: "lost" })
      },
      { retry: { maxRetries: 5, baseDelay: 1 } }
    )
    expect(tries).toBe(3)
    expect(await names(db)).toEqual(["try 3"])
  })

  test("a transaction inside a transaction is undone alone", async (db) => {
    await db.transaction(async (tx) => {
      await tx.query`INSERT INTO people VALUES (1, 'outer')`
      await rejection(
        tx.transaction(async (inner) => {
          await inner.query`INSERT INTO people VALUES (2, 'inner')`
          throw new Error("no")
        })
      )
      await tx.query`INSERT INTO people VALUES (3, 'after')`
    })
    expect(await names(db)).toEqual(["outer", "after"])
  })

  test("a statement that comes after its transaction is refused and writes nothing", async (db) => {
    let escaped: PromiseClient.Queries | undefined
    await db.transaction(async (tx) => {
      escaped = tx
      await tx.query`INSERT INTO people VALUES (1, 'in time')`
    })
    const late = escaped ?? expect.fail("no transaction was there")
    expect(await rejection(late.query`INSERT INTO people VALUES (2, 'late')`)).toMatchObject({
      _tag: "TransactionClosed"
    })
    expect(await names(db)).toEqual(["in time"])
  })

  test("where reads go to a replica nothing is written, and what the body throws is rejected as it is", async (db) => {
    await db.query`INSERT INTO people VALUES (1, 'a')`
    expect(await db.onReplica(names)).toEqual(["a"])
    expect(await db.onReplica((there) => there.transaction(names), { maxStaleness: "1 minute" })).toEqual(["a"])
    const insert = (there: PromiseClient.Queries) => there.query`INSERT INTO people VALUES (2, 'b')`
    expect(await rejection(db.onReplica(insert))).toMatchObject({ _tag: "ReadOnlyError" })
    expect(await rejection(db.onReplica((there) => there.transaction(insert)))).toMatchObject({ _tag: "ReadOnlyError" })
    const mine = new Error("changed my mind")
    expect(
      await rejection(
        db.onReplica(async (there) => {
          await names(there)
          throw mine
        })
      )
    ).toBe(mine)
    expect(await names(db)).toEqual(["a"])
    await insert(db)
  })

  test("inside a transaction they are the transaction's, and see what that has written", async (db) => {
    const seen = await db.transaction(async (tx) => {
      await tx.query`INSERT INTO people VALUES (1, 'mine')`
      return tx.onReplica(names)
    })
    expect(seen).toEqual(["mine"])
  })

  test("any Effect runs, inside a transaction as a part of it", async (db) => {
    const insert = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO people VALUES (1, 'effect')`)
    const mine = new Error("back")
    expect(
      await rejection(
        db.transaction(async (tx) => {
          await tx.run(insert)
          throw mine
        })
      )
    ).toBe(mine)
    expect(await names(db)).toEqual([])
    await db.run(insert)
    expect(await names(db)).toEqual(["effect"])
    expect(await rejection(db.run(insert))).toBeInstanceOf(UniqueViolation)
    expect(await rejection(db.run(Effect.fail(mine)))).toBe(mine)
  })

  test("close may be called twice; afterwards a statement rejects at once", async (db) => {
    await Promise.all([db.close(), db.close()])
    expect(await rejection(db.query`SELECT 1 AS one`)).toMatchObject({ _tag: "PoolClosed" })
  })

  it.scopedLive("a process that closes it ends by itself", () =>
    Effect.gen(function* () {
      const url = yield* fresh
      const folder = yield* command
      const script = yield* freshFile("script.mjs")
      yield* Effect.promise(async () => {
        await fs.writeFile(
          script,
          `import * as Database from ${JSON.stringify(`${folder}/dist/Database.js`)}
import * as PromiseClient from ${JSON.stringify(`${folder}/dist/PromiseClient.js`)}
const db = await PromiseClient.open(Database.layer({ url: process.argv[2] }))
const rows = await db.query\`SELECT 1 AS one\`
await db.transaction((tx) => tx.query\`SELECT 2 AS two\`)
await db[Symbol.asyncDispose]()
console.log("closed", rows.length)
setTimeout(() => { console.log("still alive"); process.exit(9) }, 5000).unref()
`
        )
        const child = spawn(process.execPath, [script, url], { stdio: ["ignore", "pipe", "inherit"] })
        let out = ""
        child.stdout.on("data", (chunk) => {
          out += chunk
        })
        // After its streams: what a process has said may arrive after its end.
        const [code] = await once(child, "close")
        expect({ code, out }).toEqual({ code: 0, out: "closed 1\n" })
      })
    })
  )
})

describe("Promises on a primary with a standby", () => {
  const shared = sharedPair()

  shared.promise("reads go to the standby, and only what is inside", () =>
    Effect.promise(async () => {
      await using db = await PromiseClient.open(
        Database.layer({
          url: shared.servers.primary.url,
          replicaUrls: [shared.servers.standby.url],
          profile: "development",
          ssl: "disable"
        })
      )
      const standby = async (there: PromiseClient.Queries) =>
        (await there.query<{ standby: boolean }>`SELECT pg_is_in_recovery() AS standby`)[0]?.standby
      await Effect.runPromise(
        eventually(
          "the standby answers",
          Effect.promise(() => db.onReplica(standby)),
          (answer) => answer === true
        )
      )
      expect(await db.onReplica((there) => there.transaction(standby))).toBe(true)
      expect(await standby(db)).toBe(false)
    })
  )
})

describe("Promises without a database", () => {
  it("a configuration that cannot be used rejects with every problem", async () => {
    const error = await rejection(PromiseClient.open(Database.layer({ url: "mysql://x", pool: { size: 0 } })))
    expect(error).toBeInstanceOf(PromiseClient.ConfigurationError)
    expect(String(error)).toContain("mysql")
    expect(String(error)).toContain("pool.size")
  })

  it("a server that is not there rejects with the error itself", async () => {
    const error = await rejection(open("postgres://nobody@127.0.0.1:1/x"))
    expect(error).toMatchObject({ _tag: "ConnectionError", phase: "connect" })
    expect(isDatabaseError(error)).toBe(true)
  })
})
