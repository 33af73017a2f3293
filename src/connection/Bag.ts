/**
 * What comes and goes with every statement. An array in which each member knows its place: a `Set` makes a new table every few
 * changes, and in V8 each table it leaves behind points to the next one. Once one of them has grown old, all that come after
 * it are kept until the next full collection, with whatever they held.
 *
 * For the same reason what every statement or transaction makes is an instance of a class. The places of literals are watched
 * by V8: where enough of what they made was alive at a bad moment, all that they make afterwards is made old at once, and
 * keeps alive what it points to. In transactions that was one byte in eight, and a quarter of their own processor time.
 *
 * @since 0.1.0
 */

/** @since 0.1.0 @category models */
export interface Member {
  /** Where it is; -1: nowhere. Only the bag writes it. */
  place: number
}

/** @since 0.1.0 @category models */
export class Bag<A extends Member> implements Iterable<A> {
  private readonly members: Array<A> = []

  get size(): number {
    return this.members.length
  }

  add(member: A): void {
    member.place = this.members.push(member) - 1
  }

  /** Harmless where it is not here. */
  delete(member: A): void {
    const { place } = member
    if (place < 0) return
    member.place = -1
    // The last one takes its place.
    const last = this.members.pop()
    if (last === undefined || last === member) return
    this.members[place] = last
    last.place = place
  }

  /** All that are here now, in no order. */
  [Symbol.iterator](): Iterator<A> {
    return this.members.slice().values()
  }
}
