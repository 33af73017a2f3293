/**
 * What a database must hold before its first user comes: seeds, run in the order of their dependencies in one transaction,
 * so that all of them are there or none. A seed that says `once` is remembered in a table and skipped from then on; any
 * other runs each time and should therefore be repeatable (`ON CONFLICT DO NOTHING`).
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type DatabaseError, from } from "../model/DatabaseError.js"
import * as Transaction from "../transaction/Transaction.js"
import { order } from "./order.js"
import { SeedError } from "./SeedError.js"

export { type Reason, SeedError } from "./SeedError.js"

/** @since 0.1.0 @category models */
export interface Seed<out R = never> {
  readonly name: string
  /** The names of the seeds that must have run before. */
  readonly dependsOn: ReadonlyArray<string>
  /** Whether it is remembered and never run again. */
  readonly once: boolean
  readonly run: Effect.Effect<unknown, unknown, R>
}

/** What became of one seed. @since 0.1.0 @category models */
export interface Outcome {
  readonly name: string
  /** `skipped`: it runs once, and did so before. */
  readonly outcome: "ran" | "skipped"
  readonly duration: Duration.Duration
}

/** The seeds in the order they were run in. @since 0.1.0 @category models */
export type Report = ReadonlyArray<Outcome>

/**
 * `run` may use the `SqlClient` and anything else; its statements belong to the transaction of all seeds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <R = never>(options: {
  readonly name: string
  readonly dependsOn?: ReadonlyArray<string> | undefined
  readonly once?: boolean | undefined
  readonly run: Effect.Effect<unknown, unknown, R>
}): Seed<R> => ({
  name: options.name,
  dependsOn: options.dependsOn ?? [],
  once: options.once ?? false,
  run: options.run
})

/** Where seeds that run once are remembered. @since 0.1.0 @category defaults */
export const ledger = "aquifer_seeds"

/**
 * Runs the seeds, all or nothing: the first failure takes everything back, the memory of it included. Seeds that make no
 * order fail before anything is sent. Several processes at once are fine: the later one waits and then skips.
 *
 * @since 0.1.0
 * @category combinators
 */
export const run = <R = never>(
  seeds: ReadonlyArray<Seed<R>>
): Effect.Effect<Report, SeedError | DatabaseError, R | SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const ordered = yield* order(seeds)
    if (ordered.some((seed) => seed.once)) yield* prepare
    return yield* Transaction.run(
      Effect.forEach(ordered, (seed) => one(seed)),
      { name: "seed" }
    )
  })

const one = <R>(seed: Seed<R>): Effect.Effect<Outcome, SeedError | DatabaseError, R | SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const start = yield* Clock.currentTimeMillis
    const due = !seed.once || (yield* claim(seed.name, start))
    if (due) yield* Effect.mapError(seed.run, (cause) => failed(seed.name, cause))
    const duration = Duration.millis((yield* Clock.currentTimeMillis) - start)
    return { name: seed.name, outcome: due ? "ran" : "skipped", duration }
  })

/**
 * Whether this run is the one. The row is written before the seed runs: another process that writes the same row waits for
 * this transaction's end and finds the row when it was committed, or writes its own when it was not.
 */
const claim = (name: string, now: number): Effect.Effect<boolean, DatabaseError, SqlClient.SqlClient> =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    sql`INSERT INTO ${sql(ledger)} (name, ran_at) VALUES (${name}, ${new Date(now).toISOString()})
        ON CONFLICT (name) DO NOTHING RETURNING name`.pipe(
      Effect.map((rows) => rows.length > 0),
      Effect.mapError((error) => from(error))
    )
  )

/**
 * The table of seeds, made before their transaction. `IF NOT EXISTS` of two processes at once makes one of them fail on
 * PostgreSQL (23505, 42P07); it finds the table when it tries again.
 */
const prepare: Effect.Effect<void, DatabaseError, SqlClient.SqlClient> = Effect.flatMap(SqlClient.SqlClient, (sql) => {
  const create: Effect.Effect<unknown, SqlError> = sql`CREATE TABLE IF NOT EXISTS ${sql(ledger)} (
    name VARCHAR(255) NOT NULL PRIMARY KEY,
    ran_at VARCHAR(30) NOT NULL
  )`
  return Transaction.savepoint(Effect.mapError(create, (error) => from(error))).pipe(
    Effect.retry({ times: 2, while: (error) => error.sqlState !== undefined && races.has(error.sqlState) }),
    Effect.asVoid
  )
})

const races = new Set(["23505", "42P07", "42710"])

const failed = (seed: string, cause: unknown) =>
  new SeedError({
    reason: "failed",
    seed,
    problem: `it failed${cause instanceof Error && cause.message !== "" ? `: ${cause.message}` : ""}`,
    remedy: "Nothing of any seed was kept; correct it and run the seeds again",
    cause
  })
