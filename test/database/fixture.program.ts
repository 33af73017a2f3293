/** A whole program in a process of its own: it must end by itself once its layer has, whatever it did. */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Database, DatabaseError, Health, Transaction } from "../../src/index.js"

const [what = "", url = ""] = process.argv.slice(2)

const work = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`SELECT 1`
  yield* Transaction.run(sql`SELECT 1`)
  yield* Effect.all(Array(8).fill(sql`SELECT 2`) as Array<Effect.Effect<unknown, unknown>>, { concurrency: 8 })
  yield* Effect.flatMap(Health.Health, (health) => health.latest)
  yield* Effect.timeoutOption(sql`SELECT 3`, "20 seconds")
})

const services = (connect: "eager" | "lazy") => {
  const database = Database.layer({ url, connect, profile: "production" })
  return Layer.provideMerge(Health.layer({ every: "1 second" }), database)
}

const programs: Readonly<Record<string, () => Promise<unknown>>> = {
  works: () => Effect.runPromise(Effect.provide(work, services("eager"))),
  "works lazily": () => Effect.runPromise(Effect.provide(work, services("lazy"))),
  fails: () =>
    Effect.runPromise(Effect.flip(Effect.provide(work, services("eager")))).then((error) => {
      if (DatabaseError.find(error) === undefined) throw error
    }),
  "fails lazily": () =>
    Effect.runPromise(Effect.flip(Effect.provide(work, services("lazy")))).then((error) => {
      if (DatabaseError.find(error) === undefined) throw error
    }),
  "is interrupted": () =>
    Effect.runPromise(
      Effect.provide(Effect.timeoutOption(Effect.zipRight(work, Effect.never), "300 millis"), services("eager"))
    )
}

await programs[what]?.()
// Nothing ends the process but the end of everything in it.
console.log(`done: ${what}`)
