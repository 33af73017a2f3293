import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { sqliteCore } from "../../../src/dialect/sqlite/index.js"
import { failure, file, otherProcess, reader, request, rows, writer } from "./support.js"

const { begin, savepoint, release, rollbackTo } = sqliteCore.transaction

const session = Effect.tap(writer(":memory:"), (connection) =>
  connection.script(`CREATE TABLE t (a INTEGER);
    CREATE TABLE parent (id INTEGER PRIMARY KEY);
    CREATE TABLE child (parent INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)`)
)

const first = { begin: begin({}) }
const count = "SELECT count(*) AS n FROM t"

describe("a transaction ends as it is told to", () => {
  it.scoped("BEGIN goes in front of the first statement; COMMIT and ROLLBACK say what they did", () =>
    Effect.gen(function* () {
      const connection = yield* session
      const reply = yield* connection.run(request("INSERT INTO t VALUES (1)", [], first))
      expect(reply).toMatchObject({ tag: "INSERT", count: 1, rows: [] })
      expect(connection.status()).toBe("open")
      expect((yield* connection.script("COMMIT")).map((reply) => reply.tag)).toEqual(["COMMIT"])
      expect(connection.status()).toBe("idle")
      yield* connection.run(request("INSERT INTO t VALUES (2)", [], first))
      expect((yield* connection.script("ROLLBACK")).map((reply) => reply.tag)).toEqual(["ROLLBACK"])
      expect(yield* rows(connection, count)).toEqual([{ n: 1 }])
    })
  )

  it.scoped("where BEGIN fails, the statement behind it does not run", () =>
    Effect.gen(function* () {
      const connection = yield* session
      const error = yield* failure(connection.run(request("INSERT INTO t VALUES (1)", [], { begin: "BEGIN NONSENSE" })))
      expect(error).toMatchObject({ _tag: "SqlSyntaxError", operation: "begin" })
      expect(connection.status()).toBe("idle")
      expect(yield* rows(connection, count)).toEqual([{ n: 0 }])
    })
  )

  it.scoped("savepoints of any name", () =>
    Effect.gen(function* () {
      const connection = yield* session
      const name = 'a "quoted" one'
      yield* connection.run(request("INSERT INTO t VALUES (1)", [], first))
      yield* connection.script(savepoint(name))
      yield* connection.run(request("INSERT INTO t VALUES (2)"))
      yield* connection.script(rollbackTo(name))
      yield* connection.script(release(name))
      expect(connection.status()).toBe("open")
      yield* connection.script("COMMIT")
      expect(yield* rows(connection, count)).toEqual([{ n: 1 }])
    })
  )

  it.scoped("a COMMIT that fails is typed and leaves the transaction open", () =>
    Effect.gen(function* () {
      const connection = yield* session
      yield* connection.run(request("INSERT INTO child VALUES (7)", [], first))
      const error = yield* failure(connection.script("COMMIT"))
      expect(error).toMatchObject({ _tag: "ForeignKeyViolation", operation: "commit" })
      expect(connection.status()).toBe("open")
      yield* connection.run(request("INSERT INTO parent VALUES (7)"))
      expect((yield* connection.script("COMMIT"))[0]?.tag).toBe("COMMIT")
      expect(connection.status()).toBe("idle")
    })
  )

  it.scoped("a statement that fails leaves the transaction open, as SQLite has it", () =>
    Effect.gen(function* () {
      const connection = yield* session
      yield* connection.run(request("INSERT INTO parent VALUES (1)", [], first))
      yield* failure(connection.run(request("INSERT INTO parent VALUES (1)")))
      expect(connection.status()).toBe("open")
    })
  )

  it.scoped("a ROLLBACK where nothing is open is no failure; a COMMIT there is", () =>
    Effect.gen(function* () {
      const connection = yield* session
      expect((yield* connection.script("ROLLBACK"))[0]?.tag).toBe("ROLLBACK")
      expect((yield* failure(connection.script("COMMIT")))._tag).toBe("TransactionClosed")
    })
  )

  it.scoped("held to reading, a writer's transaction refuses to write, and the next one does not", () =>
    Effect.gen(function* () {
      const connection = yield* session
      const reading = { begin: begin({ access: "read only" }) }
      yield* connection.run(request(count, [], reading))
      expect((yield* failure(connection.run(request("INSERT INTO t VALUES (1)"))))._tag).toBe("ReadOnlyError")
      yield* connection.script("ROLLBACK")
      yield* connection.run(request("INSERT INTO t VALUES (1)", [], first))
      yield* connection.script("COMMIT")
      // Begun as a script, or in front of one, it is held to reading, too.
      for (const rest of ["", "; SELECT 1"]) {
        yield* connection.script(`${begin({ access: "read only" })}${rest}`)
        expect((yield* failure(connection.script("INSERT INTO t VALUES (2)")))._tag).toBe("ReadOnlyError")
        yield* connection.script("ROLLBACK")
      }
      // Only the dialect's own words hold to reading, not what somebody else begins.
      yield* connection.script("BEGIN DEFERRED")
      yield* connection.run(request("INSERT INTO t VALUES (2)"))
      yield* connection.script("COMMIT")
      expect(yield* rows(connection, count)).toEqual([{ n: 2 }])
    })
  )
})

const endings = [
  [
    "by a trigger",
    "CREATE TRIGGER out AFTER INSERT ON t WHEN new.a < 0 BEGIN SELECT RAISE(ROLLBACK, 'out'); END",
    "INSERT INTO t VALUES (-1)",
    "CheckViolation"
  ],
  [
    "by a conflict clause",
    "CREATE UNIQUE INDEX one ON t (a)",
    "INSERT OR ROLLBACK INTO t VALUES (1)",
    "UniqueViolation"
  ]
] as const

describe("a transaction that SQLite ended by itself", () => {
  const ended = (before: string, fatal: string, tag: string) =>
    Effect.gen(function* () {
      const connection = yield* session
      yield* connection.script(before)
      yield* connection.run(request("INSERT INTO t VALUES (1)", [], first))
      expect((yield* failure(connection.run(request(fatal))))._tag).toBe(tag)
      expect(connection.status()).toBe("failed")
      return connection
    })

  it.scoped.each(endings)("%s: nothing more is written, and ROLLBACK ends it", ([, before, fatal, tag]) =>
    Effect.gen(function* () {
      const connection = yield* ended(before, fatal, tag)
      for (const text of ["INSERT INTO t VALUES (2)", count, "SAVEPOINT a", "ROLLBACK TO a", "BEGIN"]) {
        const error = yield* failure(connection.run(request(text)))
        expect(error).toMatchObject({ _tag: "TransactionAborted", cause: { _tag: tag } })
      }
      expect((yield* connection.script("ROLLBACK"))[0]?.tag).toBe("ROLLBACK")
      expect(connection.status()).toBe("idle")
      expect(yield* rows(connection, count)).toEqual([{ n: 0 }])
    })
  )

  it.scoped.each(endings)("%s: COMMIT does not pretend to have committed", ([, before, fatal, tag]) =>
    Effect.gen(function* () {
      const connection = yield* ended(before, fatal, tag)
      expect((yield* connection.script("COMMIT"))[0]?.tag).toBe("ROLLBACK")
      expect(connection.status()).toBe("idle")
    })
  )

  it.scoped("by a full disk, where SQLite chose so", () =>
    Effect.gen(function* () {
      const connection = yield* writer(yield* file)
      yield* connection.script(
        "CREATE TABLE t (a); PRAGMA max_page_count = 20; PRAGMA cache_size = 2; PRAGMA cache_spill = 1"
      )
      yield* connection.run(request("INSERT INTO t VALUES (1)", [], first))
      const error = yield* failure(connection.run(request("INSERT INTO t VALUES (zeroblob(1000000))")))
      expect(error).toMatchObject({ _tag: "ResourceError", sqlState: "SQLITE_FULL" })
      // Whichever of the two it was, the end is known.
      const expected = { open: "COMMIT", failed: "ROLLBACK" }[connection.status() as "open" | "failed"]
      expect((yield* connection.script("COMMIT"))[0]?.tag).toBe(expected)
      expect(yield* rows(connection, count)).toEqual([{ n: expected === "COMMIT" ? 1 : 0 }])
    })
  )
})

describe("scripts", () => {
  it.scoped("answer each statement, and say which one failed and where", () =>
    Effect.gen(function* () {
      const connection = yield* session
      const replies = yield* connection.script(
        "INSERT INTO t VALUES (1), (2); SELECT a FROM t; PRAGMA user_version = 3"
      )
      expect(replies.map(({ tag, count, rows }) => [tag, count, rows])).toEqual([
        ["INSERT", 2, []],
        ["SELECT", 2, [{ a: 1 }, { a: 2 }]],
        ["PRAGMA", null, []]
      ])
      const error = yield* failure(connection.script("SELECT 1;\nSELECT * FROM nowhere; SELECT 3"))
      expect(error).toMatchObject({ _tag: "SqlSyntaxError", detail: "statement 2 of 3", position: 11 })
    })
  )

  it.scoped("outside a transaction several statements are done all or none, as on PostgreSQL", () =>
    Effect.gen(function* () {
      const connection = yield* session
      yield* failure(connection.script("INSERT INTO t VALUES (1); INSERT INTO nowhere VALUES (1)"))
      expect(connection.status()).toBe("idle")
      expect(yield* rows(connection, count)).toEqual([{ n: 0 }])
    })
  )

  it.scoped("of queries alone take no lock", () =>
    Effect.gen(function* () {
      const path = yield* file
      const one = yield* writer(path)
      const two = yield* writer(path)
      yield* one.run(request("CREATE TABLE t (a)", [], first))
      expect((yield* two.script("SELECT 1 AS a; VALUES (2)")).map((reply) => reply.count)).toEqual([1, 1])
    })
  )

  it.scoped("inside one they are part of it", () =>
    Effect.gen(function* () {
      const connection = yield* session
      yield* connection.run(request("INSERT INTO t VALUES (1)", [], first))
      yield* failure(connection.script("INSERT INTO t VALUES (2); INSERT INTO nowhere VALUES (1)"))
      expect(connection.status()).toBe("open")
      yield* connection.script("COMMIT")
      expect(yield* rows(connection, count)).toEqual([{ n: 2 }])
    })
  )

  it.scoped("may begin and end transactions themselves", () =>
    Effect.gen(function* () {
      const connection = yield* session
      const replies = yield* connection.script("BEGIN; INSERT INTO t VALUES (1); COMMIT; VACUUM")
      expect(replies.map((reply) => reply.tag)).toEqual(["BEGIN", "INSERT", "COMMIT", "VACUUM"])
    })
  )
})

describe("conflicts between sessions", () => {
  it.scoped("a snapshot that has been overtaken is a SerializationError at once", () =>
    Effect.gen(function* () {
      const path = yield* file
      const one = yield* writer(path)
      const two = yield* writer(path)
      yield* one.script("CREATE TABLE t (a)")
      yield* one.run(request(count, [], { begin: "BEGIN" }))
      yield* two.script("INSERT INTO t VALUES (1)")
      const error = yield* failure(one.run(request("INSERT INTO t VALUES (2)")))
      expect(error).toMatchObject({ _tag: "SerializationError", sqlState: "SQLITE_BUSY_SNAPSHOT" })
      expect(one.status()).toBe("open")
    })
  )

  it.scoped("a reader sees what is committed, and is refused to write even by itself", () =>
    Effect.gen(function* () {
      const path = yield* file
      const one = yield* writer(path)
      yield* one.script("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
      const two = yield* reader(path)
      yield* one.run(request("INSERT INTO t VALUES (2)", [], first))
      expect(yield* rows(two, count)).toEqual([{ n: 1 }])
      yield* one.script("COMMIT")
      expect(yield* rows(two, count)).toEqual([{ n: 2 }])
      expect((yield* failure(two.run(request("INSERT INTO t VALUES (3)"))))._tag).toBe("ReadOnlyError")
    })
  )

  it.scoped("what another process holds when its life ends is free", () =>
    Effect.gen(function* () {
      const path = yield* file
      const connection = yield* writer(path)
      yield* connection.script("CREATE TABLE t (a)")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const other = yield* otherProcess(path)
          expect(yield* other.tell("BEGIN IMMEDIATE; INSERT INTO t VALUES (1)")).toBe("done")
        })
      )
      yield* connection.run(request("INSERT INTO t VALUES (2)", [], first))
      yield* connection.script("COMMIT")
      expect(yield* rows(connection, count)).toEqual([{ n: 1 }])
    })
  )
})
