import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { classify, codes } from "../../../src/dialect/sqlite/classify.js"
import { failure, file, request, rows, writer } from "./support.js"

const schema = `
  CREATE TABLE parent (id INTEGER PRIMARY KEY, code TEXT, kind TEXT, UNIQUE (code, kind));
  CREATE TABLE child (
    id INTEGER PRIMARY KEY, email TEXT UNIQUE, name TEXT NOT NULL,
    parent INTEGER REFERENCES parent, age INTEGER CONSTRAINT adult CHECK (age >= 18)
  );
  CREATE UNIQUE INDEX lower_name ON child (lower(name));
  CREATE TABLE strict (n INTEGER) STRICT;
  CREATE TABLE rowid_only (a TEXT);
  CREATE TRIGGER no_delete BEFORE DELETE ON parent BEGIN SELECT RAISE(ABORT, 'parents stay'); END;
  INSERT INTO parent VALUES (1, 'a', 'b');
  INSERT INTO child VALUES (1, 'x@y', 'Ann', 1, 30)`

const answers = [
  [
    "INSERT INTO child (email, name) VALUES ('x@y', 'Bo')",
    "UniqueViolation",
    { sqlState: "SQLITE_CONSTRAINT_UNIQUE", table: "child", column: "email" }
  ],
  ["INSERT INTO parent VALUES (2, 'a', 'b')", "UniqueViolation", { table: "parent", column: "code, kind" }],
  [
    "INSERT INTO child (id, name) VALUES (1, 'Bo')",
    "UniqueViolation",
    { sqlState: "SQLITE_CONSTRAINT_PRIMARYKEY", table: "child", column: "id" }
  ],
  ["INSERT INTO child (name) VALUES ('ANN')", "UniqueViolation", { constraint: "lower_name" }],
  [
    "INSERT INTO child (name, parent) VALUES ('Bo', 9)",
    "ForeignKeyViolation",
    { sqlState: "SQLITE_CONSTRAINT_FOREIGNKEY" }
  ],
  ["INSERT INTO child (email) VALUES ('b@y')", "NotNullViolation", { table: "child", column: "name" }],
  ["INSERT INTO child (name, age) VALUES ('Bo', 3)", "CheckViolation", { constraint: "adult" }],
  ["DELETE FROM parent", "CheckViolation", { sqlState: "SQLITE_CONSTRAINT_TRIGGER", reason: "parents stay" }],
  [
    "INSERT INTO strict VALUES ('x')",
    "DataError",
    { sqlState: "SQLITE_CONSTRAINT_DATATYPE", table: "strict", column: "n" }
  ],
  ["INSERT INTO child (id, name) VALUES ('x', 'Bo')", "DataError", { sqlState: "SQLITE_MISMATCH" }],
  ["SELECT abs(-9223372036854775807 - 1)", "DataError", { reason: "integer overflow" }],
  ["SELECT json('{')", "DataError", { reason: "malformed JSON" }],
  ["SELECT zeroblob(3000000000)", "DataError", { sqlState: "SQLITE_TOOBIG" }],
  ["SELEC 1", "SqlSyntaxError", { reason: 'near "SELEC": syntax error' }],
  ["SELECT 'a", "SqlSyntaxError", {}],
  ["SELECT * FROM nowhere", "SqlSyntaxError", { table: "nowhere" }],
  ["SELECT child.absent FROM child", "SqlSyntaxError", { table: "child", column: "absent" }],
  ["INSERT INTO child (absent) VALUES (1)", "SqlSyntaxError", { table: "child", column: "absent" }],
  ["CREATE TABLE child (a)", "SqlSyntaxError", { table: "child" }],
  ["SELECT no_such_function()", "SqlSyntaxError", {}],
  ["", "SqlSyntaxError", {}],
  ["SELECT 1; SELECT 2", "SqlSyntaxError", {}],
  ["COMMIT", "TransactionClosed", {}],
  ["SELECT 'a' REGEXP '('", "DataError", {}],
  ["SELECT fails()", "DataError", {}],
  ["SELECT bad()", "DataError", {}],
  ["ATTACH '/nowhere/at/all.db' AS x", "DatabaseNotFound", {}]
] as const

const session = Effect.tap(
  writer(":memory:", {
    functions: {
      fails: () => {
        throw new Error("on purpose")
      },
      bad: () => new Map()
    }
  }),
  (connection) => connection.script(schema)
)

describe("what SQLite answers is a tag, with names where it says them", () => {
  it.scoped.each(answers)("%s", ([text, tag, fields]) =>
    Effect.gen(function* () {
      const connection = yield* session
      const error = yield* failure(connection.run(request(text)))
      expect(error._tag).toBe(tag)
      expect(error).toMatchObject({ operation: "execute", ...fields })
      expect(error.cause).toBeInstanceOf(Error)
      expect(connection.status()).toBe("idle")
      // The session goes on.
      expect(yield* rows(connection, "SELECT count(*) AS n FROM child")).toEqual([{ n: 1 }])
    })
  )

  it.scoped("the same whether the statement is kept prepared or not", () =>
    Effect.gen(function* () {
      const connection = yield* session
      const error = yield* failure(connection.run(request("SELEC", [], { prepare: false })))
      expect(error._tag).toBe("SqlSyntaxError")
    })
  )

  it.scoped("a write held to reading is a ReadOnlyError, and nothing is written", () =>
    Effect.gen(function* () {
      const path = yield* file
      yield* Effect.scoped(Effect.flatMap(writer(path), (connection) => connection.script("CREATE TABLE t (a)")))
      const connection = yield* writer(path, {}, { mode: "ro" })
      expect((yield* failure(connection.run(request("INSERT INTO t VALUES (1)"))))._tag).toBe("ReadOnlyError")
    })
  )

  it.scoped("a full database is a ResourceError", () =>
    Effect.gen(function* () {
      const connection = yield* session
      yield* connection.script("CREATE TABLE big (a); PRAGMA max_page_count = 20")
      const error = yield* failure(connection.run(request("INSERT INTO big VALUES (zeroblob(1000000))")))
      expect(error).toMatchObject({ _tag: "ResourceError", sqlState: "SQLITE_FULL" })
    })
  )

  it.scoped("dropping a table that a stream still reads is a LockTimeoutError at once", () =>
    Effect.gen(function* () {
      const connection = yield* session
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { Stream } = yield* Effect.promise(() => import("effect"))
          const pull = yield* Stream.toPull(
            connection.stream(
              request(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000) SELECT * FROM n, child"
              )
            )
          )
          yield* Effect.orDie(Effect.mapError(pull, () => new Error("no rows")))
          const error = yield* failure(connection.run(request("DROP TABLE child")))
          expect(error).toMatchObject({ _tag: "LockTimeoutError", sqlState: "SQLITE_LOCKED" })
        })
      )
    })
  )

  it("a full code beats its class, and an unknown one of a known class is of that class", () => {
    const coded = (code: string) => classify(Object.assign(new Error("said so"), { code }), "execute")
    expect(coded("SQLITE_BUSY_SNAPSHOT")).toMatchObject({ _tag: "SerializationError", recovery: "restart" })
    expect(coded("SQLITE_BUSY_RECOVERY")._tag).toBe("LockTimeoutError")
    expect(coded("SQLITE_IOERR_WRITE")._tag).toBe("ResourceError")
    expect(coded("SQLITE_CANTOPEN_ISDIR")._tag).toBe("DatabaseNotFound")
    expect(coded("SQLITE_CORRUPT_INDEX")._tag).toBe("ResourceError")
    expect(coded("SQLITE_CONSTRAINT_COMMITHOOK")._tag).toBe("CheckViolation")
    expect(coded("SQLITE_ABORT_ROLLBACK")._tag).toBe("TransactionAborted")
    expect(coded("SQLITE_READONLY_DBMOVED")).toMatchObject({ _tag: "ConnectionError", phase: "statement", sent: false })
    expect(coded("SQLITE_WHATEVER")._tag).toBe("UnknownError")
    for (const code of Object.keys(codes)) expect(coded(code).sqlState).toBe(code)
  })

  it("what is classified already stays what it is", () => {
    const error = classify(new Error("x"), "execute")
    expect(classify(error, "commit")).toBe(error)
  })
})
