import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { afterAll, describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { Copy, Database, DatabaseError, Dialect, Health, Listen, Migrator, Pool, Transaction } from "effect-aquifer"
import { vi } from "vitest"
import * as Connections from "../../../src/connection/Connections.js"
import { type Program, start } from "../../../src/dialect/pglite/engine.js"
import { borrowed, end, lent, onShared } from "./shared.js"

afterAll(end)

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "aquifer-pglite-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** A program of the test's own hands. */
const onLoan = Effect.acquireRelease(borrowed, (program) => Effect.promise(program.close))

describe("PGlite in a folder", () => {
  it.live(
    "is made, kept over layers, and open once in a process",
    () =>
      Effect.gen(function* () {
        const parent = yield* folder
        const url = `pglite:${join(parent, "data")}`
        yield* Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* sql`CREATE TABLE kept (id INTEGER PRIMARY KEY)`
          yield* sql`INSERT INTO kept VALUES (1)`
          const second = yield* Effect.flip(Layer.build(Database.layer({ url })))
          expect(second).toMatchObject({ _tag: "TooManyConnections", operation: "connect" })
          expect(String(second)).toContain("one session")
          // Whoever was refused took nothing along.
          expect(yield* sql`SELECT id FROM kept`).toEqual([{ id: 1 }])
        }).pipe(Effect.provide(Database.layer({ url })), Effect.scoped)
        expect(existsSync(join(parent, "data", "PG_VERSION"))).toBe(true)
        const rows = yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT id FROM kept`).pipe(
          Effect.provide(Database.layer({ url })),
          Effect.scoped
        )
        expect(rows).toEqual([{ id: 1 }])
      }).pipe(Effect.scoped),
    120_000
  )

  it.live(
    "a file, and a folder nobody can make, are typed failures",
    () =>
      Effect.gen(function* () {
        const parent = yield* folder
        writeFileSync(join(parent, "file"), "x")
        const file = yield* Effect.flip(Layer.build(Database.layer({ url: `pglite:${join(parent, "file")}` })))
        expect(file).toMatchObject({ _tag: "DatabaseNotFound" })
        const deep = `pglite:${join(parent, "not", "there")}`
        const missing = yield* Effect.flip(
          Layer.build(Database.layer({ url: deep, pool: { acquireTimeout: "5 seconds" } }))
        )
        expect(String(missing)).toContain("PGlite does not start")
        // A refusal leaves the folder to whoever asks next.
        expect(
          String(yield* Effect.flip(Layer.build(Database.layer({ url: deep, pool: { acquireTimeout: "5 seconds" } }))))
        ).toContain("PGlite does not start")
      }).pipe(Effect.scoped),
    60_000
  )

  it.live("without its package it says what to install", () =>
    Effect.gen(function* () {
      vi.doMock("@electric-sql/pglite", () => {
        throw Object.assign(new Error("Cannot find package '@electric-sql/pglite'"), { code: "ERR_MODULE_NOT_FOUND" })
      })
      const error = yield* Effect.flip(Layer.build(Database.layer({ url: "pglite::memory:" })))
      expect(error).toMatchObject({ _tag: "UnsupportedError", recovery: "never" })
      expect(String(error)).toContain("npm install @electric-sql/pglite")
    }).pipe(Effect.ensuring(Effect.sync(() => vi.doUnmock("@electric-sql/pglite"))), Effect.scoped)
  )
})

describe("the one session of PGlite", () => {
  it.live("many fibers take turns on it, transactions too", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE t (n INTEGER)`
      yield* sql`INSERT INTO t VALUES (0)`
      const add = Transaction.run(
        Effect.gen(function* () {
          const [row] = yield* sql<{ n: number }>`SELECT n FROM t`
          yield* Effect.yieldNow()
          yield* sql`UPDATE t SET n = ${(row?.n ?? 0) + 1}`
        })
      )
      yield* Effect.replicateEffect(add, 30, { concurrency: 10, discard: true })
      expect(yield* sql`SELECT n FROM t`).toEqual([{ n: 30 }])
      const pool = yield* Pool.Pool
      expect((yield* pool.status).totals.opened).toBe(1)
    }).pipe(Effect.provide(onShared()), Effect.scoped)
  )

  it.live("what a session leaves behind is rolled back and discarded before the next", () =>
    Effect.gen(function* () {
      const leave = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const connection = yield* sql.reserve
        const run = (text: string) => connection.executeRaw(text, [])
        yield* run("CREATE TABLE kept (a INTEGER)")
        yield* run("SET work_mem = '77MB'")
        yield* run("CREATE TEMP TABLE fleeting (a INTEGER)")
        yield* run("BEGIN")
        yield* run("INSERT INTO kept VALUES (1)")
      }).pipe(Effect.scoped)
      const again = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        expect(yield* sql`SELECT a FROM kept`).toEqual([])
        expect(yield* sql`SELECT to_regclass('fleeting')::text AS t, current_setting('work_mem') AS m`).toEqual([
          { t: null, m: "4MB" }
        ])
      })
      const program = { ...(yield* onLoan), close: () => Promise.resolve() }
      const keep = Layer.locally(start, () => Effect.succeed(program))
      yield* Effect.provide(leave, keep(Database.layer({ url: "pglite::memory:" })))
      yield* Effect.provide(again, keep(Database.layer({ url: "pglite::memory:" })))
    }).pipe(Effect.scoped)
  )

  it.live("COPY FROM STDIN is refused before it is sent; COPY TO STDOUT works", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE t (a INTEGER)`
      yield* sql`INSERT INTO t SELECT generate_series(1, 3)`
      for (const text of ["COPY t FROM STDIN", "copy t (a)\n from /* rows */ stdin with (format csv)"]) {
        const error = yield* Effect.flip(DatabaseError.refine(sql.unsafe(text)))
        expect(error._tag).toBe("UnsupportedError")
      }
      expect((yield* Effect.flip(Copy.into({ table: "t" }, Stream.make("4\n"))))._tag).toBe("UnsupportedError")
      const out = yield* Stream.runCollect(Copy.out({ table: "t" }))
      expect(Buffer.concat(Chunk.toReadonlyArray(out)).toString()).toBe("1\n2\n3\n")
      // The words alone are no COPY.
      expect(yield* sql`SELECT 'copy t from stdin' AS words`).toEqual([{ words: "copy t from stdin" }])
      expect(yield* sql`SELECT count(*)::int AS n FROM t`).toEqual([{ n: 3 }])
    }).pipe(Effect.provide(onShared()), Effect.scoped)
  )

  it.live("LISTEN shares the session, and survives its being reset", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const stream = yield* Listen.subscribe("news")
      const heard = yield* Effect.fork(Stream.runCollect(Stream.take(stream, 3)))
      yield* Listen.notify("news", "a")
      yield* sql`SELECT 1`
      yield* Transaction.run(Listen.notify("news"))
      yield* Effect.ignore(Transaction.run(Effect.zipRight(Listen.notify("news", "undone"), Effect.fail("undo"))))
      yield* Listen.notify("news", "b")
      const payloads = [...(yield* Effect.timeout(Fiber.join(heard), "10 seconds"))].map(
        (item) => item._tag === "Notification" && item.payload
      )
      expect(payloads).toEqual(["a", "", "b"])
    }).pipe(Effect.provide(onShared({ pool: { resetOnReturn: "discard" } })), Effect.scoped)
  )

  it.live("a listener whose session is replaced tells of the gap and hears on", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const stream = yield* Listen.subscribe("news")
      const heard = yield* Effect.fork(Stream.runCollect(Stream.take(stream, 2)))
      // `evictAll` spares an only session; one that breaks is replaced.
      const connections = yield* Connections.of(sql)
      yield* Effect.scoped(Effect.flatMap(connections.reserve, (connection) => connection.destroy))
      yield* sql`SELECT 1`
      yield* Effect.fork(Effect.repeat(Listen.notify("news", "on"), Schedule.spaced("20 millis")))
      const [gap, next] = [...(yield* Effect.timeout(Fiber.join(heard), "10 seconds"))]
      expect([gap?._tag, next]).toEqual(["Gap", { _tag: "Notification", channel: "news", payload: "on" }])
    }).pipe(Effect.provide(onShared({ retry: { connection: { baseDelay: "10 millis" } } })), Effect.scoped)
  )

  it.live("an interrupted statement costs nothing but its own answer", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE t (a INTEGER)`
      for (let steps = 0; steps < 20; steps++) {
        const fiber = yield* Effect.fork(
          Transaction.run(Effect.zipRight(sql`INSERT INTO t VALUES (${steps})`, sql`SELECT pg_sleep(0.01)`))
        )
        yield* Effect.replicateEffect(Effect.yieldNow(), steps)
        yield* Fiber.interrupt(fiber)
      }
      expect(yield* sql`SELECT a FROM t`).toEqual([])
    }).pipe(Effect.provide(onShared()), Effect.scoped)
  )

  it.live("a program that breaks is a ConnectionError, and its memory is not replaced by an empty one", () =>
    Effect.gen(function* () {
      const program = yield* onLoan
      let broken = false
      let started = 0
      const fragile: Program = {
        execProtocolRaw: (bytes) =>
          broken ? Promise.reject(new Error("unreachable")) : program.execProtocolRaw(bytes),
        close: () => Promise.resolve()
      }
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`SELECT 1`
        broken = true
        expect((yield* Effect.flip(DatabaseError.refine(sql`SELECT 2`)))._tag).toBe("ConnectionError")
        broken = false
        const after = yield* Effect.flip(DatabaseError.refine(sql`SELECT 3`))
        expect(String(after)).toContain("gone")
        expect(started).toBe(1)
      }).pipe(
        Effect.provide(
          Database.layer({ url: "pglite::memory:", pool: { acquireTimeout: "2 seconds" } }).pipe(
            Layer.locally(start, () =>
              Effect.sync(() => {
                started++
                return fragile
              })
            )
          )
        )
      )
    }).pipe(Effect.scoped)
  )

  it.live("the end of the layer ends the program", () =>
    Effect.gen(function* () {
      const before = lent()
      yield* Effect.provide(
        Effect.sync(() => expect(lent()).toBe(before + 1)),
        onShared()
      )
      expect(lent()).toBe(before)
      yield* Effect.provide(Effect.void, onShared({ connect: "lazy" }))
      expect(lent()).toBe(before)
    }).pipe(Effect.scoped)
  )

  it.live("migrations go up and down on it, and its schema is read", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const tables = Effect.map(
        sql<{ name: string }>`SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`,
        (rows) => rows.map((row) => row.name).filter((name) => name.startsWith("app_"))
      )
      const report = yield* Migrator.up({ directory: "migrations" })
      expect(report.applied).toHaveLength(5)
      expect(yield* tables).toHaveLength(5)
      const dialect = yield* Dialect.Dialect
      const schema = yield* Effect.scoped(
        Effect.flatMap(
          Effect.flatMap(Connections.of(sql), ({ own }) => own),
          dialect.inspect
        )
      )
      expect(schema.tables.map((table) => table.name).filter((name) => name.startsWith("app_"))).toEqual(yield* tables)
      expect((yield* Migrator.up({ directory: "migrations" })).applied).toEqual([])
      yield* Migrator.down({ directory: "migrations", to: "base" })
      expect(yield* tables).toEqual([])
    }).pipe(Effect.provide(onShared()), Effect.scoped)
  )

  it.live("health says which version it is", () =>
    Effect.gen(function* () {
      const report = yield* Health.check
      expect(report).toMatchObject({ product: "pglite", status: "up" })
    }).pipe(Effect.provide(onShared()), Effect.scoped)
  )
})
