/** `onReplica` where there is no replica: the database answers itself, and still nothing can be written. */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { Database, DatabaseError, Pool, Transaction } from "effect-aquifer"
import { pglite, postgres, sqlite, sqliteMemory } from "../contract/products.js"

const numbers = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE numbers (id integer NOT NULL)`
  yield* Effect.forEach([1, 2, 3], (id) => sql`INSERT INTO numbers VALUES (${id})`)
  const read = sql<{ id: number }>`SELECT id FROM numbers ORDER BY id`
  const ids = Effect.map(read, (rows) => rows.map(({ id }) => id))
  return { sql, read, ids }
})

const tagOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => DatabaseError.find(error)?._tag)

describe.each([sqlite, sqliteMemory, pglite, postgres])("$name", (product) => {
  const promise = (
    title: string,
    body: Effect.Effect<unknown, unknown, SqlClient.SqlClient | Pool.Pool>,
    options: Partial<Database.Options> = {}
  ) => it.scopedLive(title, () => Effect.provide(body, product.database(options)), { timeout: 60_000 })

  promise(
    "reads are answered: statements, transactions, streams, a reserved connection, several in one text",
    Effect.gen(function* () {
      const { ids, read, sql } = yield* numbers
      expect(yield* Database.onReplica(ids)).toEqual([1, 2, 3])
      expect(yield* Effect.replicateEffect(Database.onReplica(ids), 20, { concurrency: 4 })).toEqual(
        Array(20).fill([1, 2, 3])
      )
      expect(yield* ids.pipe(Transaction.run(), Database.onReplica({ maxStaleness: "1 second" }))).toEqual([1, 2, 3])
      expect(yield* ids.pipe(sql.withTransaction, Database.onReplica())).toEqual([1, 2, 3])
      const streamed = yield* Database.onReplica(Stream.runCollect(read.stream))
      expect(Chunk.toReadonlyArray(streamed)).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }])
      const reserved = Effect.flatMap(sql.reserve, (connection) =>
        connection.executeValues("SELECT count(*) FROM numbers WHERE id < 3", [])
      )
      expect((yield* Database.onReplica(Effect.scoped(reserved))).map(([n]) => Number(n))).toEqual([2])
      expect(yield* Database.onReplica(sql.unsafe("SELECT 1 AS a; SELECT 2 AS b"))).toEqual([[{ a: 1 }], [{ b: 2 }]])
    })
  )

  promise(
    "writes are refused, and everything goes on as before",
    Effect.gen(function* () {
      const { ids, sql } = yield* numbers
      const attempts = [
        sql`INSERT INTO numbers VALUES (4)`,
        sql`UPDATE numbers SET id = 5`,
        sql`CREATE TABLE more (id integer)`,
        sql.unsafe("INSERT INTO numbers VALUES (6); INSERT INTO numbers VALUES (7)"),
        Transaction.run(sql`INSERT INTO numbers VALUES (8)`),
        Transaction.run(sql`INSERT INTO numbers VALUES (9)`, { access: "read write" }),
        Transaction.run(Transaction.run(sql`INSERT INTO numbers VALUES (10)`)),
        Stream.runDrain(sql`INSERT INTO numbers VALUES (11) RETURNING id`.stream),
        Effect.scoped(
          Effect.flatMap(sql.reserve, (connection) => connection.executeRaw("INSERT INTO numbers VALUES (12)", []))
        )
      ]
      for (const attempt of attempts) {
        expect(yield* tagOf(Database.onReplica(attempt as Effect.Effect<unknown, unknown, SqlClient.SqlClient>))).toBe(
          "ReadOnlyError"
        )
        expect(yield* ids).toEqual([1, 2, 3])
      }
      yield* sql`INSERT INTO numbers VALUES (13)`
      yield* Transaction.run(sql`INSERT INTO numbers VALUES (14)`)
      expect(yield* Database.onReplica(ids)).toEqual([1, 2, 3, 13, 14])
      expect((yield* Effect.flatMap(Pool.Pool, (pool) => pool.status)).replicas).toBeUndefined()
    })
  )

  promise(
    "inside a transaction it is the transaction's, writes and all",
    Effect.gen(function* () {
      const { ids, sql } = yield* numbers
      const inside = Effect.zipRight(sql`INSERT INTO numbers VALUES (4)`, Database.onReplica(ids))
      expect(yield* Transaction.run(inside)).toEqual([1, 2, 3, 4])
      const nested = Database.onReplica(Transaction.run(Effect.zipRight(sql`INSERT INTO numbers VALUES (5)`, ids)))
      expect(yield* Transaction.run(nested)).toEqual([1, 2, 3, 4, 5])
    })
  )

  promise(
    "one connection is enough, and an interrupted read gives it back",
    Effect.gen(function* () {
      const { ids, read, sql } = yield* numbers
      const hanging = Stream.runForEach(read.stream, () => Effect.never)
      const reading = yield* Effect.fork(Database.onReplica(hanging))
      yield* Effect.sleep("20 millis")
      yield* Fiber.interrupt(reading)
      expect(yield* Database.onReplica(ids)).toEqual([1, 2, 3])
      yield* sql`INSERT INTO numbers VALUES (4)`
      expect(yield* ids).toEqual([1, 2, 3, 4])
    }),
    { pool: { size: 1, maxOverflow: 0 } }
  )
})

describe("SQLite", () => {
  it("reads under runSync", () => {
    const program = Effect.gen(function* () {
      const { ids, sql } = yield* numbers
      expect(yield* Database.onReplica(ids)).toEqual([1, 2, 3])
      expect(yield* tagOf(Database.onReplica(sql`INSERT INTO numbers VALUES (4)`))).toBe("ReadOnlyError")
      expect(yield* Database.onReplica(Transaction.run(ids))).toEqual([1, 2, 3])
    })
    const memory = Database.layer({ url: "sqlite::memory:", profile: "development" })
    Effect.runSync(Effect.provide(program, memory))
  })

  it.scopedLive("a temporary table of the writer's can be read", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TEMP TABLE own (id integer)`
      yield* sql`INSERT INTO own VALUES (1)`
      expect(yield* Database.onReplica(sql`SELECT id FROM own`)).toEqual([{ id: 1 }])
      expect(yield* tagOf(Database.onReplica(sql`INSERT INTO own VALUES (2)`))).toBe("ReadOnlyError")
    }).pipe(Effect.provide(sqlite.database({ pool: { size: 2, maxOverflow: 0 } })))
  )
})
