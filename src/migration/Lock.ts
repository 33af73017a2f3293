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
  { config, limit, onWait }: Patience
): Effect.Effect<Lock, MigrationError | DatabaseError, Scope.Scope> =>
  Effect.flatMap(Clock.currentTimeMillis, (start) => {
    const end = start + Duration.toMillis(limit)
    const ask = (wait: number, told: number): Effect.Effect<Lock, MigrationError | DatabaseError, Scope.Scope> =>
      Effect.catchTag(alone(dialect.migrationLock(own, name, config)), "LockTimeoutError", (held) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          const who = held.detail === undefined ? "another runner" : held.detail
          if (now >= end) {
            return Effect.fail(
              new MigrationError({
                reason: "locked",
                problem: `${who} holds the migration lock of ${name}, and did so for ${Duration.format(limit)}`,
                remedy: "Wait until it is done, or end it; a longer wait is set with lockTimeout",
                cause: held
              })
            )
          }
          const tell =
            now >= told ? Effect.logInfo(`Waiting for the migration lock of ${name}, held by ${who}`) : Effect.void
          const show =
            onWait?.({ ledger: name, holder: who, waitedMillis: now - start, limitMillis: end - start }) ?? Effect.void
          return Effect.zipRight(tell, show).pipe(
            Effect.zipRight(Effect.sleep(Duration.millis(Math.min(wait, end - now)))),
            Effect.zipRight(Effect.suspend(() => ask(Math.min(longest, wait * 1.5), now >= told ? now + every : told)))
          )
        })
      )
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
