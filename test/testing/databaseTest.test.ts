import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { Migration, Migrator, Operations, Table, Transaction } from "effect-aquifer"
import { DatabaseTest } from "effect-aquifer/testing"

const migrations = {
  loader: Migrator.fromRecord({
    "0001_words": Migration.make({
      up: Operations.createTable(Table.make("words", { id: Table.int.pipe(Table.primaryKey), word: Table.text })),
      down: Operations.dropTable("words")
    })
  })
}

const words = Effect.flatMap(SqlClient.SqlClient, (sql) => sql<{ word: string }>`SELECT word FROM words ORDER BY id`)
const add = (id: number, word: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO words ${sql.insert({ id, word })}`)

it.live("a test database is migrated while its layer is built", () =>
  Effect.gen(function* () {
    yield* add(1, "one")
    expect(yield* words).toEqual([{ word: "one" }])
  }).pipe(Effect.provide(DatabaseTest.sqlite({ migrations })))
)

it.live("each build of the layer is a database of its own", () =>
  Effect.gen(function* () {
    yield* Effect.provide(add(1, "one"), DatabaseTest.sqlite({ migrations }))
    expect(yield* Effect.provide(words, DatabaseTest.sqlite({ migrations }))).toEqual([])
  })
)

it("no server's database can be migrated and seeded as if it were one of SQLite's", () => {
  // @ts-expect-error: a file is the most it may be
  DatabaseTest.sqlite({ url: "postgres://localhost/production" })
  expect(Layer.isLayer(DatabaseTest.sqlite({ url: "sqlite:words.db" }))).toBe(true)
})

it.live("a sandbox keeps the result and undoes the work, transactions inside it included", () =>
  Effect.gen(function* () {
    let committed = 0
    const seen = yield* DatabaseTest.sandbox(
      Effect.gen(function* () {
        yield* add(1, "one")
        yield* Transaction.run(add(2, "two"))
        yield* Transaction.afterCommit(Effect.sync(() => committed++))
        return yield* words
      })
    )
    expect(seen).toHaveLength(2)
    expect(yield* words).toEqual([])
    const failed = yield* Effect.exit(
      DatabaseTest.sandbox(Effect.zipRight(add(1, "one"), Effect.fail("mine" as const)))
    )
    expect(failed).toEqual(Exit.fail("mine"))
    expect(yield* words).toEqual([])
    expect(committed).toBe(0)
  }).pipe(Effect.provide(DatabaseTest.sqlite({ migrations })))
)
