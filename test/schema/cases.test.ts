/** Each kind of change, told by two declarations, made on a database with rows, and taken back. */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { everywhere, rows } from "../migration/support.js"
import { casesOn } from "./cases.js"
import { apply, diff, differences, inverses, look, on, prepare, told } from "./changes.js"

const fill = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  for (const { columns, name } of (yield* look).tables) {
    const column = columns.some(({ name }) => name === "id") ? "id" : columns[0]?.name
    yield* sql.unsafe(`INSERT INTO ${name} (${column}) VALUES (1)`)
  }
})

/** What is in all tables, whatever the order of their columns. */
const contents = Effect.flatMap(look, ({ tables }) =>
  Effect.forEach(tables, ({ name }) => Effect.map(rows(`SELECT * FROM ${name}`), (found) => [name, found]))
)

for (const product of everywhere) {
  describe(`on ${product.name}, there and back`, () => {
    prepare(product)
    for (const one of casesOn(product)) {
      it.live(one.title, () =>
        on(product, () =>
          Effect.gen(function* () {
            yield* apply(yield* diff(one.before))
            if (one.circular !== true) yield* fill
            const [before, data] = [yield* look, yield* contents]
            const changes = yield* diff(one.after)
            const expected = (product.name === "sqlite" ? one.sqlite : undefined) ?? one.told
            const sorted = [...expected].sort().join() === expected.join()
            expect(sorted ? [...told(changes)].sort() : told(changes)).toEqual(expected)
            yield* apply(changes)
            expect(told(yield* diff(one.after))).toEqual([])
            const back = inverses(changes)
            expect(Option.isSome(back)).toBe(one.oneWay !== true)
            yield* apply(Option.getOrElse(back, () => []))
            if (one.oneWay === true) return
            if (one.reprinted !== true) expect(differences(before, yield* look)).toBe("")
            expect(told(yield* diff(one.before))).toEqual([])
            if (one.loses !== true) expect(yield* contents).toEqual(data)
          })
        )
      )
    }
  })
}
