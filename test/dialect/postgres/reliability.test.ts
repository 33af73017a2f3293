import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { DriverConnection } from "../../../src/Dialect.js"
import { postgresCore } from "../../../src/dialect/postgres/index.js"
import { adminQuery, query } from "../../support/server.js"
import { connectTo, fresh, request, rows, value } from "./support.js"

const pidOf = (session: DriverConnection) => Effect.map(value(session, "select pg_backend_pid()"), Number)
const kill = (pid: number) => adminQuery("select pg_terminate_backend($1)", [pid])

/** Until the server says that the backend runs a statement with this text. */
const running = (url: string, pid: number, text: string) =>
  query(url, "select 1 from pg_stat_activity where pid = $1 and state = 'active' and query like $2", [
    pid,
    `%${text}%`
  ]).pipe(Effect.repeat({ until: (found) => found.length > 0 }), Effect.timeout("10 seconds"))

describe("losing a session", () => {
  it.live("an idle session that is ended by the server says so, and refuses what comes after without sending it", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      yield* kill(yield* pidOf(session))
      const reason = yield* session.lost
      expect(reason).toMatchObject({ _tag: "ConnectionError", phase: "idle", sent: false, sqlState: "57P01" })
      expect(session.status()).toBe("broken")
      const error = yield* Effect.flip(session.run(request("select 1")))
      expect(error).toMatchObject({ _tag: "ConnectionError", phase: "statement", sent: false, sqlState: "57P01" })
    }).pipe(Effect.scoped)
  )

  it.live("57P01 answered to the head of a pipeline means that nothing behind it ran", () =>
    Effect.gen(function* () {
      const { session, url } = yield* fresh()
      yield* session.run(request("create table t (a int)"))
      const pid = yield* pidOf(session)
      const head = yield* Effect.fork(Effect.flip(session.run(request("select pg_sleep(30)"))))
      const behind = yield* Effect.fork(Effect.flip(session.run(request("insert into t values (1)"))))
      yield* running(url, pid, "pg_sleep")
      yield* kill(pid)
      expect(yield* Fiber.join(head)).toMatchObject({
        _tag: "ConnectionError",
        phase: "statement",
        sent: true,
        sqlState: "57P01"
      })
      expect(yield* Fiber.join(behind)).toMatchObject({ _tag: "ConnectionError", phase: "statement", sent: false })
      expect(yield* session.lost).toMatchObject({ _tag: "ConnectionError", sqlState: "57P01" })
      expect(yield* query(url, "select * from t")).toEqual([])
    }).pipe(Effect.scoped)
  )

  it.live("a transaction idle for too long is closed by the server, and its next statement says why", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh({ idleInTransactionTimeout: Duration.millis(50) })
      yield* session.run(request("select 1", [], { begin: "BEGIN" }))
      expect(yield* session.lost).toMatchObject({ _tag: "TransactionClosed", sqlState: "25P03" })
      expect(yield* Effect.flip(session.run(request("select 1")))).toMatchObject({ _tag: "TransactionClosed" })
    }).pipe(Effect.scoped)
  )

  it.live("an orderly end is not a loss, leaves no session at the server and may be repeated", () =>
    Effect.gen(function* () {
      const { session, url } = yield* fresh()
      const pid = yield* pidOf(session)
      yield* session.destroy
      yield* session.destroy
      expect(session.status()).toBe("broken")
      expect(Option.isNone(yield* Effect.timeoutOption(session.lost, "50 millis"))).toBe(true)
      expect((yield* Effect.flip(session.run(request("select 1"))))._tag).toBe("ConnectionError")
      yield* query(url, "select 1 from pg_stat_activity where pid = $1", [pid]).pipe(
        Effect.repeat({ until: (found) => found.length === 0 }),
        Effect.timeout("5 seconds")
      )
    }).pipe(Effect.scoped)
  )

  it.live("a statement under way fails when its session is destroyed", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      const statement = yield* Effect.fork(Effect.flip(session.run(request("select pg_sleep(30)"))))
      yield* Effect.sleep("20 millis")
      yield* session.destroy
      expect(yield* Fiber.join(statement)).toMatchObject({ _tag: "ConnectionError", sent: true })
    }).pipe(Effect.scoped)
  )
})

describe("cancelling", () => {
  it.live("two hundred cancels hit two hundred statements and no neighbour", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      let cancelled = 0
      for (let index = 0; index < 200; index++) {
        const victim = yield* Effect.fork(
          Effect.either(session.run(request("select pg_sleep($1::float8)", [index % 4 === 0 ? 0.001 : 5])))
        )
        if (index % 3 === 0) yield* Effect.sleep("1 millis")
        else yield* Effect.yieldNow()
        yield* session.cancel
        expect(session.pending()).toBe(0)
        expect(yield* value(session, "select $1::int", [index])).toBe(index)
        const ended = yield* Fiber.join(victim)
        if (ended._tag === "Left") {
          expect(ended.left._tag).toBe("QueryCanceled")
          cancelled++
        }
      }
      expect(cancelled).toBeGreaterThanOrEqual(150)
      expect(session.status()).toBe("idle")
    }).pipe(Effect.scoped)
  )

  it.live("an interrupted statement is abandoned; after cancel the session is usable", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      const statement = yield* Effect.fork(session.run(request("select pg_sleep(30)", [], { begin: "BEGIN" })))
      yield* Effect.sleep("20 millis")
      yield* Fiber.interrupt(statement)
      expect(session.pending()).toBe(1)
      yield* session.cancel
      expect([session.pending(), session.status()]).toEqual([0, "failed"])
      yield* session.script("rollback")
      expect(yield* value(session, "select 1")).toBe(1)
    }).pipe(Effect.scoped)
  )

  it.live("cancelling an idle session does nothing", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      yield* session.cancel
      expect([yield* value(session, "select 1"), session.status()]).toEqual([1, "idle"])
    }).pipe(Effect.scoped)
  )
})

const thousand = "select i from generate_series(1, 10000) i"

describe("streams", () => {
  it.live("rows come in order and in chunks, outside and inside a transaction", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      for (const begin of [undefined, "BEGIN"]) {
        const chunks = yield* Stream.runCollect(session.stream(request(thousand, [], { rows: "arrays", begin })))
        expect(Chunk.toReadonlyArray(chunks).map((chunk) => chunk.length)).toEqual([100, 1000, 8900])
        expect(Chunk.toReadonlyArray(chunks).flat(2)).toEqual(Array.from({ length: 10_000 }, (_, index) => index + 1))
        expect([session.pending(), session.status()]).toEqual([0, begin === undefined ? "idle" : "open"])
      }
    }).pipe(Effect.scoped)
  )

  it.live("a chunk has as many rows as fill 256 KiB, as wide as those before them were", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      const text = `select repeat('x', case when i <= 500 then 10000 else 100000 end) from generate_series(1, 530) i`
      const chunks = Chunk.toReadonlyArray(yield* Stream.runCollect(session.stream(request(text))))
      expect(chunks.flat().length).toBe(530)
      const sizes = chunks.map((chunk) => chunk.length)
      expect(sizes.slice(0, 16)).toEqual([100, ...Array.from({ length: 15 }, () => 26)])
      expect(sizes.slice(17)).toEqual([4, 2, 2, 2, 2, 2])
    }).pipe(Effect.scoped)
  )

  it.live("the next chunk is asked for when it is pulled and not before", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      yield* session.script("create sequence s")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const pull = yield* Stream.toPull(
            session.stream(request("select nextval('s') from generate_series(1, 5000)"))
          )
          yield* pull
          yield* pull
          expect(session.pending()).toBe(0)
        })
      )
      expect(yield* value(session, "select last_value::int from s")).toBe(1100)
    }).pipe(Effect.scoped)
  )

  it.live("a stream left early frees its session at once", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      for (const begin of [undefined, "BEGIN", undefined]) {
        const first = yield* Stream.runHead(session.stream(request(thousand, [], { rows: "arrays", begin })))
        expect(Option.getOrThrow(first).length).toBe(100)
        expect(yield* value(session, "select count(*)::int from pg_cursors where name <> ''")).toBe(0)
        if (begin !== undefined) yield* session.script("commit")
        expect([session.pending(), session.status()]).toEqual([0, "idle"])
      }
    }).pipe(Effect.scoped)
  )

  it.live("statements may go between the chunks inside a transaction, and are refused outside one", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      yield* session.run(request("create table t (a int)", [], { begin: "BEGIN" }))
      yield* Stream.runForEach(session.stream(request(thousand, [], { rows: "arrays" })), (chunk) =>
        session.run(request("insert into t values ($1)", [chunk.length]))
      )
      yield* session.script("commit")
      expect(yield* value(session, "select count(*)::int from t")).toBe(3)
      const refused = yield* Effect.flip(
        Stream.runForEach(session.stream(request(thousand)), () => session.run(request("select 1")))
      )
      expect(refused._tag).toBe("UnsupportedError")
      expect([yield* value(session, "select 2"), session.status()]).toEqual([2, "idle"])
    }).pipe(Effect.scoped)
  )

  it.live("an error in the middle is typed, and the session goes on", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      const text = "select 1 / (i - 1500) from generate_series(1, 3000) i"
      expect((yield* Effect.flip(Stream.runDrain(session.stream(request(text)))))._tag).toBe("DataError")
      expect([yield* value(session, "select 1"), session.status()]).toEqual([1, "idle"])
      expect((yield* Effect.flip(Stream.runDrain(session.stream(request(text, [], { begin: "BEGIN" })))))._tag).toBe(
        "DataError"
      )
      expect(session.status()).toBe("failed")
      yield* session.script("rollback")
      expect((yield* Effect.flip(Stream.runDrain(session.stream(request("selec 1")))))._tag).toBe("SqlSyntaxError")
      expect(yield* value(session, "select 1")).toBe(1)
    }).pipe(Effect.scoped)
  )

  it.live("a stream interrupted in the middle of a chunk is cancelled, and the session goes on", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      const text = "select case when i = 1500 then pg_sleep(30)::text end from generate_series(1, 3000) i"
      const first = yield* Deferred.make<void>()
      const reading = yield* Effect.fork(
        Stream.runForEach(session.stream(request(text)), () => Deferred.succeed(first, undefined))
      )
      yield* Deferred.await(first)
      yield* Effect.sleep("20 millis")
      yield* Fiber.interrupt(reading)
      yield* session.cancel
      expect([session.pending(), session.status()]).toEqual([0, "idle"])
      expect(yield* value(session, "select 1")).toBe(1)
    }).pipe(Effect.scoped)
  )

  it.live("a stream outside a transaction commits what it wrote, left early or not", () =>
    Effect.gen(function* () {
      const { session, url } = yield* fresh()
      yield* session.script("create table t (a int)")
      const insert = request("insert into t select generate_series(1, 2500) returning a")
      yield* Stream.runDrain(session.stream(insert))
      yield* Stream.runHead(session.stream(insert))
      expect(yield* query(url, "select count(*)::int as n from t")).toEqual([{ n: 5000 }])
    }).pipe(Effect.scoped)
  )

  it.live("a reader slower than the statement timeout loses nothing", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh({ statementTimeout: Duration.millis(300) })
      const counts: Array<number> = []
      yield* Stream.runForEach(session.stream(request("select i from generate_series(1, 3000) i")), (chunk) =>
        Effect.delay(
          Effect.sync(() => counts.push(chunk.length)),
          "350 millis"
        )
      )
      expect(counts).toEqual([100, 1000, 1900])
    }).pipe(Effect.scoped)
  )

  it.live("a failure at the commit behind the last row is the stream's failure", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      yield* session.script(
        "create table p (id int primary key); create table c (p int references p deferrable initially deferred)"
      )
      const error = yield* Effect.flip(Stream.runDrain(session.stream(request("insert into c values (7) returning p"))))
      expect(error._tag).toBe("ForeignKeyViolation")
    }).pipe(Effect.scoped)
  )
})

const fate = Option.getOrThrow(postgresCore.fate)

describe("the fate of a transaction", () => {
  const begun = (session: DriverConnection) =>
    Effect.map(
      session.run(request("insert into t values (1)", [], { begin: "BEGIN", askId: true })),
      (reply) => reply.transactionId ?? "none"
    )

  it.live("committed, rolled back, and one whose COMMIT never came", () =>
    Effect.gen(function* () {
      const { session, url } = yield* fresh()
      const other = yield* connectTo(url)
      yield* session.run(request("create table t (a int)"))
      const committed = yield* begun(session)
      yield* session.script("commit")
      const aborted = yield* begun(session)
      yield* session.script("rollback")
      expect([yield* fate(other, committed, session), yield* fate(other, aborted, session)]).toEqual([
        "committed",
        "aborted"
      ])
      const hanging = yield* begun(session)
      expect(yield* fate(other, hanging, session)).toBe("aborted")
      expect(yield* session.lost).toMatchObject({ sqlState: "57P01" })
      expect(yield* value(other, "select count(*)::int from t")).toBe(1)
    }).pipe(Effect.scoped)
  )

  it.live("one at work is running, and an unknown id is not guessed at", () =>
    Effect.gen(function* () {
      const { session, url } = yield* fresh()
      const other = yield* connectTo(url)
      yield* session.run(request("create table t (a int)"))
      const id = yield* begun(session)
      const pid = yield* pidOf(session)
      const working = yield* Effect.fork(Effect.either(session.run(request("select pg_sleep(30)"))))
      yield* running(url, pid, "pg_sleep")
      expect(yield* fate(other, id, session)).toBe("running")
      yield* session.cancel
      yield* Fiber.join(working)
      expect((yield* Effect.flip(fate(other, "900000000000", session)))._tag).toBe("CommitUnknown")
    }).pipe(Effect.scoped)
  )
})

describe("notifications", () => {
  it.live("are heard with their payload, empty ones too, and end with the session", () =>
    Effect.gen(function* () {
      const { session, url } = yield* fresh()
      const heard = yield* Effect.fork(Stream.runCollect(Option.getOrThrow(session.notifications)))
      yield* Effect.yieldNow()
      yield* session.run(request("listen c"))
      yield* query(url, "select pg_notify('c', 'one'), pg_notify('c', '')")
      yield* rows(session, "select 1")
      yield* session.destroy
      expect(Chunk.toReadonlyArray(yield* Fiber.join(heard))).toEqual([
        { channel: "c", payload: "one" },
        { channel: "c", payload: "" }
      ])
    }).pipe(Effect.scoped)
  )
})

describe("a scope", () => {
  it.live("that closes ends its session at the server", () =>
    Effect.gen(function* () {
      const { url } = yield* fresh()
      const scope = yield* Scope.make()
      const session = yield* Scope.extend(connectTo(url), scope)
      const pid = yield* pidOf(session)
      yield* Scope.close(scope, Exit.void)
      yield* query(url, "select 1 from pg_stat_activity where pid = $1", [pid]).pipe(
        Effect.repeat({ until: (found) => found.length === 0 }),
        Effect.timeout("5 seconds")
      )
    }).pipe(Effect.scoped)
  )
})
