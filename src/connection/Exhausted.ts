/**
 * Why nobody brought a connection in time: the database cannot be reached, or all connections are in use, and by whom.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import { ConnectionError, type DatabaseError, type PoolSnapshot, PoolTimeout } from "../model/DatabaseError.js"
import type { Claim } from "./Lease.js"
import type { Settings } from "./PoolCore.js"

/** How many holders a report names, the oldest first. */
const named = 5

/** @since 0.1.0 @category errors */
export const exhausted = <C>(
  settings: Settings,
  snapshot: PoolSnapshot,
  claim: Claim<C>,
  held: Iterable<Claim<C>>,
  now: number
): DatabaseError => {
  const waited = `no connection within ${Duration.format(settings.acquireTimeout)}`
  if (claim.obstacle !== undefined) {
    return new ConnectionError({
      operation: "acquire",
      reason: `${waited}, and none could be opened: ${claim.obstacle.reason}`,
      cause: claim.obstacle,
      phase: "connect",
      sent: false
    })
  }
  const holders = [...held]
    .sort((a, b) => a.since - b.since)
    .slice(0, named)
    .map((claim) => ({ span: claim.holder, heldMillis: now - claim.since }))
  const longest = holders.map((holder) => `${holder.span} (${Math.round(holder.heldMillis)} ms)`).join(", ")
  return new PoolTimeout({
    operation: "acquire",
    reason: `${waited}: ${snapshot.checkedOut} of ${settings.size + settings.maxOverflow} in use, ${snapshot.waiting} more wait; held longest by ${longest || "nobody"}`,
    hint: "Raise DB_POOL_SIZE or DB_MAX_OVERFLOW, hold connections for less time, or look for one that never comes back",
    snapshot,
    holders
  })
}
