import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import { checksum, header, parseName } from "../../src/migration/Revision.js"
import { endsTransaction, parse, statements } from "../../src/migration/SqlFile.js"

const texts = (text: string) => statements(text).map((statement) => statement.text)

describe("statements of a file", () => {
  it.each<[title: string, text: string, ...statements: ReadonlyArray<string>]>([
    ["plain ones", "a; b ;\n;c", "a", "b", "c"],
    ["semicolons in strings", `insert 'a;''b;'; "x;y"; [z]`, `insert 'a;''b;'`, `"x;y"`, "[z]"],
    ["semicolons in backslash strings", `select E'a\\';b'; c`, `select E'a\\';b'`, "c"],
    ["a backslash in a plain string", `select 'a\\'; c`, `select 'a\\'`, "c"],
    ["comments, nested ones too", "a -- x;\n+ 1; /* b; /* c; */ d; */ e;", "a -- x;\n+ 1", "e"],
    ["dollar quotes", "do $$ begin; end $$; do $q$ ; $$ ; $q$; b", "do $$ begin; end $$", "do $q$ ; $$ ; $q$", "b"],
    ["a parameter is no dollar quote", "select $1; b", "select $1", "b"],
    [
      "a trigger with a body",
      "CREATE TRIGGER t AFTER INSERT ON x BEGIN UPDATE x SET a = CASE WHEN 1 THEN 2 END; DELETE FROM y; END; b",
      "CREATE TRIGGER t AFTER INSERT ON x BEGIN UPDATE x SET a = CASE WHEN 1 THEN 2 END; DELETE FROM y; END",
      "b"
    ],
    [
      "a function with a body in the standard's words",
      "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END; b",
      "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END",
      "b"
    ],
    [
      "a trigger that calls a function",
      "CREATE TRIGGER t AFTER INSERT ON x EXECUTE FUNCTION f(); b",
      "CREATE TRIGGER t AFTER INSERT ON x EXECUTE FUNCTION f()",
      "b"
    ],
    [
      "the actions of a rule",
      "CREATE RULE r AS ON DELETE TO t DO (a; b ')'; c); d",
      "CREATE RULE r AS ON DELETE TO t DO (a; b ')'; c)",
      "d"
    ],
    ["a parenthesis too many", "a); b", "a)", "b"],
    ["CASE outside of a body", "select case when 1 then 2 end; b", "select case when 1 then 2 end", "b"],
    ["what never ends", "select 'a; b", "select 'a; b"],
    ["nothing at all", " \n-- only this\n;"]
  ])("%s", (_, text, ...expected) => {
    expect(texts(text)).toEqual(expected)
  })

  it("know the line they begin at", () => {
    expect(statements("a;\n\n-- c\nb;\n'x\ny'; d").map((s) => [s.text[0], s.line])).toEqual([
      ["a", 1],
      ["b", 4],
      ["'", 5],
      ["d", 6]
    ])
  })

  it.each([
    ["COMMIT", true],
    ["begin", true],
    ["START TRANSACTION", true],
    ["rollback", true],
    ["END", true],
    ["PREPARE TRANSACTION 'x'", true],
    ["PREPARE p AS SELECT 1", false],
    ["ROLLBACK TO SAVEPOINT a", false],
    ["SAVEPOINT a", false],
    ["SELECT 'COMMIT'", false]
  ])("%s ends the transaction: %s", (text, ends) => {
    expect(endsTransaction(statements(text)) !== undefined).toBe(ends)
  })
})

describe("a SQL file", () => {
  const read = (text: string) => parse(text, "1_x.sql", "1_x")
  const problem = (text: string) => Either.getOrThrow(Either.flip(read(text)))

  it("has an up and perhaps a down, with their lines", () => {
    const file = Either.getOrThrow(read("-- says what\n-- migrate:up\na;\nb;\n\n-- migrate:down\nc;\n"))
    expect(file.up).toEqual([
      { text: "a", line: 3 },
      { text: "b", line: 4 }
    ])
    expect(file.down).toEqual([{ text: "c", line: 7 }])
    expect(Either.getOrThrow(read("-- migrate:up\na")).down).toBeUndefined()
  })

  it.each([
    ["without -- migrate:up", "CREATE TABLE a (b int);", 'no line "-- migrate:up"', undefined],
    ["down before up", "-- migrate:down\na;\n-- migrate:up\nb;", 'no line "-- migrate:up"', undefined],
    ["statements above it", "a;\n-- migrate:up\nb;", 'above "-- migrate:up"', 1],
    ["two ups", "-- migrate:up\na;\n-- migrate:up\nb;", 'two sections "up"', 3],
    ["an unknown section", "-- migrate:up\na;\n-- migrate:sideways\nb;", 'no section "sideways"', 3]
  ])("is refused %s", (_, text, said, line) => {
    const error = problem(text)
    expect(error.reason).toBe("bad-sql")
    expect(error.message).toContain(said)
    expect(error.message).toContain("1_x.sql")
    expect(error.line).toBe(line)
  })
})

describe("a header", () => {
  it("is read from comments of SQL and of TypeScript, above the first line of code", () => {
    expect(header("-- revises: 1, 2\n-- depends-on: 3\n-- transaction: false\n-- migrate:up\n")).toEqual({
      revises: ["1", "2"],
      adopts: [],
      dependsOn: ["3"],
      transaction: false
    })
    expect(header("/**\n * revises: 1\n */\nimport x\n// depends-on: 9")).toEqual({
      revises: ["1"],
      adopts: [],
      dependsOn: [],
      transaction: true
    })
    expect(header("// revises: base\n").revises).toEqual([])
    expect(header("import x\n// revises: 1").revises).toBeUndefined()
    expect(header("-- migrate:up transaction:false\n").transaction).toBe(false)
  })
})

describe("names and checksums", () => {
  it.each([
    ["0001_create_users", "0001", "create_users"],
    ["20260102030405_x", "20260102030405", "x"],
    ["20260102_030405_x", "20260102_030405", "x"],
    ["7-add-index", "7", "add-index"]
  ])("%s", (stem, id, name) => {
    expect(parseName(stem)).toEqual({ id, name })
  })

  it.each(["create_users", "0001", "_0001_x", "v1_x"])("%s is no revision's name", (stem) => {
    expect(parseName(stem)).toBeUndefined()
  })

  it("a checksum does not mind the line ends", () => {
    expect(checksum("a\r\nb\r")).toBe(checksum("a\nb\n"))
    expect(checksum("\uFEFFa")).toBe(checksum("a"))
    expect(checksum("a\nb")).not.toBe(checksum("a b"))
    expect(checksum("a")).toMatch(/^[0-9a-f]{64}$/)
  })
})
