/** What transactions promise to each other: work done once, locks by name, settings that end with the transaction. */

import * as SqlClient from "@effect/sql/SqlClient"
import { expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { DatabaseError, Transaction } from "effect-aquifer"
import { contract, type Product } from "./contract.js"

const journal = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE journal (entry INTEGER NOT NULL)`
  return {
    sql,
    entries: Effect.map(sql`SELECT entry FROM journal ORDER BY entry`, (rows) => rows.map((row) => row.entry))
  }
})

export const together = (product: Product) =>
  contract("transactions among themselves", product, (it) => {
    it("a key's work is done once, and a repeat is handed the first result", () =>
      Effect.gen(function* () {
        const { sql, entries } = yield* journal
        const work = (n: number) =>
          Transaction.once("order-17")(
            Effect.as(sql`INSERT INTO journal ${sql.insert({ entry: n })}`, { n, words: ["a"] })
          )
        expect(yield* work(1)).toEqual({ n: 1, words: ["a"] })
        expect(yield* work(2)).toEqual({ n: 1, words: ["a"] })
        yield* Transaction.once("order-18")(Effect.asVoid(sql`INSERT INTO journal ${sql.insert({ entry: 3 })}`))
        expect(yield* Transaction.once("order-18")(Effect.void)).toBeUndefined()
        expect(yield* entries).toEqual([1, 3])
      }))

    it("of many at once with one key, one does the work and all get its result", () =>
      Effect.gen(function* () {
        const { sql, entries } = yield* journal
        const results = yield* Effect.forEach(
          Array.from({ length: 12 }, (_, i) => i),
          (i) => Transaction.once("same")(Effect.as(sql`INSERT INTO journal ${sql.insert({ entry: i })}`, i)),
          { concurrency: "unbounded" }
        )
        expect(new Set(results).size).toBe(1)
        expect(yield* entries).toEqual([results[0]])
      }))

    it("work that fails leaves no key behind, in a transaction of its own and inside another", () =>
      Effect.gen(function* () {
        const { sql, entries } = yield* journal
        const fails = Transaction.once("k")(Effect.zipRight(sql`INSERT INTO journal VALUES (1)`, Effect.fail("no")))
        expect(yield* Effect.exit(fails)).toEqual(Exit.fail("no"))
        yield* Transaction.run(
          Effect.zipRight(Effect.exit(fails), Transaction.once("k")(Effect.asVoid(sql`INSERT INTO journal VALUES (2)`)))
        )
        yield* Transaction.once("k")(Effect.asVoid(sql`INSERT INTO journal VALUES (3)`))
        expect(yield* entries).toEqual([2])
      }))

    it("a lock lets one transaction at a time pass, and is given back with it", () =>
      Effect.gen(function* () {
        const { sql } = yield* journal
        let inside = 0
        let most = 0
        yield* Effect.replicateEffect(
          Transaction.run(
            Effect.gen(function* () {
              yield* Transaction.lock("gate")
              most = Math.max(most, ++inside)
              yield* sql`INSERT INTO journal VALUES (1)`
              yield* Effect.sleep("2 millis")
              inside--
            })
          ),
          8,
          { concurrency: "unbounded" }
        )
        expect(most).toBe(1)
        expect((yield* sql`SELECT * FROM journal`).length).toBe(8)
      }))

    it("a lock outside of a transaction is refused", () =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(Transaction.lock("gate"))
        expect(Exit.isFailure(exit) && DatabaseError.find(exit.cause)?._tag).toBe("UnsupportedError")
      }))

    it("a setting holds for its transaction alone", () =>
      Effect.gen(function* () {
        const { sql } = yield* journal
        const shown = Effect.map(sql`SELECT current_setting('application_name') AS name`, (rows) => rows[0]?.name)
        const inside = yield* Transaction.run(shown, { settings: { application_name: "it's me" } })
        expect(inside).toBe("it's me")
        expect(yield* shown).not.toBe("it's me")
        const nested = yield* Effect.exit(
          Transaction.run(Effect.zipRight(shown, Transaction.run(shown, { settings: { application_name: "x" } })))
        )
        expect(Exit.isFailure(nested) && Cause.pretty(nested.cause)).toContain("outermost")
      }))
  })
