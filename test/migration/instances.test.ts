/** An application of many instances: `Database.layer`, `Migrator.layer` and a program that needs the schema. */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Migrator } from "effect-aquifer"
import { everywhere, folder, layerOf, ledger, on, prepare, put, remove, rows, table, tables } from "./support.js"

const five = Object.fromEntries(["a", "b", "c", "d", "e"].map((name, i) => [`${i + 1}_${name}.sql`, table(name)]))
const ids = ["1", "2", "3", "4", "5"]
const starts = (count: number) => Array.from({ length: count }, (_, i) => i)

for (const product of everywhere) {
  describe(`instances on ${product.name}`, () => {
    prepare(product)
    it.live("ten started at once: each finds the schema, each revision is applied once", () =>
      on(product, (url) =>
        Effect.gen(function* () {
          const directory = yield* folder(five)
          const insert = (i: number) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO e VALUES (${i})`)
          // In one process there is one database inside it; elsewhere each instance has its own pool.
          const here = Layer.succeed(SqlClient.SqlClient, yield* SqlClient.SqlClient)
          const database = product.name === "pglite" ? here : layerOf(product, url)
          const instance = (i: number) =>
            Effect.provide(insert(i), Layer.provideMerge(Migrator.layer({ directory }), Layer.fresh(database)))
          yield* Effect.forEach(starts(10), instance, { concurrency: "unbounded" })
          expect(yield* ledger).toEqual(ids.map((id) => `${id} applied 0`))
          expect(yield* rows("SELECT id FROM e ORDER BY id")).toEqual(starts(10).map((id) => ({ id })))
          expect(yield* rows("SELECT DISTINCT applied_by FROM aquifer_migrations")).toHaveLength(1)
        })
      )
    )

    it.live("old ones that start and restart beside a newer one go on, and change nothing", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder(five)
          yield* Migrator.up({ directory })
          for (const name of ["4_d.sql", "5_e.sql"]) yield* remove(directory, name)
          const old = Effect.provide(rows("SELECT id FROM c"), Migrator.layer({ directory }))
          yield* Effect.forEach(starts(5), () => old, { concurrency: "unbounded" })
          expect(yield* ledger).toEqual(ids.map((id) => `${id} applied 0`))
          expect(yield* tables).toEqual(["a", "b", "c", "d", "e"])
          // Not so an old one with a revision of its own, which the newer one has never seen.
          yield* put(directory, { "3_1_x.sql": table("x") })
          yield* remove(directory, "3_1_x.sql")
          yield* put(directory, { "6_x.sql": `-- revises: 3\n${table("x")}` })
          expect((yield* Effect.provide(tables, Migrator.layer({ directory }))).sort()).toEqual([
            "a",
            "b",
            "c",
            "d",
            "e",
            "x"
          ])
        })
      )
    )
  })
}
