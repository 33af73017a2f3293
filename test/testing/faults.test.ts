/** Faults strike where and when they were told to, and what stands around them is the product itself. */
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { afterAll, describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import {
  type Database,
  DatabaseError,
  Migration,
  Migrator,
  Operations,
  Retry,
  Table,
  Transaction
} from "effect-aquifer"
import { DatabaseTest, Faults } from "effect-aquifer/testing"
import { temporaryFolder } from "../contract/products.js"
import { end, onShared } from "../dialect/pglite/shared.js"
import { freshDatabase } from "../support/server.js"

afterAll(end)

type Needs = Database.Services | Faults.Faults | Scope.Scope

const options = { profile: "test", retry: { connection: { baseDelay: 1 }, conflict: { baseDelay: 1 } } } as const

interface Product {
  readonly name: string
  /** Whether the server can say what became of a lost COMMIT. */
  readonly knows: boolean
  /** Whether a failing statement takes its transaction along. */
  readonly aborts: boolean
  readonly layer: (faults: ReadonlyArray<Faults.Fault>) => Layer.Layer<Database.Services | Faults.Faults, unknown>
}

const products: ReadonlyArray<Product> = [
  {
    name: "SQLite in memory",
    knows: false,
    aborts: false,
    layer: (faults) => Faults.layer({ ...options, url: "sqlite::memory:" }, faults)
  },
  {
    name: "SQLite in a file",
    knows: false,
    aborts: false,
    layer: (faults) =>
      Layer.unwrapScoped(
        Effect.map(temporaryFolder, (folder) =>
          Faults.layer({ ...options, url: `sqlite:${join(folder, "test.db")}` }, faults)
        )
      )
  },
  {
    name: "PGlite",
    knows: false,
    aborts: true,
    layer: (faults) => Faults.layer(onShared(options), faults)
  },
  {
    name: "PostgreSQL",
    knows: true,
    aborts: true,
    layer: (faults) => Layer.unwrapScoped(Effect.map(freshDatabase, (url) => Faults.layer({ ...options, url }, faults)))
  }
]

const journal = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE journal (entry INTEGER NOT NULL)`
  return {
    sql,
    add: (entry: number) => sql`INSERT INTO journal ${sql.insert({ entry })}`,
    entries: Effect.map(sql`SELECT entry FROM journal ORDER BY entry`, (rows) => rows.map((row) => row.entry))
  }
})

const tagOf = (exit: Exit.Exit<unknown, unknown>) =>
  (Exit.isFailure(exit) ? DatabaseError.find(exit.cause) : undefined)?._tag

const happened = Effect.map(Faults.report, (entries) => entries.map(({ happened }) => happened))

for (const product of products) {
  const on = (title: string, faults: ReadonlyArray<Faults.Fault>, body: () => Effect.Effect<unknown, unknown, Needs>) =>
    it.scopedLive(title, () => Effect.provide(body(), product.layer(faults)))

  describe(`faults on ${product.name}`, () => {
    on(
      "the third COMMIT fails: its transaction is undone and run again, the others are not",
      [Faults.commit(3).fails("SerializationError")],
      () =>
        Effect.gen(function* () {
          const { add, entries } = yield* journal
          const tries = yield* Effect.forEach([1, 2, 3, 4], (n) =>
            Transaction.run(Effect.zipRight(add(n), Transaction.attempt))
          )
          expect(tries).toEqual([1, 1, 2, 1])
          expect(yield* entries).toEqual([1, 2, 3, 4])
          expect(yield* Faults.report).toEqual([
            { fault: "commit 3 fails with SerializationError", met: 5, happened: 1 }
          ])
        })
    )

    on("a COMMIT that fails for good leaves nothing", [Faults.commit().fails("ForeignKeyViolation")], () =>
      Effect.gen(function* () {
        const { add, entries } = yield* journal
        expect(tagOf(yield* Effect.exit(Transaction.run(add(1))))).toBe("ForeignKeyViolation")
        expect(yield* entries).toEqual([])
        yield* Transaction.run(add(2))
        expect(yield* entries).toEqual([2])
      })
    )

    on("BEGIN is refused: the statement behind it does not run", [Faults.begin().fails("AuthorizationError")], () =>
      Effect.gen(function* () {
        const { add, entries } = yield* journal
        expect(tagOf(yield* Effect.exit(Transaction.run(add(1))))).toBe("AuthorizationError")
        expect(yield* entries).toEqual([])
        yield* Transaction.run(add(2))
        expect(yield* entries).toEqual([2])
      })
    )

    on(
      "the second INSERT loses the connection before it was sent: the whole is run again on another",
      [Faults.statement(/insert/i, 2).loses("before")],
      () =>
        Effect.gen(function* () {
          const { add, entries } = yield* journal
          const attempt = Transaction.run(add(1).pipe(Effect.zipRight(add(2)), Effect.zipRight(Transaction.attempt)))
          expect(yield* attempt).toBe(2)
          expect(yield* entries).toEqual([1, 2])
          expect(yield* happened).toEqual([1])
        })
    )

    on(
      "a connection lost after a statement takes the open transaction along, and only that",
      [Faults.statement(/insert/i, 3).loses("after")],
      () =>
        Effect.gen(function* () {
          const { add, entries } = yield* journal
          yield* add(0)
          const work = Effect.zipRight(add(1), add(2))
          expect(tagOf(yield* Effect.exit(Transaction.run(work, { retry: "never" })))).toBe("ConnectionError")
          expect(yield* entries).toEqual([0])
        })
    )

    on(
      "outside of a transaction what was carried out stays, and says that it may have been",
      [Faults.statement(/insert/i).loses("after"), Faults.statement(/insert/i, 2).loses("before")],
      () =>
        Effect.gen(function* () {
          const { add, entries } = yield* journal
          const first = DatabaseError.find(yield* Effect.flip(add(1)))
          const second = DatabaseError.find(yield* Effect.flip(add(2)))
          expect([first, second].map(DatabaseError.safeToRetry)).toEqual([false, true])
          expect(yield* entries).toEqual([1])
        })
    )

    on(
      "an answer to COMMIT that never comes: known where the server can be asked, else reported as unknown",
      [Faults.commit().loses("after")],
      () =>
        Effect.gen(function* () {
          const { add, entries } = yield* journal
          const exit = yield* Effect.exit(Transaction.run(Effect.zipRight(add(1), Transaction.attempt)))
          if (product.knows) expect(exit).toEqual(Exit.succeed(1))
          else expect(tagOf(exit)).toBe("CommitUnknown")
          expect(yield* entries).toEqual([1])
        })
    )

    on("a COMMIT that never arrived is done once", [Faults.commit().loses("underway")], () =>
      Effect.gen(function* () {
        const { add, entries } = yield* journal
        const exit = yield* Effect.exit(Transaction.run(Effect.zipRight(add(1), Transaction.attempt)))
        if (product.knows) expect(exit).toEqual(Exit.succeed(2))
        else expect(tagOf(exit)).toBe("CommitUnknown")
        expect(yield* entries).toEqual(product.knows ? [1] : [])
      })
    )

    on(
      "a failing statement leaves the transaction as the product itself leaves it",
      [Faults.statement(/insert/i, 2).fails("UniqueViolation")],
      () =>
        Effect.gen(function* () {
          const { add, entries } = yield* journal
          const swallowed = Transaction.run(Effect.zipRight(add(1), Effect.either(add(2))))
          const exit = yield* Effect.exit(swallowed)
          // After a failing statement PostgreSQL keeps nothing, SQLite all that came before.
          expect(tagOf(exit)).toBe(product.aborts ? "TransactionAborted" : undefined)
          expect(yield* entries).toEqual(product.aborts ? [] : [1])
        })
    )

    on("in a savepoint of its own it is undone alone", [Faults.statement(/insert/i, 2).fails("UniqueViolation")], () =>
      Effect.gen(function* () {
        const { add, entries } = yield* journal
        yield* Transaction.run(
          add(1).pipe(Effect.zipRight(Effect.either(Transaction.savepoint(add(2)))), Effect.zipRight(add(3)))
        )
        expect(yield* entries).toEqual([1, 3])
      })
    )

    on("a stream that loses its connection says so", [Faults.statement(/with/i).loses("before")], () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const rows = sql`WITH one AS (SELECT 1 AS n) SELECT n FROM one`.stream
        expect(tagOf(yield* Effect.exit(Stream.runCollect(rows)))).toBe("ConnectionError")
        expect((yield* Stream.runCollect(rows)).length).toBe(1)
      })
    )

    on(
      "a batch meets them statement by statement, and is still all or nothing",
      [Faults.statement(/insert/i, 2).fails("SerializationError")],
      () =>
        Effect.gen(function* () {
          const { add, entries } = yield* journal
          yield* Transaction.batch([add(1), add(2), add(3)])
          expect(yield* entries).toEqual([1, 2, 3])
          expect(yield* happened).toEqual([1])
        })
    )

    on("faults may be added later, and count from there", [], () =>
      Effect.gen(function* () {
        const { add, entries } = yield* journal
        yield* Transaction.run(add(1))
        yield* Faults.inject(Faults.commit().fails("DataError"), Faults.acquire(2).fails("PoolClosed"))
        expect(tagOf(yield* Effect.exit(Transaction.run(add(2))))).toBe("DataError")
        expect(tagOf(yield* Effect.exit(entries))).toBe("PoolClosed")
        expect(yield* entries).toEqual([1])
      })
    )
  })
}

it.live("a layer of any kind takes faults, and what it does while it is built meets none", () =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const exit = yield* Effect.exit(sql`INSERT INTO words (id) VALUES (1)`)
    expect(tagOf(exit)).toBe("LockTimeoutError")
    expect(yield* Faults.report).toEqual([
      { fault: "statement /words/ 1 fails with LockTimeoutError", met: 1, happened: 1 },
      { fault: "commit 1 fails with SerializationError", met: 0, happened: 0 }
    ])
  }).pipe(
    Effect.provide(
      Faults.layer(
        DatabaseTest.sqlite({
          migrations: {
            loader: Migrator.fromRecord({
              "0001_words": Migration.make({
                up: Operations.createTable(Table.make("words", { id: Table.int.pipe(Table.primaryKey) })),
                down: Operations.dropTable("words")
              })
            })
          }
        }),
        [Faults.statement(/words/).fails("LockTimeoutError"), Faults.commit().fails("SerializationError")]
      )
    )
  )
)

describe("under TestClock", () => {
  const memory = (...faults: ReadonlyArray<Faults.Fault>) =>
    Faults.layer({ url: "sqlite::memory:", profile: "test", pool: { acquireTimeout: "5 seconds" } }, faults)
  const took = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      const start = yield* Clock.currentTimeMillis
      const fiber = yield* Effect.fork(Effect.zip(Effect.exit(effect), Clock.currentTimeMillis))
      yield* TestClock.adjust("1 minute")
      const [exit, end] = yield* Fiber.join(fiber)
      return [exit, end - start] as const
    })
  const select = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT 1 AS n`)

  it.scoped("the next acquire takes 2 s, the one after it none", () =>
    Effect.gen(function* () {
      const [exit, millis] = yield* took(select)
      expect([Exit.isSuccess(exit), millis]).toEqual([true, 2000])
      expect((yield* took(select))[1]).toBe(0)
    }).pipe(Effect.provide(memory(Faults.acquire().takes("2 seconds"))))
  )

  it.scoped("so it is with a real server behind it", () =>
    Effect.gen(function* () {
      const url = yield* freshDatabase
      const slow = Faults.layer({ ...options, url }, [Faults.acquire().takes("2 seconds")])
      const waited = Effect.gen(function* () {
        const fiber = yield* Effect.fork(select)
        yield* TestClock.adjust("1999 millis")
        expect(fiber.unsafePoll()).toBe(null)
        yield* TestClock.adjust("1 millis")
        return yield* Fiber.join(fiber)
      })
      expect(yield* Effect.provide(waited, slow)).toEqual([{ n: 1 }])
    })
  )

  it.scoped("an acquire that takes longer than its limit is a PoolTimeout at the limit", () =>
    Effect.gen(function* () {
      const [exit, millis] = yield* took(select)
      expect([tagOf(exit), millis]).toEqual(["PoolTimeout", 5000])
    }).pipe(Effect.provide(memory(Faults.acquire().takes("1 hour"))))
  )

  it.scoped("a slow statement meets the transaction's own timeout", () =>
    Effect.gen(function* () {
      const [exit, millis] = yield* took(Transaction.run(select, { timeout: "3 seconds" }))
      expect([tagOf(exit), millis]).toEqual(["StatementTimeoutError", 3000])
      expect(yield* Effect.map(select, (rows) => rows.length)).toBe(1)
    }).pipe(Effect.provide(memory(Faults.statement(/select 1/i).takes("10 seconds"))))
  )

  it.scoped("a database that stays lost is tried as often as the policy says, with its waits", () =>
    Effect.gen(function* () {
      const [exit, millis] = yield* took(
        Retry.withPolicy(Transaction.run(select), { maxRetries: 3, baseDelay: "1 second", factor: 2, jitter: "none" })
      )
      expect([tagOf(exit), millis]).toEqual(["RetriesExhausted", 7000])
      expect(yield* happened).toEqual([4])
    }).pipe(Effect.provide(memory(Faults.statement(/select/i, "every").loses("underway"))))
  )

  it.scoped("a session that cannot be opened fails its statement; a transaction is run again", () =>
    Effect.gen(function* () {
      expect(tagOf((yield* took(select))[0])).toBe("TooManyConnections")
      expect(Exit.isSuccess((yield* took(Transaction.run(select)))[0])).toBe(true)
      expect(yield* happened).toEqual([1, 1])
    }).pipe(
      Effect.provide(
        Faults.layer({ url: "sqlite::memory:", profile: "test", connect: "lazy" }, [
          Faults.connect().fails("TooManyConnections"),
          Faults.connect(2).fails("ConnectionError")
        ])
      )
    )
  )
})
