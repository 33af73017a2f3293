/** Every failure SQLite has an answer for, through the public door, on a file and in memory. */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { Transaction } from "effect-aquifer"
import { sqlite, sqliteMemory } from "../contract/products.js"
import { meets, titleOf } from "./case.js"
import { alone, at, cases, file } from "./sqliteCases.js"

for (const product of [sqlite, sqliteMemory]) {
  describe(product.name, () => {
    for (const one of cases)
      it.scopedLive(titleOf(one), () => Effect.provide(meets(one), product.database(one.options)))
  })
}

describe("files", () => {
  for (const one of alone) it.scopedLive(titleOf(one), () => meets(one))
})

it.scopedLive("another client's lock is waited for, in a traced statement like in any other", () =>
  Effect.gen(function* () {
    const path = yield* file
    const begun = yield* Deferred.make<void>()
    const write = (n: number) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql`UPDATE pets SET age = ${n}`)
    const holder = yield* Effect.fork(
      Transaction.run(
        write(4).pipe(Effect.zipRight(Deferred.succeed(begun, undefined)), Effect.zipRight(Effect.sleep("150 millis")))
      ).pipe(Effect.provide(at(path)))
    )
    yield* Deferred.await(begun)
    const other = Layer.fresh(at(path, { lockTimeout: "20 seconds" }))
    yield* Effect.provide(Effect.withSpan(write(5), "traced"), other)
    yield* Fiber.join(holder)
    const ages = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT age FROM pets`)
    expect(yield* Effect.provide(ages, Layer.fresh(at(path)))).toEqual([{ age: 5 }])
  })
)
