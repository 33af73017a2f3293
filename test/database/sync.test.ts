/** A whole program under `Effect.runSync`: on SQLite nothing ever suspends, whatever the profile does behind a statement. */
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { afterAll, describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Database, DatabaseError, Diagnostics, Health, Pool, Transaction } from "effect-aquifer"

const folder = mkdtempSync(join(tmpdir(), "aquifer-sync-"))
let files = 0
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const kinds = ["memory", "file"] as const
const profiles = ["test", "development", "production", undefined] as const
const connects = ["eager", "lazy"] as const
const places = kinds.flatMap((kind) =>
  profiles.flatMap((profile) => connects.map((connect) => [kind, profile ?? "none said", connect, profile] as const))
)

const database = (kind: (typeof kinds)[number], options: Omit<Database.Options, "url"> = {}) => {
  const url = kind === "memory" ? "sqlite::memory:" : `sqlite:${join(mkdtempSync(join(folder, `${files++}-`)), "x.db")}`
  return Database.layer({ url, ...options })
}

const insert = (n: number) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO t VALUES (${n})`)
const create = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`CREATE TABLE t (n INTEGER)`)
const all = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(sql<{ n: number }>`SELECT n FROM t ORDER BY n`, (rows) => rows.map(({ n }) => n))
)
const streamed = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(Stream.runCollect(sql<{ n: number }>`SELECT n FROM t ORDER BY n`.stream), Chunk.toReadonlyArray)
)
const transfers = Transaction.run(
  insert(2).pipe(
    Effect.zipRight(Transaction.savepoint(insert(3))),
    Effect.zipRight(Effect.ignore(Transaction.savepoint(Effect.zipRight(insert(4), Effect.fail("no"))))),
    Effect.zipRight(all)
  )
)

/** What a program does, in order; each step alone must run to its end at once. */
const steps: ReadonlyArray<
  readonly [name: string, step: Effect.Effect<unknown, unknown, Database.Services>, answer: unknown]
> = [
  ["a statement", create, []],
  ["a write", insert(1), []],
  ["a transaction with savepoints", transfers, [1, 2, 3]],
  ["a failing transaction", Effect.flip(Transaction.run(Effect.zipRight(insert(5), Effect.fail("no")))), "no"],
  ["a read", all, [1, 2, 3]],
  ["a stream", streamed, [{ n: 1 }, { n: 2 }, { n: 3 }]],
  [
    "a stream ended early",
    Effect.flatMap(SqlClient.SqlClient, (sql) => Stream.runHead(sql`SELECT n FROM t`.stream)),
    expect.anything()
  ],
  [
    "a stream in a transaction",
    Transaction.run(Effect.zipRight(insert(6), streamed)),
    [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 6 }]
  ],
  ["fibers", Effect.forEach([7, 8, 9], insert, { concurrency: "unbounded", discard: true }), undefined],
  [
    "a failing statement",
    Effect.map(
      Effect.flip(DatabaseError.refine(Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELEC`))),
      (error) => error._tag
    ),
    "SqlSyntaxError"
  ],
  ["a health check", Effect.map(Health.check, ({ status }) => status), "up"],
  ["diagnostics", Effect.map(Diagnostics.info, ({ initialised }) => initialised), true],
  ["a statement at last", all, [1, 2, 3, 6, 7, 8, 9]]
]

describe.each(places)("SQLite, %s, profile %s, %s", (kind, _, connect, profile) => {
  it("one runSync for all of it", () => {
    const program = Effect.forEach(steps, ([, step]) => step)
    const answers = Effect.runSync(Effect.provide(program, database(kind, { profile, connect })))
    expect(answers).toEqual(steps.map(([, , answer]) => answer))
  })

  it("a runSync for each step, on a ManagedRuntime that is disposed of in the end", () => {
    const runtime = ManagedRuntime.make(database(kind, { profile, connect }))
    for (const [name, step, answer] of steps) expect([name, runtime.runSync(step)]).toEqual([name, answer])
    expect(runtime.runSync(Effect.flatMap(Pool.Pool, (pool) => pool.status)).checkedOut).toBe(0)
    runtime.runSync(runtime.disposeEffect)
  })

  it("a transaction as a ManagedRuntime's very first call", () => {
    const runtime = ManagedRuntime.make(database(kind, { profile, connect }))
    expect(runtime.runSync(Transaction.run(Effect.zipRight(create, Effect.zipRight(insert(1), all))))).toEqual([1])
    expect(runtime.runSync(all)).toEqual([1])
    runtime.runSync(runtime.disposeEffect)
  })

  it("a scope opened by one runSync, used by others, closed by the last", () => {
    const scope = Effect.runSync(Scope.make())
    const context = Effect.runSync(Layer.buildWithScope(database(kind, { profile, connect }), scope))
    for (const [name, step, answer] of steps)
      expect([name, Effect.runSync(Effect.provide(step, context))]).toEqual([name, answer])
    const pool = Context.get(context, Pool.Pool)
    Effect.runSync(Scope.close(scope, Exit.void))
    const after = Effect.runSync(Effect.either(DatabaseError.refine(Effect.provide(all, context))))
    expect(after).toMatchObject({ _tag: "Left", left: { _tag: "PoolClosed" } })
    const { checkedIn, checkedOut, totals } = Effect.runSync(pool.status)
    expect([checkedIn, checkedOut, totals.opened - totals.closed]).toEqual([0, 0, 0])
  })
})

describe("where it would have to wait", () => {
  it.each(kinds)(
    "for a connection held in this very program (%s), it fails typed at once, and nothing runs later",
    (kind) => {
      const runtime = ManagedRuntime.make(database(kind))
      runtime.runSync(create)
      const scope = Effect.runSync(Scope.make())
      runtime.runSync(
        Scope.extend(
          Effect.flatMap(SqlClient.SqlClient, (sql) => sql.reserve),
          scope
        )
      )
      const error = runtime.runSync(Effect.flip(DatabaseError.refine(insert(1))))
      expect([error._tag, error.group]).toEqual(["PoolTimeout", "pool"])
      expect(error.reason).toContain("runSync")
      Effect.runSync(Scope.close(scope, Exit.void))
      expect(runtime.runSync(all)).toEqual([])
      runtime.runSync(runtime.disposeEffect)
    }
  )

  it("a layer that cannot be opened fails typed, and leaves no file behind", () => {
    const path = join(folder, "absent", "x.db")
    const failed = Effect.runSync(Effect.flip(Effect.provide(all, Database.layer({ url: `sqlite:${path}` }))))
    expect(failed).toMatchObject({ _tag: "DatabaseNotFound" })
    expect(existsSync(path)).toBe(false)
  })
})
