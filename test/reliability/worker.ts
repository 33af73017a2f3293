/**
 * A program of its own that carries transfers out until it is killed: the database, the first id and the number of accounts
 * are its arguments. It says `begun <id>` inside each transaction and `done <id>` behind its commit. It ends by itself when
 * nobody listens any more, or after two minutes.
 */
import { writeSync } from "node:fs"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
// By path: a program run this way gets the last build for the package's name.
import * as Database from "../../src/Database.js"
import * as Transaction from "../../src/transaction/Transaction.js"
import { move } from "./transfer.js"

const [url = "", first = "", accounts = ""] = process.argv.slice(2)
/** SQLite lets one write at a time and keeps no queue: a program that never pauses between its transactions starves the other. */
const sqlite = url.startsWith("sqlite")
const fibers = sqlite ? 1 : 6

const say = (line: string) =>
  Effect.sync(() => {
    writeSync(1, `${line}\n`)
  })

const transfer = (id: number) => {
  const from = (id % Number(accounts)) + 1
  const to = ((id * 7 + 3) % Number(accounts)) + 1
  return Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Transaction.run(
      Effect.gen(function* () {
        yield* move(sql, { id, from, to: to === from ? (to % Number(accounts)) + 1 : to, amount: (id % 9) + 1 })
        yield* say(`begun ${id}`)
        // Most of the time it is in the middle of something.
        yield* Effect.sleep("15 millis")
      }),
      { isolation: "serializable" }
    )
  ).pipe(Effect.zipRight(say(`done ${id}`)), Effect.zipRight(Effect.sleep(sqlite ? "20 millis" : 0)))
}

process.stdin.on("end", () => process.exit(3)).resume()
setTimeout(() => process.exit(4), 120_000).unref()

await Effect.runPromise(
  Effect.forEach(
    Array.from({ length: 100_000 }, (_, index) => Number(first) + index),
    transfer,
    { concurrency: fibers, discard: true }
  ).pipe(
    Effect.provide(
      Database.layer({
        url,
        profile: "production",
        ...(sqlite ? { lockTimeout: "1 minute" } : {}),
        retry: { conflict: { maxRetries: 100, baseDelay: "2 millis" } }
      })
    )
  )
)
