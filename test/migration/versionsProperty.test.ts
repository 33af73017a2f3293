/** From any declared tables to any other, by versions: what they declare is there, rows that stay are kept, or it is refused. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type DatabaseSchema, Operations, Versions } from "effect-aquifer"
import * as fc from "fast-check"
import { contents, inhabit, lasting } from "../schema/contents.js"
import { declared } from "../schema/random.js"
import { everywhere, schema } from "./support.js"
import { numbers, on, prepare } from "./versions.js"

const runs = { sqlite: 15, postgresql: 5, pglite: 2 }

const version = (number: number, schema: DatabaseSchema.DatabaseSchema, settings: Versions.Settings = {}) => ({
  ...Versions.make(number, {}, settings),
  schema
})

const there = (a: DatabaseSchema.DatabaseSchema, b: DatabaseSchema.DatabaseSchema, migrate: boolean) =>
  Effect.gen(function* () {
    const one = version(1, a)
    yield* Versions.up([one])
    yield* Versions.check([one])
    yield* inhabit
    const [before, held] = [yield* schema, yield* contents]
    const first = version(2, b, migrate ? { migrate: ["SELECT 1"] } : {})
    const went = yield* Effect.either(Versions.up([one, first]))
    let two = first
    if (went._tag === "Left") {
      const error = went.left
      expect(error).toMatchObject({ _tag: "SchemaError", reason: "destructive" })
      expect(yield* numbers).toEqual([1])
      // A new word of an enum stays.
      expect({ ...(yield* schema), enums: [] }).toEqual({ ...before, enums: [] })
      expect(yield* contents).toEqual(held)
      // As its remedy says.
      const changes = error._tag === "SchemaError" ? (error.changes ?? []) : []
      two = version(2, b, { migrate: Effect.forEach(changes, Operations.apply) })
      yield* Versions.up([one, two])
    }
    const after = yield* schema
    yield* Versions.check([one, two])
    expect(lasting(yield* contents, after, before)).toEqual(lasting(held, after, before))
    const anew = [one, two, version(3, b, { rebuild: true })]
    yield* Versions.up(anew)
    yield* Versions.check(anew)
    expect([...(yield* contents).values()].flat()).toEqual([])
  })

for (const product of everywhere) {
  describe(`any version to any other on ${product.name}`, () => {
    prepare(product)
    it.live(
      "is there whole with the rows that stay, or is refused whole until it says itself what goes; rebuilt it is empty",
      () =>
        Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(declared, declared, fc.boolean(), (a, b, migrate) =>
              Effect.runPromise(on(product, () => there(a, b, migrate)))
            ),
            {
              reporter: ({ counterexamplePath, errorInstance, failed, seed }) => {
                if (failed) throw Object.assign(errorInstance as Error, { seed, counterexamplePath })
              },
              numRuns: runs[product.name],
              endOnFailure: true
            }
          )
        ),
      300_000
    )
  })
}
