/** Changes as SQL: what the product in use would be sent, without sending it. */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { DatabaseSchema, LiveSchema, Table } from "effect-aquifer"
import { everywhere, schema } from "../migration/support.js"
import { diff, on, prepare, told } from "./changes.js"
import { rich } from "./rich.js"

const changed = DatabaseSchema.make({
  ...rich.tables,
  notes: Table.make("notes", {
    id: Table.bigint.pipe(Table.primaryKey),
    order: Table.varchar(50).pipe(Table.renamedFrom("order"), Table.withDefault("x")),
    extra: Table.text.pipe(Table.nullable, Table.unique)
  })
})

for (const product of everywhere) {
  describe(`a plan on ${product.name}`, () => {
    prepare(product)
    it.live("is statements that do what the changes say, in order, and nothing until they are sent", () =>
      on(product, () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const send = (texts: ReadonlyArray<string>) =>
            Effect.forEach(texts, (text) => sql.unsafe(text), { discard: true })
          const all = yield* DatabaseSchema.toSql(rich)
          expect((yield* schema).tables).toEqual([])
          yield* send([all])
          expect(told(yield* diff(rich))).toEqual([])

          const before = yield* schema
          const plan = yield* DatabaseSchema.plan(changed)
          expect(LiveSchema.differences(before, yield* schema)).toEqual([])
          expect(plan.map(({ change }) => change)).toEqual(yield* diff(changed))
          expect(plan.every(({ statements }) => statements.length > 0)).toBe(true)
          if (product.name === "sqlite") yield* sql`PRAGMA foreign_keys = OFF`
          yield* send(plan.flatMap(({ statements }) => statements))
          expect(told(yield* diff(changed))).toEqual([])
          expect(yield* DatabaseSchema.plan(changed)).toEqual([])
        })
      )
    )
  })
}
