/** From any declared tables to any other and back: nothing is left to do, and what stays keeps its rows. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { DatabaseSchema } from "effect-aquifer"
import * as fc from "fast-check"
import { everywhere, schema } from "../migration/support.js"
import { apply, diff, differences, inverses, look, nameless, on, prepare, told } from "./changes.js"
import { contents, inhabit, lasting } from "./contents.js"
import { declared } from "./random.js"

const runs = { sqlite: 15, postgresql: 6, pglite: 3 }

const thereAndBack = (a: DatabaseSchema.DatabaseSchema, b: DatabaseSchema.DatabaseSchema) =>
  Effect.gen(function* () {
    yield* apply(yield* diff(a))
    expect(told(yield* diff(a)).join("\n")).toBe("")
    yield* inhabit
    const atA = yield* look
    const changes = yield* diff(b)
    const there = yield* contents
    yield* apply(changes)
    const atB = yield* look
    expect(lasting(yield* contents, atB, atA)).toEqual(lasting(there, atB, atA))
    expect(told(yield* diff(b)).join("\n")).toBe("")

    const back = inverses(changes)
    if (Option.isSome(back)) {
      yield* apply(back.value)
      expect(differences(atA, yield* look)).toBe("")
      expect(told(yield* diff(a)).join("\n")).toBe("")
      yield* apply(yield* diff(b))
      expect(differences(atB, yield* look)).toBe("")
    }
    yield* apply(yield* diff(DatabaseSchema.make({})))
    expect((yield* schema).tables).toEqual([])
    yield* apply(yield* diff(b))
    expect(differences(nameless(atB), nameless(yield* look))).toBe("")
  })

for (const product of everywhere) {
  describe(`any schema to any other on ${product.name}`, () => {
    prepare(product)
    it.live(
      "and back: nothing is left to do, and what stays keeps its rows",
      () =>
        Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(declared, declared, (a, b) =>
              Effect.runPromise(on(product, () => thereAndBack(a, b)) as Effect.Effect<void, unknown>)
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
