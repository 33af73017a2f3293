/**
 * How a test waits for its database: in turn behind the others of this process, and asking again and again for what other
 * processes hold. On the real clock, because what is waited for is real: under `TestClock` nothing would ever come.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type DatabaseError, TooManyConnections } from "../../model/DatabaseError.js"

/** @since 0.1.0 @category combinators */
export const onRealClock = Effect.withClock(Clock.make())

/** The first wait between two questions; each is half as long again, up to the second (ms). */
const shortest = 10
const longest = 250

/** Asks until there is an answer; when `limit` passes first, `late` fails. @since 0.1.0 @category combinators */
export const until = <A, E, R, E2>(
  ask: Effect.Effect<A | undefined, E, R>,
  limit: Duration.Duration,
  late: Effect.Effect<never, E2>
): Effect.Effect<A, E | E2, R> =>
  Effect.flatMap(Clock.currentTimeMillis, (start) => {
    const end = start + Duration.toMillis(limit)
    const again = (wait: number): Effect.Effect<A, E | E2, R> =>
      Effect.flatMap(ask, (answer) => {
        if (answer !== undefined) return Effect.succeed(answer)
        return Effect.flatMap(Clock.currentTimeMillis, (now) =>
          now >= end
            ? late
            : Effect.zipRight(
                Effect.sleep(Duration.millis(Math.min(wait, end - now))),
                Effect.suspend(() => again(Math.min(longest, wait * 1.5)))
              )
        )
      })
    return again(shortest)
  })

/** Somebody's place in the queue, from before the wait to the scope's end. */
interface Lease {
  held: boolean
  resume: (() => void) | undefined
}

/** So many at once in this process, first come, first served. @since 0.1.0 @category models */
export class Turns {
  private used = 0
  private readonly waiting: Array<Lease> = []

  constructor(readonly size: number) {}

  /** A turn that lasts until the scope ends. A lease is there before the wait, so that no interruption loses a turn. */
  readonly take: Effect.Effect<void, never, Scope.Scope> = Effect.suspend(() => {
    const lease: Lease = { held: false, resume: undefined }
    return Effect.zipRight(
      Effect.addFinalizer(() => Effect.sync(() => this.leave(lease))),
      Effect.async<void>((resume) => {
        if (this.used < this.size) {
          this.used++
          lease.held = true
          return resume(Effect.void)
        }
        lease.resume = () => resume(Effect.void)
        this.waiting.push(lease)
      })
    )
  })

  private leave(lease: Lease): void {
    if (!lease.held) {
      const place = this.waiting.indexOf(lease)
      if (place >= 0) this.waiting.splice(place, 1)
      return
    }
    lease.held = false
    const next = this.waiting.shift()
    if (next === undefined) this.used--
    else {
      next.held = true
      next.resume?.()
    }
  }
}

/** A turn that lasts until the scope ends, or `TooManyConnections` when `limit` passes first. @since 0.1.0 @category combinators */
export const inTurn = (turns: Turns, limit: Duration.Duration): Effect.Effect<void, DatabaseError, Scope.Scope> =>
  Effect.timeoutFail(turns.take, {
    duration: limit,
    onTimeout: () =>
      new TooManyConnections({
        operation: "test database",
        reason: `this worker has as many test databases as it may (${turns.size}), and none of them was given back within ${Duration.format(limit)}`,
        hint: "Does one test build several? Let its parts share one layer; a longer wait is set with acquireTimeout"
      })
  })
