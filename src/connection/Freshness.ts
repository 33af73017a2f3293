/**
 * How old a replica's data are. The replica's own word is not enough: cut off from its primary in silence, it takes itself for
 * fresh until its receiver gives up. So the primary is asked how far it has come, now and then, and a replica is as fresh as
 * the last such moment it has caught up with. No two clocks are compared for that, and an idle primary makes no replica old.
 *
 * @since 0.1.0
 */
import type { Standing } from "../Dialect.js"

/** Milliseconds behind, as of a moment. @since 0.1.0 @category models */
export interface Known {
  readonly at: number
  readonly staleness: number
}

/** How far the primary had come by a moment. @since 0.1.0 @category models */
export interface Sample {
  readonly at: number
  readonly position: bigint
}

/** As many seconds' worth, about. */
const most = 256

/** @since 0.1.0 @category models */
export class Positions {
  private samples: Array<Sample> = []

  /** When the primary was last asked. */
  get latest(): number {
    return this.samples.at(-1)?.at ?? Number.NEGATIVE_INFINITY
  }

  get size(): number {
    return this.samples.length
  }

  add(sample: Sample) {
    // A primary behind its own past is another one: what the old one had come to means nothing any more.
    if (sample.position < (this.samples.at(-1)?.position ?? sample.position)) this.samples = []
    if (this.samples.length >= most) this.samples.splice(0, most / 2)
    this.samples.push(sample)
  }

  /**
   * Milliseconds by which a replica that stands so is behind at `at`.
   *
   * | has caught up with | has not caught up with | staleness |
   * |---|---|---|
   * | nothing asked yet | nothing asked yet | its own word; none: unknown, which is without end |
   * | a sample | nothing | its own word, at most the time since that sample |
   * | a sample | a later one | the same, at least the time since the later one |
   * | nothing | a sample | its own word, at least the time since that sample |
   */
  staleness({ age, position }: Standing, at: number): number {
    if (position === undefined) return age ?? 0
    const reached = this.samples.findLast((sample) => sample.position <= position)
    const missed = this.samples.find((sample) => sample.position > position)
    const most = Math.min(
      age ?? Number.POSITIVE_INFINITY,
      reached === undefined ? Number.POSITIVE_INFINITY : at - reached.at
    )
    return Math.max(most, missed === undefined ? 0 : at - missed.at)
  }
}
