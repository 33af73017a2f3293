/** Which JavaScript values come back as they were sent, by raw statements and by the fields of a `Model`. */

import * as Model from "@effect/sql/Model"
import * as SqlClient from "@effect/sql/SqlClient"
import { expect } from "@effect/vitest"
import * as BigDecimal from "effect/BigDecimal"
import * as Chunk from "effect/Chunk"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { DatabaseError } from "effect-aquifer"
import { refined } from "../errors/case.js"
import { contract, type Product } from "./contract.js"

const moment = new Date("2026-02-28T23:59:59.987Z")
const bytes = new Uint8Array([0, 1, 127, 128, 255])

type Row = readonly [kind: string, type: string, sent: unknown, read?: unknown]

/** Sent as a parameter, stored in a column of the type, read by a raw statement. The same on every product. */
const rows: ReadonlyArray<Row> = [
  ["true", "BOOLEAN", true],
  ["false", "BOOLEAN", false],
  ["a Date", "TIMESTAMPTZ", moment],
  ["a Date before 1970", "TIMESTAMPTZ", new Date("1901-12-13T20:45:52.001Z")],
  ["an object", "JSON", { a: [1, { b: null }], ключ: "значение 🪨" }],
  ["an object in JSONB", "JSONB", { a: { b: [true, "x"] } }],
  ["bytes", "BYTEA", bytes],
  ["no bytes", "BYTEA", new Uint8Array()],
  ["a text", "TEXT", 'it\'s "quoted", \\ and -- no comment; $1 ?'],
  ["an empty text, which is not NULL", "TEXT", ""],
  ["an emoji beyond the basic plane", "TEXT", "🪨👩‍👩‍👧 Zażółć"],
  ["a text that looks like a number", "TEXT", "007"],
  ["a text that looks like JSON", "TEXT", '{"a":1}'],
  ["a text with a NUL byte", "TEXT", "a\0b"],
  ["a long text", "TEXT", "x".repeat(300_000)],
  ["an integer", "INTEGER", -2147483648],
  ["a small integer", "SMALLINT", 32767],
  ["a fraction", "DOUBLE PRECISION", 0.1],
  ["a huge number", "DOUBLE PRECISION", 1.7976931348623157e308],
  ["a bigint that a number can hold", "INTEGER", 12n, 12],
  ["null", "TEXT", null],
  ["undefined, as NULL", "TEXT", undefined, null],
  ["undefined in an integer column", "INTEGER", undefined, null],
  ["a UUID", "UUID", "6f1c0e5a-3b7d-4c7e-9a51-0d2f3c4b5a69"],
  ["a day as text", "DATE", "2026-02-28"],
  ["a decimal with its digits", "NUMERIC(10, 2)", "12.50"],
  ["an int8 as text", "BIGINT", "42"],
  ["an array of integers", "INTEGER[]", [1, 2, 3]],
  ["an array of texts", "TEXT[]", ["a", 'b "c"', "", null]]
]

const stored = (type: string, value: unknown) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE TABLE kept (id INTEGER PRIMARY KEY, x ${sql.literal(type)})`
    yield* sql`INSERT INTO kept VALUES (1, ${value as string})`
    return sql
  })

/** Buffers are Uint8Arrays; only the bytes count. */
const plain = (value: unknown): unknown => (value instanceof Uint8Array ? new Uint8Array(value) : value)

interface Kind<A> {
  readonly kind: string
  readonly type: string
  // The variants of a field are its author's business; here each goes in and comes out.
  readonly field: Schema.Schema<A, never> | object
  readonly value: unknown
  readonly expected?: unknown
}

const at = DateTime.unsafeMake(moment)
const Key = Schema.Uint8ArrayFromSelf.pipe(Schema.brand("Key"))

/** A field, the column it is kept in, and a value that must come back equal. */
const kinds: ReadonlyArray<Kind<unknown>> = [
  { kind: "String", type: "TEXT", field: Schema.String, value: "a" },
  { kind: "a brand", type: "TEXT", field: Schema.NonEmptyString.pipe(Schema.brand("Name")), value: "a" },
  { kind: "a Literal", type: "TEXT", field: Schema.Literal("on", "off"), value: "off" },
  { kind: "Int", type: "INTEGER", field: Schema.Int, value: 7 },
  { kind: "Number", type: "DOUBLE PRECISION", field: Schema.Number, value: 0.25 },
  { kind: "Boolean", type: "BOOLEAN", field: Schema.Boolean, value: true },
  { kind: "BooleanFromNumber", type: "INTEGER", field: Model.BooleanFromNumber, value: true },
  { kind: "BigInt in BIGINT", type: "BIGINT", field: Schema.BigInt, value: 9007199254740993n },
  { kind: "BigInt in TEXT", type: "TEXT", field: Schema.BigInt, value: 9007199254740993n },
  {
    kind: "BigDecimal in NUMERIC",
    type: "NUMERIC",
    field: Schema.BigDecimal,
    value: BigDecimal.unsafeFromString("12.5")
  },
  { kind: "DateFromSelf", type: "TIMESTAMPTZ", field: Schema.DateFromSelf, value: moment },
  {
    kind: "DateTimeInsert in TEXT",
    type: "TEXT",
    field: Model.DateTimeInsert,
    value: Model.Override(at),
    expected: at
  },
  {
    kind: "DateTimeInsertFromDate",
    type: "TIMESTAMPTZ",
    field: Model.DateTimeInsertFromDate,
    value: Model.Override(at),
    expected: at
  },
  {
    kind: "DateTimeInsertFromNumber in DOUBLE PRECISION",
    type: "DOUBLE PRECISION",
    field: Model.DateTimeInsertFromNumber,
    value: Model.Override(at),
    expected: at
  },
  {
    kind: "DateTimeInsertFromNumber in BIGINT",
    type: "BIGINT",
    field: Model.DateTimeInsertFromNumber,
    value: Model.Override(at),
    expected: at
  },
  {
    kind: "DateTimeUpdateFromDate",
    type: "TIMESTAMPTZ",
    field: Model.DateTimeUpdateFromDate,
    value: Model.Override(at),
    expected: at
  },
  { kind: "Model.Date in TEXT", type: "TEXT", field: Model.Date, value: DateTime.removeTime(at) },
  { kind: "Model.Date in DATE", type: "DATE", field: Model.Date, value: DateTime.removeTime(at) },
  {
    kind: "JsonFromString in TEXT",
    type: "TEXT",
    field: Model.JsonFromString(Schema.Struct({ a: Schema.Int })),
    value: { a: 1 }
  },
  {
    kind: "a Struct in JSON",
    type: "JSON",
    field: Schema.Struct({ a: Schema.Array(Schema.Int) }),
    value: { a: [1, 2] }
  },
  { kind: "an Array in JSON", type: "JSON", field: Schema.Array(Schema.Int), value: [1, 2] },
  {
    kind: "an Array by parseJson in TEXT",
    type: "TEXT",
    field: Schema.parseJson(Schema.Array(Schema.Int)),
    value: [1, 2]
  },
  { kind: "FieldOption, some", type: "TEXT", field: Model.FieldOption(Schema.String), value: Option.some("a") },
  { kind: "FieldOption, none", type: "TEXT", field: Model.FieldOption(Schema.String), value: Option.none() },
  {
    kind: "FieldOption of a Date",
    type: "TIMESTAMPTZ",
    field: Model.FieldOption(Schema.DateFromSelf),
    value: Option.some(moment)
  },
  {
    kind: "Sensitive",
    type: "TEXT",
    field: Model.Sensitive(Schema.Redacted(Schema.String)),
    value: Schema.decodeSync(Schema.Redacted(Schema.String))("s")
  },
  {
    kind: "a UUID",
    type: "UUID",
    field: Model.GeneratedByApp(Schema.UUID),
    value: "6f1c0e5a-3b7d-4c7e-9a51-0d2f3c4b5a69"
  },
  {
    kind: "UuidV4Insert in BYTEA",
    type: "BYTEA",
    field: Model.UuidV4Insert(Key),
    value: Model.Override(Key.make(new Uint8Array(16).fill(7))),
    expected: new Uint8Array(16).fill(7)
  },
  { kind: "Uint8ArrayFromSelf", type: "BYTEA", field: Schema.Uint8ArrayFromSelf, value: bytes }
]

const comparable = (value: unknown): unknown =>
  DateTime.isDateTime(value) ? DateTime.toEpochMillis(value) : plain(value)

/** A `Model` with that one field besides its key. */
const repository = ({ field }: Kind<unknown>) => {
  class Kept extends Model.Class<Kept>("Kept")({
    id: Model.GeneratedByApp(Schema.Int),
    // A table of fields of every kind has no common type; what a field takes and gives is what the test is about.
    x: field as typeof Schema.Unknown
  }) {}
  return Model.makeRepository(Kept, { tableName: "kept", idColumn: "id", spanPrefix: "Kept" })
}

export const values = (product: Product) => {
  contract("values", product, (it) => {
    for (const [kind, type, sent, read = sent] of rows) {
      it(`${kind} (${type}) comes back from a raw statement`, () =>
        Effect.gen(function* () {
          const sql = yield* stored(type, sent)
          const [row] = yield* sql<{ x: unknown }>`SELECT x FROM kept`
          expect(plain(row?.x)).toEqual(plain(read))
          // The same by the other ways a statement has.
          const [[value] = []] = yield* sql`SELECT x FROM kept`.values
          expect(plain(value)).toEqual(plain(read))
          const streamed = yield* Stream.runCollect(sql<{ x: unknown }>`SELECT x FROM kept`.stream)
          expect(plain(Chunk.unsafeHead(streamed).x)).toEqual(plain(read))
          const [unprepared] = yield* sql<{ x: unknown }>`SELECT x FROM kept`.unprepared
          expect(plain(unprepared?.x)).toEqual(plain(read))
        }))
    }

    it("what was sent is found again by the same value", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE kept (id INTEGER PRIMARY KEY, a BOOLEAN, b TIMESTAMPTZ, c TEXT, d BYTEA)`
        const row = { id: 1, a: true, b: moment, c: "🪨", d: bytes }
        yield* sql`INSERT INTO kept ${sql.insert([row, { id: 2, a: false, b: new Date(0), c: "", d: new Uint8Array() }])}`
        expect(
          yield* sql`SELECT id FROM kept WHERE a = ${true} AND b = ${moment} AND c = ${"🪨"} AND d = ${bytes}`
        ).toEqual([{ id: 1 }])
        expect(yield* sql`SELECT id FROM kept WHERE b IN ${sql.in([new Date(0)])} AND d = ${new Uint8Array()}`).toEqual(
          [{ id: 2 }]
        )
        yield* sql`UPDATE kept SET ${sql.update({ id: 1, a: false, b: new Date(5) }, ["id"])} WHERE id = 1`
        expect(yield* sql`SELECT a, b FROM kept WHERE id = 1`).toEqual([{ a: false, b: new Date(5) }])
      }))

    it("an integer beyond 2^53 is exact or a DataError, never rounded", () =>
      Effect.gen(function* () {
        const sql = yield* stored("BIGINT", 9007199254740993n)
        expect(yield* sql`SELECT CAST(x AS TEXT) AS x FROM kept`).toEqual([{ x: "9007199254740993" }])
        const read = yield* Effect.either(DatabaseError.refine(sql<{ x: unknown }>`SELECT x FROM kept`))
        if (Either.isLeft(read)) expect(read.left._tag).toBe("DataError")
        else expect(BigInt(read.right[0]?.x as string)).toBe(9007199254740993n)
        const exact = Effect.provideService(sql<{ x: unknown }>`SELECT x FROM kept`, SqlClient.SafeIntegers, true)
        expect(BigInt((yield* exact)[0]?.x as string)).toBe(9007199254740993n)
      }))

    it("a number that is none is kept or refused, never NULL", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE kept (x DOUBLE PRECISION)`
        yield* Effect.either(sql`INSERT INTO kept VALUES (${Number.NaN})`)
        yield* Effect.either(sql`INSERT INTO kept VALUES (${new Date(Number.NaN)})`)
        expect(yield* sql`SELECT x FROM kept WHERE x IS NULL`).toEqual([])
      }))

    it("an array is refused, not spread over the parameters", () =>
      Effect.gen(function* () {
        const sql = yield* stored("TEXT", "before")
        const error = yield* refined(sql`UPDATE kept SET x = ${["a"] as never} WHERE id = ${1}`)
        expect(error._tag).toBe("DataError")
        expect(yield* sql`SELECT x FROM kept`).toEqual([{ x: "before" }])
      }))

    it("a column can be called like a method of every object", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const [row] = yield* sql`SELECT 2 AS "constructor", 3 AS "toString"`
        expect(Object.entries(row ?? {})).toEqual([
          ["constructor", 2],
          ["toString", 3]
        ])
      }))

    it("a column can be called __proto__", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const [row] = yield* sql`SELECT 1 AS "__proto__"`
        expect(Object.entries(row ?? {})).toEqual([["__proto__", 1]])
      }))
  })

  contract("fields of a Model", product, (it) => {
    for (const one of kinds) {
      it(`${one.kind} goes in and comes out`, () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* sql`CREATE TABLE kept (id INTEGER PRIMARY KEY, x ${sql.literal(one.type)})`
          const repo = yield* repository(one)
          const expected = comparable(one.expected ?? one.value)
          expect(comparable((yield* repo.insert({ id: 1, x: one.value })).x)).toEqual(expected)
          const found = Option.getOrThrow(yield* repo.findById(1))
          expect(comparable(found.x)).toEqual(expected)
        }))
    }
  })
}
