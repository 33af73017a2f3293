/**
 * Where settings come from: one look-up by option path for options, variables and files alike, and a reader over it that
 * collects every problem instead of stopping at the first.
 *
 * @since 0.1.0
 */
import * as Redacted from "effect/Redacted"
import type { Decoder } from "./decoder.js"
import type { Unit } from "./duration.js"
import { found, invalid, type Problem } from "./problem.js"
import type { Key } from "./settings.js"

/** A value, the name a person knows it by, and what a bare number means as a duration. @since 0.1.0 @category models */
export interface Entry {
  readonly name: string
  readonly value: unknown
  readonly unit: Unit
}

/** Options that have no variable. @since 0.1.0 @category models */
export type OptionKey =
  | `retry.${"connection" | "conflict"}.${"factor" | "maxDelay" | "jitter"}`
  | "pool.onConnect"
  | "functions"
  | "transformQueryNames"
  | "transformResultNames"
  | "transformJson"
  | "spanAttributes"

/** Older spellings that say two things at once. @since 0.1.0 @category models */
export type OldKey = "old.minConnections" | "old.maxConnections"

/** @since 0.1.0 @category models */
export interface Source {
  readonly get: (key: Key | OptionKey | OldKey) => Entry | undefined
  /** What a person calls a setting that is not there. */
  readonly nameOf: (key: Key) => string
}

/** @since 0.1.0 @category models */
export interface Reader {
  readonly source: Source
  readonly problems: Array<Problem>
  /** The decoded value; `undefined` where there is none or it is a problem (then noted). */
  readonly read: <A>(key: Key | OptionKey | OldKey, decoder: Decoder<A>, lower?: Entry | undefined) => A | undefined
  /** A text that may be a secret: never quoted. */
  readonly secret: (key: Key) => string | undefined
}

/** @since 0.1.0 @category constructors */
export const reader = (source: Source): Reader => {
  const problems: Array<Problem> = []
  return {
    source,
    problems,
    read: (key, decoder, lower) => {
      const entry = source.get(key) ?? lower
      if (entry === undefined) return undefined
      const decoded = decoder.decode(entry.value, entry.unit)
      if (decoded === undefined) {
        problems.push(invalid(entry.name, `expected ${decoder.expected}; ${found(entry.value)}`))
      }
      return decoded
    },
    secret: (key) => {
      const entry = source.get(key)
      if (entry === undefined) return undefined
      const value = Redacted.isRedacted(entry.value) ? Redacted.value(entry.value) : entry.value
      if (typeof value === "string") return value
      problems.push(invalid(entry.name, "expected a text (it is not shown)"))
      return undefined
    }
  }
}
