/**
 * One pooled connection and what the pool knows of it.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { DatabaseError } from "../model/DatabaseError.js"

/**
 * What a pool asks of the things it pools. It knows no SQL.
 *
 * @since 0.1.0
 * @category models
 */
export interface Care<C> {
  /** Opens one; it ends with the scope. */
  readonly open: Effect.Effect<C, DatabaseError, Scope.Scope>
  /** Whether it may be handed out at all. Asked at every checkout and return; must be cheap. */
  readonly usable: (resource: C) => boolean
  /** Proves that it is alive. */
  readonly ping: (resource: C) => Effect.Effect<void, DatabaseError>
  /** What must be done before the next holder gets it; `undefined` when it is clean already. */
  readonly clean: (resource: C) => Effect.Effect<void, DatabaseError> | undefined
  /** Completes when it dies, idle or not. */
  readonly lost: (resource: C) => Effect.Effect<unknown>
}

/** One connection. @since 0.1.0 @category models */
export class Slot<C> {
  idleSince = 0
  /** When it was last known to live. */
  provedAt = 0
  lost = false
  discarded = false
  constructor(
    readonly resource: C,
    readonly scope: Scope.CloseableScope,
    /** Not handed out after this moment (ms on the pool's clock). */
    readonly expiresAt: number,
    /** Those of an earlier generation than the pool's are evicted. */
    readonly generation: number
  ) {}
}
