import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { postgresCore } from "../../../src/dialect/postgres/index.js"
import { query } from "../../support/server.js"
import { configOf, connectTo, fresh, request, rows, targetOf, value } from "./support.js"

describe("statements", () => {
  it.live("a hundred statements sent at once are answered in order", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      const order: Array<number> = []
      const answers = yield* Effect.forEach(
        Array.from({ length: 100 }, (_, index) => index),
        (index) => Effect.tap(value(session, "select $1::int", [index]), () => order.push(index)),
        { concurrency: "unbounded" }
      )
      expect(answers).toEqual(Array.from({ length: 100 }, (_, index) => index))
      expect(order).toEqual(answers)
      expect(session.pending()).toBe(0)
      // One name for one text, parsed once.
      expect(
        yield* rows(
          session,
          "select generic_plans + custom_plans as runs from pg_prepared_statements where statement = $1",
          ["select $1::int"]
        )
      ).toEqual([{ runs: "100" }])
    }).pipe(Effect.scoped)
  )

  it.live("a failing statement in a pipeline fails alone", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      const answers = yield* Effect.forEach(
        [1, 0, 2],
        (by) => Effect.either(value(session, "select 10 / $1::int", [by])),
        { concurrency: "unbounded" }
      )
      expect(answers.map((answer) => (answer._tag === "Right" ? answer.right : answer.left._tag))).toEqual([
        10,
        "DataError",
        5
      ])
    }).pipe(Effect.scoped)
  )

  it.live("tag, count and the driver's own result are told", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      const created = yield* session.run(request("create table t (id int primary key, name text)"))
      expect([created.tag, created.count]).toEqual(["CREATE TABLE", null])
      const inserted = yield* session.run(request("insert into t values (1, 'a'), (2, 'b') returning id"))
      expect([inserted.tag, inserted.count, inserted.rows]).toEqual(["INSERT", 2, [{ id: 1 }, { id: 2 }]])
      expect(inserted.raw).toMatchObject({ command: "INSERT", rowCount: 2, rows: [{ id: 1 }, { id: 2 }] })
      expect((inserted.raw as { fields: ReadonlyArray<{ name: string }> }).fields.map((field) => field.name)).toEqual([
        "id"
      ])
      const updated = yield* session.run(request("update t set name = 'c'"))
      expect([updated.tag, updated.count, updated.rows]).toEqual(["UPDATE", 2, []])
      expect((yield* session.run(request("select id, name from t order by id", [], { rows: "arrays" }))).rows).toEqual([
        [1, "c"],
        [2, "c"]
      ])
      expect((yield* session.run(request(""))).tag).toBe("")
    }).pipe(Effect.scoped)
  )

  it.live("raw statements keep the driver's values", () =>
    Effect.gen(function* () {
      const { session, url } = yield* fresh()
      const text =
        "select 1::int2 a, 2::int4 b, 3::int8 c, 1.5::numeric d, 1.5::float8 e, true f, 'x' g, null::text h, " +
        "'2024-02-29'::date i, '2024-02-29 12:00:00+02'::timestamptz j, '{\"a\":[1]}'::jsonb k, '\\x00ff'::bytea l, " +
        "array[1,2] m, '1 day'::interval n, gen_random_uuid() is null o, 7 as \"__proto__\""
      const [theirs] = yield* query(url, text)
      const [ours] = yield* rows(session, text)
      expect(ours).toEqual(theirs)
      expect(Object.keys(ours as object)).toEqual(Object.keys(theirs ?? {}))
    }).pipe(Effect.scoped)
  )

  it.live("a value that cannot be serialised is a DataError, nothing is sent, and its statement goes on working", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      const circular: Record<string, unknown> = {}
      circular.self = circular
      for (const bad of [circular, { big: 1n }, () => 1, Symbol("secret"), new Date(Number.NaN)]) {
        const pending = yield* Effect.fork(value(session, "select $1::text", ["neighbour"]))
        const error = yield* Effect.flip(session.run(request("select $1::text as x", [bad])))
        expect(error._tag).toBe("DataError")
        expect(error.message).not.toContain("secret")
        expect(yield* Fiber.join(pending)).toBe("neighbour")
        expect(yield* rows(session, "select $1::text as x", ["fine"])).toEqual([{ x: "fine" }])
      }
      const many = yield* Effect.flip(
        session.run(
          request(
            "select 1",
            Array.from({ length: 65_536 }, () => 1)
          )
        )
      )
      expect(many._tag).toBe("DataError")
      expect((yield* Effect.flip(session.run(request("select 'a\0b'"))))._tag).toBe("DataError")
      expect(yield* value(session, "select 1")).toBe(1)
    }).pipe(Effect.scoped)
  )

  it.live("a first use that fails does not spoil the name for the ones behind it or after it", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      const text = "select count(*)::int from later"
      const answers = yield* Effect.forEach([1, 2, 3], () => Effect.flip(value(session, text)), {
        concurrency: "unbounded"
      })
      expect(answers.map((error) => error._tag)).toEqual(["SqlSyntaxError", "SqlSyntaxError", "SqlSyntaxError"])
      yield* session.run(request("create table later (id int)"))
      expect(yield* value(session, text)).toBe(0)
    }).pipe(Effect.scoped)
  )

  it.live("a session keeps its 256 last used statements, the server no more than that", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      const kept = "select count(*)::int from pg_prepared_statements"
      for (let index = 0; index < 300; index++) {
        yield* value(session, `select ${index}`)
        yield* value(session, kept)
      }
      expect(yield* value(session, kept)).toBe(256)
      expect(yield* value(session, "select 0")).toBe(0)
      const unprepared = yield* session.run(request(kept, [], { prepare: false, rows: "arrays" }))
      expect(unprepared.rows).toEqual([[256]])
    }).pipe(Effect.scoped)
  )

  it.live("a stale plan is prepared again once outside a transaction, and told inside one", () =>
    Effect.gen(function* () {
      const { session, url } = yield* fresh()
      yield* session.script("create table t (a int); insert into t values (1)")
      expect(yield* rows(session, "select * from t")).toEqual([{ a: 1 }])
      yield* query(url, "alter table t add b int")
      expect(yield* rows(session, "select * from t")).toEqual([{ a: 1, b: null }])
      expect(yield* rows(session, "select * from t")).toEqual([{ a: 1, b: null }])
      yield* query(url, "alter table t add c int")
      const error = yield* Effect.flip(session.run(request("select * from t", [], { begin: "BEGIN" })))
      expect([error._tag, error.recovery]).toEqual(["StaleStatement", "reprepare"])
      expect(session.status()).toBe("failed")
      yield* session.script("rollback")
      expect(yield* rows(session, "select * from t", [], { begin: "BEGIN" })).toEqual([{ a: 1, b: null, c: null }])
      yield* session.script("commit")
    }).pipe(Effect.scoped)
  )

  it.live("statements the server has dropped are prepared again", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      yield* value(session, "select 1")
      yield* session.script("deallocate all")
      expect(yield* value(session, "select 1")).toBe(1)
      // By a way the session cannot see.
      yield* session.script("do $$ begin execute 'deallocate all'; end $$")
      expect(yield* value(session, "select 1")).toBe(1)
      yield* session.run(request("discard all"))
      expect(yield* rows(session, "select 1 as a", [], { begin: "BEGIN" })).toEqual([{ a: 1 }])
    }).pipe(Effect.scoped)
  )

  it.live("COPY FROM STDIN as a statement is a typed failure and the session goes on", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      yield* session.script("create table t (a int)")
      const refused = yield* Effect.flip(session.run(request("copy t from stdin")))
      expect(refused._tag).toBe("UnsupportedError")
      expect(refused.hint).toContain("Copy.into")
      expect(yield* value(session, "select 1")).toBe(1)
      expect((yield* Effect.flip(session.script("copy t from stdin")))._tag).toBe("UnsupportedError")
      expect(yield* value(session, "select 2")).toBe(2)
      expect((yield* session.run(request("copy t to stdout"))).tag).toBe("COPY")
    }).pipe(Effect.scoped)
  )
})

describe("transactions in one message", () => {
  it.live("BEGIN travels in front of the first statement, the id behind it", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      yield* session.run(request("create table t (a int)"))
      const read = yield* session.run(request("select count(*)::int as n from t", [], { begin: "BEGIN", askId: true }))
      expect([read.rows, read.transactionId, session.status()]).toEqual([[{ n: 0 }], undefined, "open"])
      const written = yield* session.run(request("insert into t values (1)", [], { askId: true }))
      expect(written.transactionId).toMatch(/^\d+$/)
      expect(written.transactionId).toBe(yield* value(session, "select pg_current_xact_id()::text"))
      expect((yield* session.script("commit")).map((reply) => reply.tag)).toEqual(["COMMIT"])
      expect(session.status()).toBe("idle")
    }).pipe(Effect.scoped)
  )

  it.live("when BEGIN fails nothing behind it runs", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      yield* session.run(request("create table t (a int)"))
      const error = yield* Effect.flip(
        session.run(request("insert into t values (1)", [], { begin: "BEGIN ISOLATION LEVEL wrong", askId: true }))
      )
      expect([error._tag, error.operation]).toEqual(["SqlSyntaxError", "begin"])
      expect(session.status()).toBe("idle")
      expect(yield* value(session, "select count(*)::int from t")).toBe(0)
    }).pipe(Effect.scoped)
  )

  it.live("a transaction is open from the moment its BEGIN is sent", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      const running = yield* Effect.fork(session.run(request("select 1", [], { begin: "BEGIN" })))
      yield* Effect.yieldNow()
      expect([session.status(), session.pending()]).toEqual(["open", 1])
      yield* Fiber.join(running)
      expect([session.status(), session.pending()]).toEqual(["open", 0])
    }).pipe(Effect.scoped)
  )

  it.live("a COMMIT that became a ROLLBACK shows its tag", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      yield* Effect.flip(session.run(request("select 1/0", [], { begin: "BEGIN" })))
      expect(session.status()).toBe("failed")
      expect((yield* Effect.flip(session.run(request("select 1"))))._tag).toBe("TransactionAborted")
      expect((yield* session.script("COMMIT")).map((reply) => reply.tag)).toEqual(["ROLLBACK"])
      expect(session.status()).toBe("idle")
    }).pipe(Effect.scoped)
  )

  it.live("a deferred constraint fails COMMIT as itself", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      yield* session.script(
        "create table p (id int primary key); create table c (p int constraint c_p references p deferrable initially deferred)"
      )
      // One statement is a transaction of its own: its failure comes behind its CommandComplete.
      const alone = yield* Effect.flip(session.run(request("insert into c values (7)")))
      expect([alone._tag, alone.constraint]).toEqual(["ForeignKeyViolation", "c_p"])
      yield* session.run(request("insert into c values (7)", [], { begin: "BEGIN" }))
      const error = yield* Effect.flip(session.script("COMMIT"))
      expect([error._tag, error.operation, error.constraint]).toEqual(["ForeignKeyViolation", "commit", "c_p"])
    }).pipe(Effect.scoped)
  )
})

describe("scripts", () => {
  it.live("each statement of a script has its reply", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      const replies = yield* session.script(
        "create table t (a int); insert into t values (1), (2); select a from t order by a; select 'x' as b where false;"
      )
      expect(replies.map((reply) => [reply.tag, reply.count, reply.rows])).toEqual([
        ["CREATE TABLE", null, []],
        ["INSERT", 2, []],
        ["SELECT", 2, [{ a: 1 }, { a: 2 }]],
        ["SELECT", 0, []]
      ])
    }).pipe(Effect.scoped)
  )

  it.live("a script that fails half-way leaves nothing and says where it stopped", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      const error = yield* Effect.flip(session.script("create table t (a int); selec 1"))
      expect([error._tag, error.position]).toEqual(["SqlSyntaxError", 25])
      const runtime = yield* Effect.flip(session.script("create table t (a int); select * from missing"))
      expect(runtime._tag).toBe("SqlSyntaxError")
      expect(yield* value(session, "select to_regclass('t')::text")).toBe(null)
    }).pipe(Effect.scoped)
  )

  it.live("reset ends the transaction, the settings and the prepared statements", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      yield* session.script("set work_mem = '77MB'; create temp table mine (a int)")
      yield* session.run(request("select 1", [], { begin: "BEGIN" }))
      yield* session.reset
      expect(session.status()).toBe("idle")
      expect(
        yield* value(session, "select current_setting('work_mem') <> '77MB' and to_regclass('mine') is null")
      ).toBe(true)
      expect(yield* value(session, "select 1")).toBe(1)
      yield* session.ping
    }).pipe(Effect.scoped)
  )
})

describe("settings of a session", () => {
  it.live("time limits travel in the startup packet and survive a reset", () =>
    Effect.gen(function* () {
      const { url } = yield* fresh()
      const session = yield* connectTo(url, {
        statementTimeout: Duration.seconds(31),
        lockTimeout: Duration.seconds(7),
        idleInTransactionTimeout: Duration.minutes(1),
        transactionTimeout: Duration.minutes(3)
      })
      const settings =
        "select current_setting('statement_timeout') s, current_setting('lock_timeout') l, current_setting('application_name') n, " +
        "current_setting('idle_in_transaction_session_timeout') i, current_setting('transaction_timeout', true) t"
      const [before] = yield* rows(session, settings)
      expect(before).toMatchObject({ s: "31s", l: "7s", i: "1min", n: "aquifer-test" })
      expect(["3min", null]).toContain((before as { t: unknown }).t)
      yield* session.script("set statement_timeout = 0")
      yield* session.reset
      expect(yield* rows(session, settings)).toEqual([before])
    }).pipe(Effect.scoped)
  )

  it.live("behind a transaction pooler the limits travel with each BEGIN instead", () =>
    Effect.gen(function* () {
      const { url } = yield* fresh()
      const session = yield* connectTo(url, { pooler: "transaction", statementTimeout: Duration.seconds(31) })
      const text = "select current_setting('statement_timeout') as s"
      expect(yield* rows(session, text)).not.toEqual([{ s: "31s" }])
      expect(yield* rows(session, text, [], { begin: "BEGIN" })).toEqual([{ s: "31s" }])
      yield* session.script("commit")
      expect(yield* rows(session, text)).not.toEqual([{ s: "31s" }])
    }).pipe(Effect.scoped)
  )

  it.live("a reader cannot write", () =>
    Effect.gen(function* () {
      const { session, url } = yield* fresh()
      yield* session.run(request("create table t (a int)"))
      const reader = yield* postgresCore.connect(configOf(targetOf(url)), "reader")
      expect((yield* Effect.flip(reader.run(request("insert into t values (1)"))))._tag).toBe("ReadOnlyError")
      expect(yield* value(reader, "select count(*)::int from t")).toBe(0)
    }).pipe(Effect.scoped)
  )
})
