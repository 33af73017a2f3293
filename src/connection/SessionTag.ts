/**
 * What `TransactionConnection`, the tag upstream shares between all clients, holds here: upstream's pair, and our session
 * with it. A look-up walks outwards to its own client's session, so two clients in one program never use each other's
 * transaction.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import * as Context from "effect/Context"
import { type Route, RouteId } from "./Route.js"
import type { Session } from "./Session.js"

const SessionId: unique symbol = Symbol.for("effect-aquifer/Session")

/** What stands in the tag: upstream's pair, branded. @since 0.1.0 @category models */
export type Entry = readonly [connection: Connection, depth: number] & {
  readonly [SessionId]?: Session
  readonly [RouteId]?: Route
}

/** What statements of `owner` travel by in the fiber's context: its innermost session or route, if any. @since 0.1.0 @category accessors */
export const carrier = (owner: object, context: Context.Context<never>): Session | Route | undefined => {
  let entry = context.unsafeMap.get(SqlClient.TransactionConnection.key) as Entry | undefined
  while (entry !== undefined) {
    const held: Session | Route | undefined = entry[SessionId] ?? entry[RouteId]
    if (held === undefined || held.owner === owner) return held
    entry = held.outer
  }
  return undefined
}

/** The innermost session of `owner` that the fiber's context holds. @since 0.1.0 @category accessors */
export const current = (owner: object, context: Context.Context<never>): Session | undefined => {
  const held = carrier(owner, context)
  return held !== undefined && "root" in held ? held : undefined
}

/** Whether statements of `owner` take a route, and no transaction of its own is open there. @since 0.1.0 @category guards */
export const isRouted = (owner: object, context: Context.Context<never>): boolean => {
  const held = carrier(owner, context)
  return held !== undefined && !("root" in held)
}

/** `context` as it was around the whole transaction that `session` belongs to. @since 0.1.0 @category accessors */
export const outside = <R>(context: Context.Context<R>, session: Session): Context.Context<R> => {
  let outer = session.root.outer
  // A reserved connection lends itself to the transaction alone.
  while (outer?.[SessionId]?.owner === session.owner) outer = outer[SessionId].outer
  // As below: the tag's part in R is upstream's business.
  return (
    outer === undefined
      ? Context.omit(SqlClient.TransactionConnection)(context)
      : Context.add(context, SqlClient.TransactionConnection, outer)
  ) as Context.Context<R>
}

/** Which try of the innermost transaction, of whatever client, this is; 0 outside of one. @since 0.1.0 @category accessors */
export const attempt = (context: Context.Context<never>): number => entry(context)?.[SessionId]?.root.attempt ?? 0

/** What the tag holds now, ours or not. @since 0.1.0 @category accessors */
export const entry = (context: Context.Context<never>): Entry | undefined =>
  context.unsafeMap.get(SqlClient.TransactionConnection.key) as Entry | undefined

/** The context in which `session` is the current one. @since 0.1.0 @category combinators */
export const provide = <R>(context: Context.Context<R>, session: Session): Context.Context<R> => {
  const entry: Entry = Object.assign([session.facade, session.depth] as const, { [SessionId]: session })
  // The tag is upstream's; that it stands in the context besides R is its business alone.
  return Context.add(context, SqlClient.TransactionConnection, entry) as Context.Context<R>
}
