/**
 * Values on their way in and out. In: what SQLite has no type for becomes text or a number as agreed; what has no honest
 * form (arrays, NaN, functions) is refused instead of being spread or stored as NULL. Out: integers are read exactly and
 * become numbers; one that a number cannot hold is a bigint in a column declared as INTEGER or BIGINT, else a failure.
 * Columns declared BOOLEAN, TIMESTAMP or JSON are decoded.
 *
 * @since 0.1.0
 */
import type { Row } from "../../Dialect.js"
import { DataError } from "../../model/DatabaseError.js"

const isPlain = (value: object): boolean => {
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

const json = (value: object): unknown => {
  try {
    return JSON.stringify(value)
  } catch {
    return value
  }
}

/**
 * A value as the driver takes it; one that it cannot take is handed back as it is, for `bindable` to refuse. Whole
 * numbers are bound as integers: as a double, 5 becomes '5.0' in a text column and in JSON.
 *
 * @since 0.1.0
 * @category conversions
 */
export const encode = (value: unknown): unknown => {
  switch (typeof value) {
    case "number":
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? BigInt(value) : value
    case "boolean":
      return value ? 1n : 0n
    case "undefined":
      return null
    case "object":
      if (value === null || ArrayBuffer.isView(value)) return value
      if (value instanceof Date) return Number.isNaN(value.getTime()) ? value : value.toISOString()
      if (value instanceof ArrayBuffer) return new Uint8Array(value)
      return isPlain(value) ? json(value) : value
    default:
      return value
  }
}

/** What 64 bits hold. */
const least = -(2n ** 63n)
const most = 2n ** 63n - 1n

/** Why a value cannot be bound; `undefined`: it can. Says the kind of value, never the value. */
const refusal = (value: unknown): string | undefined => {
  switch (typeof value) {
    case "string":
      return undefined
    case "bigint":
      return value < least || value > most ? "an integer of more than 64 bits" : undefined
    case "number":
      return Number.isNaN(value) ? "NaN, which would be stored as NULL" : undefined
    case "object":
      if (value === null || ArrayBuffer.isView(value)) return undefined
      if (Array.isArray(value)) return "an array"
      if (value instanceof Date) return "an invalid Date"
      return isPlain(value) ? "an object that is not JSON" : `an instance of ${value.constructor?.name ?? "a class"}`
    default:
      return `a ${typeof value}`
  }
}

/** The parameters as the driver takes them; throws `DataError` at the first one that it cannot. @since 0.1.0 @category conversions */
export const bind = (params: ReadonlyArray<unknown>, operation: string): ReadonlyArray<unknown> => {
  const values: Array<unknown> = []
  for (let index = 0; index < params.length; index++) {
    const value = encode(params[index])
    const reason = refusal(value)
    if (reason !== undefined) {
      throw new DataError({
        operation,
        reason: `parameter ${index + 1} is ${reason}`,
        hint: Array.isArray(value) ? "Use sql.in for lists, JSON.stringify for JSON arrays" : undefined
      })
    }
    values.push(value)
  }
  return values
}

type Decoder = (value: unknown) => unknown

const toBoolean: Decoder = (value) => (value === 0n ? false : value === 1n ? true : value)

/** A stamp without a zone is UTC, as `CURRENT_TIMESTAMP` writes it. Text that is no stamp stays text. */
const toDate: Decoder = (value) => {
  if (typeof value !== "string") return value
  if (value.length === 24 && value.endsWith("Z")) {
    // As we write it ourselves; everything else is told apart below, at twice the cost.
    const date = new Date(value)
    if (!Number.isNaN(date.getTime())) return date
  }
  const stamp = /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d(?:\.\d+)?)?))?\s*(Z|[+-]\d\d:?\d\d)?$/i.exec(value.trim())
  if (stamp === null) return value
  const date = new Date(`${stamp[1]}T${stamp[2] ?? "00:00:00"}${stamp[3]?.toUpperCase() ?? "Z"}`)
  return Number.isNaN(date.getTime()) ? value : date
}

/** Text that is no JSON stays text, so that a column somebody else filled can still be read. */
const toJson: Decoder = (value) => {
  if (typeof value !== "string") return value
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}

/** An integer that a number can hold, as one; any other stays a bigint. @since 0.1.0 @category conversions */
export const narrow = (value: number | bigint): number | bigint => {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

/** A column of integers holds 64 bits, as whoever declared it knows. */
const toInteger: Decoder = (value) => (typeof value === "bigint" ? narrow(value) : value)

/** By the first word of the declared type; a length behind it says nothing here. */
const decoders: Readonly<Record<string, Decoder>> = {
  BOOLEAN: toBoolean,
  BOOL: toBoolean,
  TIMESTAMPTZ: toDate,
  TIMESTAMP: toDate,
  DATETIME: toDate,
  JSON: toJson,
  JSONB: toJson,
  INTEGER: toInteger,
  BIGINT: toInteger,
  INT8: toInteger
}

interface Column {
  readonly key: string | number
  readonly name: string
  readonly decoder: Decoder | undefined
}

/** How the rows of one statement are presented. @since 0.1.0 @category models */
export interface Plan {
  readonly arrays: ReadonlyArray<Column>
  /** Of several columns with one name an object holds the last. */
  readonly objects: ReadonlyArray<Column>
  readonly decodes: boolean
  /** A row that holds nothing. */
  readonly empty: Readonly<Record<string, unknown>>
}

/** @since 0.1.0 @category constructors */
export const plan = (columns: ReadonlyArray<{ readonly name: string; readonly type: string | null }>): Plan => {
  const arrays = columns.map(({ name, type }, index) => ({ key: index, name, decoder: decoders[declared(type)] }))
  return {
    arrays,
    objects: [...new Map(arrays.map((column) => [column.name, { ...column, key: column.name }])).values()],
    decodes: arrays.some(({ decoder }) => decoder !== undefined && decoder !== toInteger),
    // `fromEntries` and the spread make own properties: a column called `__proto__` is a column.
    empty: Object.fromEntries(columns.map(({ name }) => [name, null]))
  }
}

const declared = (type: string | null): string => /^\w+/.exec(type ?? "")?.[0].toUpperCase() ?? ""

const whole = (value: bigint, name: string, operation: string): number => {
  const number = Number(value)
  if (Number.isSafeInteger(number)) return number
  throw new DataError({
    operation,
    reason: "an integer beyond 2^53 does not fit a number",
    column: name,
    hint: "Read it as bigint: Effect.provideService(SqlClient.SafeIntegers, true), or CAST it to TEXT"
  })
}

/** A value of a row, as it is handed out. */
const shown = (value: unknown, { name, decoder }: Column, exact: boolean, operation: string): unknown => {
  if (value === null) return value
  if (decoder === toInteger) return exact ? value : toInteger(value)
  const decoded = decoder === undefined ? value : decoder(value)
  return typeof decoded === "bigint" && !exact ? whole(decoded, name, operation) : decoded
}

/**
 * Rows read with exact integers, presented in place. With `exact`, integers stay bigint as upstream's `SafeIntegers`
 * has it. Costs 0.03 us a row where nothing is declared, some 0.2 us a date or JSON text.
 *
 * @since 0.1.0
 * @category conversions
 */
export const present = (
  rows: ReadonlyArray<Row>,
  plan: Plan,
  arrays: boolean,
  exact: boolean,
  operation: string
): ReadonlyArray<Row> => {
  if (exact && !plan.decodes) return rows
  const columns = arrays ? plan.arrays : plan.objects
  for (const row of rows) {
    for (const column of columns) {
      const value = row[column.key]
      const decoded = shown(value, column, exact, operation)
      if (decoded !== value) row[column.key] = decoded
    }
  }
  return rows
}

/**
 * Rows read as arrays, presented as objects: the driver needs 0.3 us more to make a row's object than to make its array,
 * and this 0.15. As `present` otherwise.
 *
 * @since 0.1.0
 * @category conversions
 */
export const assemble = (rows: Array<Row>, plan: Plan, exact: boolean, operation: string): ReadonlyArray<Row> => {
  const { arrays, empty } = plan
  for (let at = 0; at < rows.length; at++) {
    const cells = rows[at]
    const row = { ...empty }
    for (let index = 0; index < arrays.length; index++) {
      const column = arrays[index] as Column
      row[column.name] = shown(cells[index], column, exact, operation)
    }
    rows[at] = row
  }
  return rows
}

/** Whether the plan still fits what the statement returns; another connection may have changed the table. @since 0.1.0 @category guards */
export const fits = (plan: Plan, row: Row, arrays: boolean): boolean => {
  if (arrays) return row.length === plan.arrays.length
  const keys = Object.keys(row)
  return keys.length === plan.objects.length && plan.objects.every((column) => column.name in row)
}
