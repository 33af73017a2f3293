import { SafeIntegers } from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { failure, file, otherProcess, reader, request, rows, writer } from "./support.js"

const memory = writer(":memory:")

describe("what is bound", () => {
  it.scoped.each([
    ["a Date as ISO text", new Date("2026-01-02T03:04:05.678Z"), "text", "2026-01-02T03:04:05.678Z"],
    ["true as 1", true, "integer", 1],
    ["false as 0", false, "integer", 0],
    ["undefined as NULL", undefined, "null", null],
    ["null as NULL", null, "null", null],
    ["a plain object as JSON", { a: [1, { b: null }] }, "text", '{"a":[1,{"b":null}]}'],
    ["a whole number as an integer", 5, "integer", 5],
    ["a fraction as a real", 1.5, "real", 1.5],
    ["a number beyond 2^53 as a real", 1e300, "real", 1e300],
    ["a bigint as an integer", 12n, "integer", 12],
    ["text as text", "it's", "text", "it's"]
  ] as const)("%s", ([, value, type, back]) =>
    Effect.gen(function* () {
      const connection = yield* memory
      expect(yield* rows(connection, "SELECT typeof(x) AS type, x FROM (SELECT ? AS x)", [value])).toEqual([
        { type, x: back }
      ])
    })
  )

  it.scoped.each([
    ["a Uint8Array", new Uint8Array([1, 2, 255])],
    ["a Buffer", Buffer.from([1, 2, 255])],
    ["an ArrayBuffer", new Uint8Array([1, 2, 255]).buffer]
  ] as const)("%s as a blob", ([, value]) =>
    Effect.gen(function* () {
      const [row] = yield* rows(yield* memory, "SELECT typeof(x) AS type, x FROM (SELECT ? AS x)", [value])
      expect(row.type).toBe("blob")
      expect([...row.x]).toEqual([1, 2, 255])
    })
  )

  const circular: { self?: unknown } = {}
  circular.self = circular
  it.scoped.each([
    ["an array, which the driver would spread", [1, 2]],
    ["NaN, which would become NULL", Number.NaN],
    ["an invalid Date", new Date("never")],
    ["a function", () => 1],
    ["a symbol", Symbol("x")],
    ["an instance of a class", new Map()],
    ["an object that is not JSON", circular],
    ["more than 64 bits", 2n ** 64n]
  ] as const)("%s is refused before anything runs", ([, value]) =>
    Effect.gen(function* () {
      const connection = yield* memory
      yield* connection.script("CREATE TABLE t (x)")
      const error = yield* failure(connection.run(request("INSERT INTO t VALUES (?)", [value])))
      expect(error._tag).toBe("DataError")
      expect(error.message).toContain("parameter 1 is")
      expect(yield* rows(connection, "SELECT count(*) AS n FROM t")).toEqual([{ n: 0 }])
    })
  )

  it.scoped("a whole number in a text column or in JSON has no fraction", () =>
    Effect.gen(function* () {
      const connection = yield* memory
      yield* connection.script("CREATE TABLE t (x TEXT)")
      yield* connection.run(request("INSERT INTO t VALUES (?)", [5]))
      expect(yield* rows(connection, "SELECT x, json_object('a', ?) AS j FROM t WHERE x = ?", [7, 5])).toEqual([
        { x: "5", j: '{"a":7}' }
      ])
    })
  )

  it.scoped.each([
    ["too few", "SELECT ?, ?", [1]],
    ["too many", "SELECT ?", [1, 2]],
    ["named", "SELECT :a", [{ a: 1 }]]
  ] as const)("%s parameters are a DataError", ([, text, params]) =>
    Effect.gen(function* () {
      expect((yield* failure((yield* memory).run(request(text, params))))._tag).toBe("DataError")
    })
  )
})

const kinds = `CREATE TABLE t (
  id INTEGER PRIMARY KEY, flag BOOLEAN, at TIMESTAMPTZ, plain TIMESTAMP(3), day DATETIME, doc JSON, text TEXT, big BIGINT
)`

const filled = Effect.gen(function* () {
  const connection = yield* memory
  yield* connection.script(kinds)
  yield* connection.run(
    request("INSERT INTO t VALUES (1, ?, ?, ?, ?, ?, ?, ?)", [
      true,
      new Date(0),
      "2026-01-02 03:04:05",
      "2026-01-02T03:04:05+02:00",
      { a: 1 },
      "[1]",
      2 ** 40
    ])
  )
  return connection
})

const decoded = {
  id: 1,
  flag: true,
  at: new Date(0),
  plain: new Date("2026-01-02T03:04:05Z"),
  day: new Date("2026-01-02T01:04:05Z"),
  doc: { a: 1 },
  text: "[1]",
  big: 2 ** 40
}

describe("what is read", () => {
  it.scoped("declared BOOLEAN, TIMESTAMP and JSON columns are decoded, all others are not", () =>
    Effect.gen(function* () {
      const connection = yield* filled
      expect(yield* rows(connection, "SELECT * FROM t")).toEqual([decoded])
      expect(yield* rows(connection, "SELECT flag + 0 AS flag, at || '' AS at FROM t")).toEqual([
        { flag: 1, at: "1970-01-01T00:00:00.000Z" }
      ])
    })
  )

  it.scoped("what somebody else wrote into such a column is left as it is", () =>
    Effect.gen(function* () {
      const connection = yield* memory
      yield* connection.script(kinds)
      yield* connection.script("INSERT INTO t (flag, at, doc) VALUES (7, 'soon', '{half'), (NULL, 12345, NULL)")
      expect(yield* rows(connection, "SELECT flag, at, doc FROM t")).toEqual([
        { flag: 7, at: "soon", doc: "{half" },
        { flag: null, at: 12345, doc: null }
      ])
    })
  )

  it.scoped("arrays and objects take turns on one prepared statement", () =>
    Effect.gen(function* () {
      const connection = yield* filled
      const text = "SELECT id, flag, doc FROM t"
      for (let turn = 0; turn < 2; turn++) {
        expect((yield* connection.run(request(text))).rows).toEqual([{ id: 1, flag: true, doc: { a: 1 } }])
        expect((yield* connection.run(request(text, [], { rows: "arrays" }))).rows).toEqual([[1, true, { a: 1 }]])
      }
    })
  )

  it.scoped("of two columns with one name an object holds the last, decoded once; arrays hold both", () =>
    Effect.gen(function* () {
      const connection = yield* memory
      yield* connection.script("CREATE TABLE a (x BOOLEAN); CREATE TABLE b (x JSON)")
      yield* connection.run(request("INSERT INTO a VALUES (1)"))
      yield* connection.run(request("INSERT INTO b VALUES (?)", ['"\\"1\\""']))
      const text = "SELECT a.x, b.x FROM a, b"
      expect((yield* connection.run(request(text))).rows).toEqual([{ x: '"1"' }])
      expect((yield* connection.run(request(text, [], { rows: "arrays" }))).rows).toEqual([[true, '"1"']])
    })
  )

  it.scoped("an integer that a number cannot hold is an error, never rounded", () =>
    Effect.gen(function* () {
      const connection = yield* memory
      const error = yield* failure(connection.run(request("SELECT 9007199254740993 AS big")))
      expect(error).toMatchObject({ _tag: "DataError", column: "big" })
      expect(yield* rows(connection, "SELECT 9007199254740991 AS big, 1e300 AS real")).toEqual([
        { big: 9007199254740991, real: 1e300 }
      ])
    })
  )

  it.scoped("a RETURNING whose rows cannot be handed out has written nothing", () =>
    Effect.gen(function* () {
      const connection = yield* memory
      yield* connection.script("CREATE TABLE t (x)")
      const text = "INSERT INTO t VALUES (9007199254740993) RETURNING x"
      expect((yield* failure(connection.run(request(text))))._tag).toBe("DataError")
      expect(connection.status()).toBe("idle")
      expect(yield* rows(connection, "SELECT count(*) AS n FROM t")).toEqual([{ n: 0 }])
      expect((yield* connection.run(request("INSERT INTO t VALUES (1) RETURNING x"))).rows).toEqual([{ x: 1 }])
    })
  )

  it.scoped("safe integers are bigint for that statement alone, and do not stick", () =>
    Effect.gen(function* () {
      const connection = yield* filled
      const exact = connection
        .run(request("SELECT id, flag, big FROM t"))
        .pipe(Effect.provideService(SafeIntegers, true))
      expect((yield* exact).rows).toEqual([{ id: 1n, flag: true, big: 2n ** 40n }])
      expect(yield* rows(connection, "SELECT id, flag, big FROM t")).toEqual([{ id: 1, flag: true, big: 2 ** 40 }])
      const written = yield* connection.run(request("INSERT INTO t (id) VALUES (7)"))
      expect(written.raw).toEqual({ changes: 1, lastInsertRowid: 7 })
      expect((yield* exact).rows).toHaveLength(2)
    })
  )

  it.scoped("more texts than are kept prepared are as good as few", () =>
    Effect.gen(function* () {
      const connection = yield* memory
      for (let round = 0; round < 2; round++) {
        for (let n = 0; n < 250; n++) expect(yield* rows(connection, `SELECT ${n} AS n`)).toEqual([{ n }])
      }
    })
  )

  it.scoped("a column added, or declared anew, is seen by prepared statements", () =>
    Effect.gen(function* () {
      const connection = yield* memory
      yield* connection.script("CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('1')")
      expect(yield* rows(connection, "SELECT * FROM t")).toEqual([{ a: "1" }])
      yield* connection.script("ALTER TABLE t ADD COLUMN b BOOLEAN DEFAULT 1")
      expect(yield* rows(connection, "SELECT * FROM t")).toEqual([{ a: "1", b: true }])
      yield* connection.script("DROP TABLE t; CREATE TABLE t (a JSON, b TEXT); INSERT INTO t VALUES ('{}', 'x')")
      expect(yield* rows(connection, "SELECT * FROM t")).toEqual([{ a: {}, b: "x" }])
    })
  )

  it.scoped("a column declared anew is seen by another session's prepared statements", () =>
    Effect.gen(function* () {
      const path = yield* file
      const connection = yield* writer(path)
      yield* connection.script("CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('{}')")
      const other = yield* reader(path)
      expect(yield* rows(other, "SELECT * FROM t")).toEqual([{ a: "{}" }])
      yield* connection.script("DROP TABLE t; CREATE TABLE t (a JSON); INSERT INTO t VALUES ('{}')")
      expect(yield* rows(other, "SELECT * FROM t")).toEqual([{ a: {} }])
      yield* connection.run(request("DROP TABLE t", [], { begin: "BEGIN IMMEDIATE" }))
      yield* connection.script("CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('{}')")
      expect(yield* rows(connection, "SELECT * FROM t")).toEqual([{ a: "{}" }])
      yield* connection.script("ROLLBACK")
      expect(yield* rows(connection, "SELECT * FROM t")).toEqual([{ a: {} }])
    })
  )

  it.scoped("a column that another process added is decoded like the others", () =>
    Effect.gen(function* () {
      const path = yield* file
      const connection = yield* writer(path)
      yield* connection.script("CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('x')")
      const arrays = Effect.map(
        connection.run(request("SELECT * FROM t", [], { rows: "arrays" })),
        (reply) => reply.rows
      )
      expect(yield* rows(connection, "SELECT * FROM t")).toEqual([{ a: "x" }])
      expect(yield* arrays).toEqual([["x"]])
      const other = yield* otherProcess(path)
      expect(yield* other.tell("ALTER TABLE t ADD COLUMN b BOOLEAN DEFAULT 1")).toBe("done")
      expect(yield* rows(connection, "SELECT * FROM t")).toEqual([{ a: "x", b: true }])
      expect(yield* other.tell("ALTER TABLE t ADD COLUMN c JSON DEFAULT '[]'")).toBe("done")
      expect(yield* arrays).toEqual([["x", true, []]])
    })
  )
})
