/**
 * A pool of connections: `size` kept open, up to `maxOverflow` more under load, first come first served, the warmest
 * connection first. Callers only ever wait; connections are opened, asked whether they live, and closed by fibers of the
 * pool, so that an interrupted caller can neither lose nor leak one. Generic: it knows no SQL.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { PoolSnapshot } from "../model/DatabaseError.js"
import type { Lease } from "./Lease.js"
import { PoolCore } from "./PoolCore.js"
import type { Settings } from "./Settings.js"
import type { Care } from "./Slot.js"
import { Workers } from "./Workers.js"

/**
 * The pool's public face.
 *
 * @since 0.1.0
 * @category models
 */
export interface Pool {
  /** Counts at this moment. */
  readonly status: Effect.Effect<PoolSnapshot>
  /**
   * The counts now and after each change, the latest first: whoever is slow misses what was in between. Ends with the
   * pool. Costs nothing while nobody listens.
   */
  readonly changes: Stream.Stream<PoolSnapshot>
  /** Closes every connection as soon as nobody holds it; new ones take their place. */
  readonly evictAll: Effect.Effect<void>
  /**
   * Takes no more callers, fails those who wait with `PoolClosed`, waits until all connections are back, at the longest
   * for `limit`, and closes them. What is still out then is closed under its holder.
   */
  readonly drain: (limit: Duration.DurationInput) => Effect.Effect<void>
}

/** The pool in use. @since 0.1.0 @category tags */
export const Pool = Context.GenericTag<Pool>("effect-aquifer/Pool")

/** A pool as the room next door uses it. @since 0.1.0 @category models */
export interface Leasing<C> extends Pool {
  readonly lease: () => Lease<C>
  /**
   * A ready connection for as long as `use` runs, which is over before anything else does: counted like any other, at
   * 0.3 us. `undefined`: none is ready, and whoever wants one has to wait for it.
   */
  readonly lend: <A>(use: (resource: C) => A) => A | undefined
}

/**
 * A pool that ends with the scope: it then waits at the longest `drainLimit` for what is still out.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* <C>(
  settings: Settings & { readonly drainLimit: Duration.Duration },
  care: Care<C>
) {
  const clock = yield* Effect.clock
  const workers = new Workers(yield* Effect.runtime<never>())
  const pool = new PoolCore<C>(settings, care, () => clock.unsafeCurrentTimeMillis(), workers)
  yield* Effect.addFinalizer(() => pool.drain(settings.drainLimit))
  const leasing: Leasing<C> = pool
  return leasing
})
