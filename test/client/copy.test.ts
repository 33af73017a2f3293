import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Copy, Database, DatabaseError, Pool, Transaction } from "effect-aquifer"
import { freshDatabase, query } from "../support/server.js"

/** One connection, so that what a COPY leaves behind is met by the next statement. */
const onPostgres = <A, E>(
  body: (url: string) => Effect.Effect<A, E, Database.Services | Scope.Scope>,
  options: Partial<Database.Options> = {}
) =>
  Effect.flatMap(freshDatabase, (url) =>
    Effect.provide(
      Effect.zipRight(
        Effect.flatMap(SqlClient.SqlClient, (sql) => sql`CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)`),
        body(url)
      ),
      Database.layer({ url, pool: { size: 1, maxOverflow: 0 }, ...options })
    )
  ).pipe(Effect.scoped)

const backend = Effect.flatMap(SqlClient.SqlClient, (sql) => sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`).pipe(
  Effect.map(([row]) => row?.pid)
)
const count = Effect.flatMap(SqlClient.SqlClient, (sql) => sql<{ n: number }>`SELECT count(*)::int AS n FROM t`).pipe(
  Effect.map(([row]) => row?.n)
)
const lines = (from: number, to: number) => Stream.map(Stream.range(from, to), (id) => `${id}\tname ${id}\n`)
const textOf = (pieces: Chunk.Chunk<Uint8Array>) => Buffer.concat(Chunk.toReadonlyArray(pieces)).toString()
/** All connections are back; a cleaning after the last return may still run for a moment. */
const idle = Effect.flatMap(Pool.Pool, (pool) =>
  pool.status.pipe(
    Effect.map((status) => status.checkedOut),
    Effect.repeat({ until: (out) => out === 0, schedule: Schedule.spaced("5 millis") }),
    Effect.zipRight(Effect.succeed(0)),
    Effect.timeout("5 seconds")
  )
)

/** The test's own sessions that copy: there are other tests on this server. */
const copying = "FROM pg_stat_activity WHERE query LIKE 'COPY%' AND datname = current_database()"

/** Waits until the server says so. */
const until = (url: string, text: string) =>
  query(url, text).pipe(Effect.repeat({ until: (rows) => rows.length > 0 }), Effect.timeout("10 seconds"))

describe("COPY in", () => {
  it.live("rows go in by the chunk and come out again, in every way the table is named", () =>
    onPostgres(() =>
      Effect.gen(function* () {
        expect(yield* Copy.into({ table: "t" }, lines(1, 5_000))).toBe(5_000)
        expect(
          yield* Copy.into("copy t (name, id) from stdin with (format csv)", Stream.make("a b,5001\n,5002\n"))
        ).toBe(2)
        expect(
          yield* Copy.into(
            { schema: "public", table: "t", columns: ["id", "name"], format: "csv", header: true },
            Stream.make(new TextEncoder().encode('id,name\n5003,"x""y"\n'))
          )
        ).toBe(1)
        const all = textOf(yield* Stream.runCollect(Copy.out("COPY (SELECT * FROM t ORDER BY id) TO STDOUT")))
        expect(all.split("\n")).toHaveLength(5_004)
        expect(all.startsWith("1\tname 1\n2\tname 2\n")).toBe(true)
        expect(all.endsWith('5001\ta b\n5002\t\\N\n5003\tx"y\n')).toBe(true)
        const csv = yield* Stream.runCollect(Copy.out({ table: "t", columns: ["id"], format: "csv", header: true }))
        expect(textOf(csv).split("\n").slice(0, 3)).toEqual(["id", "1", "2"])
        expect(yield* Copy.into({ table: "t" }, Stream.empty)).toBe(0)
      })
    )
  )

  it.live("pieces need not end where rows do, and a large one arrives whole", () =>
    onPostgres(() =>
      Effect.gen(function* () {
        const text = Buffer.from(`1\t${"ż".repeat(2_000_000)}\n2\tb\n`)
        const cut = Stream.make(text.subarray(0, 7), text.subarray(7, 1_000_001), text.subarray(1_000_001))
        expect(yield* Copy.into({ table: "t" }, cut)).toBe(2)
        const sql = yield* SqlClient.SqlClient
        expect(yield* sql`SELECT length(name) AS n FROM t ORDER BY id`).toEqual([{ n: 2_000_000 }, { n: 1 }])
        const back = yield* Stream.runCollect(Copy.out({ table: "t" }))
        expect(Buffer.concat(Chunk.toReadonlyArray(back)).equals(text)).toBe(true)
      })
    )
  )

  it.live("a line that is wrong is named, nothing stays, and the connection goes on", () =>
    onPostgres(() =>
      Effect.gen(function* () {
        const before = yield* backend
        const bad = Stream.concat(lines(1, 10), Stream.make("eleven\tx\n"))
        const error = yield* Effect.flip(Copy.into({ table: "t" }, bad))
        expect(error).toMatchObject({ _tag: "DataError", sqlState: "22P02", operation: "copy" })
        expect(error.detail).toBe('COPY t, line 11, column id: "eleven"')
        const twice = yield* Effect.flip(Copy.into({ table: "t" }, Stream.make("1\ta\n1\tb\n")))
        expect(twice).toMatchObject({ _tag: "UniqueViolation", table: "t", constraint: "t_pkey" })
        expect(twice.detail).toContain("line 2")
        expect([yield* count, yield* backend, yield* idle]).toEqual([0, before, 0])
      })
    )
  )

  it.live("a server that has had enough is heard before the rows end", () =>
    onPostgres(() =>
      Effect.gen(function* () {
        const page = "x".repeat(70_000)
        const stalled = Stream.concat(Stream.make(`x\t${page}\n`), Stream.never)
        const error = yield* Effect.timeout(Effect.flip(Copy.into({ table: "t" }, stalled)), "10 seconds")
        expect(error._tag).toBe("DataError")
        expect(yield* count).toBe(0)
      })
    )
  )

  it.live("the failure of the rows is what the caller hears; nothing stays, and the connection goes on", () =>
    onPostgres(() =>
      Effect.gen(function* () {
        const before = yield* backend
        const rows = Stream.concat(lines(1, 20_000), Stream.fail("mine" as const))
        expect(yield* Effect.flip(Copy.into({ table: "t" }, rows))).toBe("mine")
        expect(yield* Effect.flip(Copy.into({ table: "t" }, Stream.fail("at once" as const)))).toBe("at once")
        expect([yield* count, yield* backend, yield* idle]).toEqual([0, before, 0])
      })
    )
  )

  it.live("interrupted in the middle it leaves no row and a connection that can be used", () =>
    onPostgres(() =>
      Effect.gen(function* () {
        const before = yield* backend
        for (const sent of [0, 3, 20_000]) {
          const flowing = yield* Deferred.make<void>()
          const rows = Stream.concat(
            lines(1, sent),
            Stream.fromEffect(Deferred.succeed(flowing, undefined)).pipe(Stream.drain)
          )
          const fiber = yield* Effect.fork(Copy.into({ table: "t" }, Stream.concat(rows, Stream.never)))
          yield* Deferred.await(flowing)
          yield* Effect.timeout(Fiber.interrupt(fiber), "10 seconds")
          expect([yield* count, yield* backend, yield* idle]).toEqual([0, before, 0])
        }
      })
    )
  )

  it.live("interrupted at any moment it leaves a pool at rest", () =>
    onPostgres(() =>
      Effect.gen(function* () {
        for (let delay = 0; delay < 40; delay++) {
          const fiber = yield* Effect.fork(Copy.into({ table: "t" }, lines(1, 2_000)))
          yield* delay < 10 ? Effect.replicateEffect(Effect.yieldNow(), delay) : Effect.sleep(`${delay / 4} millis`)
          yield* Fiber.interrupt(fiber)
          const sql = yield* SqlClient.SqlClient
          expect([0, 2_000]).toContain(yield* count)
          yield* sql`DELETE FROM t`
        }
        expect(yield* idle).toBe(0)
      })
    )
  )

  it.live("the rows are asked for no faster than the server takes them", () =>
    onPostgres((url) =>
      Effect.gen(function* () {
        yield* query(
          url,
          `CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NEW; END $$;
           CREATE TRIGGER wait BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION wait()`
        )
        const holder = yield* Effect.acquireRelease(
          Effect.map(Effect.all([Deferred.make<void>(), Deferred.make<void>()]), ([has, release]) => ({
            has,
            release
          })),
          ({ release }) => Deferred.succeed(release, undefined)
        )
        const held = yield* Effect.fork(
          Effect.scoped(
            Effect.provide(
              Transaction.run(
                Effect.flatMap(SqlClient.SqlClient, (sql) =>
                  sql`SELECT pg_advisory_xact_lock(7)`.pipe(
                    Effect.zipRight(Deferred.succeed(holder.has, undefined)),
                    Effect.zipRight(Deferred.await(holder.release))
                  )
                )
              ),
              Database.layer({ url, pool: { size: 1, maxOverflow: 0 } })
            )
          )
        )
        yield* Deferred.await(holder.has)
        let pulled = 0
        const megabyte = "x".repeat(1_000_000)
        const rows = Stream.range(1, 60).pipe(
          Stream.rechunk(1),
          Stream.map((id) => {
            pulled++
            return `${id}\t${megabyte}\n`
          })
        )
        const filling = yield* Effect.fork(Copy.into({ table: "t" }, rows))
        yield* until(url, `SELECT 1 ${copying} AND wait_event_type = 'Lock'`)
        let before = -1
        // What the sockets hold is the system's business; it ends.
        while (before !== pulled) {
          before = pulled
          yield* Effect.sleep("200 millis")
        }
        expect(pulled).toBeGreaterThan(0)
        expect(pulled).toBeLessThan(50)
        yield* Deferred.succeed(holder.release, undefined)
        yield* Fiber.join(held)
        expect(yield* Fiber.join(filling)).toBe(60)
      })
    )
  )

  it.live("a session killed in the middle is a ConnectionError, in and out", () =>
    onPostgres((url) =>
      Effect.gen(function* () {
        const kill = query(url, `SELECT pg_terminate_backend(pid) ${copying}`)
        const rows = Stream.concat(Stream.concat(lines(1, 20_000), Stream.drain(Stream.fromEffect(kill))), Stream.never)
        const lost = yield* Effect.flip(Copy.into({ table: "t" }, rows))
        expect(DatabaseError.from(lost)._tag).toBe("ConnectionError")
        const reading = Copy.out("COPY (SELECT repeat('x', 1000) FROM generate_series(1, 200000)) TO STDOUT").pipe(
          Stream.zipWithIndex,
          Stream.tap(([, index]) => (index === 0 ? kill : Effect.void)),
          Stream.runDrain
        )
        expect(yield* Effect.flip(reading)).toMatchObject({ _tag: "ConnectionError", operation: "copy" })
        expect(yield* count).toBe(0)
      })
    )
  )
})

describe("COPY in a transaction", () => {
  it.live("belongs to it: undone with it, seen by its statements, and a failure is the transaction's", () =>
    onPostgres(() =>
      Effect.gen(function* () {
        const undone = Transaction.run(
          Effect.gen(function* () {
            expect(yield* Copy.into({ table: "t" }, lines(1, 10))).toBe(10)
            expect(yield* count).toBe(10)
            expect(textOf(yield* Stream.runCollect(Copy.out({ table: "t", columns: ["id"] })))).toBe(
              "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n"
            )
            return yield* Effect.fail("undo" as const)
          })
        )
        expect(yield* Effect.flip(undone)).toBe("undo")
        expect(yield* count).toBe(0)
        yield* Transaction.run(Copy.into({ table: "t" }, lines(1, 3)))
        expect(yield* count).toBe(3)
        const swallowed = yield* Effect.flip(Transaction.run(Effect.ignore(Copy.into({ table: "t" }, lines(3, 4)))))
        expect(swallowed).toMatchObject({ _tag: "TransactionAborted", cause: { _tag: "UniqueViolation" } })
        yield* Transaction.run(
          Effect.zipRight(
            Copy.into({ table: "t" }, lines(4, 5)),
            Effect.ignore(Transaction.run(Copy.into({ table: "t" }, lines(5, 6))))
          )
        )
        expect(yield* count).toBe(5)
      })
    )
  )

  it.live("interrupting it rolls the transaction back on a connection that can be used", () =>
    onPostgres(() =>
      Effect.gen(function* () {
        const before = yield* backend
        const flowing = yield* Deferred.make<void>()
        const rows = Stream.concat(lines(2, 9), Stream.drain(Stream.fromEffect(Deferred.succeed(flowing, undefined))))
        const fiber = yield* Effect.fork(
          Transaction.run(
            Effect.flatMap(SqlClient.SqlClient, (sql) =>
              Effect.zipRight(
                sql`INSERT INTO t VALUES (1, 'a')`,
                Copy.into({ table: "t" }, Stream.concat(rows, Stream.never))
              )
            )
          )
        )
        yield* Deferred.await(flowing)
        yield* Effect.timeout(Fiber.interrupt(fiber), "10 seconds")
        expect([yield* count, yield* backend, yield* idle]).toEqual([0, before, 0])
      })
    )
  )

  it.live("while its rows are read, the transaction's other statements are refused at once", () =>
    onPostgres(() =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const error = yield* Transaction.run(
          Copy.out("COPY (SELECT repeat('x', 1000) FROM generate_series(1, 100000)) TO STDOUT").pipe(
            Stream.mapEffect(() => DatabaseError.refine(sql`SELECT 1`)),
            Stream.runDrain
          )
        ).pipe(Effect.flip)
        expect(error).toMatchObject({ _tag: "UnsupportedError" })
        expect(error.reason).toContain("COPY")
        expect(yield* count).toBe(0)
      })
    )
  )
})

describe("COPY out", () => {
  it.live("a reader who stops leaves the server waiting, not this process filling up; then the rest comes", () =>
    onPostgres((url) =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        let bytes = 0
        const reading = yield* Effect.fork(
          Copy.out("COPY (SELECT repeat('x', 999) FROM generate_series(1, 100000)) TO STDOUT").pipe(
            Stream.runForEach((page) => {
              bytes += page.length
              return Deferred.await(gate)
            })
          )
        )
        yield* until(url, `SELECT 1 ${copying} AND wait_event = 'ClientWrite'`)
        expect(bytes).toBeLessThan(1_000_000)
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(reading)
        expect(bytes).toBe(100_000_000)
      })
    )
  )

  it.live("left early, or interrupted while it waits, it gives its connection back", () =>
    onPostgres(() =>
      Effect.gen(function* () {
        const before = yield* backend
        const rows = Copy.out("COPY (SELECT repeat('x', 1000) FROM generate_series(1, 1000000)) TO STDOUT")
        expect(yield* Stream.runCount(Stream.take(rows, 3))).toBe(3)
        expect(yield* backend).toBe(before)
        const slow = yield* Effect.fork(Stream.runDrain(Copy.out("COPY (SELECT pg_sleep(30)) TO STDOUT")))
        yield* Effect.sleep("50 millis")
        yield* Effect.timeout(Fiber.interrupt(slow), "10 seconds")
        expect([yield* backend, yield* idle]).toEqual([before, 0])
      })
    )
  )

  it.live("the statement timeout counts a COPY as a whole, its reader's time included, and costs no session", () =>
    onPostgres(
      () =>
        Effect.gen(function* () {
          const before = yield* backend
          const rows = Copy.out("COPY (SELECT repeat('x', 1000) FROM generate_series(1, 20000)) TO STDOUT")
          const slow = Stream.tap(Stream.zipWithIndex(rows), ([, index]) =>
            index === 0 ? Effect.sleep("7 seconds") : Effect.void
          )
          expect((yield* Effect.flip(Stream.runDrain(slow)))._tag).toBe("StatementTimeoutError")
          // Longer than a head that answers nothing is waited for.
          expect(yield* backend).toBe(before)
          const all = yield* Transaction.run(
            Effect.flatMap(SqlClient.SqlClient, (sql) =>
              Effect.zipRight(sql`SET LOCAL statement_timeout = 0`, Stream.runCount(slow))
            )
          )
          expect(all).toBeGreaterThan(300)
        }),
      { statementTimeout: "1 second" }
    )
  )

  it.live("an unknown table is typed, and the connection goes on", () =>
    onPostgres(() =>
      Effect.gen(function* () {
        expect((yield* Effect.flip(Stream.runDrain(Copy.out({ table: "nowhere" }))))._tag).toBe("SqlSyntaxError")
        expect((yield* Effect.flip(Copy.into({ table: "nowhere" }, lines(1, 2))))._tag).toBe("SqlSyntaxError")
        expect(yield* count).toBe(0)
      })
    )
  )
})

describe("COPY where there is none", () => {
  it.live("is an UnsupportedError on a product without it, and a DataError for what is no COPY", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Copy.into({ table: "t" }, lines(1, 2)))
      expect([error._tag, (yield* Effect.flip(Stream.runDrain(Copy.out({ table: "t" }))))._tag]).toEqual([
        "UnsupportedError",
        "UnsupportedError"
      ])
      expect((yield* Effect.flip(Copy.into("DELETE FROM t", lines(1, 2))))._tag).toBe("DataError")
      expect((yield* Effect.flip(Stream.runDrain(Copy.out("COPY t FROM STDIN"))))._tag).toBe("DataError")
    }).pipe(Effect.provide(Database.layer({ url: "sqlite::memory:" })), Effect.scoped)
  )
})
