/**
 * What is known of statements' texts: what they may do to a session, and whether they have earned the shared lane. A text
 * earns it by quick runs of its own, and one slow run bars it for a while, longer each time. Bounded: a text that has
 * not been met for long is a new one.
 *
 * @since 0.1.0
 */
import type { Dialect, Kind } from "../Dialect.js"

/** How a text earns the lane, and loses it. Times in ms. @since 0.1.0 @category models */
export interface Merit {
  /** Quick runs a text needs on an exclusive connection. */
  readonly runs: number
  /** A run that takes longer is slow. */
  readonly quick: number
  /**
   * The most quick runs a text is credited with, and how many of them a slow run costs; twice as slow, twice as many. So
   * one bars a text that is new, and any text that is slow by far. On a busy machine every text is slow now and then:
   * without credit the lanes are gone just when they are needed.
   */
  readonly credit: number
  readonly cost: number
  /** How long the first slow run bars a text; each further one twice as long, up to `longestBar`. */
  readonly bar: number
  readonly longestBar: number
  /** So many quick runs in a row, and its slow ones are forgotten. */
  readonly forgiven: number
}

/** Texts in one generation; and what is longer is not kept, and never earns anything. */
const capacity = 1_000
const longest = 16_384

/** @since 0.1.0 @category models */
export class Text {
  /** The server has said that it writes (25006), or that it changed its session: it never rides a lane again. */
  writes = false
  /** Whether transactions go on behind it, as far as is known: then it is not this text that asks for their id. */
  goesOn: boolean | undefined
  private credit = 0
  private inRow = 0
  private bars = 0
  private barredUntil = Number.NEGATIVE_INFINITY
  private lastSlow = Number.NEGATIVE_INFINITY

  constructor(
    readonly kind: Kind,
    /** Leaves something of itself behind on its session. */
    readonly leaves: boolean
  ) {}

  hasEarned(merit: Merit, now: number): boolean {
    return this.credit >= merit.runs && !this.writes && now >= this.barredUntil
  }

  /** A run took from `start` to `end`. `true`: that barred it. While it is barred nothing counts. */
  took(start: number, end: number, merit: Merit): boolean {
    if (end < this.barredUntil) return false
    const millis = end - start
    if (millis < merit.quick) {
      if (this.credit < merit.credit) this.credit++
      if (++this.inRow === merit.forgiven) this.bars = 0
      return false
    }
    // What stopped several at once stopped them all: it counts once.
    if (start < this.lastSlow) return false
    const earned = this.credit >= merit.runs
    this.lastSlow = end
    this.inRow = 0
    this.credit -= merit.cost * (millis / merit.quick)
    if (this.credit >= 0) return false
    this.credit = 0
    this.barredUntil = end + Math.min(merit.longestBar, merit.bar * 2 ** this.bars)
    // Only those who had earned the lane have kept anybody waiting.
    if (earned) this.bars++
    return true
  }
}

/** The memory of one client. @since 0.1.0 @category constructors */
export const make = (dialect: Dialect): ((text: string) => Text) => {
  let young = new Map<string, Text>()
  let old = new Map<string, Text>()
  const judge = (text: string): Text => {
    const kind = dialect.kind(text)
    const may = kind === "session" || kind === "script"
    return new Text(kind, may && (dialect.leaves?.(text) ?? false))
  }
  return (text) => {
    const known = young.get(text)
    if (known !== undefined) return known
    const made = old.get(text) ?? judge(text)
    if (text.length > longest) return made
    if (young.size >= capacity) {
      old = young
      young = new Map()
    }
    young.set(text, made)
    return made
  }
}
