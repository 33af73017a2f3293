/**
 * A program of its own that uses test databases: says `ready` and waits for a line. Then `once` builds a layer and ends, `hold`
 * stays in it, and `stall` stays in the seed of its template. Says what it is doing, and the name of its database.
 */
import { once } from "node:events"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
// By its path: to a bundler the name is the last build.
import * as DatabaseTest from "../../src/testing/DatabaseTest.js"

const [url = "", directory = "", version = "", way = "once"] = process.argv.slice(-4)

const say = (line: string) => Effect.sync(() => process.stdout.write(`${line}\n`))

const seed = Effect.zipRight(say("seeding"), way === "stall" ? Effect.never : Effect.void)

const program = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ name: string }>`SELECT current_database() AS name, count(*) FROM words`
  yield* say(`database ${row?.name}`)
  if (way === "hold") yield* Effect.never
})

process.stdout.write("ready\n")
await once(process.stdin, "data")
process.stdin.destroy()

const layer = DatabaseTest.postgres({ url, migrations: { directory }, seed, version })
Effect.runPromise(Effect.provide(program, layer)).catch((error) => {
  process.stderr.write(`${String(error)}\n`)
  process.exitCode = 1
})
