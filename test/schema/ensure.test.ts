/** Missing tables are made, what is there is left alone, and one that fails keeps no other from being made. */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { DatabaseSchema, LiveSchema, Table, Transaction } from "effect-aquifer"
import * as AppSchema from "../../src/app/AppSchema.js"
import { everywhere, layerOf, products, rows, schema, tables } from "../migration/support.js"
import { diff, on, prepare, told } from "./changes.js"
import { rich } from "./rich.js"

const outcomes = ({ tables }: DatabaseSchema.Report) => tables.map(({ outcome, table }) => `${table} ${outcome}`)

for (const product of everywhere) {
  describe(`ensure on ${product.name}`, () => {
    prepare(product)
    it.live("makes what is missing, with keys, enums and indexes, and then nothing more", () =>
      on(product, () =>
        Effect.gen(function* () {
          const first = yield* DatabaseSchema.ensure(rich)
          expect(first.ok).toBe(true)
          expect(outcomes(first)).toEqual(["notes created", "people created", "memberships created", "teams created"])
          expect(told(yield* diff(rich))).toEqual([])
          const again = yield* DatabaseSchema.ensure(rich)
          expect(outcomes(again)).toEqual(["notes present", "people present", "memberships present", "teams present"])
        })
      )
    )

    it.live("touches no table that is there, whatever it looks like", () =>
      on(product, () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* sql`CREATE TABLE app_users (id integer, mine text)`
          yield* sql`INSERT INTO app_users VALUES (1, 'kept')`
          const before = LiveSchema.table(yield* schema, "app_users")
          const { apiKeys, logs, users } = AppSchema.make()
          const report = yield* DatabaseSchema.ensure(DatabaseSchema.make({ apiKeys, users, logs }))
          expect(outcomes(report)).toEqual(["app_api_keys created", "app_users present", "app_logs created"])
          expect(LiveSchema.table(yield* schema, "app_users")).toEqual(before)
          expect(yield* rows("SELECT * FROM app_users")).toEqual([{ id: 1, mine: "kept" }])
        })
      )
    )

    it.live("goes on past a table that fails, leaves nothing of it, and says which and why", () =>
      on(product, () =>
        Effect.gen(function* () {
          const good = Table.make("good", { id: Table.int.pipe(Table.primaryKey) })
          const bad = Table.make("bad", { id: Table.int.pipe(Table.primaryKey) }, () => [
            Table.index(["id"]),
            Table.index([{ sql: "no_such(id)" }], { name: "never" })
          ])
          const last = Table.make("last", { id: Table.int.pipe(Table.primaryKey) })
          const report = yield* DatabaseSchema.ensure(DatabaseSchema.make({ good, bad, last }))
          expect(report.ok).toBe(false)
          expect(outcomes(report)).toEqual(["good created", "bad failed", "last created"])
          expect(report.tables[1]?.error?.message).toContain("no_such")
          expect(yield* tables).toEqual(["good", "last"])
        })
      )
    )

    it.live("belongs to the transaction around it: what that takes back is not there", () =>
      on(product, () =>
        Effect.gen(function* () {
          const good = Table.make("good", { id: Table.int.pipe(Table.primaryKey) })
          const ensured = Effect.flatMap(DatabaseSchema.ensure(DatabaseSchema.make({ good })), (report) =>
            Effect.fail(outcomes(report))
          )
          expect(yield* Effect.flip(Transaction.run(ensured))).toEqual(["good created"])
          expect(yield* tables).toEqual([])
        })
      )
    )
  })
}

it.live("many at once make each table once, and all succeed", () =>
  Effect.scoped(
    Effect.forEach(products, (product) =>
      Effect.gen(function* () {
        const url = yield* product.database
        const schema = DatabaseSchema.make(AppSchema.make())
        const reports = yield* Effect.all(
          Array.from({ length: 6 }, () => Effect.provide(DatabaseSchema.ensure(schema), layerOf(product, url))),
          { concurrency: "unbounded" }
        )
        expect(reports.map(({ ok }) => ok)).toEqual(reports.map(() => true))
        const created = reports.flatMap(outcomes).filter((one) => one.endsWith("created"))
        expect([...new Set(created)].length).toBe(created.length)
        expect(created.length).toBe(5)
      })
    )
  )
)
