import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { Copy, Database, DatabaseError, Listen, Transaction } from "effect-aquifer"
import { absent, needs, pooledWith } from "../../support/pgbouncer.js"
import { query } from "../../support/server.js"
import { skip } from "../../support/skip.js"

const pooled = pooledWith()

const layer = (url: string, options: Partial<Database.Options> = {}) =>
  Database.layer({ url, pooler: "transaction", pool: { size: 6, maxOverflow: 0 }, ...options })

describe("behind a transaction-mode pooler", () => {
  for (const prepare of [false, true]) {
    it.live(`transfers of many fibers add up, statements ${prepare ? "" : "not "}prepared by name`, (test) => {
      skip(test, absent, needs)
      return Effect.gen(function* () {
        const { url } = yield* pooled
        yield* Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* sql`CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)`
          yield* sql`INSERT INTO accounts SELECT i, 100 FROM generate_series(1, 4) AS i`
          const transfer = (from: number, to: number) =>
            Transaction.run(
              Effect.gen(function* () {
                const [row] = yield* sql<{ balance: number }>`SELECT balance FROM accounts WHERE id = ${from}`
                yield* sql`UPDATE accounts SET balance = ${(row?.balance ?? 0) - 1} WHERE id = ${from}`
                yield* sql`UPDATE accounts SET balance = balance + 1 WHERE id = ${to}`
              }),
              { isolation: "serializable", retry: { maxRetries: 100, baseDelay: "5 millis", maxDelay: "50 millis" } }
            )
          const look = sql<{ sum: number }>`SELECT sum(balance)::int AS sum FROM accounts`
          yield* Effect.forEach(
            Array.from({ length: 60 }, (_, index) => index),
            (index) =>
              Effect.zipRight(
                transfer(1 + (index % 4), 1 + ((index + 1) % 4)),
                Effect.map(look, (rows) => expect(rows).toEqual([{ sum: 400 }]))
              ),
            { concurrency: 6, discard: true }
          )
          expect(yield* sql`SELECT balance FROM accounts ORDER BY id`).toEqual(
            Array.from({ length: 4 }, () => ({ balance: 100 }))
          )
        }).pipe(Effect.provide(layer(url, { prepare })))
      }).pipe(Effect.scoped)
    })
  }

  it.live("the time limits travel with each transaction and stay with none of the pooler's sessions", (test) => {
    skip(test, absent, needs)
    return Effect.gen(function* () {
      const { url } = yield* pooled
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const limit = sql<{ s: string }>`SELECT current_setting('statement_timeout') AS s`
        const before = yield* limit
        expect(yield* Transaction.run(limit)).toEqual([{ s: "31s" }])
        for (let round = 0; round < 4; round++) expect(yield* limit).toEqual(before)
        expect(before).not.toEqual([{ s: "31s" }])
      }).pipe(Effect.provide(layer(url, { prepare: false, statementTimeout: Duration.seconds(31) })))
    }).pipe(Effect.scoped)
  })

  it.live("an interrupted statement is cancelled, and nobody else's", (test) => {
    skip(test, absent, needs)
    return Effect.gen(function* () {
      const { direct, url } = yield* pooled
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const neighbours = yield* Effect.fork(Effect.replicateEffect(sql`SELECT pg_sleep(0.002)`, 100))
        for (let round = 0; round < 10; round++) {
          const fiber = yield* Effect.fork(sql`SELECT pg_sleep(30), 'mine'`)
          yield* query(
            direct,
            "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%mine%' AND state = 'active' AND pid <> pg_backend_pid()"
          ).pipe(Effect.repeat({ until: (rows) => rows.length > 0 }), Effect.timeout("10 seconds"))
          yield* Effect.timeout(Fiber.interrupt(fiber), "10 seconds")
        }
        expect(yield* Fiber.join(neighbours)).toHaveLength(100)
        expect(
          yield* query(
            direct,
            "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%mine%' AND state = 'active' AND pid <> pg_backend_pid()"
          )
        ).toEqual([])
      }).pipe(Effect.provide(layer(url, { prepare: false })))
    }).pipe(Effect.scoped)
  })

  it.live("streams and COPY hold on to one of the server's sessions; LISTEN is refused", (test) => {
    skip(test, absent, needs)
    return Effect.gen(function* () {
      const { url } = yield* pooled
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE t (a INTEGER)`
        const noise = yield* Effect.fork(Effect.forever(sql`SELECT 1`))
        expect(
          yield* Copy.into(
            { table: "t" },
            Stream.map(Stream.range(1, 5_000), (n) => `${n}\n`)
          )
        ).toBe(5_000)
        expect(yield* Stream.runCount(sql`SELECT a FROM t`.stream)).toBe(5_000)
        const undone = yield* Deferred.make<void>()
        yield* Effect.ignore(
          Transaction.run(
            Copy.into({ table: "t" }, Stream.make("1\n")).pipe(
              Effect.zipRight(Deferred.succeed(undone, undefined)),
              Effect.zipRight(Effect.fail("undo"))
            )
          )
        )
        yield* Deferred.await(undone)
        expect(yield* sql`SELECT count(*)::int AS n FROM t`).toEqual([{ n: 5_000 }])
        yield* Fiber.interrupt(noise)
        const refused = yield* Effect.flip(Stream.runDrain(Listen.channel("news")))
        expect(refused._tag).toBe("UnsupportedError")
        yield* Listen.notify("news")
      }).pipe(Effect.provide(layer(url, { prepare: false })))
    }).pipe(Effect.scoped)
  })

  it.live("without DB_POOLER the settings of the start are refused, typed", (test) => {
    skip(test, absent, needs)
    return Effect.gen(function* () {
      const { url } = yield* pooled
      const error = yield* Effect.flip(
        Effect.scoped(
          Effect.provide(Effect.void, layer(url, { pooler: "none", pool: { size: 1, acquireTimeout: "3 seconds" } }))
        )
      )
      expect(DatabaseError.from(error)).toMatchObject({ _tag: "ConnectionError", sqlState: "08P01" })
      expect(String(error)).toContain("DB_POOLER=transaction")
    }).pipe(Effect.scoped)
  })
})
