/** What a pulled module is worth: loaded, it is the schema it was pulled from. */
import * as fs from "node:fs"
import * as path from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { DatabaseSchema, LiveSchema } from "effect-aquifer"
import { importFile } from "../../src/migration/importModule.js"
import { type Product, scratch } from "../migration/support.js"
import { apply, diff, differences, look, on, told } from "./changes.js"

export const run = (...texts: ReadonlyArray<string>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.forEach(texts, (text) => sql.unsafe(text), { discard: true }))

/** The default export of a module of this text. */
export const load = (text: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const file = path.join(yield* scratch, "schema.ts")
      fs.writeFileSync(file, text)
      const module = yield* Effect.promise(() => importFile(file, text, "schema"))
      return (module as { readonly default: DatabaseSchema.DatabaseSchema }).default
    })
  )

/** What `pull` says of itself where it cannot say all. */
export const failings = /differ from the database|could not be compared/

/** What is printed otherwise at each print; whether it says the same is for `diff` to know. */
const isText = /\.(?:sql|where|over): /

/** What tables stand on is there by other means, and what stands on them is not made. */
const tablesOf = (schema: LiveSchema.LiveSchema): LiveSchema.LiveSchema => ({
  ...schema,
  views: [],
  sequences: [],
  tables: schema.tables.map((table) => ({ ...table, triggers: [] }))
})

/** Pulled and loaded, it is no different from what is there; made of it, another database is the same. */
export const roundTrip = (product: Product, { but = /^$/ }: { readonly but?: RegExp } = {}) =>
  Effect.gen(function* () {
    const text = yield* DatabaseSchema.pull()
    expect(text).not.toMatch(failings)
    const schema = yield* load(text)
    expect(told(yield* diff(schema))).toEqual([])
    expect(yield* DatabaseSchema.pull()).toBe(text)
    const before = yield* look
    yield* on(product, () =>
      Effect.gen(function* () {
        yield* run(...schema.requires.flatMap((one) => Object.values(one)))
        yield* apply(yield* diff(schema))
        expect(told(yield* diff(schema))).toEqual([])
        const declared = LiveSchema.without(before, ["flyway_schema_history", "schema_migrations"])
        const found = differences(tablesOf(declared), tablesOf(yield* look)).split("\n")
        expect(found.filter((line) => !(line === "" || isText.test(line) || but.test(line)))).toEqual([])
      })
    )
    return { text, schema }
  })
