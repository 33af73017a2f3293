/** Named statements behind a pooler that hands one server session to many clients: stale, gone, or somebody else's. */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Database, Transaction } from "effect-aquifer"
import { absent, needs, pooledWith } from "../../support/pgbouncer.js"
import { query } from "../../support/server.js"
import { skip } from "../../support/skip.js"

const pooled = pooledWith()

const layer = (url: string) =>
  Database.layer({ url, pooler: "transaction", prepare: true, pool: { size: 4, maxOverflow: 0 } })

const rows = Effect.flatMap(SqlClient.SqlClient, (sql) => sql<Record<string, number>>`SELECT * FROM t ORDER BY id`)

/** On every session of the pooler, whoever has it. */
const everywhere = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.replicateEffect(effect, 12, { concurrency: 4 })

describe("a statement prepared by name behind a transaction-mode pooler", () => {
  it.live("goes on when the table has changed under its plan, alone, in a transaction and as a stream", (test) => {
    skip(test, absent, needs)
    return Effect.gen(function* () {
      const { direct, url } = yield* pooled
      yield* query(direct, "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)")
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const twice = Transaction.run(Effect.zip(rows, rows))
        expect(yield* everywhere(rows)).toEqual(Array(12).fill([{ id: 1 }]))
        yield* query(direct, "ALTER TABLE t ADD COLUMN a INTEGER DEFAULT 2")
        expect(yield* everywhere(rows)).toEqual(Array(12).fill([{ id: 1, a: 2 }]))
        yield* query(direct, "ALTER TABLE t ADD COLUMN b INTEGER DEFAULT 3")
        expect(yield* everywhere(twice)).toEqual(Array(12).fill(Array(2).fill([{ id: 1, a: 2, b: 3 }])))
        yield* query(direct, "ALTER TABLE t DROP COLUMN a")
        const streamed = Stream.runCollect(sql`SELECT * FROM t ORDER BY id`.stream)
        expect((yield* everywhere(streamed)).map((chunk) => [...chunk])).toEqual(Array(12).fill([{ id: 1, b: 3 }]))
        expect(yield* everywhere(rows)).toEqual(Array(12).fill([{ id: 1, b: 3 }]))
      }).pipe(Effect.provide(layer(url)))
    }).pipe(Effect.scoped)
  })

  it.live("goes on when all of them were discarded on the server's sessions", (test) => {
    skip(test, absent, needs)
    return Effect.gen(function* () {
      const { direct, url } = yield* pooled
      yield* query(direct, "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)")
      yield* Effect.gen(function* () {
        const write = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`UPDATE t SET id = id + ${1} RETURNING id`)
        for (let round = 0; round < 5; round++) {
          yield* everywhere(rows)
          yield* everywhere(write)
          // Through the pooler, by a client of its own: whichever sessions it has.
          yield* everywhere(query(url, "DISCARD ALL"))
        }
        // Each of them once: what was refused because its name was gone had not run.
        expect(yield* rows).toEqual([{ id: 1 + 5 * 12 }])
        yield* Transaction.run(Effect.zipRight(write, query(url, "DISCARD ALL")))
        expect(yield* Transaction.run(Effect.zipRight(write, rows))).toEqual([{ id: 63 }])
      }).pipe(Effect.provide(layer(url)))
    }).pipe(Effect.scoped)
  })
})
