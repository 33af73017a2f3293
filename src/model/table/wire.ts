/**
 * A column's value between the program and whatever driver there is. Reading is lenient, because products differ in what they
 * hand out (an int8 is a text, a number or a bigint; a day a Date or a text); writing is strict and in forms that every product
 * takes, because a product that checks nothing would keep what another refuses. A value that is none is `undefined` here.
 *
 * @since 0.1.0
 */
import type { SqlType } from "../Column.js"

/** `read` to the one value the column has everywhere, `write` from that to what is sent. @since 0.1.0 @category models */
export interface Wire {
  readonly read: (value: unknown) => unknown
  readonly write: (value: unknown) => unknown
}

type Some<Tag extends SqlType["_tag"]> = Extract<SqlType, { readonly _tag: Tag }>

const string = (value: unknown) => (typeof value === "string" ? value : undefined)

const text: Wire = { read: string, write: string }

/** Characters are code points, as databases count them. */
const varchar = ({ length }: Some<"varchar">): Wire => ({
  read: string,
  write: (value) => (typeof value === "string" && Array.from(value).length <= length ? value : undefined)
})

/** PostgreSQL writes it small; so the same one is the same text everywhere. */
const uuid: Wire = {
  read: (value) => string(value)?.toLowerCase(),
  write: (value) => (/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(String(value)) ? value : undefined)
}

const boolean: Wire = {
  read: (value) => {
    if (typeof value === "boolean") return value
    if (typeof value !== "number" && typeof value !== "bigint") return undefined
    const bit = Number(value)
    return bit === 0 || bit === 1 ? bit === 1 : undefined
  },
  write: (value) => value
}

const whole = (value: unknown): bigint | undefined => {
  if (typeof value === "bigint") return value
  if (typeof value === "boolean") return value ? 1n : 0n
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : undefined
  return typeof value === "string" && /^-?\d+$/.test(value) ? BigInt(value) : undefined
}

const safe = (value: bigint | undefined): number | undefined =>
  value !== undefined && Number.isSafeInteger(Number(value)) ? Number(value) : undefined

const small = (bits: number): Wire => ({
  read: (value) => safe(whole(value)),
  write: (value) => (BigInt.asIntN(bits, BigInt(value as number)) === BigInt(value as number) ? value : undefined)
})

const int8: Wire = {
  read: whole,
  write: (value) => (BigInt.asIntN(64, value as bigint) === value ? value : undefined)
}

const float8: Wire = {
  read: (value) => {
    if (typeof value === "number") return value
    if (typeof value === "bigint") return safe(value)
    // As text inside of JSON, which has no such numbers.
    return value === "NaN" || value === "Infinity" || value === "-Infinity" ? Number(value) : undefined
  },
  write: (value) => value
}

/** All digits of the scale, as PostgreSQL prints them; never rounded: a digit too many is refused. */
const numeric = ({ precision, scale }: Some<"numeric">): Wire => {
  const read = (value: unknown): string | undefined => {
    if (value === "NaN") return value
    if (typeof value === "number") {
      // A double holds 15 digits of any decimal; with more, the driver may have lost some already.
      const digits = precision <= 15 && Number.isFinite(value) ? value.toFixed(Math.max(scale, 0)) : ""
      return digits !== "" && Number(digits) === value ? read(digits) : undefined
    }
    const found = /^([+-]?)(?=\.?\d)0*(\d*)(?:\.(\d*?)0*)?$/.exec(
      typeof value === "bigint" ? String(value) : (string(value) ?? "")
    )
    if (found === null) return undefined
    const [, sign, before = "", after = ""] = found
    if (after.length > Math.max(scale, 0) || before.length > precision - scale) return undefined
    const digits = `${before === "" ? "0" : before}${scale > 0 ? `.${after.padEnd(scale, "0")}` : ""}`
    return sign === "-" && /[1-9]/.test(digits) ? `-${digits}` : digits
  }
  return { read, write: read }
}

const pad = (value: number, width: number) => String(value).padStart(width, "0")

/** A stamp without a zone is UTC; a year before 1 has PostgreSQL's ` BC` behind, or ISO 8601's sign before it. */
const stamp =
  /^([+-]\d{6}|\d{4,6})(-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d(?:\.\d+)?)?))?\s*(Z|[+-]\d\d(?::?\d\d)?)?( BC)?$/i

const moment = (value: string): Date | undefined => {
  const found = stamp.exec(value)
  if (found === null) return undefined
  const [, said = "", day, time = "00:00:00", zone = "Z", bc] = found
  const year = bc === undefined ? Number(said) : 1 - Number(said)
  const sign = year < 0 ? "-" : "+"
  const date = new Date(
    `${sign}${pad(Math.abs(year), 6)}${day}T${time}${zone.length === 3 ? `${zone}:00` : zone.toUpperCase()}`
  )
  return Number.isNaN(date.getTime()) ? undefined : date
}

const timestamptz: Wire = {
  read: (value) => {
    if (typeof value === "string") return moment(value.trim())
    const date = typeof value === "number" ? new Date(value) : value
    return date instanceof Date && !Number.isNaN(date.getTime()) ? date : undefined
  },
  // As text, in UTC: a driver's own would be local, and round the odd zones of before 1900 to minutes.
  write: (value) => {
    const year = (value as Date).getUTCFullYear()
    const rest = (value as Date).toISOString().replace(/^(?:[+-]\d\d)?\d{4}/, "")
    return year < 1 ? `${pad(1 - year, 4)}${rest} BC` : `${pad(year, 4)}${rest}`
  }
}

const isDay = (year: number, month: number, day: number): boolean => {
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day
}

/** `YYYY-MM-DD`, before year 1 with PostgreSQL's ` BC` behind. Drivers that make a Date of it mean local midnight. */
const date: Wire = {
  read: (value) => {
    if (value instanceof Date && !Number.isNaN(value.getTime())) {
      const year = value.getFullYear()
      const day = `${pad(value.getMonth() + 1, 2)}-${pad(value.getDate(), 2)}`
      return year < 1 ? `${pad(1 - year, 4)}-${day} BC` : `${pad(year, 4)}-${day}`
    }
    const found = /^(\d{4,6})-(\d\d)-(\d\d)( BC)?$/.exec(string(value) ?? "")
    if (found === null) return undefined
    const [, year, month, day, bc] = found
    return Number(year) > 0 && isDay(bc === undefined ? Number(year) : 1 - Number(year), Number(month), Number(day))
      ? value
      : undefined
  },
  write: (value) => value
}

const json: Wire = {
  read: (value) => value,
  write: (value) => {
    try {
      return JSON.stringify(value)
    } catch {
      return undefined
    }
  }
}

const hex = (value: Uint8Array) => `\\x${Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("")}`

const bytes: Wire = {
  // A copy: a driver's Buffer may lie in memory it shares with others.
  read: (value) => {
    if (value instanceof Uint8Array) return new Uint8Array(value)
    const found = /^\\x((?:[\da-f]{2})*)$/i.exec(string(value) ?? "")
    return found === null
      ? undefined
      : Uint8Array.from(found[1]?.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))
  },
  write: (value) => value
}

/** `{a,"b c"}`: how an array of an enum arrives, whose type no driver knows. */
const literal = (value: string): ReadonlyArray<string | null> =>
  Array.from(value.slice(1, -1).matchAll(/"((?:[^"\\]|\\.)*)"|([^,]+)/gs), ([, quoted, bare]) =>
    quoted === undefined ? (bare === "NULL" ? null : (bare ?? null)) : quoted.replace(/\\(.)/gs, "$1")
  )

const items = (value: unknown): ReadonlyArray<unknown> | undefined => {
  if (Array.isArray(value)) return value
  return typeof value === "string" && /^\{.*\}$/s.test(value) ? literal(value) : undefined
}

const each = (values: ReadonlyArray<unknown>, f: (value: unknown) => unknown): ReadonlyArray<unknown> | undefined => {
  const found = values.map((value) => (value === null ? null : f(value)))
  return found.includes(undefined) ? undefined : found
}

const array = (of: Wire): Wire => ({
  read: (value) => {
    const found = items(value)
    return found === undefined ? undefined : each(found, of.read)
  },
  write: (value) => each(value as ReadonlyArray<unknown>, of.write)
})

const raw: Wire = { read: (value) => value, write: (value) => value }

/** How values of a type travel. @since 0.1.0 @category accessors */
export const wire = (type: SqlType): Wire => {
  switch (type._tag) {
    case "text":
    case "enum":
      return text
    case "varchar":
      return varchar(type)
    case "uuid":
      return uuid
    case "boolean":
      return boolean
    case "int2":
      return small(16)
    case "int4":
      return small(32)
    case "int8":
      return int8
    case "float8":
      return float8
    case "numeric":
      return numeric(type)
    case "timestamptz":
      return timestamptz
    case "date":
      return date
    case "json":
      return json
    case "bytes":
      return bytes
    case "array":
      return array(wire(type.of))
    case "raw":
      return raw
  }
}

/** JSON has neither big integers nor bytes nor NaN: as texts, which `read` knows. */
const inJson = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(inJson)
  if (value instanceof Uint8Array) return hex(value)
  return typeof value === "bigint" || (typeof value === "number" && !Number.isFinite(value)) ? String(value) : value
}

/**
 * An array as every product takes it: where there are arrays the driver asks for `toPostgres`, elsewhere it is JSON.
 *
 * @since 0.1.0
 * @category conversions
 */
export const list = (read: unknown, written: unknown): object => ({
  toPostgres: () => written,
  toJSON: () => inJson(read)
})
