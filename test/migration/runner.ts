/** A program of its own that migrates: says when it is ready, waits for the file that lets all begin, says what it did. */
import * as fs from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import * as Effect from "effect/Effect"
import { Database, Migrator } from "effect-aquifer"

const [url = "", directory = "", go = ""] = process.argv.slice(-3)

const program = Effect.gen(function* () {
  process.stdout.write("ready\n")
  yield* Effect.promise(async () => {
    while (!fs.existsSync(go)) await sleep(10)
  })
  process.stdout.write("begins\n")
  const report = yield* Migrator.up({ directory, lockTimeout: url.startsWith("pglite:") ? "10 minutes" : "60 seconds" })
  process.stdout.write(`applied ${report.applied.length} already ${report.already}\n`)
})

// A database in this process is opened by who needs it: one process has it at a time, and the others wait in the migrator.
const connect = url.startsWith("pglite:") ? "lazy" : "eager"
const database = Database.layer({ url, connect, applicationName: `runner ${process.pid}` })

Effect.runPromise(Effect.provide(program, database)).catch((error) => {
  process.stderr.write(`${String(error)}\n`)
  process.exitCode = 1
})
