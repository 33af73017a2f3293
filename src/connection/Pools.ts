/**
 * Several pools as one, to whoever looks at them or ends them.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { PoolSnapshot } from "../model/DatabaseError.js"
import type { Pool } from "./Pool.js"
import type { Replicas } from "./Replicas.js"
import type { SharedLane } from "./SharedLane.js"

/** A database in memory ends with its only session, which is therefore never closed to be replaced. @since 0.1.0 @category combinators */
export const onlySession = (pool: Pool): Pool => ({
  status: pool.status,
  changes: pool.changes,
  drain: (limit) => pool.drain(limit),
  evictAll: Effect.void
})

/** The pool with the lanes beside it. @since 0.1.0 @category combinators */
export const beside = (pool: Pool, lanes: SharedLane): Pool => ({
  status: Effect.map(pool.status, (status) => ({ ...status, lanes: lanes.status() })),
  changes: Stream.map(pool.changes, (status) => ({ ...status, lanes: lanes.status() })),
  evictAll: Effect.zipRight(lanes.evictAll, pool.evictAll),
  drain: (limit) => Effect.all([pool.drain(limit), lanes.drain(limit)], { discard: true, concurrency: 2 })
})

/** The writer's pool and the readers' as one. @since 0.1.0 @category combinators */
export const both = (writers: Pool, readers: Pool): Pool => ({
  status: Effect.zipWith(writers.status, readers.status, add),
  // Each tells its own counts at first; of both together that is one.
  changes: Stream.mapEffect(Stream.merge(writers.changes, Stream.drop(readers.changes, 1)), () =>
    Effect.zipWith(writers.status, readers.status, add)
  ),
  evictAll: Effect.zipRight(writers.evictAll, readers.evictAll),
  // One after the other within one limit, the writer last: whoever closes last empties the log, and a reader cannot.
  drain: (limit) =>
    Effect.gen(function* () {
      const start = yield* Clock.currentTimeMillis
      yield* readers.drain(limit)
      const left = Duration.toMillis(limit) - ((yield* Clock.currentTimeMillis) - start)
      yield* writers.drain(Math.max(0, left))
    })
})

const add = (a: PoolSnapshot, b: PoolSnapshot): PoolSnapshot => ({
  size: a.size + b.size,
  checkedOut: a.checkedOut + b.checkedOut,
  checkedIn: a.checkedIn + b.checkedIn,
  overflow: a.overflow + b.overflow,
  opening: a.opening + b.opening,
  waiting: a.waiting + b.waiting,
  invalidated: a.invalidated + b.invalidated,
  ...(a.draining || b.draining ? { draining: true } : {}),
  totals: {
    acquired: a.totals.acquired + b.totals.acquired,
    opened: a.totals.opened + b.totals.opened,
    closed: a.totals.closed + b.totals.closed,
    timeouts: a.totals.timeouts + b.totals.timeouts,
    shed: a.totals.shed + b.totals.shed,
    leaks: a.totals.leaks + b.totals.leaks,
    failures: a.totals.failures + b.totals.failures
  }
})

/** The pool with the replicas' beside it. @since 0.1.0 @category combinators */
export const withReplicas = (pool: Pool, replicas: Replicas): Pool => {
  const add = (status: PoolSnapshot) => Effect.map(replicas.status, (replicas) => ({ ...status, replicas }))
  return {
    status: Effect.flatMap(pool.status, add),
    changes: Stream.mapEffect(pool.changes, add),
    evictAll: Effect.zipRight(replicas.evictAll, pool.evictAll),
    drain: (limit) => Effect.all([pool.drain(limit), replicas.drain(limit)], { discard: true, concurrency: 2 })
  }
}
