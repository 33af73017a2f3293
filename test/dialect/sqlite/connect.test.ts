import { execFile } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, readdirSync, readlinkSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { forTarget, isMemory, sqlite } from "../../../src/dialect/sqlite/index.js"
import { config, failure, file, folder, otherProcess, reader, request, rows, writer } from "./support.js"

const project = resolve(import.meta.dirname, "../../..")

const settings = `SELECT (SELECT * FROM pragma_journal_mode) AS journal, (SELECT * FROM pragma_synchronous) AS synchronous,
  (SELECT * FROM pragma_foreign_keys) AS keys, (SELECT * FROM pragma_query_only) AS reading`

/** The files this process has open, where the system tells. */
const openFiles = (): ReadonlyArray<string> =>
  existsSync("/proc/self/fd")
    ? readdirSync("/proc/self/fd").flatMap((fd) => {
        try {
          return [readlinkSync(`/proc/self/fd/${fd}`)]
        } catch {
          return []
        }
      })
    : []

/** Tries to open files as a user without rights, because root may do anything. Tag and message of each failure. */
const asNobody = (paths: ReadonlyArray<string>) =>
  Effect.async<ReadonlyArray<readonly [string, string]>>((resume) => {
    const program = `
      require("better-sqlite3")(":memory:").close()
      const jiti = require("jiti").createJiti(process.cwd() + "/x.js", { fsCache: false })
      const main = async () => {
        const { open } = await jiti.import(process.cwd() + "/src/dialect/sqlite/connect.ts")
        if (process.getuid() === 0) process.setuid(65534)
        console.log(JSON.stringify(process.argv.slice(1).map((path) => {
          try {
            open({ path, memory: false, readonly: false, mustExist: false, pragmas: [] }, "writer", 0)
            return ["opened", ""]
          } catch (error) {
            return [error._tag, error.message]
          }
        })))
      }
      main()`
    execFile(process.execPath, ["-e", program, ...paths], { cwd: project }, (error, out) =>
      resume(error === null ? Effect.sync(() => JSON.parse(out)) : Effect.die(error))
    )
  })

const refused = (database: string, parameters = {}) => failure(Effect.scoped(writer(database, {}, parameters)))

describe("what cannot be opened is a typed failure that says what to do", () => {
  it.scoped("a folder that is not there", () =>
    Effect.gen(function* () {
      const error = yield* refused(join(yield* folder, "no", "app.db"))
      expect(error).toMatchObject({ _tag: "DatabaseNotFound", operation: "connect" })
      expect(error.message).toMatch(/no does not exist.*Create it/)
    })
  )

  it.scoped("a folder where the file should be", () =>
    Effect.gen(function* () {
      const error = yield* refused(yield* folder)
      expect(error._tag).toBe("DatabaseNotFound")
      expect(error.message).toMatch(/is a folder.*Name a file in it/)
    })
  )

  it.scoped("a file where the folder should be", () =>
    Effect.gen(function* () {
      const path = yield* file
      writeFileSync(path, "")
      expect((yield* refused(join(path, "app.db")))._tag).toBe("DatabaseNotFound")
    })
  )

  it.scoped("a file that is no database, which is left as it was and not kept open", () =>
    Effect.gen(function* () {
      const path = yield* file
      writeFileSync(path, "something else entirely, and long enough to be a header of something".repeat(20))
      const error = yield* refused(path)
      expect(error).toMatchObject({ _tag: "DatabaseNotFound", sqlState: "SQLITE_NOTADB" })
      expect(error.message).toContain("is not a SQLite database")
      expect(openFiles()).not.toContain(path)
    })
  )

  it.scoped("a file that must be there", () =>
    Effect.gen(function* () {
      const path = yield* file
      expect((yield* refused(path, { mode: "rw" }))._tag).toBe("DatabaseNotFound")
      expect((yield* failure(Effect.scoped(reader(path))))._tag).toBe("DatabaseNotFound")
    })
  )

  it.scoped.each([
    ["an unknown mode", { mode: "rx" }],
    ["a shared cache", { cache: "shared" }],
    ["an unknown parameter", { sync: "off" }],
    ["a parameter that smuggles SQL", { synchronous: "off; DROP TABLE t" }]
  ] as const)("%s", ([, parameters]) =>
    Effect.gen(function* () {
      expect((yield* refused(yield* file, parameters))._tag).toBe("UnsupportedError")
    })
  )

  it.scoped("a reader of a database in memory", () =>
    Effect.gen(function* () {
      expect((yield* failure(Effect.scoped(reader(":memory:"))))._tag).toBe("UnsupportedError")
    })
  )

  it.scoped("missing rights on the file or its folder", () =>
    Effect.gen(function* () {
      const cases = [
        ["a folder that may not be written to", 0o555, undefined, "DatabaseNotFound", /right/],
        ["a file that may not be written to", 0o555, 0o444, "ReadOnlyError", /mode=ro/],
        ["a file that may not be read", 0o755, 0o000, "DatabaseNotFound", /right to read/],
        ["a folder that may not be entered", 0o000, undefined, "DatabaseNotFound", /rights/]
      ] as const
      const paths = yield* Effect.forEach(cases, ([, onFolder, onFile]) =>
        Effect.map(file, (path) => {
          if (onFile !== undefined) {
            writeFileSync(path, "")
            chmodSync(path, onFile)
          }
          chmodSync(dirname(path), onFolder)
          return path
        })
      )
      const answers = yield* asNobody(paths)
      for (const path of paths) chmodSync(dirname(path), 0o700)
      for (const [index, [what, , , tag, hint]] of cases.entries()) {
        expect([what, answers[index]?.[0]]).toEqual([what, tag])
        expect(answers[index]?.[1]).toMatch(hint)
      }
    })
  )
})

describe("a session begins the way it is designed to", () => {
  it.scoped("a writer under WAL, synced fully, with foreign keys; a reader held to reading", () =>
    Effect.gen(function* () {
      const path = yield* file
      const designed = { journal: "wal", synchronous: 2, keys: 1 }
      expect(yield* rows(yield* writer(path), settings)).toEqual([{ ...designed, reading: 0 }])
      expect(yield* rows(yield* reader(path), settings)).toEqual([{ ...designed, reading: 1 }])
    })
  )

  it.scoped("the URL may say otherwise, in the spellings of others too", () =>
    Effect.gen(function* () {
      const told = { synchronous: "normal", _foreign_keys: "off", journal_mode: "delete", check_same_thread: "False" }
      expect(yield* rows(yield* writer(yield* file, {}, told), settings)).toEqual([
        { journal: "delete", synchronous: 1, keys: 0, reading: 0 }
      ])
    })
  )

  it.scoped("REGEXP, gen_random_uuid() and own functions are there on writers and readers", () =>
    Effect.gen(function* () {
      const path = yield* file
      const functions = {
        plus: (a: number, b = 10) => a + b,
        flip: (on: number) => on === 0,
        total: (...all: ReadonlyArray<number>) => all.reduce((sum, one) => sum + one, 0),
        lower: (text: string) => `own ${text}`
      }
      const text = `SELECT 'abc' REGEXP '^a.c$' AS yes, 'abc' REGEXP '^b' AS no, NULL REGEXP 'a' AS unknown,
        plus(1) AS eleven, plus(1, 2) AS three, flip(0) AS flipped, total(1, 2, 3) AS six, lower('A') AS own`
      const expected = [{ yes: 1, no: 0, unknown: null, eleven: 11, three: 3, flipped: 1, six: 6, own: "own A" }]
      expect(yield* rows(yield* writer(path, { functions }), text)).toEqual(expected)
      expect(yield* rows(yield* sqlite.connect(config(path, { functions }), "reader"), text)).toEqual(expected)
      const [row] = yield* rows(yield* reader(path), "SELECT gen_random_uuid() AS a, gen_random_uuid() AS b")
      expect(row.a).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      expect(row.a).not.toBe(row.b)
    })
  )

  it.scoped("own functions replace those of the same name, ours too", () =>
    Effect.gen(function* () {
      const connection = yield* writer(":memory:", { functions: { regexp: () => 7, gen_random_uuid: () => "mine" } })
      expect(yield* rows(connection, "SELECT 'a' REGEXP 'b' AS a, gen_random_uuid() AS b")).toEqual([
        { a: 7, b: "mine" }
      ])
    })
  )

  it.scoped("reset brings it back: transaction, settings, temporary tables, attached files, a stale end", () =>
    Effect.gen(function* () {
      const path = yield* file
      const connection = yield* writer(path)
      const before = yield* rows(connection, settings)
      yield* connection.script(
        `CREATE TABLE t (a); CREATE TEMP TABLE "odd ""name""" (a); CREATE TEMP VIEW v AS SELECT 1`
      )
      yield* connection.script(`ATTACH ':memory:' AS other; PRAGMA foreign_keys = OFF; PRAGMA query_only = 1`)
      yield* connection.script("BEGIN")
      yield* connection.reset
      expect(connection.status()).toBe("idle")
      expect(yield* rows(connection, settings)).toEqual(before)
      expect(yield* rows(connection, "SELECT name FROM sqlite_temp_master")).toEqual([])
      expect(yield* rows(connection, "SELECT name FROM pragma_database_list WHERE name <> 'temp'")).toEqual([
        { name: "main" }
      ])
      expect(yield* rows(connection, "SELECT name FROM sqlite_master")).toEqual([{ name: "t" }])
    })
  )

  it.scoped("vitals name the version", () =>
    Effect.gen(function* () {
      const path = yield* file
      expect(yield* sqlite.vitals(yield* writer(path))).toMatchObject({
        version: expect.stringMatching(/^3\.\d+/),
        journalMode: "wal",
        foreignKeys: true
      })
      expect((yield* sqlite.vitals(yield* reader(path))).version).toMatch(/^3\./)
    })
  )

  it("a database in memory says that it is one session", () => {
    expect(forTarget(config(":memory:").target).sessions).toBe("one")
    expect(forTarget(config("app.db").target).sessions).toBe("one writer")
    expect(isMemory(config("app.db", {}, { mode: "memory" }).target)).toBe(true)
  })
})

describe("a session ends once and for all", () => {
  it.scoped("with its scope, and may be ended twice", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const connection = yield* Scope.extend(writer(":memory:"), scope)
      yield* connection.run(request("SELECT 1", [], { begin: "BEGIN IMMEDIATE" }))
      yield* connection.destroy
      yield* connection.destroy
      yield* Scope.close(scope, Exit.void)
      expect(connection.status()).toBe("broken")
      for (const use of [
        connection.run(request("SELECT 1")),
        connection.script("COMMIT"),
        connection.ping,
        connection.reset
      ]) {
        expect(yield* failure(Effect.asVoid(use))).toMatchObject({ _tag: "ConnectionError", sent: false })
      }
    })
  )

  it.scoped("what it had open is rolled back", () =>
    Effect.gen(function* () {
      const path = yield* file
      const one = yield* writer(path)
      yield* one.script("CREATE TABLE t (a)")
      yield* one.run(request("INSERT INTO t VALUES (1)", [], { begin: "BEGIN IMMEDIATE" }))
      yield* one.destroy
      expect(yield* rows(yield* writer(path), "SELECT * FROM t")).toEqual([])
    })
  )

  it.scoped.each(["removed", "replaced"])("ping finds out that the file was %s, and the session is broken", (how) =>
    Effect.gen(function* () {
      const path = yield* file
      const connection = yield* writer(path)
      yield* connection.ping
      if (how === "removed") rmSync(path)
      else {
        writeFileSync(`${path}.new`, "")
        renameSync(`${path}.new`, path)
      }
      expect(yield* failure(connection.ping)).toMatchObject({ _tag: "ConnectionError", operation: "ping" })
      expect(connection.status()).toBe("broken")
    })
  )

  it.scoped("`lost` never completes", () =>
    Effect.gen(function* () {
      const connection = yield* writer(":memory:")
      const fiber = yield* Effect.fork(connection.lost)
      yield* connection.destroy
      yield* Effect.yieldNow()
      expect(yield* Fiber.poll(fiber)).toMatchObject({ _tag: "None" })
      yield* Fiber.interrupt(fiber)
    })
  )
})

describe("the migration lock", () => {
  it.scoped("is held by one at a time, however many transactions its holder ends, and given back", () =>
    Effect.gen(function* () {
      const path = yield* file
      const one = yield* writer(path)
      const two = yield* writer(path)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { fence } = yield* sqlite.migrationLock(one, "ledger")
          const error = yield* failure(Effect.scoped(sqlite.migrationLock(two, "ledger")))
          expect(error._tag).toBe("LockTimeoutError")
          yield* one.script("PRAGMA foreign_keys = OFF")
          yield* one.run(request("CREATE TABLE t (a)", [], { begin: "BEGIN IMMEDIATE" }))
          yield* one.script("COMMIT")
          yield* fence
          // Another ledger is another lock, and those who do not migrate may write.
          yield* Effect.scoped(sqlite.migrationLock(two, "another one/ledger"))
          yield* two.script("INSERT INTO t VALUES (1)")
        })
      )
      const { fence } = yield* sqlite.migrationLock(two, "ledger")
      yield* fence
    })
  )

  it.scoped("is free when its holder's process is killed", () =>
    Effect.gen(function* () {
      const path = yield* file
      const connection = yield* writer(path)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const other = yield* otherProcess(`${path}-ledger.lock`)
          expect(yield* other.tell("BEGIN IMMEDIATE")).toBe("done")
          expect((yield* failure(Effect.scoped(sqlite.migrationLock(connection, "ledger"))))._tag).toBe(
            "LockTimeoutError"
          )
        })
      )
      yield* sqlite.migrationLock(connection, "ledger")
    })
  )

  it.scoped("says so when somebody removed it", () =>
    Effect.gen(function* () {
      const path = yield* file
      const { fence } = yield* sqlite.migrationLock(yield* writer(path), "ledger")
      rmSync(`${path}-ledger.lock`)
      expect((yield* failure(fence))._tag).toBe("ConnectionError")
    })
  )

  it.scoped("in memory, whoever has the session has the lock", () =>
    Effect.gen(function* () {
      const { fence } = yield* sqlite.migrationLock(yield* writer(":memory:"), "ledger")
      yield* fence
    })
  )

  it.scoped("a folder in the lock's place is a typed failure", () =>
    Effect.gen(function* () {
      const path = yield* file
      mkdirSync(`${path}-ledger.lock`)
      expect((yield* failure(Effect.scoped(sqlite.migrationLock(yield* writer(path), "ledger"))))._tag).toBe(
        "DatabaseNotFound"
      )
    })
  )
})
