/**
 * Another way for a client's statements than its own pool: what `TransactionConnection` holds where no transaction is open,
 * but reads go to a replica. It stands in the same tag as sessions do, so that resolvers carry it along, a transaction begun
 * inside finds it around itself, and no statement pays for asking elsewhere.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { DriverConnection, Kind, Reply } from "../Dialect.js"
import type { Target } from "../model/DatabaseConfig.js"
import { type DatabaseError, ReadOnlyError } from "../model/DatabaseError.js"
import type { Carrier } from "./Facade.js"
import type { Lease } from "./Lease.js"

/** Marks the tag's content as a route. @since 0.1.0 @category symbols */
export const RouteId: unique symbol = Symbol.for("effect-aquifer/Route")

/** What may stand in the tag. @since 0.1.0 @category models */
export type Held = readonly [connection: Connection, depth: number]

/** @since 0.1.0 @category models */
export type Tell = (replica: Target | undefined) => void

/** Read-only: a write on it is a `ReadOnlyError`. @since 0.1.0 @category models */
export interface Route extends Carrier {
  /** The client it belongs to. */
  readonly owner: object
  /** What the tag held before. */
  readonly outer: Held | undefined
  /** As upstream's statements see it. */
  readonly facade: Connection
  readonly script: (text: string) => Effect.Effect<ReadonlyArray<Reply>, DatabaseError>
  /** The same way; `tell` is told of each replica that is about to answer, and of the primary as of none. */
  readonly told: (tell: Tell) => Route
  /** A claim on a connection there. `begins`: whoever asks begins a read-only transaction itself. */
  readonly lease: (kind: Kind, begins: boolean) => Lease<DriverConnection>
}

/** The context in which `owner`'s statements take the route. @since 0.1.0 @category combinators */
export const provide = <R>(context: Context.Context<R>, route: Route): Context.Context<R> => {
  const held = Object.assign([route.facade, 0] as const, { [RouteId]: route })
  // The tag is upstream's; that it stands in the context besides R is its business alone.
  return Context.add(context, SqlClient.TransactionConnection, held) as Context.Context<R>
}

/** What whoever wants to write in there is told. @since 0.1.0 @category errors */
export const readsOnly = (): ReadOnlyError =>
  new ReadOnlyError({
    operation: "begin",
    reason: "a transaction that writes cannot be begun where reads go to a replica",
    hint: "Begin it outside of Database.onReplica"
  })
