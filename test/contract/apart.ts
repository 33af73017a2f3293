/** What stands beside or around a transaction: batches, separate ones, streams, sandboxes. */

import * as SqlClient from "@effect/sql/SqlClient"
import { expect } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { DatabaseError, Transaction } from "effect-aquifer"
import { DatabaseTest } from "effect-aquifer/testing"
import { contract, type Product } from "./contract.js"

const journal = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE journal (entry INTEGER NOT NULL PRIMARY KEY)`
  return {
    sql,
    add: (entry: number) => sql`INSERT INTO journal ${sql.insert({ entry })}`,
    entries: Effect.map(sql`SELECT entry FROM journal ORDER BY entry`, (rows) => rows.map((row) => row.entry))
  }
})

const tagOf = (exit: Exit.Exit<unknown, unknown>) =>
  (Exit.isFailure(exit) ? DatabaseError.find(exit.cause) : undefined)?._tag

export const apart = (product: Product) =>
  contract("beside and around a transaction", product, (it) => {
    it("a batch runs in order, brings each statement's rows, and is there as a whole", () =>
      Effect.gen(function* () {
        const { sql, add, entries } = yield* journal
        const [, , seen, changed] = yield* Transaction.batch([
          add(1),
          add(2),
          sql<{ entry: number }>`SELECT entry FROM journal ORDER BY entry`,
          sql<{ entry: number }>`UPDATE journal SET entry = entry + 10 WHERE entry = 2 RETURNING entry`,
          add(3)
        ])
        expect([seen, changed]).toEqual([[{ entry: 1 }, { entry: 2 }], [{ entry: 12 }]])
        expect(yield* entries).toEqual([1, 3, 12])
      }))

    it("a batch with a failure in it leaves nothing, whatever stands behind the failure", () =>
      Effect.gen(function* () {
        const { add, entries } = yield* journal
        const exit = yield* Effect.exit(Transaction.batch([add(1), add(2), add(2), add(3), add(4)]))
        expect(tagOf(exit)).toBe("UniqueViolation")
        expect(yield* entries).toEqual([])
        expect(tagOf(yield* Effect.exit(Transaction.batch([add(5), add(6), add(6)])))).toBe("UniqueViolation")
        expect(yield* entries).toEqual([])
      }))

    it("a batch inside a transaction is undone alone", () =>
      Effect.gen(function* () {
        const { add, entries } = yield* journal
        yield* Transaction.run(
          add(1).pipe(
            Effect.zipRight(Effect.exit(Transaction.batch([add(2), add(3), add(3), add(4)]))),
            Effect.zipRight(add(5))
          )
        )
        expect(yield* entries).toEqual([1, 5])
      }))

    it("many batches at once are each whole", () =>
      Effect.gen(function* () {
        const { add, entries } = yield* journal
        yield* Effect.forEach(
          [0, 10, 20, 30, 40, 50],
          (n) => Effect.exit(Transaction.batch([add(n), add(n + 1), add(n + 2), add(n === 30 ? 30 : n + 3)])),
          { concurrency: "unbounded" }
        )
        expect((yield* entries).length).toBe(20)
      }))

    it("a nested transaction is a part of the one around it, and goes with it", () =>
      Effect.gen(function* () {
        const { add, entries } = yield* journal
        const outer = add(1).pipe(Effect.zipRight(Transaction.run(add(2))), Effect.zipRight(Effect.fail("no")))
        expect(yield* Effect.exit(Transaction.run(outer))).toEqual(Exit.fail("no"))
        expect(yield* entries).toEqual([])
      }))

    it("a separate transaction stays when the one around it fails, and does not see what that has not committed", () =>
      Effect.gen(function* () {
        const { add, entries } = yield* journal
        const outer = add(1).pipe(
          Effect.zipRight(Transaction.separate(Effect.zipLeft(entries, add(2)))),
          Effect.flatMap((seen) => Effect.fail(seen))
        )
        expect(yield* Effect.exit(Transaction.run(outer))).toEqual(Exit.fail([]))
        expect(yield* entries).toEqual([2])
      }))

    it(
      "a separate transaction that would wait for the one around it is refused at once",
      () =>
        Effect.gen(function* () {
          const { add, entries } = yield* journal
          const exit = yield* Transaction.run(Effect.zipRight(add(1), Effect.exit(Transaction.separate(add(2)))))
          expect(tagOf(exit)).toBe("UnsupportedError")
          expect(yield* entries).toEqual([1])
        }),
      { pool: { size: 1, maxOverflow: 0 } }
    )

    it("a stream that is run inside a transaction reads what that has written", () =>
      Effect.gen(function* () {
        const { sql, add } = yield* journal
        const stream = sql<{ entry: number }>`SELECT entry FROM journal ORDER BY entry`.stream
        const seen = yield* Transaction.run(
          add(1).pipe(Effect.zipRight(add(2)), Effect.zipRight(Stream.runCollect(stream)), Effect.zipLeft(add(3)))
        )
        expect(Chunk.toReadonlyArray(seen)).toEqual([{ entry: 1 }, { entry: 2 }])
      }))

    it("a failure of what consumes a stream undoes the transaction it is run in", () =>
      Effect.gen(function* () {
        const { sql, add, entries } = yield* journal
        const stream = sql`SELECT entry FROM journal ORDER BY entry`.stream
        const work = Effect.zipRight(
          Effect.zipRight(add(1), add(2)),
          Stream.runForEach(stream, () => Effect.fail("no"))
        )
        expect(yield* Effect.exit(Transaction.run(work))).toEqual(Exit.fail("no"))
        expect(yield* entries).toEqual([])
      }))

    it("a stream that outlives its transaction fails when it is asked for more", () =>
      Effect.gen(function* () {
        const { sql, add } = yield* journal
        const exit = yield* Effect.exit(
          Effect.scoped(
            Effect.gen(function* () {
              const pull = yield* Transaction.run(
                Effect.tap(
                  Effect.zipRight(add(1), Stream.toPull(sql`SELECT entry FROM journal`.stream)),
                  (pull) => pull
                )
              )
              return yield* pull
            })
          ).pipe(Effect.mapError((error) => (Option.isOption(error) ? Option.getOrUndefined(error) : error)))
        )
        expect(tagOf(exit)).toBe("TransactionClosed")
      }))

    it("a transaction for each element of a stream: each is committed by itself", () =>
      Effect.gen(function* () {
        const { sql, add, entries } = yield* journal
        yield* Transaction.batch([add(1), add(2), add(3)])
        const stream = sql<{ entry: number }>`SELECT entry FROM journal ORDER BY entry`.stream
        const each = Stream.mapEffect(stream, ({ entry }) =>
          Effect.exit(Transaction.run(Effect.zipRight(add(entry + 10), entry === 2 ? Effect.fail("no") : Effect.void)))
        )
        yield* Stream.runDrain(each)
        expect(yield* entries).toEqual([1, 2, 3, 11, 13])
      }))

    it("what asks for an isolation runs in a sandbox, and is undone with it", () =>
      Effect.gen(function* () {
        const { add, entries } = yield* journal
        const seen = yield* DatabaseTest.sandbox(
          Effect.gen(function* () {
            yield* Transaction.run(add(1), { isolation: "serializable", access: "read write" })
            yield* Transaction.run(Transaction.run(add(2), { isolation: "repeatable read" }), { deferrable: true })
            yield* Transaction.separate(add(3), { isolation: "serializable" })
            yield* Effect.exit(
              Transaction.run(Effect.zipRight(add(4), Effect.fail("no")), { isolation: "serializable" })
            )
            return yield* entries
          }),
          { isolation: "serializable" }
        )
        expect(seen).toEqual([1, 2, 3])
        expect(yield* entries).toEqual([])
        const outside = Transaction.run(Transaction.run(add(1), { isolation: "serializable" }))
        expect(tagOf(yield* Effect.exit(outside))).toBe("UnsupportedError")
      }))
  })
