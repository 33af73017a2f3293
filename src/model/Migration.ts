/**
 * One step of a database's history, there and back, as two effects. They use `Operations` (portable DDL) or the
 * `SqlClient`, and run on the very session that holds the ledger's transaction: what they did and that they did it are
 * committed together. A revision that cannot run in a transaction says `transaction: false`.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Change } from "./Change.js"
import type { DatabaseConfig } from "./DatabaseConfig.js"
import type { DatabaseError } from "./DatabaseError.js"

/** Where changes go: to the session that runs the revision, or on paper. @since 0.1.0 @category models */
export interface Operations {
  readonly apply: (change: Change) => Effect.Effect<void, DatabaseError>
}

/** Where the operations of a running migration go. @since 0.1.0 @category tags */
export const Operations = Context.GenericTag<Operations>("effect-aquifer/Operations")

/** What a migration's effects may use. @since 0.1.0 @category models */
export type Services = Operations | SqlClient.SqlClient | DatabaseConfig | Scope.Scope

/** @since 0.1.0 @category symbols */
export const TypeId: unique symbol = Symbol.for("effect-aquifer/Migration") as never

/** @since 0.1.0 @category symbols */
export type TypeId = typeof TypeId

/** @since 0.1.0 @category models */
export interface Migration {
  /** Tells which copy of `effect` made it: another one does not see this one's services. */
  readonly [TypeId]: unknown
  readonly up: Effect.Effect<unknown, unknown, Services>
  /** Without it the migration cannot be taken back. */
  readonly down?: Effect.Effect<unknown, unknown, Services> | undefined
  /** Whether all of it happens or nothing. */
  readonly transaction: boolean
}

/** Something only one copy of `effect` has. */
const copy: unknown = Effect.succeed

/**
 * What a migration's file exports as its default. One in a transaction is run again from its beginning when another query
 * keeps a lock from it for too long, so it should do nothing outside of the database.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: {
  readonly up: Effect.Effect<unknown, unknown, Services>
  readonly down?: Effect.Effect<unknown, unknown, Services> | undefined
  readonly transaction?: boolean | undefined
}): Migration => ({
  [TypeId]: copy,
  up: options.up,
  down: options.down,
  transaction: options.transaction ?? true
})

/** @since 0.1.0 @category guards */
export const isMigration = (u: unknown): u is Migration => typeof u === "object" && u !== null && TypeId in u

/** Whether it was made with the copy of `effect` that runs here. @since 0.1.0 @category guards */
export const isOurs = (migration: Migration): boolean => migration[TypeId] === copy
