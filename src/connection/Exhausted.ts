/**
 * Why nobody brought a connection in time: the database cannot be reached, or all connections are in use, and by whom.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import {
  ConnectionError,
  type DatabaseError,
  PoolOverloaded,
  type PoolSnapshot,
  PoolTimeout
} from "../model/DatabaseError.js"
import type { Claim } from "./Lease.js"
import type { Settings } from "./Settings.js"
import type { Shedding } from "./Shedding.js"

/** Why a claim gets nothing: its deadline passed, it was sent away before that, or its fiber cannot wait. @since 0.1.0 @category models */
export type Vain = "late" | "shed" | "now"

/** How many holders a report names, the oldest first. */
const named = 5

/** A pool that brought nothing. @since 0.1.0 @category models */
export interface Scene<C> {
  readonly settings: Settings
  readonly snapshot: PoolSnapshot
  /** Why the last attempt to open a connection failed, unless one succeeded since. */
  readonly obstacle: DatabaseError | undefined
  /** The oldest first. */
  readonly held: ReadonlyArray<Claim<C>>
  readonly now: number
  /** Whether the caller could wait at all. */
  readonly patient: boolean
}

const unreachable = (reason: string, cause?: DatabaseError) =>
  new ConnectionError({
    operation: "acquire",
    reason,
    ...(cause === undefined ? {} : { cause }),
    phase: "connect",
    sent: false
  })

/** The failure a caller gets who waited in vain. @since 0.1.0 @category errors */
export const exhausted = <C>({ settings, snapshot, obstacle, held, now, patient }: Scene<C>): DatabaseError => {
  const waited = patient
    ? `no connection within ${Duration.format(settings.acquireTimeout)}`
    : "no connection at once, and under Effect.runSync nobody can wait for one"
  if (obstacle !== undefined) return unreachable(`${waited}, and none could be opened: ${obstacle.reason}`, obstacle)
  if (snapshot.opening > 0 && snapshot.checkedOut === 0) {
    return unreachable(`${waited}: the database has not answered yet`)
  }
  const all = held.map((claim) => ({ span: claim.holder, heldMillis: now - claim.since }))
  const holders = all.slice(0, named)
  const longest = holders.map((holder) => `${holder.span} (${Math.round(holder.heldMillis)} ms)`).join(", ")
  const suspicious = settings.leakThreshold ?? settings.acquireTimeout
  const kept = all.filter(({ heldMillis }) => heldMillis >= Duration.toMillis(suspicious)).length
  const leaking = kept === 0 ? "" : `; ${kept} of them for ${Duration.format(suspicious)} or more, as if leaked`
  return new PoolTimeout({
    operation: "acquire",
    reason: `${waited}: ${snapshot.checkedOut} of ${settings.size + settings.maxOverflow} in use, ${snapshot.waiting} more wait; held longest by ${longest || "nobody"}${leaking}`,
    hint: kept > 0 ? isLeaking : isBusy,
    snapshot,
    holders
  })
}

const isBusy =
  "They come back, but not soon enough: raise DB_POOL_SIZE or DB_MAX_OVERFLOW, or hold connections for less time"
const isLeaking =
  "Look for a reserved connection, stream or transaction that never ends: DB_POOL_LEAK_THRESHOLD tells where it was taken"

/** The failure of a caller whom an overloaded pool sends away. @since 0.1.0 @category errors */
export const overloaded = ({ interval, longest, target }: Shedding, waiting: number): PoolOverloaded =>
  new PoolOverloaded({
    operation: "acquire",
    reason: `no connection within ${longest} ms, and for ${interval} ms nobody got one within ${target} ms; ${waiting} more wait`,
    hint: "Send less at a time, raise DB_POOL_SIZE or DB_MAX_OVERFLOW, or allow longer waits with DB_POOL_QUEUE_TARGET"
  })
