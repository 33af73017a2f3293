import { SafeIntegers } from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { failure, file, request, rows, writer } from "./support.js"

const filled = (path: string) =>
  Effect.tap(writer(path), (connection) =>
    connection.script(`CREATE TABLE t (id INTEGER PRIMARY KEY, flag BOOLEAN);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000) INSERT INTO t SELECT i, i % 2 FROM n`)
  )

const all = "SELECT * FROM t ORDER BY id"
const flat = <E, R>(stream: Stream.Stream<ReadonlyArray<{ id: number }>, E, R>) =>
  Stream.flatMap(stream, Stream.fromIterable)

/** Counts how often SQL asks for a row. */
const counting = (path: string) => {
  let reads = 0
  return Effect.map(
    writer(path, {
      functions: {
        seen: (id: number) => {
          reads++
          return id
        }
      }
    }),
    (connection) => ({ connection, reads: () => reads })
  )
}

const numbers =
  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000) SELECT seen(i) AS id FROM n"

describe("a stream", () => {
  it.scoped("gives every row once, in order, decoded, in pieces", () =>
    Effect.gen(function* () {
      const connection = yield* filled(":memory:")
      const pieces = Chunk.toReadonlyArray(yield* Stream.runCollect(connection.stream(request(all))))
      expect(pieces.map((piece) => piece.length)).toEqual([256, 256, 256, 232])
      expect(pieces.flat().map((row) => row.id)).toEqual(Array.from({ length: 1000 }, (_, index) => index + 1))
      expect(pieces[0]?.slice(0, 2)).toEqual([
        { id: 1, flag: true },
        { id: 2, flag: false }
      ])
    })
  )

  it.scoped("gives arrays, and exact integers, where they are asked for", () =>
    Effect.gen(function* () {
      const connection = yield* filled(":memory:")
      const arrays = connection.stream(request("SELECT id, flag FROM t LIMIT 1", [], { rows: "arrays" }))
      expect([...(yield* Stream.runCollect(arrays))]).toEqual([[[1, true]]])
      const exact = Stream.runCollect(arrays).pipe(Effect.provideService(SafeIntegers, true))
      expect([...(yield* exact)]).toEqual([[[1n, true]]])
    })
  )

  it.scoped("reads no further than it is asked to", () =>
    Effect.gen(function* () {
      const { connection, reads } = yield* counting(":memory:")
      const taken = yield* Stream.runCollect(Stream.take(flat(connection.stream(request(numbers))), 300))
      expect(Chunk.size(taken)).toBe(300)
      expect(reads()).toBe(512)
    })
  )

  it.scoped("of nothing is empty; of what returns no rows runs it once", () =>
    Effect.gen(function* () {
      const connection = yield* filled(":memory:")
      expect(yield* Stream.runCount(connection.stream(request("SELECT 1 WHERE 0")))).toBe(0)
      expect(yield* Stream.runCount(connection.stream(request("DELETE FROM t WHERE id <= 10")))).toBe(0)
      expect(yield* rows(connection, "SELECT count(*) AS n FROM t")).toEqual([{ n: 990 }])
    })
  )

  it.scoped("of a RETURNING has done all of it, however few rows are taken", () =>
    Effect.gen(function* () {
      const connection = yield* filled(":memory:")
      yield* Stream.runHead(connection.stream(request("DELETE FROM t RETURNING id")))
      expect(yield* rows(connection, "SELECT count(*) AS n FROM t")).toEqual([{ n: 0 }])
    })
  )

  it.scoped.each([
    "SELEC 1",
    "SELECT * FROM nowhere",
    "SELECT abs(-9223372036854775807 - 1)",
    "SELECT ?",
    "SELECT 9007199254740993"
  ])("that cannot be opened fails: %s", (text) =>
    Effect.gen(function* () {
      const connection = yield* filled(":memory:")
      const error = yield* failure(Stream.runDrain(connection.stream(request(text))))
      expect(error.operation).toBe("stream")
      expect(["SqlSyntaxError", "DataError"]).toContain(error._tag)
      yield* connection.run(request("INSERT INTO t VALUES (2000, 0)"))
    })
  )

  it.scoped("that fails half-way has given what came before, and is closed", () =>
    Effect.gen(function* () {
      const connection = yield* filled(":memory:")
      const got: Array<number> = []
      const text = "SELECT CASE WHEN id = 600 THEN abs(-9223372036854775807 - 1) ELSE id END AS id FROM t"
      const error = yield* failure(
        Stream.runForEach(flat(connection.stream(request(text))), (row) => Effect.sync(() => got.push(row.id)))
      )
      expect(error).toMatchObject({ _tag: "DataError", operation: "stream" })
      expect(got.length).toBe(512)
      yield* connection.script("DROP TABLE t")
    })
  )

  it.scoped.each(["outside a transaction", "inside one"])(
    "%s, other statements of the session run while it is open",
    (where) =>
      Effect.gen(function* () {
        const connection = yield* filled(yield* file)
        const begin = where === "inside one" ? { begin: "BEGIN IMMEDIATE" } : {}
        let seen = 0
        yield* Stream.runForEach(connection.stream(request(all, [], begin)), (piece) => {
          seen += piece.length
          return connection.run(request("INSERT INTO t VALUES (?, 0)", [10_000 + seen]))
        })
        expect(seen).toBeGreaterThanOrEqual(1000)
        if (where === "inside one") expect((yield* connection.script("COMMIT"))[0]?.tag).toBe("COMMIT")
        const [row] = yield* rows(connection, "SELECT count(*) AS n FROM t")
        expect(row.n).toBeGreaterThan(1000)
      })
  )

  it.scoped.each(["COMMIT", "ROLLBACK"])("is closed before %s, and says why to who reads on", (end) =>
    Effect.gen(function* () {
      const path = yield* file
      const connection = yield* filled(path)
      const pull = yield* Stream.toPull(connection.stream(request(all, [], { begin: "BEGIN IMMEDIATE" })))
      yield* Effect.either(pull)
      expect((yield* connection.script(end))[0]?.tag).toBe(end)
      expect(yield* Effect.flip(pull)).toMatchObject({ _tag: "Some", value: { _tag: "TransactionClosed" } })
      // Nothing is held any more: another session may change the table, and this one begin anew on what it sees.
      yield* (yield* writer(path)).script("DELETE FROM t")
      yield* connection.run(request("INSERT INTO t VALUES (1, 1)", [], { begin: "BEGIN IMMEDIATE" }))
      yield* connection.script("COMMIT")
    })
  )

  it.scoped.each(["ended early", "interrupted"])("%s is closed, and the session is as before", (how) =>
    Effect.gen(function* () {
      const connection = yield* filled(yield* file)
      if (how === "ended early") yield* Stream.runHead(connection.stream(request(all)))
      else {
        const fiber = yield* Effect.fork(Stream.runForEach(connection.stream(request(all)), () => Effect.never))
        yield* Effect.yieldNow()
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(fiber)
      }
      // With a query still open this would be SQLITE_LOCKED.
      yield* connection.script("DROP TABLE t")
      // Unsafe mode is over: the catalogue is protected again.
      expect(
        (yield* failure(connection.script("PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = ''")))._tag
      ).toBe("SqlSyntaxError")
    })
  )

  it.scoped("still open when its session is ended does not keep it open", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const connection = yield* filled(":memory:")
      const pull = yield* Scope.extend(Stream.toPull(connection.stream(request(all))), scope)
      yield* Effect.either(pull)
      yield* connection.destroy
      expect(connection.status()).toBe("broken")
      expect(yield* Effect.flip(pull)).toMatchObject({ _tag: "Some" })
      yield* Scope.close(scope, Exit.void)
    })
  )
})
