/**
 * The one lock of a ledger, asked for again and again and never waited for in the database. The wait is bounded, can be
 * interrupted, is told about, and ends with the name of who holds the lock.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Dialect, DriverConnection } from "../Dialect.js"
import type { DatabaseError } from "../model/DatabaseError.js"
import { MigrationError } from "../model/MigrationError.js"

/** @since 0.1.0 @category models */
export interface Lock {
  /** Fails when the lock has been lost, or when what it guards may not be committed as it is. */
  readonly fence: Effect.Effect<void, DatabaseError>
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
  limit: Duration.Duration
): Effect.Effect<Lock, MigrationError | DatabaseError, Scope.Scope> =>
  Effect.flatMap(Clock.currentTimeMillis, (start) => {
    const end = start + Duration.toMillis(limit)
    const ask = (wait: number, told: number): Effect.Effect<Lock, MigrationError | DatabaseError, Scope.Scope> =>
      Effect.catchTag(dialect.migrationLock(own, name), "LockTimeoutError", (held) =>
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
          return Effect.zipRight(
            Effect.zipRight(tell, Effect.sleep(Duration.millis(Math.min(wait, end - now)))),
            Effect.suspend(() => ask(Math.min(longest, wait * 1.5), now >= told ? now + every : told))
          )
        })
      )
    return ask(shortest, start)
  })
