/**
 * JavaScript values as the wire takes them: text, bytes or NULL. The meanings are the driver's own (`pg`'s `prepareValue`), so
 * that raw statements keep upstream's values; done here because a value that fails inside the driver poisons the prepared
 * statement it belonged to. Refuses what has no meaning as a value: functions, symbols, invalid dates.
 *
 * @since 0.1.0
 */

/** What may stand in a Bind message. @since 0.1.0 @category models */
export type Wire = string | Buffer | null

const pad = (value: number, width: number): string => String(value).padStart(width, "0")

/** Local wall time with its offset, as the driver writes it: a `timestamp` column keeps the wall time, `timestamptz` the instant. */
const date = (value: Date): string => {
  if (Number.isNaN(value.getTime())) throw new TypeError("an invalid Date")
  const year = value.getFullYear()
  const offset = -value.getTimezoneOffset()
  const minutes = Math.abs(offset)
  return (
    `${pad(year < 1 ? 1 - year : year, 4)}-${pad(value.getMonth() + 1, 2)}-${pad(value.getDate(), 2)}` +
    `T${pad(value.getHours(), 2)}:${pad(value.getMinutes(), 2)}:${pad(value.getSeconds(), 2)}.${pad(value.getMilliseconds(), 3)}` +
    `${offset < 0 ? "-" : "+"}${pad(Math.floor(minutes / 60), 2)}:${pad(minutes % 60, 2)}${year < 1 ? " BC" : ""}`
  )
}

const bytes = (value: ArrayBufferView): Buffer =>
  Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength)

const quote = (text: string): string => `"${text.replace(/\\/g, "\\\\").replace(/"/g, '\\"')}"`

const element = (item: unknown, seen: ReadonlyArray<unknown>): string => {
  if (item === null || item === undefined) return "NULL"
  if (Array.isArray(item)) return array(item, seen)
  if (ArrayBuffer.isView(item)) return `\\\\x${bytes(item).toString("hex")}`
  const value = prepare(item, seen)
  // What an element with `toPostgres` or `toJSON` may become besides text.
  return value === null ? "NULL" : typeof value === "string" ? quote(value) : `\\\\x${value.toString("hex")}`
}

const array = (items: ReadonlyArray<unknown>, seen: ReadonlyArray<unknown>): string => {
  if (seen.includes(items)) throw new TypeError("an array that holds itself")
  return `{${Array.from(items, (item) => element(item, [...seen, items])).join(",")}}`
}

const object = (value: object, seen: ReadonlyArray<unknown>): Wire => {
  const own = value as { readonly toPostgres?: (prepare: (value: unknown) => Wire) => unknown }
  if (typeof own.toPostgres === "function") {
    if (seen.includes(value)) throw new TypeError("a value whose toPostgres answers itself")
    return prepare(
      own.toPostgres((inner) => prepare(inner)),
      [...seen, value]
    )
  }
  return JSON.stringify(value) ?? null
}

const none: ReadonlyArray<unknown> = []

/** A value for the wire. Throws what the driver would throw, and for what it would send as nonsense. @since 0.1.0 @category conversions */
export const prepare = (value: unknown, seen: ReadonlyArray<unknown> = none): Wire => {
  switch (typeof value) {
    case "string":
      return value
    case "undefined":
      return null
    case "function":
    case "symbol":
      throw new TypeError(`a ${typeof value}`)
    case "object":
      if (value === null) return null
      if (ArrayBuffer.isView(value)) return bytes(value)
      if (value instanceof Date) return date(value)
      return Array.isArray(value) ? array(value, seen) : object(value, seen)
    default:
      return String(value)
  }
}

/** A value for the wire, or the value itself where it has none (sending it is then a `DataError`). @since 0.1.0 @category conversions */
export const encode = (value: unknown): unknown => {
  try {
    return prepare(value)
  } catch {
    return value
  }
}
