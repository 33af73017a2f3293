/**
 * The main job from end to end on one database: migrations, seeds, a concurrent workload, the proof that nothing was lost,
 * health and pool. Everything it saw is the report; printing is somebody else's job.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { Pool } from "../../connection/Pool.js"
import type * as Database from "../../Database.js"
import * as Migrator from "../../migration/Migrator.js"
import { DatabaseConfig, describeTarget } from "../../model/DatabaseConfig.js"
import type { DatabaseError } from "../../model/DatabaseError.js"
import type { MigrationError } from "../../model/MigrationError.js"
import * as Health from "../../observe/Health.js"
import * as Seed from "../../seed/Seed.js"
import * as Retry from "../../transaction/Retry.js"
import type { Terminal } from "../Terminal.js"
import * as Accounts from "./accounts.js"
import type { Report, Transfers } from "./report.js"

/** @since 0.1.0 @category models */
export interface Options {
  readonly migrations: string | URL | ReadonlyArray<string>
  readonly transfers: number
  readonly fibers: number
  readonly progress: Terminal["progress"]
  readonly bar: Terminal["bar"]
}

/** Patient enough for a crowd: giving up would be the demo's failure, not the database's. */
const patience: Retry.Setting = {
  conflict: { maxRetries: 60, baseDelay: "2 millis", maxDelay: "250 millis" }
}

const percentile = (sorted: ReadonlyArray<number>, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? 0

const workload = (options: Options) =>
  Effect.gen(function* () {
    yield* options.progress("")
    const bar = yield* options.bar(options.transfers)
    let finished = 0
    let tries = 0
    let retried = 0
    const one = Effect.gen(function* () {
      const start = yield* Clock.currentTimeNanos
      let mine = 0
      const counted = Effect.suspend(() => {
        mine += 1
        return Accounts.transfer
      })
      const result = yield* Effect.either(Retry.transient(counted, patience))
      const millis = Duration.toMillis(Duration.nanos((yield* Clock.currentTimeNanos) - start))
      finished += 1
      tries += mine
      if (mine > 1) retried += 1
      yield* bar(finished, "transfers")
      return Either.map(result, () => millis)
    })
    const start = yield* Clock.currentTimeMillis
    const results = yield* Effect.all(
      Array.from({ length: options.transfers }, () => one),
      { concurrency: options.fibers }
    )
    const millis = (yield* Clock.currentTimeMillis) - start
    const latencies = results.filter(Either.isRight).map(({ right }) => right)
    latencies.sort((a, b) => a - b)
    const failures = results.filter(Either.isLeft).map(({ left }) => left)
    const transfers: Transfers = {
      done: latencies.length,
      failed: failures.length,
      retried,
      retries: tries - results.length,
      fibers: options.fibers,
      millis,
      p50: percentile(latencies, 0.5),
      p99: percentile(latencies, 0.99),
      firstFailure: failures[0]?.message
    }
    return transfers
  })

/** @since 0.1.0 @category running */
export const run = (
  options: Options
): Effect.Effect<Report, DatabaseError | MigrationError | Seed.SeedError, Database.Services> =>
  Effect.gen(function* () {
    const config = yield* DatabaseConfig
    yield* options.progress("  migrations")
    const migrated = yield* Migrator.up({ directory: options.migrations })
    yield* Accounts.migrate
    yield* options.progress("  seeds")
    const empty = yield* Accounts.totals
    yield* Seed.run(Accounts.seeds)
    const before = yield* Accounts.totals
    const transfers = yield* Effect.scoped(workload(options))
    const after = yield* Accounts.totals
    const health = yield* Health.check
    if (health.status === "down") return yield* health.error
    const pool = yield* Effect.flatMap(Pool, ({ status }) => status)
    const unchanged = after.sum === before.sum && after.accounts === before.accounts
    return {
      ok: unchanged && transfers.failed === 0,
      database: describeTarget(config),
      product: health.product,
      version: health.version,
      migrations: { applied: migrated.applied.map(({ id, name }) => `${id}_${name}`), already: migrated.already },
      accounts: { seeded: before.accounts - empty.accounts, all: before.accounts },
      transfers,
      sum: { before: before.sum, after: after.sum, unchanged },
      health: { status: health.status, millis: Duration.toMillis(health.latency) },
      pool
    }
  })
