/** From any declared tables to any other and back: nothing is left to do, and what stays keeps its rows. */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { DatabaseSchema, LiveSchema } from "effect-aquifer"
import * as fc from "fast-check"
import { everywhere, rows, schema } from "../migration/support.js"
import { apply, diff, differences, inverses, look, nameless, on, prepare, told } from "./changes.js"
import { declared } from "./random.js"

/** One row in each table. */
const inhabit = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  for (const table of (yield* schema).tables) {
    const columns = table.columns.filter(({ name }) => ["id", "a", "b1", "b2"].includes(name))
    const own = table.columns.some(({ identity }) => identity === "always") ? "OVERRIDING SYSTEM VALUE" : ""
    const values = columns.map(() => "'1'").join(", ")
    yield* sql.unsafe(
      `INSERT INTO ${table.name} (${columns.map(({ name }) => name).join(", ")}) ${own} VALUES (${values})`
    )
  }
})

type Contents = ReadonlyMap<string, ReadonlyArray<Record<string, unknown>>>

const contents: Effect.Effect<Contents, unknown, SqlClient.SqlClient> = Effect.gen(function* () {
  const found = new Map<string, ReadonlyArray<Record<string, unknown>>>()
  for (const { name } of (yield* schema).tables) found.set(name, yield* rows(`SELECT * FROM ${name}`))
  return found
})

/** What is in the columns that are there on both sides, under one type, and that nobody computes. */
const lasting = (of: Contents, before: LiveSchema.LiveSchema, after: LiveSchema.LiveSchema) =>
  before.tables.flatMap(({ columns, name }) => {
    const other = LiveSchema.table(after, name)?.columns ?? []
    const same = (a: LiveSchema.LiveColumn, b: LiveSchema.LiveColumn) =>
      a.name === b.name && a.type === b.type && a.computed === undefined && b.computed === undefined
    const both = columns.filter((column) => other.some((one) => same(column, one)))
    return both.map((column) => [name, column.name, of.get(name)?.map((row) => row[column.name])])
  })

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
