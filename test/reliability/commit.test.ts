/** What becomes of a transaction whose line fails around its COMMIT, on a real server: every cell of the table, and never a guess. */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { DatabaseError, Transaction } from "effect-aquifer"
import pg from "pg"
import { proxy } from "../support/proxy.js"
import { freshDatabase, freshRole, query } from "../support/server.js"
import { layerWithFate } from "./differs.js"
import { eventually, prompt, world, worldOn } from "./world.js"

const failure = <A, E>(exit: Exit.Exit<A, E>): DatabaseError.DatabaseError => {
  if (Exit.isSuccess(exit)) throw new Error("it succeeded")
  const error = DatabaseError.find(Option.getOrUndefined(Cause.failureOption(exit.cause)))
  if (error === undefined) throw new Error(`no database error: ${Cause.pretty(exit.cause)}`)
  return error
}

it.scopedLive("a line lost before COMMIT was sent: the whole is run again, and is there once", () =>
  Effect.gen(function* () {
    const { line, run, sql, written } = yield* world()
    const after: Array<number> = []
    const body = Effect.gen(function* () {
      const attempt = yield* Transaction.attempt
      yield* sql`INSERT INTO written VALUES (1)`
      yield* Transaction.afterCommit(Effect.sync(() => after.push(attempt)))
      if (attempt === 1) {
        line.all("reset")
        yield* eventually(
          "the loss is seen",
          Effect.sync(() => line.links.size),
          (n) => n === 0
        )
        yield* Effect.sleep("20 millis")
      }
      return attempt
    })
    expect(yield* run(body)).toBe(2)
    expect(yield* written).toEqual([1])
    expect(line.counts.commits).toBe(1)
    expect(after).toEqual([2])
  })
)

it.scopedLive(
  "a COMMIT that never arrived, and no retries wanted: a ConnectionError that says so, and nothing is there",
  () =>
    Effect.gen(function* () {
      const { line, write, written } = yield* world()
      line.next("reset before")
      const error = failure(yield* Effect.exit(write(1, { retry: "never" })))
      expect(error._tag).toBe("ConnectionError")
      expect(error instanceof DatabaseError.ConnectionError && error.sent).toBe(false)
      expect(yield* written).toEqual([])
    })
)

for (const fault of ["cut after", "reset after"] as const) {
  it.scopedLive(`${fault} the server's commit and before its answer: success, once, afterCommit once`, () =>
    Effect.gen(function* () {
      const { after, line, write, written } = yield* world()
      line.next(fault)
      expect(yield* write(1)).toBe(1)
      expect(line.counts.committed).toBe(1)
      expect(yield* written).toEqual([1])
      expect(after).toEqual([1])
    })
  )
}

for (const fault of ["cut before", "reset before"] as const) {
  it.scopedLive(`${fault} COMMIT reached the server, which sees it: run again, once, afterCommit once`, () =>
    Effect.gen(function* () {
      const { after, line, write, written } = yield* world()
      line.next(fault)
      expect(yield* write(1)).toBe(2)
      expect(yield* written).toEqual([1])
      expect(after).toEqual([1])
    })
  )
}

it.scopedLive(
  "a COMMIT that vanished on its way: its back end is ended by its own role, and the whole is run again",
  () =>
    Effect.gen(function* () {
      const url = yield* freshDatabase
      const role = yield* freshRole(url, "NOSUPERUSER")
      yield* query(url, `GRANT CREATE ON SCHEMA public TO "${role.name}"`)
      const { after, inTransaction, line, write, written } = yield* worldOn(role.url)
      // The server sees nothing of it: without being ended its session would sit in the transaction and keep its locks.
      line.next("lose before")
      expect(yield* write(1)).toBe(2)
      expect(yield* written).toEqual([1])
      expect(after).toEqual([1])
      expect(yield* inTransaction).toBe(0)
    })
)

it.scopedLive(
  "a black hole around COMMIT is noticed by the watchdog: before it run again, after it success",
  () =>
    Effect.gen(function* () {
      const { after, inTransaction, line, write, written } = yield* world({ statementTimeout: "300 millis" })
      line.next("hole before", "hole after")
      const attempts = yield* Effect.all([write(1), write(2)], { concurrency: 2 })
      // Which of the two met which hole is chance.
      expect([...attempts].sort()).toEqual([1, 2])
      expect(yield* written).toEqual([1, 2])
      expect([...after].sort()).toEqual([1, 2])
      expect(yield* inTransaction).toBe(0)
    }),
  { timeout: 60_000 }
)

it.scopedLive("a function that writes this time, in a text that never did and was never the last: success, once", () =>
  Effect.gen(function* () {
    const { line, run, sql, written } = yield* world()
    yield* sql`CREATE FUNCTION perhaps(n int) RETURNS void LANGUAGE sql AS 'INSERT INTO written SELECT n WHERE n > 0'`
    const perhaps = (n: number) => sql`SELECT perhaps(${n})`
    const body = (effect: Effect.Effect<unknown, SqlError.SqlError>) =>
      run(Effect.zipRight(effect, Transaction.attempt))
    yield* body(Effect.zipRight(perhaps(0), sql`SELECT 1`))
    yield* body(Effect.zipRight(perhaps(0), sql`SELECT 1`))
    line.next("reset after")
    expect(yield* body(perhaps(1))).toBe(1)
    expect(line.counts["reset after"]).toBe(1)
    expect(yield* written).toEqual([1])
  })
)

it.scopedLive("the line to whom is asked may fail, too: it is asked again", () =>
  Effect.gen(function* () {
    const { after, line, write, written } = yield* world()
    line.next("reset after")
    const ordinary = line.plan
    let failures = 0
    line.plan = {
      ...ordinary,
      // Whatever is asked once the COMMIT's answer is lost.
      atRequest: () => (line.counts.committed === 1 && failures++ < 3 ? "reset" : undefined)
    }
    expect(yield* write(1)).toBe(1)
    expect(failures).toBeGreaterThanOrEqual(3)
    expect(yield* written).toEqual([1])
    expect(after).toEqual([1])
  })
)

it.scopedLive(
  "whom is asked may sink into a black hole: it is asked again on another line",
  () =>
    Effect.gen(function* () {
      const { line, write, written } = yield* world({ connectTimeout: "2 seconds" })
      line.next("reset after")
      const ordinary = line.plan
      let holes = 0
      line.plan = { ...ordinary, atRequest: () => (line.counts.committed === 1 && holes++ < 1 ? "hole" : undefined) }
      expect(yield* write(1)).toBe(1)
      expect(holes).toBeGreaterThanOrEqual(1)
      expect(yield* written).toEqual([1])
    }),
  { timeout: 60_000 }
)

it.scopedLive("an interrupt while COMMIT travels: its outcome holds, afterCommit runs, then interrupted", () =>
  Effect.gen(function* () {
    const { after, line, pool, write, written } = yield* world()
    const commit = line.hold()
    const fiber = yield* Effect.fork(write(1))
    yield* Effect.promise(() => commit.arrived)
    const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
    yield* Effect.sleep("50 millis")
    expect(fiber.unsafePoll()).toBeNull()
    commit.release()
    expect(Exit.isInterrupted(yield* Fiber.join(interrupting))).toBe(true)
    expect(yield* written).toEqual([1])
    expect(after).toEqual([1])
    expect(yield* write(2)).toBe(1)
    expect((yield* pool.status).checkedOut).toBe(0)
  })
)

it.scopedLive("an interrupt while COMMIT travels, and its answer is lost: resolved first, then interrupted", () =>
  Effect.gen(function* () {
    const { after, line, write, written } = yield* world()
    const commit = line.hold()
    const fiber = yield* Effect.fork(write(1))
    yield* Effect.promise(() => commit.arrived)
    const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
    yield* Effect.sleep("50 millis")
    for (const link of line.links) link.keepAnswer("reset after")
    commit.release()
    expect(Exit.isInterrupted(yield* Fiber.join(interrupting))).toBe(true)
    expect(line.counts.committed).toBe(1)
    expect(yield* written).toEqual([1])
    expect(after).toEqual([1])
  })
)

it.scopedLive("an interrupt while the body runs: nothing is there and nothing is left open", () =>
  Effect.gen(function* () {
    const { after, inTransaction, pool, run, sql, written } = yield* world()
    const inside = yield* Deferred.make<void>()
    const fiber = yield* Effect.fork(
      run(
        Effect.gen(function* () {
          yield* sql`INSERT INTO written VALUES (1)`
          yield* Deferred.succeed(inside, undefined)
          yield* sql`SELECT pg_sleep(60)`
        })
      )
    )
    yield* Deferred.await(inside)
    yield* Effect.sleep("20 millis")
    expect(Exit.isInterrupted(yield* Fiber.interrupt(fiber))).toBe(true)
    expect(yield* written).toEqual([])
    expect(yield* inTransaction).toBe(0)
    expect(after).toEqual([])
    yield* eventually("all connections are back", pool.status, ({ checkedOut }) => checkedOut === 0)
  })
)

for (const [how, statement] of [
  ["read as a stream", (sql) => Stream.runDrain(sql`INSERT INTO written VALUES (1) RETURNING id`.stream)],
  ["done by a function of a select", (sql) => sql`SELECT write_one()`],
  ["in a savepoint", (sql) => Transaction.savepoint(sql`INSERT INTO written VALUES (1)`)],
  [
    "behind a savepoint that was undone",
    (sql) =>
      Effect.zipRight(
        Effect.ignore(Transaction.savepoint(sql`INSERT INTO written VALUES (NULL)`)),
        sql`INSERT INTO written VALUES (1)`
      )
  ]
] satisfies ReadonlyArray<
  readonly [string, (sql: SqlClient.SqlClient) => Effect.Effect<unknown, unknown, SqlClient.SqlClient>]
>) {
  it.scopedLive(`a write ${how} has an id, too: a lost COMMIT of it is resolved`, () =>
    Effect.gen(function* () {
      const { line, run, sql, url, written } = yield* world()
      yield* query(
        url,
        "CREATE FUNCTION write_one() RETURNS integer LANGUAGE sql AS 'INSERT INTO written VALUES (1) RETURNING id'"
      )
      line.next("reset after")
      expect(yield* run(Effect.zipRight(statement(sql), Transaction.attempt))).toBe(1)
      line.next("lose before")
      expect(yield* run(Effect.zipRight(statement(sql), Transaction.attempt))).toBe(2)
      expect(yield* written).toEqual([1, 1])
    })
  )
}

it.scopedLive("a transaction that only notifies has an id, too: its notification is heard once", () =>
  Effect.gen(function* () {
    const { line, run, sql, url } = yield* world()
    const heard: Array<string> = []
    yield* Effect.acquireRelease(
      Effect.promise(async () => {
        const listener = new pg.Client({ connectionString: url })
        listener.on("error", () => undefined)
        listener.on("notification", ({ payload }) => heard.push(payload ?? ""))
        await listener.connect()
        await listener.query("LISTEN news")
        return listener
      }),
      (listener) => Effect.promise(() => listener.end())
    )
    const notify = (news: string) => run(Effect.zipRight(sql`SELECT pg_notify('news', ${news})`, Transaction.attempt))
    line.next("reset after")
    expect(yield* notify("committed")).toBe(1)
    line.next("lose before")
    expect(yield* notify("undelivered")).toBe(2)
    expect(yield* notify("last")).toBe(1)
    yield* eventually(
      "the last one",
      Effect.sync(() => heard.at(-1)),
      (news) => news === "last"
    )
    expect(heard).toEqual(["committed", "undelivered", "last"])
  })
)

it.scopedLive("confirm: off asks nobody: the outcome is unknown, and nothing is repeated", () =>
  Effect.gen(function* () {
    const { after, line, write, written } = yield* world()
    line.next("reset after", "reset before")
    for (const id of [1, 2]) {
      const error = failure(yield* Effect.exit(write(id, { confirm: "off" })))
      expect(error._tag).toBe("CommitUnknown")
    }
    expect(yield* written).toEqual([1])
    expect(after).toEqual([])
  })
)

it.scopedLive("a read-only transaction whose COMMIT is lost is run again; nobody is asked", () =>
  Effect.gen(function* () {
    const { line, run, sql } = yield* world()
    line.next("reset after")
    const body = Effect.zipRight(sql`SELECT count(*) FROM written`, Transaction.attempt)
    expect(yield* run(body, { access: "read only" })).toBe(2)
    // One connection for each try.
    expect(line.counts.connections).toBe(2)
  })
)

it.scopedLive("a refusal at COMMIT whose answer is lost is no commit: run again, until it holds", () =>
  Effect.gen(function* () {
    const { line, run, sql, written } = yield* world()
    yield* sql`CREATE TABLE parents (id integer PRIMARY KEY)`
    yield* sql`CREATE TABLE children (id integer REFERENCES parents DEFERRABLE INITIALLY DEFERRED)`
    line.next("reset after")
    const body = Effect.gen(function* () {
      const attempt = yield* Transaction.attempt
      yield* sql`INSERT INTO written VALUES (1)`
      if (attempt === 1) yield* sql`INSERT INTO children VALUES (1)`
      return attempt
    })
    expect(yield* run(body)).toBe(2)
    expect(line.counts.refused).toBe(1)
    expect(yield* written).toEqual([1])
  })
)

/** What the server says of ids it did not give: asked for another one than ours. */
const forged = (forge: (id: bigint) => bigint) =>
  Effect.gen(function* () {
    const url = yield* freshDatabase
    yield* query(url, "CREATE TABLE written (id integer NOT NULL)")
    const line = yield* proxy(url)
    line.next("reset after")
    const error = yield* Effect.flatMap(SqlClient.SqlClient, (sql) =>
      Effect.exit(Transaction.run(sql`INSERT INTO written VALUES (1)`))
    ).pipe(
      Effect.map(failure),
      Effect.provide(
        layerWithFate(
          { ...prompt, url: line.through(url) },
          (ask) => (fresh, id, lost) => ask(fresh, String(forge(BigInt(id))), lost)
        )
      )
    )
    expect(error._tag).toBe("CommitUnknown")
    expect(DatabaseError.find(error.cause)?._tag).toBe("ConnectionError")
    expect(line.counts.commits).toBe(1)
    expect(yield* query(url, "SELECT id FROM written")).toEqual([{ id: 1 }])
    return DatabaseError.find(error.suppressed)
  })

it.scopedLive("an id the server has yet to give: CommitUnknown, and nothing is repeated", () =>
  Effect.map(
    forged((id) => id + 1_000_000n),
    (why) => expect(why?.reason).toContain("does not know the transaction's id")
  )
)

it.scopedLive("an id the server has forgotten: CommitUnknown, and nothing is repeated", () =>
  Effect.gen(function* () {
    const silent = { rows: [[null]], tag: "SELECT", count: 1, raw: undefined }
    const { line, url } = yield* world()
    line.next("reset after")
    // A server forgets after millions of transactions: here its answer is given in its place.
    const forgetful = layerWithFate(
      { ...prompt, url: line.through(url) },
      (ask) => (fresh, id, lost) => ask(Object.assign(fresh, { run: () => Effect.succeed(silent) }), id, lost)
    )
    const error = yield* Effect.flatMap(SqlClient.SqlClient, (sql) =>
      Effect.exit(Transaction.run(sql`INSERT INTO written VALUES (1)`))
    ).pipe(Effect.map(failure), Effect.provide(forgetful))
    expect(error._tag).toBe("CommitUnknown")
    expect(DatabaseError.find(error.suppressed)?.reason).toContain("too old")
    expect(line.counts.commits).toBe(1)
    expect(yield* query(url, "SELECT id FROM written")).toEqual([{ id: 1 }])
  })
)
