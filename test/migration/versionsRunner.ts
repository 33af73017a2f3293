/** A program of its own that applies versions: waits for the file that lets all begin, gets stuck in the second where told so. */
import * as fs from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { Database, Table, Versions } from "effect-aquifer"

const [url = "", mode = "", go = ""] = process.argv.slice(-3)

const log = Table.make("log", { version: Table.int })
const other = Table.make("other", { id: Table.int.pipe(Table.primaryKey) })

const note = (version: number) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO log (version) VALUES (${version})`)
const stuck = Effect.suspend(() => {
  if (mode !== "stuck") return Effect.void
  process.stdout.write("in the middle\n")
  return Effect.never
})
const versions = [
  Versions.make(1, { log }, { migrate: note(1) }),
  Versions.make(2, { log, other }, { migrate: Effect.zipRight(note(2), stuck) }),
  Versions.make(3, { log, other }, { migrate: note(3) })
]

const program = Effect.gen(function* () {
  process.stdout.write("ready\n")
  yield* Effect.promise(async () => {
    while (!fs.existsSync(go)) await sleep(10)
  })
  const report = yield* Versions.up(versions)
  process.stdout.write(`applied ${report.applied.length} to ${report.to}\n`)
})

Effect.runPromise(Effect.provide(program, Database.layer({ url, applicationName: `runner ${process.pid}` }))).catch(
  (error) => {
    process.stderr.write(`${String(error)}\n`)
    process.exitCode = 1
  }
)
