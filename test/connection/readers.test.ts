/** A product with one writer: who only reads waits neither for a transaction that writes nor for another process that does. */
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Database, Transaction } from "effect-aquifer"
import { temporaryFolder } from "../contract/products.js"
import { otherProcess } from "../dialect/sqlite/support.js"

/** A database of one row, and a transaction that has written a second one and stays open until it is let go. */
const writing = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE t (a INTEGER)`
  yield* sql`INSERT INTO t VALUES (1)`
  const written = yield* Deferred.make<void>()
  const release = yield* Deferred.make<void>()
  const open = yield* Effect.fork(
    Transaction.run(
      Effect.zipRight(
        sql`INSERT INTO t VALUES (2)`,
        Effect.zipRight(Deferred.succeed(written, undefined), Deferred.await(release))
      )
    )
  )
  yield* Deferred.await(written)
  return { sql, open, end: Effect.zipRight(Deferred.succeed(release, undefined), Fiber.join(open)) }
})

const onFile = <A, E>(body: (path: string) => Effect.Effect<A, E, Database.Services | Scope.Scope>) =>
  Effect.flatMap(temporaryFolder, (folder) => {
    const path = join(folder, "x.db")
    return Effect.provide(body(path), Database.layer({ url: `sqlite:${path}`, pool: { size: 2, maxOverflow: 2 } }))
  })

describe("while a transaction that writes stays open", () => {
  it.scopedLive("statements, streams and transactions that only read are answered, with what was committed", () =>
    onFile(() =>
      Effect.gen(function* () {
        const { end, open, sql } = yield* writing
        const rows = sql<{ a: number }>`SELECT a FROM t ORDER BY a`
        expect(yield* Effect.timeout(rows, "10 seconds")).toEqual([{ a: 1 }])
        const many = yield* Effect.timeout(Effect.replicateEffect(rows, 50, { concurrency: 20 }), "10 seconds")
        expect(many).toEqual(Array(50).fill([{ a: 1 }]))
        expect([...(yield* Effect.timeout(Stream.runCollect(rows.stream), "10 seconds"))]).toEqual([{ a: 1 }])
        const reading = Transaction.run(rows, { access: "read only" })
        expect(yield* Effect.timeout(reading, "10 seconds")).toEqual([{ a: 1 }])
        expect(Option.isNone(yield* Fiber.poll(open))).toBe(true)
        yield* end
        expect(yield* rows).toEqual([{ a: 1 }, { a: 2 }])
      })
    )
  )

  it.scopedLive("a second one that writes waits its turn, and can be interrupted there", () =>
    onFile(() =>
      Effect.gen(function* () {
        const { end, sql } = yield* writing
        const waiting = yield* Effect.fork(sql`INSERT INTO t VALUES (3)`)
        const leaving = yield* Effect.fork(sql`INSERT INTO t VALUES (4)`)
        yield* Effect.sleep("20 millis")
        yield* Effect.timeout(Fiber.interrupt(leaving), "10 seconds")
        expect(Option.isNone(yield* Fiber.poll(waiting))).toBe(true)
        yield* end
        yield* Fiber.join(waiting)
        expect(yield* sql`SELECT a FROM t ORDER BY a`).toEqual([{ a: 1 }, { a: 2 }, { a: 3 }])
      })
    )
  )
})

it.scopedLive(
  "while another process writes, writers wait without holding up the event loop, and readers are answered",
  () =>
    onFile((path) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE t (a INTEGER)`
        const other = yield* otherProcess(path)
        expect(yield* other.tell("BEGIN IMMEDIATE")).toBe("done")
        let ticks = 0
        const ticker = setInterval(() => ticks++, 5)
        yield* Effect.addFinalizer(() => Effect.sync(() => clearInterval(ticker)))
        const writers = yield* Effect.fork(
          Effect.all([sql`INSERT INTO t VALUES (1)`, Transaction.run(sql`INSERT INTO t VALUES (2)`)], {
            concurrency: 2
          })
        )
        while (ticks < 20) {
          yield* Effect.sleep(5)
          expect(yield* sql`SELECT a FROM t`).toEqual([])
        }
        expect(Option.isNone(yield* Fiber.poll(writers))).toBe(true)
        expect(yield* other.tell("COMMIT")).toBe("done")
        yield* Fiber.join(writers)
        expect(yield* sql`SELECT a FROM t ORDER BY a`).toEqual([{ a: 1 }, { a: 2 }])
      })
    ).pipe(Effect.scoped)
)
