/** What is made from declared tables is what is declared: nothing is left to do. */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { everywhere } from "../migration/support.js"
import { apply, diff, on, prepare, told } from "./changes.js"
import { rich } from "./rich.js"

for (const product of everywhere) {
  describe(`diff on ${product.name}`, () => {
    prepare(product)

    it.live("is empty when the database was made from the declared tables", () =>
      on(product, () =>
        Effect.gen(function* () {
          const changes = yield* diff(rich)
          yield* apply(changes)
          expect(told(changes)).toHaveLength(6)
          expect(yield* diff(rich)).toEqual([])
          // Nobody else's tables are touched.
          const sql = yield* SqlClient.SqlClient
          yield* sql`CREATE TABLE aquifer_once (key text)`
          yield* sql`CREATE TABLE theirs (key text)`
          expect(yield* diff(rich, { ignore: ["theirs"] })).toEqual([])
          expect(yield* diff(rich, { ignore: (name) => name.startsWith("th") })).toEqual([])
          expect(yield* diff(rich, { drop: false })).toEqual([])
          expect(told(yield* diff(rich))).toEqual(["DropTable theirs"])
        })
      )
    )
  })
}
