/**
 * Waiting for another process's lock. SQLite itself waits by blocking the whole process, so it is let wait for two
 * milliseconds only; the rest is slept on Effect's clock, where it can be interrupted and others run meanwhile. Under a
 * `SyncScheduler` nothing may suspend: there SQLite does wait, as long as it takes within the limit.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as RuntimeFiber from "effect/Fiber"
import { SyncScheduler } from "effect/Scheduler"
import { type DatabaseError, LockTimeoutError } from "../../model/DatabaseError.js"
import { classify } from "./classify.js"

/** How long SQLite may block the process for a lock, in milliseconds. @since 0.1.0 @category constants */
export const brief = 2

/**
 * The wait where `lockTimeout` says nothing: 5 s, as better-sqlite3 and Python have it. Well under the 30 s a fiber
 * waits for a connection, so that whoever holds the writer fails with the true reason before those behind him do.
 *
 * @since 0.1.0
 * @category constants
 */
export const usual = Duration.seconds(5)

/** The delays of SQLite's own busy handler; the last one is repeated. */
const delays = [1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50, 100] as const

/** What a session lets its waiting decide. @since 0.1.0 @category models */
export interface Waiting {
  readonly limit: Duration.Duration
  /** Whether this failure left everything as it was and is about a lock that another will give back. */
  readonly repeatable: (error: DatabaseError) => boolean
  /** Lets SQLite itself wait during one attempt. */
  readonly blocking: <A>(millis: number, attempt: () => A) => A
}

/** Runs `attempt` now, and again while that is safe and there is time. @since 0.1.0 @category combinators */
export const patiently = <A>(
  waiting: Waiting,
  operation: string,
  attempt: (fiber: RuntimeFiber.RuntimeFiber<unknown, unknown>) => A
): Effect.Effect<A, DatabaseError> =>
  Effect.withFiberRuntime<A, DatabaseError>((fiber) => {
    try {
      return Effect.succeed(attempt(fiber))
    } catch (cause) {
      const error = classify(cause, operation)
      if (!waiting.repeatable(error) || Duration.toMillis(waiting.limit) <= brief) return Effect.fail(error)
      const again = () => attempt(fiber)
      return mustNotSuspend(fiber) ? block(waiting, operation, again) : sleep(waiting, operation, again)
    }
  })

/** Once its `runSync` has given up on it, such a fiber goes on like any other. */
const mustNotSuspend = (fiber: RuntimeFiber.RuntimeFiber<unknown, unknown>): boolean =>
  fiber.currentScheduler instanceof SyncScheduler && !fiber.currentScheduler.deferred

const longest = 0x7fffffff

const block = <A>(waiting: Waiting, operation: string, attempt: () => A): Effect.Effect<A, DatabaseError> =>
  Effect.try({
    try: () => waiting.blocking(Math.min(longest, Math.ceil(Duration.toMillis(waiting.limit))), attempt),
    catch: (cause) => waited(waiting, classify(cause, operation))
  })

const sleep = <A>(waiting: Waiting, operation: string, attempt: () => A): Effect.Effect<A, DatabaseError> =>
  Effect.flatMap(Clock.currentTimeMillis, (start) => {
    const end = start + Duration.toMillis(waiting.limit)
    const round = (now: number, turn: number): Effect.Effect<A, DatabaseError> =>
      Effect.flatMap(
        Effect.zipRight(
          Effect.sleep(Math.min(delays[turn] ?? 100, Math.max(1, end - now))),
          Effect.all([
            // Not through Effect's failure channel: inside a span that hands back a proxy of the error, which is never the
            // one the session said may be repeated.
            Effect.sync(() => either(operation, attempt)),
            Clock.currentTimeMillis
          ])
        ),
        ([answer, later]) => {
          if (answer._tag === "Right") return Effect.succeed(answer.right)
          if (!waiting.repeatable(answer.left)) return Effect.fail(answer.left)
          return later >= end ? Effect.fail(waited(waiting, answer.left)) : round(later, turn + 1)
        }
      )
    return round(start, 0)
  })

const either = <A>(operation: string, attempt: () => A): Either.Either<A, DatabaseError> => {
  try {
    return Either.right(attempt())
  } catch (cause) {
    return Either.left(classify(cause, operation))
  }
}

const waited = (waiting: Waiting, error: DatabaseError): DatabaseError =>
  error._tag === "LockTimeoutError"
    ? new LockTimeoutError({
        operation: error.operation,
        reason: error.reason,
        cause: error.cause,
        sqlState: error.sqlState,
        detail: `waited ${Duration.format(waiting.limit)}`,
        hint: "Another process holds the lock: keep its transactions short, or raise lockTimeout"
      })
    : error
