/**
 * The one lock of a ledger, asked for again and again and never waited for in the database. The wait is bounded, can be
 * interrupted, is told about, and ends with the name of who holds the lock.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Dialect, DriverConnection, MigrationLock } from "../Dialect.js"
import type { DatabaseConfig } from "../model/DatabaseConfig.js"
import type { DatabaseError } from "../model/DatabaseError.js"
import { MigrationError } from "../model/MigrationError.js"

/** @since 0.1.0 @category models */
export type Lock = MigrationLock

/** A runner that waits for another one. @since 0.1.0 @category models */
export interface Waiting {
  readonly ledger: string
  /** Who holds the lock, as far as the database tells. */
  readonly holder: string
  readonly waitedMillis: number
  readonly limitMillis: number
}

/** What shapes the wait. @since 0.1.0 @category models */
export interface Patience {
  readonly limit: Duration.Duration
  /** Heard when the wait begins and with every question; the log says the same once a minute. */
  readonly onWait?: ((waiting: Waiting) => Effect.Effect<void>) | undefined
  readonly config?: DatabaseConfig | undefined
}

/** The first wait between two questions; each is half as long again, up to the second. */
const shortest = 20
const longest = 500

/** Once a minute a waiting runner says that it still waits. */
const every = 60_000

/** Holds the lock until the scope ends. @since 0.1.0 @category constructors */
export const hold = (
  dialect: Dialect,
  own: DriverConnection,
  name: string,
  patience: Patience
): Effect.Effect<Lock, MigrationError | DatabaseError, Scope.Scope> =>
  patiently(alone(dialect.migrationLock(own, name, patience.config)), name, patience, {
    what: `the migration lock of ${name}`,
    holder: (error) => (error._tag === "LockTimeoutError" ? (error.detail ?? "another runner") : undefined)
  })

/**
 * Does what opens the first session of a database that only one process has at a time; while another has it, that is
 * waited for as the lock is.
 *
 * @since 0.1.0
 * @category combinators
 */
export const admitted = <A>(
  dialect: Dialect,
  opening: Effect.Effect<A, DatabaseError, Scope.Scope>,
  name: string,
  patience: Patience
): Effect.Effect<A, MigrationError | DatabaseError, Scope.Scope> =>
  dialect.occupant === undefined
    ? opening
    : patiently(alone(opening), name, patience, { what: "the database", holder: dialect.occupant })

/** What is waited for, and who has it, where that is what an attempt failed with. */
interface Sought {
  readonly what: string
  readonly holder: (error: DatabaseError) => string | undefined
}

const patiently = <A, R>(
  attempt: Effect.Effect<A, DatabaseError, R>,
  name: string,
  { limit, onWait }: Patience,
  { holder, what }: Sought
): Effect.Effect<A, MigrationError | DatabaseError, R> =>
  Effect.flatMap(Clock.currentTimeMillis, (start) => {
    const end = start + Duration.toMillis(limit)
    const ask = (wait: number, told: number): Effect.Effect<A, MigrationError | DatabaseError, R> =>
      Effect.catchAll(attempt, (held) => {
        const who = holder(held)
        if (who === undefined) return Effect.fail(held)
        return Effect.flatMap(Clock.currentTimeMillis, (now) => {
          if (now >= end) {
            return Effect.fail(
              new MigrationError({
                reason: "locked",
                problem: `${who} holds ${what}, and did so for ${Duration.format(limit)}`,
                remedy: "Wait until it is done, or end it; a longer wait is set with lockTimeout",
                cause: held
              })
            )
          }
          const tell = now >= told ? Effect.logInfo(`Waiting for ${what}, held by ${who}`) : Effect.void
          const show =
            onWait?.({ ledger: name, holder: who, waitedMillis: now - start, limitMillis: end - start }) ?? Effect.void
          return Effect.zipRight(tell, show).pipe(
            Effect.zipRight(Effect.sleep(Duration.millis(Math.min(wait, end - now)))),
            Effect.zipRight(Effect.suspend(() => ask(Math.min(longest, wait * 1.5), now >= told ? now + every : told)))
          )
        })
      })
    return ask(shortest, start)
  })

/** What an attempt that fails has already taken is given back at once, and not when the whole wait ends. */
const alone = <A, E>(attempt: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A, E, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.scope, (outer) =>
      Effect.flatMap(Scope.fork(outer, ExecutionStrategy.sequential), (inner) =>
        Effect.onError(restore(Scope.extend(attempt, inner)), (cause) => Scope.close(inner, Exit.failCause(cause)))
      )
    )
  )
