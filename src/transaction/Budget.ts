/**
 * How much a pool may repeat because of lost or refused connections, so that a sick database is not stormed by the very
 * callers it fails. One budget for each pool, spent by all its transactions; conflicts are not counted, they are no sign of
 * sickness.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Connections } from "../connection/Connections.js"
import type { PoolSettings } from "../model/DatabaseConfig.js"

/**
 * What may be repeated at once, for each connection the pool may have: a restart fails whoever works and whoever waits, a few
 * times as many as there are connections, and each of them up to three times.
 */
const reservePerConnection = 10

/** A small pool is entitled to a restart, too. */
const smallestReserve = 100

/** So many transactions add one retry: while all goes wrong, the database has to carry a fifth more than was asked of it. */
const transactionsPerRetry = 5

/** Retries a second that come back by themselves: a quiet pool, too, finds out that its database is well again. */
const perSecond = 1

/** Retries that a spent budget did not allow. @since 0.1.0 @category metrics */
export const refused = Metric.counter("aquifer.transaction.retries_refused", {
  description: "Retries that the pool's retry budget did not allow",
  incremental: true
})

/** @since 0.1.0 @category models */
export class Budget {
  /** In parts of a retry: what one transaction adds. */
  private readonly most: number
  private parts: number
  private since: number | undefined

  constructor({ maxOverflow, size }: Pick<PoolSettings, "size" | "maxOverflow">) {
    this.most = transactionsPerRetry * Math.max(smallestReserve, reservePerConnection * (size + maxOverflow))
    this.parts = this.most
  }

  /** A transaction begins. */
  earn(): void {
    this.parts = Math.min(this.most, this.parts + 1)
  }

  /** Whether one more retry may be; it is paid for. */
  readonly spend: Effect.Effect<boolean> = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const seconds = Math.max(0, now - (this.since ?? now)) / 1000
    this.since = now
    this.parts = Math.min(this.most, this.parts + seconds * perSecond * transactionsPerRetry)
    if (this.parts < transactionsPerRetry) return Effect.as(Metric.increment(refused), false)
    this.parts -= transactionsPerRetry
    return Effect.succeed(true)
  })
}

const budgets = new WeakMap<Connections, Budget>()

/** The budget of these connections. @since 0.1.0 @category accessors */
export const of = (connections: Connections): Budget => {
  const known = budgets.get(connections)
  if (known !== undefined) return known
  const made = new Budget(connections.config.pool)
  budgets.set(connections, made)
  return made
}

/** What stands in the failure that was not repeated because of it. @since 0.1.0 @category errors */
export const hint =
  "Not tried again: so many transactions of this pool have lost their connection that more would only add to the load"
