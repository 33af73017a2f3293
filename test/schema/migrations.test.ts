/** The application's tables, as they are declared, are what `migrations/` makes of a database. */
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { DatabaseSchema, Migrator } from "effect-aquifer"
import * as AppSchema from "../../src/app/AppSchema.js"
import { everywhere } from "../migration/support.js"
import { apply, diff, on, prepare, told } from "./changes.js"

const directory = path.resolve(import.meta.dirname, "../../migrations")

for (const product of everywhere) {
  describe(`migrations on ${product.name}`, () => {
    prepare(product)
    it.live("make exactly what is declared, ledger aside, and taken back leave nothing of it", () =>
      on(
        product,
        () =>
          Effect.gen(function* () {
            const declared = DatabaseSchema.make(AppSchema.make("acme"))
            yield* Migrator.up({ directory })
            expect(told(yield* diff(declared))).toEqual([])
            const schema = DatabaseSchema.make({ logs: AppSchema.logs("acme") })
            expect([...told(yield* diff(schema))].sort()).toEqual(
              ["api_keys", "refresh_tokens", "usage", "users"].map((name) => `DropTable acme_${name}`)
            )
            yield* Migrator.down({ directory, to: "base" })
            expect(told(yield* diff(DatabaseSchema.make({})))).toEqual([])
            yield* apply(yield* diff(declared))
            expect(told(yield* diff(declared))).toEqual([])
          }),
        { tablePrefix: "acme" }
      )
    )
  })
}
