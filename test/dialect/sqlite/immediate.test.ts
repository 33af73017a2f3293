/** What SQLite answers at once goes past everything that waits; and keeps every promise of what does wait. */
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { SyncScheduler } from "effect/Scheduler"
import type * as Scope from "effect/Scope"
import { Database, DatabaseError, Pool } from "effect-aquifer"
import { temporaryFolder } from "../../contract/products.js"
import { interruptEverywhere } from "../../support/scheduler.js"
import { otherProcess } from "./support.js"

type Body<A, E> = (path: string) => Effect.Effect<A, E, Database.Services | Scope.Scope>

const onFile = <A, E>(body: Body<A, E>, more: Partial<Database.Options> = {}) =>
  Effect.flatMap(temporaryFolder, (folder) => {
    const path = join(folder, "x.db")
    const pool = { size: 2, maxOverflow: 0 }
    // Under the profile for tests a connection is reset each time it comes back.
    const layer = Database.layer({ url: `sqlite:${path}`, profile: "production", pool, ...more })
    return Effect.provide(body(path), layer)
  })

/** How many operations a fiber does for an effect. */
const operations = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.sync(() => {
    let count = 0
    class Counting extends SyncScheduler {
      override shouldYield() {
        count++
        return false as const
      }
    }
    const scheduler = new Counting()
    Effect.runFork(effect, { scheduler })
    scheduler.flush()
    return count
  })

const table = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)`
  yield* sql`INSERT INTO t VALUES (1, 'one'), (2, 'two')`
  // The first read opens a reader.
  yield* sql`SELECT id FROM t`
  return sql
})

describe("a statement by itself", () => {
  it.scopedLive("is two operations of its fiber, one that reads like one that writes", () =>
    onFile(() =>
      Effect.gen(function* () {
        const sql = yield* table
        const nothing = yield* operations(Effect.void)
        const select = sql`SELECT id, name FROM t WHERE id = ${1}`
        expect((yield* operations(select)) - nothing).toBe(1)
        expect((yield* operations(sql`UPDATE t SET name = ${"eins"} WHERE id = ${1}`)) - nothing).toBe(1)
        expect(yield* select).toEqual([{ id: 1, name: "eins" }])
      })
    )
  )

  it.scopedLive("after another lets others have their turn all the same", () =>
    onFile(() =>
      Effect.gen(function* () {
        const sql = yield* table
        let turns = 0
        yield* Effect.forkScoped(
          Effect.forever(
            Effect.zipRight(
              Effect.sync(() => turns++),
              Effect.yieldNow()
            )
          )
        )
        const select = sql`SELECT id FROM t WHERE id = ${1}`
        for (let n = 0; n < 5_000; n++) yield* select
        expect(turns).toBeGreaterThan(25)
      })
    )
  )

  it.scopedLive("runs each time its effect does, and not before", () =>
    onFile(() =>
      Effect.gen(function* () {
        const sql = yield* table
        const insert = sql`INSERT INTO t (name) VALUES (${"more"})`
        const count = Effect.map(sql<{ n: number }>`SELECT count(*) AS n FROM t`, (rows) => rows[0]?.n)
        const composed = Effect.zipRight(insert, count)
        expect(yield* count).toBe(2)
        expect(yield* composed).toBe(3)
        expect(yield* composed).toBe(4)
      })
    )
  )

  it.scopedLive("is counted by the pool, and out of it while it runs", () => {
    const seen: Array<number> = []
    const look = { now: () => 0 }
    return onFile(
      () =>
        Effect.gen(function* () {
          const sql = yield* table
          const pool = yield* Pool.Pool
          const before = yield* pool.status
          look.now = () => Effect.runSync(pool.status).checkedOut
          seen.push(...(yield* sql<{ n: number }>`SELECT look() AS n`).map(({ n }) => n))
          const after = yield* pool.status
          expect(seen).toEqual([1])
          expect(after.checkedOut).toBe(0)
          expect(after.totals.acquired).toBe(before.totals.acquired + 1)
        }),
      { functions: { look: () => look.now() } }
    )
  })

  it.scopedLive("that fails fails as ever, and once", () => {
    let calls = 0
    const fails = () => {
      calls++
      throw new Error("on purpose")
    }
    return onFile(
      () =>
        Effect.gen(function* () {
          const sql = yield* table
          const pool = yield* Pool.Pool
          const error = DatabaseError.from(yield* Effect.flip(sql`SELECT fails()`))
          expect(error._tag).toBe("DataError")
          expect(calls).toBe(1)
          expect(DatabaseError.from(yield* Effect.flip(sql`INSERT INTO t VALUES (1, 'again')`))._tag).toBe(
            "UniqueViolation"
          )
          expect((yield* pool.status).checkedOut).toBe(0)
        }),
      { functions: { fails } }
    )
  })

  it.scopedLive("that a reader cannot answer is answered by the writer", () =>
    onFile(() =>
      Effect.gen(function* () {
        const sql = yield* table
        yield* Effect.scoped(
          Effect.flatMap(sql.reserve, (held) =>
            Effect.zipRight(
              held.executeUnprepared("CREATE TEMP TABLE mine (a INTEGER)", [], undefined),
              held.executeUnprepared("INSERT INTO mine VALUES (7)", [], undefined)
            )
          )
        )
        expect(yield* sql`SELECT a FROM mine`).toEqual([{ a: 7 }])
      })
    )
  )

  it.scopedLive("that reads sees what was written just before, by whomever", () =>
    onFile((path) =>
      Effect.gen(function* () {
        const sql = yield* table
        const other = yield* otherProcess(path)
        for (let n = 3; n < 40; n++) {
          if (n % 2 === 0) yield* sql`INSERT INTO t VALUES (${n}, ${"ours"})`
          else expect(yield* other.tell(`INSERT INTO t VALUES (${n}, 'theirs')`)).toBe("done")
          expect(yield* sql`SELECT max(id) AS id FROM t`).toEqual([{ id: n }])
        }
      })
    )
  )

  it.scopedLive("that meets another process's lock waits for it as ever: others run, and it can be interrupted", () =>
    onFile((path) =>
      Effect.gen(function* () {
        const sql = yield* table
        const pool = yield* Pool.Pool
        const other = yield* otherProcess(path)
        expect(yield* other.tell("BEGIN IMMEDIATE")).toBe("done")
        let ticks = 0
        yield* Effect.forkScoped(
          Effect.forever(
            Effect.zipRight(
              Effect.sleep(5),
              Effect.sync(() => ticks++)
            )
          )
        )
        const fiber = yield* Effect.fork(sql`INSERT INTO t VALUES (3, 'three')`)
        const leaving = yield* Effect.fork(sql`INSERT INTO t VALUES (4, 'four')`)
        while (ticks < 10) yield* Effect.sleep(5)
        expect(Option.isNone(yield* Fiber.poll(fiber))).toBe(true)
        expect(Exit.isInterrupted(yield* Fiber.interrupt(leaving))).toBe(true)
        expect(yield* other.tell("COMMIT")).toBe("done")
        yield* Fiber.join(fiber)
        expect(yield* sql`SELECT id FROM t ORDER BY id`).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }])
        expect((yield* pool.status).checkedOut).toBe(0)
      })
    )
  )

  it.scopedLive("leaves nothing behind, before whichever operation it is interrupted", () =>
    onFile(() =>
      Effect.gen(function* () {
        const sql = yield* table
        const pool = yield* Pool.Pool
        const effect = Effect.forEach([3, 4, 5], (id) =>
          Effect.zipRight(sql`INSERT INTO t VALUES (${id}, ${"more"})`, sql`SELECT id FROM t WHERE id = ${id}`)
        )
        const points = yield* interruptEverywhere(
          Effect.as(Effect.orDie(sql`DELETE FROM t WHERE id > 2`), { world: undefined, effect }),
          (_, run) =>
            Effect.gen(function* () {
              const written = yield* Effect.orDie(sql<{ id: number }>`SELECT id FROM t WHERE id > 2 ORDER BY id`)
              expect([3, 4, 5].slice(0, written.length)).toEqual(written.map(({ id }) => id))
              if (Exit.isSuccess(run.exit)) expect(run.exit.value).toEqual([[{ id: 3 }], [{ id: 4 }], [{ id: 5 }]])
              expect(yield* pool.status).toMatchObject({ checkedOut: 0, waiting: 0 })
            })
        )
        expect(points).toBeGreaterThan(10)
      })
    )
  )
})

describe("rows that are read as arrays and handed out as objects", () => {
  it.scopedLive("are what the driver would have made of them", () =>
    onFile(() =>
      Effect.gen(function* () {
        const sql = yield* table
        expect(yield* sql`SELECT 1 AS a, 2 AS b, 3 AS a`).toEqual([{ a: 3, b: 2 }])
        expect(Object.keys((yield* sql`SELECT 1 AS b, 2 AS a, 3 AS "2"`)[0] ?? {})).toEqual(["2", "b", "a"])
        expect(yield* sql`SELECT count(id), 1.5, NULL, x'00ff' FROM t`).toEqual([
          { "count(id)": 2, "1.5": 1.5, NULL: null, "x'00ff'": Buffer.from([0, 255]) }
        ])
        expect(yield* sql`SELECT id FROM t WHERE id > 99`).toEqual([])
        const rows = yield* sql`SELECT id, name FROM t ORDER BY id`
        expect(rows.map((row) => ({ ...row, id: 0 }))).toEqual([
          { id: 0, name: "one" },
          { id: 0, name: "two" }
        ])
        expect(Object.entries((yield* sql`SELECT 1 AS "__proto__"`)[0] ?? {})).toEqual([["__proto__", 1]])
      })
    )
  )

  it.scopedLive("have the names their columns have now, where the text does not say them", () =>
    onFile((path) =>
      Effect.gen(function* () {
        const sql = yield* table
        const all = sql`SELECT * FROM t WHERE id = ${1}`
        const aliased = sql`SELECT a.name FROM (SELECT * FROM t) AS a`
        expect(yield* all).toEqual([{ id: 1, name: "one" }])
        expect((yield* aliased).length).toBe(2)
        const other = yield* otherProcess(path)
        expect(yield* other.tell("ALTER TABLE t RENAME COLUMN name TO label")).toBe("done")
        expect(yield* all).toEqual([{ id: 1, label: "one" }])
        expect(DatabaseError.from(yield* Effect.flip(aliased))._tag).toBe("SqlSyntaxError")
      })
    )
  )
})
