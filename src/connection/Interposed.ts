/**
 * Where somebody may stand between the pool and its product: tests that inject faults. What is built while `interposer` is
 * set goes through it; nothing is asked, and nothing costs anything, where it is not.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import type * as Scope from "effect/Scope"
import type { Dialect, DriverConnection } from "../Dialect.js"
import type { DatabaseConfig } from "../model/DatabaseConfig.js"
import type { PoolSnapshot } from "../model/DatabaseError.js"
import type { Lease } from "./Lease.js"

/** A claim, and the pool it is one on. @since 0.1.0 @category models */
export interface Claimed {
  readonly lease: Lease<DriverConnection>
  readonly status: Effect.Effect<PoolSnapshot>
}

/** @since 0.1.0 @category models */
export interface Interposed {
  readonly dialect: Dialect
  readonly lease: (claimed: Claimed) => Lease<DriverConnection>
}

/** @since 0.1.0 @category models */
export type Interposer = (config: DatabaseConfig, dialect: Dialect) => Effect.Effect<Interposed, never, Scope.Scope>

/** @since 0.1.0 @category accessors */
export const interposer: FiberRef.FiberRef<Interposer | undefined> = FiberRef.unsafeMake<Interposer | undefined>(
  undefined
)

/** The product as connections are to see it. @since 0.1.0 @category accessors */
export const around = (config: DatabaseConfig, dialect: Dialect): Effect.Effect<Interposed, never, Scope.Scope> =>
  Effect.flatMap(
    FiberRef.get(interposer),
    (interpose): Effect.Effect<Interposed, never, Scope.Scope> =>
      interpose === undefined ? Effect.succeed({ dialect, lease: ({ lease }) => lease }) : interpose(config, dialect)
  )
