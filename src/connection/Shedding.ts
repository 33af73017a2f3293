/**
 * When a pool is overloaded, in the manner of CoDel as DBConnection has it: while the shortest wait of a whole interval was
 * longer than the target, those who have waited twice the target are sent away, and the rest are served in time. One
 * short wait in an interval ends it. Only figures here; who waits is the queue's.
 *
 * @since 0.1.0
 */

/** Times in ms. @since 0.1.0 @category models */
export class Shedding {
  private shedding = false
  /** The shortest wait that ended in this interval. */
  private shortest = Number.POSITIVE_INFINITY
  private until = Number.NEGATIVE_INFINITY

  constructor(
    readonly target: number,
    readonly interval: number
  ) {}

  /** The longest anybody waits while load is shed: cutting at the target itself would let the next interval look well. */
  get longest(): number {
    return 2 * this.target
  }

  /** A connection was handed out after a wait of so long; 0: there was one to spare. */
  waited(millis: number, at: number) {
    this.turn(at, millis)
    if (millis < this.shortest) this.shortest = millis
  }

  /** Judges the interval that has passed; where no wait ended in it, by the one that goes on for longest. */
  turn(at: number, oldest: number) {
    if (at < this.until) return
    const long = (this.shortest === Number.POSITIVE_INFINITY ? oldest : this.shortest) > this.target
    // What was true a whole interval ago, with nobody waiting since, says nothing about now.
    this.shedding = long && at < this.until + this.interval
    this.shortest = Number.POSITIVE_INFINITY
    this.until = at + this.interval
  }

  /** Whether one who has waited so long is sent away. */
  sheds(waited: number): boolean {
    return this.shedding && waited >= this.longest
  }

  /** When to look again at one who waits since `asked`. */
  next(asked: number): number {
    return this.shedding ? Math.min(this.until, asked + this.longest) : this.until
  }
}
