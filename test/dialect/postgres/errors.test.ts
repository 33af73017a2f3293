import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { classify } from "../../../src/dialect/postgres/classify.js"
import { kind } from "../../../src/dialect/postgres/kind.js"
import { standard, tagOf } from "../../../src/dialect/sqlState.js"
import { freshRole } from "../../support/server.js"
import { connectTo, fresh, request, value } from "./support.js"

const schema = `
  create table parent (id int primary key);
  create table t (
    id int constraint t_pk primary key,
    parent int constraint t_parent references parent,
    name text not null,
    age int constraint t_age check (age > 0),
    during int4range,
    constraint t_during exclude using gist (during with &&)
  );
  insert into t values (1, null, 'a', 1, '[1,5)')`

/** What the server says to each, as an error that answers questions. */
const cases: ReadonlyArray<readonly [tag: string, text: string, fields: object]> = [
  [
    "UniqueViolation",
    "insert into t values (1, null, 'a', 1, null)",
    {
      sqlState: "23505",
      constraint: "t_pk",
      table: "t",
      schema: "public",
      detail: "Key (id)=(1) already exists.",
      recovery: "caller"
    }
  ],
  [
    "ForeignKeyViolation",
    "insert into t values (2, 9, 'a', 1, null)",
    { sqlState: "23503", constraint: "t_parent", table: "t" }
  ],
  [
    "NotNullViolation",
    "insert into t values (2, null, null, 1, null)",
    { sqlState: "23502", table: "t", column: "name" }
  ],
  [
    "CheckViolation",
    "insert into t values (2, null, 'a', 0, null)",
    { sqlState: "23514", constraint: "t_age", table: "t" }
  ],
  [
    "ExclusionViolation",
    "insert into t values (2, null, 'a', 1, '[2,3)')",
    { sqlState: "23P01", constraint: "t_during" }
  ],
  ["SqlSyntaxError", "select 1 +", { sqlState: "42601", group: "schema" }],
  ["SqlSyntaxError", "select missing from t", { sqlState: "42703", position: 8 }],
  ["SqlSyntaxError", "select 1; select 2", { sqlState: "42601" }],
  ["DataError", "select 1/0", { sqlState: "22012" }],
  ["DataError", "select 'x'::int", { sqlState: "22P02" }],
  ["DataError", "select 99999999999::int", { sqlState: "22003" }],
  ["DataError", "select (select id from (values (1), (2)) v (id))", { sqlState: "21000" }],
  ["UnsupportedError", "vacuum", { sqlState: "25001" }],
  [
    "UnknownError",
    "do $$ begin raise exception 'mine' using errcode = 'P0001'; end $$",
    { sqlState: "P0001", reason: "mine" }
  ],
  [
    "SerializationError",
    "do $$ begin raise exception 'x' using errcode = '40001'; end $$",
    { sqlState: "40001", recovery: "restart" }
  ],
  ["ResourceError", "do $$ begin raise exception 'x' using errcode = '53100'; end $$", { sqlState: "53100" }],
  [
    "CommitUnknown",
    "do $$ begin raise exception 'x' using errcode = '40003'; end $$",
    { sqlState: "40003", recovery: "ask" }
  ]
]

describe("errors of a server", () => {
  it.live("each answer has its tag, its SQLSTATE and the names the server said", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      yield* session.script(schema)
      for (const [tag, text, fields] of cases) {
        const inTransaction = text === "vacuum" ? { begin: "BEGIN" } : {}
        const error = yield* Effect.flip(session.run(request(text, [], inTransaction)))
        expect(error, text).toMatchObject({ _tag: tag, operation: "execute", ...fields })
        expect(error.cause, text).toMatchObject({ code: error.sqlState })
        if (session.status() !== "idle") yield* session.script("rollback")
      }
      expect(yield* value(session, "select count(*)::int from t")).toBe(1)
    }).pipe(Effect.scoped)
  )

  it.live("limits and locks are told apart", () =>
    Effect.gen(function* () {
      const { session, url } = yield* fresh({ statementTimeout: Duration.millis(100) })
      const other = yield* connectTo(url, { lockTimeout: Duration.millis(50) })
      yield* session.script("create table t (a int); insert into t values (1)")
      expect(yield* Effect.flip(session.run(request("select pg_sleep(30)")))).toMatchObject({
        _tag: "StatementTimeoutError",
        sqlState: "57014"
      })
      yield* session.run(request("lock table t", [], { begin: "BEGIN" }))
      expect(yield* Effect.flip(other.run(request("select * from t")))).toMatchObject({
        _tag: "LockTimeoutError",
        sqlState: "55P03"
      })
      yield* session.script("rollback")
      expect(
        yield* Effect.flip(other.run(request("create table x ()", [], { begin: "BEGIN READ ONLY" })))
      ).toMatchObject({
        _tag: "ReadOnlyError",
        sqlState: "25006"
      })
    }).pipe(Effect.scoped)
  )

  it.live("a conflict is a SerializationError, a deadlock a DeadlockError", () =>
    Effect.gen(function* () {
      const { session: one, url } = yield* fresh()
      const two = yield* connectTo(url)
      yield* one.script(
        "create table t (id int, n int); insert into t values (1, 0), (2, 0); alter database " +
          `"${new URL(url).pathname.slice(1)}" set deadlock_timeout = '50ms'`
      )
      const begin = "BEGIN ISOLATION LEVEL REPEATABLE READ"
      yield* one.run(request("select * from t", [], { begin }))
      yield* two.run(request("update t set n = 1"))
      expect(yield* Effect.flip(one.run(request("update t set n = 2")))).toMatchObject({
        _tag: "SerializationError",
        sqlState: "40001"
      })
      yield* one.script("rollback")
      yield* one.run(request("update t set n = 3 where id = 1", [], { begin: "BEGIN" }))
      yield* two.run(request("update t set n = 3 where id = 2", [], { begin: "BEGIN" }))
      const first = yield* Effect.fork(Effect.either(one.run(request("update t set n = 4 where id = 2"))))
      const second = yield* Effect.fork(Effect.either(two.run(request("update t set n = 4 where id = 1"))))
      const outcomes = [yield* Fiber.join(first), yield* Fiber.join(second)]
      const failures = outcomes.flatMap((outcome) => (outcome._tag === "Left" ? [outcome.left] : []))
      expect(failures.map((failure) => [failure._tag, failure.sqlState])).toEqual([["DeadlockError", "40P01"]])
    }).pipe(Effect.scoped)
  )

  it.live("what a role may not do is an AuthorizationError", () =>
    Effect.gen(function* () {
      const { session, url } = yield* fresh()
      yield* session.script("create table secret (a int)")
      const role = yield* freshRole(url)
      const guest = yield* connectTo(role.url)
      expect(yield* Effect.flip(guest.run(request("select * from secret")))).toMatchObject({
        _tag: "AuthorizationError",
        sqlState: "42501"
      })
    }).pipe(Effect.scoped)
  )
})

describe("classify", () => {
  it("a full code beats its class", () => {
    expect(tagOf(standard, "23505")).toBe("UniqueViolation")
    expect(tagOf(standard, "23999")).toBe("CheckViolation")
    expect(tagOf(standard, "53300")).toBe("TooManyConnections")
    expect(tagOf(standard, "53100")).toBe("ResourceError")
    expect(tagOf(standard, "XX000")).toBe("UnknownError")
    expect(tagOf(standard, "XXA00")).toBe("UnknownError")
    expect(tagOf(standard, "57P01")).toBe("ConnectionError")
  })

  it("finds the server's answer behind wrappers, and Node's code in an AggregateError", () => {
    const server = Object.assign(new Error("duplicate key"), { code: "23505", severity: "ERROR", constraint: "c" })
    expect(classify(new Error("wrapped", { cause: new Error("again", { cause: server }) }), "execute")).toMatchObject({
      _tag: "UniqueViolation",
      constraint: "c"
    })
    const refused = (address: string) =>
      Object.assign(new Error("connect ECONNREFUSED"), {
        code: "ECONNREFUSED",
        address,
        port: 5433,
        syscall: "connect"
      })
    const many = new AggregateError([refused("::1"), refused("127.0.0.1")])
    expect(classify(many, "connect")).toMatchObject({
      _tag: "ConnectionError",
      phase: "connect",
      sent: false,
      reason: "nothing listens on [::1]:5433"
    })
    // Five capitals, but no SQLSTATE.
    expect(classify(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }), "commit")).toMatchObject({
      _tag: "ConnectionError",
      phase: "commit",
      sent: true
    })
  })
})

describe("kind", () => {
  const kinds: Record<ReturnType<typeof kind>, ReadonlyArray<string>> = {
    read: [
      "select 1",
      " -- insert\n SELECT * from t where name = 'update; delete'",
      "with x as (select 1) select * from x",
      "values (1)",
      "table t",
      "show all",
      "(select 1) union (select 2);",
      'select "update" from t',
      "select $$ insert; into $$"
    ],
    write: [
      "insert into t values (1)",
      "with x as (delete from t returning *) select * from x",
      "select * into t2 from t",
      "select * from t for update",
      "select * from t for no key update",
      "select * from t for key share",
      "select nextval('s')",
      "explain analyze insert into t values (1)",
      "create table t (a int)",
      ""
    ],
    session: [
      "set a = 1",
      "listen c",
      "begin",
      "prepare x as select 1",
      "select pg_advisory_lock(1)",
      "select pg_try_advisory_lock(1)",
      "select set_config('a', 'b', false)",
      "create temp table t (a int)",
      "select currval('s')",
      "select pg_notify('c', '')"
    ],
    script: ["select 1; select 2", "begin; insert into t values (1); commit"]
  }
  for (const [expected, texts] of Object.entries(kinds)) {
    it(`${expected} is said of what is one`, () => {
      for (const text of texts) expect(kind(text), text).toBe(expected)
    })
  }
})
