/**
 * Which isolation level prevents which anomaly, on each product: two transactions, the second run as a whole between the
 * first one's reads and what it does with them. Where writers take turns the second one comes after the first by itself.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { DatabaseError, Transaction } from "effect-aquifer"
import type { Product } from "../contract/contract.js"
import { pglite, postgres, sqlite, sqliteMemory } from "../contract/products.js"

type Between = Effect.Effect<void>

interface Anomaly {
  /** The first transaction; `between` lets the second one run. */
  readonly first: (sql: SqlClient.SqlClient, between: Between) => Effect.Effect<unknown, unknown>
  readonly second: (sql: SqlClient.SqlClient) => Effect.Effect<unknown, unknown>
  /** Whether it happened, seen from what the first one found and what is there in the end. */
  readonly happened: (found: unknown, a: number, b: number) => boolean
}

const value = (sql: SqlClient.SqlClient, name: "a" | "b") =>
  Effect.map(sql<{ n: number }>`SELECT n FROM things WHERE name = ${name}`, (rows) => rows[0]?.n ?? Number.NaN)

const set = (sql: SqlClient.SqlClient, name: "a" | "b", n: number) =>
  sql`UPDATE things SET n = ${n} WHERE name = ${name}`

/** Both things are 1 in the beginning. */
const anomalies = {
  /** Two read the same value and write it back, one more: one of the two is gone. */
  "lost update": {
    first: (sql, between) => Effect.flatMap(Effect.zipLeft(value(sql, "a"), between), (n) => set(sql, "a", n + 1)),
    second: (sql) => Effect.flatMap(value(sql, "a"), (n) => set(sql, "a", n + 1)),
    happened: (_, a) => a !== 3
  },
  /** One reads a before and b after the other changed both together. */
  "read skew": {
    first: (sql, between) =>
      Effect.flatMap(Effect.zipLeft(value(sql, "a"), between), (a) => Effect.map(value(sql, "b"), (b) => `${a} ${b}`)),
    second: (sql) => Effect.zipRight(set(sql, "a", 2), set(sql, "b", 2)),
    happened: (found) => found === "1 2"
  },
  /** Each takes one away because both are there: none is left. */
  "write skew": {
    first: (sql, between) =>
      Effect.flatMap(Effect.zipLeft(Effect.all([value(sql, "a"), value(sql, "b")]), between), ([a, b]) =>
        a + b === 2 ? Effect.asVoid(set(sql, "a", 0)) : Effect.void
      ),
    second: (sql) =>
      Effect.flatMap(Effect.all([value(sql, "a"), value(sql, "b")]), ([a, b]) =>
        a + b === 2 ? Effect.asVoid(set(sql, "b", 0)) : Effect.void
      ),
    happened: (_, a, b) => a + b === 0
  }
} satisfies Record<string, Anomaly>

type Name = keyof typeof anomalies

const all: ReadonlyArray<Name> = ["lost update", "read skew", "write skew"]

const throughout = { "read committed": all, "repeatable read": all, serializable: all }

/**
 * PostgreSQL manual, 13.2, table 13.1, and what its snapshots add. SQLite has one level, whatever it is called, and a
 * database of one session (in memory, PGlite) runs one transaction after the other.
 */
const prevented: ReadonlyArray<readonly [Product, Record<Transaction.Isolation, ReadonlyArray<Name>>]> = [
  [postgres, { "read committed": [], "repeatable read": ["lost update", "read skew"], serializable: all }],
  [sqlite, throughout],
  [sqliteMemory, throughout],
  [pglite, throughout]
]

const play = (product: Product, name: Name, options: Pick<Transaction.Options, "isolation" | "retry">) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE TABLE things (name VARCHAR(1) PRIMARY KEY, n INTEGER NOT NULL)`
    yield* sql`INSERT INTO things VALUES ('a', 1), ('b', 1)`
    const anomaly: Anomaly = anomalies[name]
    const turn = yield* Deferred.make<void>()
    // A fiber forked inside the first transaction would belong to it.
    const second = yield* Effect.forkScoped(
      Effect.zipRight(Deferred.await(turn), Effect.exit(Transaction.run(anomaly.second(sql), options)))
    )
    // With one writer the second one cannot even begin before the first has ended.
    const until = product === postgres ? Effect.asVoid(Fiber.await(second)) : Effect.sleep("100 millis")
    const between = Effect.zipRight(Deferred.succeed(turn, undefined), until)
    const first = yield* Effect.exit(Transaction.run(anomaly.first(sql, between), options))
    const other = yield* Fiber.join(second)
    const found = Exit.isSuccess(first) ? first.value : undefined
    const [a, b] = yield* Effect.all([value(sql, "a"), value(sql, "b")])
    return { first, other, happened: Exit.isSuccess(first) && anomaly.happened(found, a, b) }
  }).pipe(Effect.provide(product.database({ pool: { size: 3, maxOverflow: 0 } })))

for (const [product, levels] of prevented) {
  describe(`anomalies on ${product.name}`, () => {
    for (const [isolation, prevents] of Object.entries(levels) as ReadonlyArray<
      [Transaction.Isolation, ReadonlyArray<Name>]
    >) {
      for (const name of all) {
        const safe = prevents.includes(name)
        it.scopedLive(`${isolation} ${safe ? "prevents" : "lets happen"}: ${name}`, () =>
          Effect.gen(function* () {
            const { first, happened, other } = yield* play(product, name, { isolation, retry: "never" })
            expect(happened).toBe(!safe)
            // What is prevented by a failure is one that says: run it again.
            for (const exit of [first, other].filter(Exit.isFailure)) {
              expect(DatabaseError.find(exit.cause)?._tag).toBe("SerializationError")
            }
          })
        )
        if (safe) {
          it.scopedLive(`${isolation}, run again as configured, comes out right: ${name}`, () =>
            Effect.gen(function* () {
              const { first, happened, other } = yield* play(product, name, { isolation })
              expect(happened).toBe(false)
              expect([Exit.isSuccess(first), Exit.isSuccess(other)]).toEqual([true, true])
            })
          )
        }
      }
    }
  })
}
