/** What rows of a table take from drivers and give to them, where no product shows it: odd forms, refusals, generated columns. */
import * as Model from "@effect/sql/Model"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { Table } from "effect-aquifer"
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from "vitest"

const { TZ = Intl.DateTimeFormat().resolvedOptions().timeZone } = process.env

beforeAll(() => {
  process.env.TZ = "Asia/Tokyo"
})
afterAll(() => {
  process.env.TZ = TZ
})

const only = (column: Table.Column.Any) => Table.make("t", { a: column as Table.Column<unknown> })
const read = (column: Table.Column.Any, a: unknown) =>
  Either.getOrElse(
    Either.map(Schema.decodeUnknownEither(Table.row(only(column)))({ a }), ({ a }) => a),
    () => "refused"
  )

describe("a row that is read", () => {
  it.each<[string, Table.Column.Any, unknown, unknown]>([
    ["a stamp without a zone is UTC", Table.timestamp, "2026-02-28 23:59:59.5", new Date("2026-02-28T23:59:59.500Z")],
    ["a stamp with a short zone", Table.timestamp, "2026-02-28 12:00:00+02", new Date("2026-02-28T10:00:00Z")],
    ["a day is its midnight in UTC", Table.timestamp, "2026-02-28", new Date("2026-02-28T00:00:00Z")],
    ["a day as a Date is its midnight here", Table.date, "local", "2026-02-28"],
    ["infinity is no moment", Table.timestamp, Number.POSITIVE_INFINITY, "refused"],
    ["a text that is no moment", Table.timestamp, "soon", "refused"],
    ["1 is true", Table.boolean, 1, true],
    ["0n is false", Table.boolean, 0n, false],
    ["2 is neither", Table.boolean, 2, "refused"],
    ["an integer as text", Table.int, "-7", -7],
    ["a bigint that a number holds", Table.int, 7n, 7],
    ["a bigint that no number holds", Table.int, 2n ** 53n, "refused"],
    ["a number that may be rounded already", Table.bigint, 2 ** 53, "refused"],
    ["a fraction is no integer", Table.bigint, 0.5, "refused"],
    ["a whole double read exactly", Table.float, 5n, 5],
    ["a bigint that no double holds", Table.float, 2n ** 53n + 1n, "refused"],
    ["a text is no double", Table.float, "5", "refused"],
    ["a decimal as a double that holds it", Table.numeric(15, 2), 0.1, "0.10"],
    ["a decimal as a double that may not", Table.numeric(16, 2), 0.1, "refused"],
    ["a decimal as a double of more digits", Table.numeric(15, 2), 0.001, "refused"],
    ["no number, which a decimal can be", Table.numeric(15, 2), "NaN", "NaN"],
    [
      "an array as PostgreSQL writes it",
      Table.array(Table.text),
      '{a,"b \\"c\\", d",NULL_,""}',
      ["a", 'b "c", d', "NULL_", ""]
    ],
    ["NULL in an array that has none", Table.array(Table.text), "{NULL}", "refused"],
    ["no array", Table.array(Table.text), "a", "refused"],
    ["bytes in hex", Table.bytes, "\\x00ff", new Uint8Array([0, 255])],
    ["half a byte", Table.bytes, "\\x0", "refused"],
    ["NULL in a column that has none", Table.text, null, "refused"]
  ])("%s", (_, column, sent, expected) => {
    expect(read(column, sent === "local" ? new Date(2026, 1, 28) : sent)).toStrictEqual(expected)
  })

  it("has all its columns, and no others", () => {
    const table = Table.make("t", { a: Table.int, b: Table.int.pipe(Table.named("B")) })
    const decode = Schema.decodeUnknownEither(Table.row(table))
    expect(decode({ a: 1, B: "2", c: 3 })).toEqual(Either.right({ a: 1, b: 2 }))
    expect(Either.isLeft(decode({ a: 1, b: 2 }))).toBe(true)
    expectTypeOf(Table.row(table).Type).toEqualTypeOf<{ readonly a: number; readonly b: number }>()
  })

  it("is refused by a Model's field that cannot hold it", () => {
    class Kept extends Model.Class<Kept>("Kept")({ price: Schema.Number, name: Schema.String }) {}
    const table = Table.fromModel(Kept, "t", () => ({ price: Table.numeric(20, 2), name: Table.varchar(2) }))
    const decode = Schema.decodeUnknownEither(Table.row(table))
    expect(decode({ price: "0.10", name: "" })).toEqual(Either.right({ price: 0.1, name: "" }))
    expect(Either.isLeft(decode({ price: "123456789012345678.99", name: "" }))).toBe(true)
    const encode = Schema.encodeEither(Table.row(table))
    expect(Either.isLeft(encode({ price: 0.1, name: "" }))).toBe(true)
    const short = Table.fromModel(Kept, "t", () => ({ price: Table.numeric(15, 2), name: Table.varchar(2) }))
    const encodeShort = Schema.encodeEither(Table.row(short))
    expect(encodeShort({ price: 0.1, name: "🪨🪨" })).toEqual(Either.right({ price: "0.10", name: "🪨🪨" }))
    expect(Either.isLeft(encodeShort({ price: 0.1, name: "abc" }))).toBe(true)
  })
})

describe("a row that is written", () => {
  const table = Table.make("t", {
    id: Table.bigint.pipe(Table.primaryKey, Table.identity),
    name: Table.text.pipe(Table.named("the name")),
    size: Table.int.pipe(Table.withDefault(1)),
    note: Table.text.pipe(Table.nullable)
  })

  it("leaves out what is not said, and what the database alone fills", () => {
    const insert = Schema.encodeSync(Table.insert(table))
    expect(insert({ name: "n" })).toStrictEqual({ "the name": "n" })
    expect(insert({ name: "n", size: undefined, note: null })).toStrictEqual({ "the name": "n", note: null })
    // @ts-expect-error: the id is the database's
    expect(insert({ id: 1n, name: "n" })).toStrictEqual({ "the name": "n" })
    // @ts-expect-error: a name is needed
    expect(() => insert({ size: 1 })).toThrow("name")
  })

  it("names the type of the column that cannot hold it", () => {
    const priced = Table.make("t", { price: Table.numeric(12, 2), at: Table.date })
    const insert = Schema.encodeSync(Table.insert(priced))
    expect(() => insert({ price: "0.101", at: "2026-02-28" })).toThrow("a numeric(12, 2) column")
    expect(() => insert({ price: "0.10", at: "2026-02-30" })).toThrow("a date column")
  })

  it("changes what is said", () => {
    const update = Schema.encodeSync(Table.update(table))
    expect(update({})).toStrictEqual({})
    expect(update({ size: 5, note: undefined })).toStrictEqual({ size: 5 })
    // @ts-expect-error: the id is the database's
    expect(update({ id: 1n })).toStrictEqual({})
  })
})
