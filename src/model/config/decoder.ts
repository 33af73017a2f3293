/**
 * The kinds of values a setting may have. A decoder says what it expects in words and gives `undefined` for anything else;
 * it corrects nothing silently. Texts (environment, files) and values (options) are decoded alike.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as duration from "./duration.js"

/** @since 0.1.0 @category models */
export interface Decoder<out A> {
  /** Completes the sentence "expected …". */
  readonly expected: string
  readonly decode: (value: unknown, unit: duration.Unit) => A | undefined
}

/** A whole number of at least `least`. @since 0.1.0 @category decoders */
export const wholeNumber = (least: number, most = Number.MAX_SAFE_INTEGER): Decoder<number> => ({
  expected:
    most === Number.MAX_SAFE_INTEGER
      ? `a whole number of at least ${least}`
      : `a whole number from ${least} to ${most}`,
  decode: (value) => {
    const number = typeof value === "string" && /^\s*\d+\s*$/.test(value) ? Number(value) : value
    return typeof number === "number" && Number.isSafeInteger(number) && number >= least && number <= most
      ? number
      : undefined
  }
})

/** A number of at least `least`. @since 0.1.0 @category decoders */
export const numberFrom = (least: number): Decoder<number> => ({
  expected: `a number of at least ${least}`,
  decode: (value) => (typeof value === "number" && Number.isFinite(value) && value >= least ? value : undefined)
})

const yes = new Set(["true", "yes", "on", "1", "enabled"])
const no = new Set(["false", "no", "off", "0", "disabled"])

/** @since 0.1.0 @category decoders */
export const flag: Decoder<boolean> = {
  expected: "true or false",
  decode: (value) => {
    if (typeof value === "boolean") return value
    const word = typeof value === "string" || typeof value === "number" ? String(value).trim().toLowerCase() : ""
    return yes.has(word) ? true : no.has(word) ? false : undefined
  }
}

/** One of some words, each with the words that mean the same; case does not matter. @since 0.1.0 @category decoders */
export const oneOf = <A extends string>(words: Readonly<Record<A, ReadonlyArray<string>>>): Decoder<A> => {
  const names = Object.keys(words) as Array<A> // `Object.keys` forgets the keys' type
  return {
    expected: `one of ${names.join(", ")}`,
    decode: (value) => {
      const word = typeof value === "string" || typeof value === "boolean" ? String(value).trim().toLowerCase() : ""
      return names.find((name) => name === word || words[name].includes(word))
    }
  }
}

/** A text that is not empty. @since 0.1.0 @category decoders */
export const text = (expected: string, accepts: (text: string) => boolean = () => true): Decoder<string> => ({
  expected,
  decode: (value) => {
    const word = typeof value === "number" ? String(value) : value
    return typeof word === "string" && word.trim() !== "" && accepts(word.trim()) ? word.trim() : undefined
  }
})

/** Node's timers and PostgreSQL's timeouts are 32-bit counts of milliseconds: beyond, a timer fires at once. */
const mostMillis = 2_147_483_647

const within = (value: Duration.Duration): boolean => {
  const millis = Duration.toMillis(value)
  return millis >= 1 && millis <= mostMillis
}

const example = '(seconds, or with a unit as in "500ms", "30s", "5 min")'

/** A limit that must be there, because every wait has one: 1 ms to 24 days. @since 0.1.0 @category decoders */
export const limit: Decoder<Duration.Duration> = {
  expected: `a duration from 1 ms to 24 days ${example}; it cannot be off, because every wait has a limit`,
  decode: (value, unit) => {
    const decoded = duration.decode(value, unit)
    return decoded !== undefined && within(decoded) ? decoded : undefined
  }
}

/** A limit that may be off: zero and `off` are `Duration.infinity`. @since 0.1.0 @category decoders */
export const limitOrOff: Decoder<Duration.Duration> = {
  expected: `a duration from 1 ms to 24 days ${example}, or off`,
  decode: (value, unit) => {
    const decoded = duration.decode(value, unit)
    if (decoded === undefined) return undefined
    if (Duration.equals(decoded, Duration.zero) || !Duration.isFinite(decoded)) return Duration.infinity
    return within(decoded) ? decoded : undefined
  }
}

/** A delay: zero is a delay too, forever is none. @since 0.1.0 @category decoders */
export const delay: Decoder<Duration.Duration> = {
  expected: `a duration from 0 to 24 days ${example}`,
  decode: (value, unit) => {
    const decoded = duration.decode(value, unit)
    return decoded !== undefined && Duration.toMillis(decoded) <= mostMillis ? decoded : undefined
  }
}

/** A limit that may be off, or a flag, or `always`. @since 0.1.0 @category decoders */
export const prePing = (whenTrue: Duration.Duration): Decoder<Duration.Duration> => ({
  expected: `true, false, always, or a duration of idleness ${example}`,
  decode: (value, unit) => {
    if (typeof value === "string" && value.trim().toLowerCase() === "always") return Duration.zero
    // `1` means both "yes" and "after 1 s", which is the default and the same.
    const word = typeof value === "number" ? undefined : flag.decode(value, unit)
    if (word !== undefined) return word ? whenTrue : Duration.infinity
    return limitOrOff.decode(value, unit)
  }
})
