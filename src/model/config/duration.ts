/**
 * Durations as people write them: `30` (in the unit the place has), `1.5`, `30s`, `500ms`, `5 min`, `1m30s`, Effect's own
 * `"30 seconds"`. Refuses what Effect's decoder would silently turn into zero (negative numbers, NaN).
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

/** What a bare number means where it stands. @since 0.1.0 @category models */
export type Unit = "seconds" | "millis"

const millisOf = new Map<string, number>(
  Object.entries({
    "ns nano nanos nanosecond nanoseconds": 1e-6,
    "us µs μs micro micros microsecond microseconds": 1e-3,
    "ms msec msecs milli millis millisecond milliseconds": 1,
    "s sec secs second seconds": 1000,
    "m min mins minute minutes": 60_000,
    "h hr hrs hour hours": 3_600_000,
    "d day days": 86_400_000,
    "w week weeks": 604_800_000
  }).flatMap(([names, millis]) => names.split(" ").map((name) => [name, millis] as const))
)

const number = /^(?:\d+(?:\.\d*)?|\.\d+)$/
const parts = /(\d+(?:\.\d+)?|\.\d+)\s*([a-zµμ]+)\s*/giy

/**
 * A text as milliseconds, `undefined` where it is none.
 *
 * @since 0.1.0
 * @category parsing
 */
export const millisFromText = (input: string, unit: Unit): number | undefined => {
  const text = input.trim()
  if (number.test(text)) return Number(text) * (unit === "seconds" ? 1000 : 1)
  let total = 0
  let end = 0
  for (const match of text.matchAll(parts)) {
    const scale = millisOf.get((match[2] ?? "").toLowerCase())
    if (scale === undefined) return undefined
    total += Number(match[1]) * scale
    end = match.index + match[0].length
  }
  return end > 0 && end === text.length ? total : undefined
}

const offWords = new Set(["off", "never", "none", "no", "false", "disabled", "infinity", "-1"])

/**
 * A value as a duration: `Duration.infinity` for `off` (also `false`, `never`, `-1`), `undefined` where it is none.
 *
 * @since 0.1.0
 * @category parsing
 */
export const decode = (value: unknown, unit: Unit): Duration.Duration | undefined => {
  if (value === false || value === -1) return Duration.infinity
  if (typeof value === "string") {
    if (offWords.has(value.trim().toLowerCase())) return Duration.infinity
    const millis = millisFromText(value, unit)
    return millis === undefined ? undefined : Duration.millis(millis)
  }
  if (typeof value === "number") {
    return value >= 0 ? Duration.millis(value * (unit === "seconds" ? 1000 : 1)) : undefined
  }
  if (typeof value === "bigint") return value >= 0n ? Duration.nanos(value) : undefined
  return Option.getOrUndefined(Duration.decodeUnknown(value))
}
