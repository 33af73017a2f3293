/** Every failure PostgreSQL has an answer for, through the public door. */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Database } from "effect-aquifer"
import { postgres } from "../contract/products.js"
import { freshDatabase, query } from "../support/server.js"
import { meets, titleOf } from "./case.js"
import * as Door from "./postgresDoor.js"
import * as Races from "./postgresRaces.js"
import * as Statements from "./postgresStatements.js"

const shared = Layer.unwrapScoped(
  Effect.gen(function* () {
    const url = yield* freshDatabase
    yield* query(url, Statements.schema)
    return Database.layer({ url, profile: "development" })
  })
)

layer(Layer.orDie(shared), { excludeTestServices: true })("statements", (it) => {
  for (const one of Statements.cases) it.scoped(titleOf(one), () => Effect.provide(meets(one), Reactivity.layer))

  it.scoped("after all of them the connections still work", () =>
    Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT count(*) FROM owners`)
  )
})

describe("sessions", () => {
  for (const one of Races.cases)
    it.scopedLive(titleOf(one), () => Effect.provide(meets(one), postgres.database(one.options)))
})

describe("opening", () => {
  for (const one of Door.cases) it.scopedLive(titleOf(one), () => meets(one))
})
