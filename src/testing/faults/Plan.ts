/**
 * What is to go wrong, and what has: faults count the occasions they wait for, from the moment the layer stands.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type { DatabaseError } from "../../model/DatabaseError.js"

/** Where a fault may strike. @since 0.1.0 @category models */
export type Place = "connect" | "acquire" | "begin" | "commit" | "rollback" | "statement"

/**
 * How far the message had come when the connection was lost: not sent; sent, but it never arrived; or it was carried out and
 * only its answer never came.
 *
 * @since 0.1.0
 * @category models
 */
export type Loss = "before" | "underway" | "after"

/** What happens. @since 0.1.0 @category models */
export type Action =
  | { readonly _tag: "fails"; readonly error: (operation: string) => DatabaseError }
  | { readonly _tag: "takes"; readonly duration: Duration.Duration }
  | { readonly _tag: "loses"; readonly loss: Loss }

/** One thing that is to go wrong. @since 0.1.0 @category models */
export interface Fault {
  readonly place: Place
  /** Statements whose text it matches. */
  readonly pattern?: RegExp | undefined
  /** Which occasion, counted from 1. */
  readonly nth: number | "every"
  readonly action: Action
  /** The fault in words: `commit 3 fails with SerializationError`. */
  readonly fault: string
}

/** What became of one fault. @since 0.1.0 @category models */
export interface Entry {
  readonly fault: string
  /** Occasions there were. */
  readonly met: number
  /** How often it struck. */
  readonly happened: number
}

/** @since 0.1.0 @category models */
export class Plan {
  /** Counts nothing until the layer stands. */
  armed = false
  private readonly entries: Array<{ readonly fault: Fault; met: number; happened: number }> = []

  constructor(faults: ReadonlyArray<Fault>) {
    this.add(...faults)
  }

  add(...faults: ReadonlyArray<Fault>) {
    for (const fault of faults) this.entries.push({ fault, met: 0, happened: 0 })
  }

  /** An occasion: what is to happen at it. */
  meet(place: Place, text = ""): ReadonlyArray<Action> {
    if (!this.armed) return []
    const due: Array<Action> = []
    for (const entry of this.entries) {
      const { action, nth, pattern, place: where } = entry.fault
      // `search` begins at the start each time, whatever flags the pattern has.
      if (where !== place || (pattern !== undefined && text.search(pattern) < 0)) continue
      entry.met++
      if (nth !== "every" && entry.met !== nth) continue
      entry.happened++
      due.push(action)
    }
    return due
  }

  get report(): ReadonlyArray<Entry> {
    return this.entries.map(({ fault, happened, met }) => ({ fault: fault.fault, met, happened }))
  }
}
