/**
 * Who holds a connection of the pool.
 *
 * @since 0.1.0
 */
import { Bag } from "./Bag.js"
import type { Claim } from "./Lease.js"

/** @since 0.1.0 @category models */
export class Held<C> extends Bag<Claim<C>> {
  private count = 0

  override add(claim: Claim<C>): void {
    claim.number = ++this.count
    super.add(claim)
  }

  /** The one who has held for longest first. */
  get byAge(): ReadonlyArray<Claim<C>> {
    return [...this].sort((a, b) => a.number - b.number)
  }
}
