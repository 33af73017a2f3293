/** Opens the database of its last argument, says so, and keeps it until its standard input ends. */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Database from "../../../src/Database.js"

const url = process.argv.at(-1) ?? ""

await Effect.runPromise(
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE TABLE IF NOT EXISTS kept (id INTEGER)`
    yield* sql`INSERT INTO kept VALUES (1)`
    process.stdout.write("open\n")
    yield* Effect.async<void>((resume) => {
      process.stdin.on("end", () => resume(Effect.void)).resume()
    })
  }).pipe(Effect.provide(Database.layer({ url })))
)
