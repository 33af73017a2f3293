/**
 * The same database for code without Effect.
 *
 *   npx jiti examples/promises.ts
 */
import { Database } from "effect-aquifer"

const db = await Database.promise({ url: "sqlite::memory:" })

await db.query`CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)`
await db.query`INSERT INTO notes ${db.sql.insert([{ text: "one" }, { text: "two" }])}`

await db
  .transaction(async (tx) => {
    await tx.query`DELETE FROM notes`
    throw new Error("on second thoughts, no")
  })
  .catch((error: Error) => console.log(`rolled back: ${error.message}`))

console.log(await db.query<{ text: string }>`SELECT text FROM notes ORDER BY id`)
await db.close()
