/** A row written and read through a `Table` is the same on every product, whatever its driver makes of it. */
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { DatabaseSchema, Table } from "effect-aquifer"
import * as AppSchema from "../../src/app/AppSchema.js"
import { contract, type Product } from "./contract.js"

interface Kind {
  readonly kind: string
  readonly column: Table.Column.Any
  /** Each comes back equal, or as what stands beside it. */
  readonly kept: ReadonlyArray<unknown | { readonly sent: unknown; readonly read: unknown }>
  /** Refused before anything is sent. */
  readonly refused?: ReadonlyArray<unknown>
}

class Read {
  constructor(
    readonly sent: unknown,
    readonly read: unknown
  ) {}
}

const anything = Schema.Struct({ a: Schema.Array(Schema.NullOr(Schema.Unknown)), "ключ 🪨": Schema.Unknown })
const mood = Table.enums("mood", ["glad", "so so", 'the "other", one'])

/** Every type a column can have, its extremes, and what it must not take on any product. */
const kinds: ReadonlyArray<Kind> = [
  { kind: "text", column: Table.text, kept: ["", "a", "007", '{"a":1}', "🪨👩‍👩‍👧 Zażółć", 'it\'s "quoted", \\ $1 ?'] },
  { kind: "varchar", column: Table.varchar(3), kept: ["", "abc", "🪨🪨🪨"], refused: ["abcd", "🪨🪨🪨🪨"] },
  { kind: "boolean", column: Table.boolean, kept: [true, false] },
  { kind: "int2", column: Table.smallint, kept: [-32768, 0, 32767], refused: [32768, -32769, 1.5] },
  { kind: "int4", column: Table.int, kept: [-2147483648, 0, 2147483647], refused: [2147483648, 0.5, Number.NaN] },
  {
    kind: "int8",
    column: Table.bigint,
    kept: [0n, -1n, 9007199254740993n, -9007199254740993n, -(2n ** 63n), 2n ** 63n - 1n],
    refused: [2n ** 63n, -(2n ** 63n) - 1n]
  },
  {
    kind: "float8",
    column: Table.float,
    kept: [0, 0.1, -5, 1e300, 5e-324, 1.7976931348623157e308, Number.POSITIVE_INFINITY]
  },
  {
    kind: "numeric",
    column: Table.numeric(30, 2),
    kept: [
      "12.50",
      "-1234567890123456789012345678.99",
      "0.10",
      new Read("7", "7.00"),
      new Read("-0.0", "0.00"),
      new Read("+007.500", "7.50"),
      new Read(".5", "0.50")
    ],
    refused: ["1.005", "12345678901234567890123456789", "", ".", "1e3", "twelve"]
  },
  { kind: "numeric without a fraction", column: Table.numeric(20), kept: ["12345678901234567890"], refused: ["0.5"] },
  {
    kind: "uuid",
    column: Table.uuid,
    kept: [
      "6f1c0e5a-3b7d-4c7e-9a51-0d2f3c4b5a69",
      new Read("6F1C0E5A-3B7D-4C7E-9A51-0D2F3C4B5A69", "6f1c0e5a-3b7d-4c7e-9a51-0d2f3c4b5a69")
    ],
    refused: ["6f1c0e5a"]
  },
  {
    kind: "timestamptz",
    column: Table.timestamp,
    kept: [
      new Date("2026-02-28T23:59:59.987Z"),
      new Date("1901-12-13T20:45:52.001Z"),
      new Date(0),
      new Date("9999-12-31T23:59:59.999Z"),
      new Date("0001-01-01T00:00:00.000Z"),
      new Date("-000043-03-15T12:00:00.000Z"),
      new Date("0000-12-31T23:59:59.999Z"),
      new Date("+010001-01-01T00:00:00.000Z")
    ],
    refused: [new Date(Number.NaN)]
  },
  {
    kind: "date",
    column: Table.date,
    kept: ["2026-02-28", "2024-02-29", "9999-12-31", "0001-01-01", "1883-11-18", "0044-03-15 BC", "10001-01-01"],
    refused: ["2026-02-29", "2026-13-01", "0000-01-01", "yesterday", "2026-02-28T00:00:00Z", ""]
  },
  {
    kind: "json",
    column: Table.json(anything),
    kept: [{ a: [1, null, { b: null, c: [true, "x", 0.5] }], "ключ 🪨": null }]
  },
  {
    kind: "json that is anything",
    column: Table.json(Schema.Unknown),
    kept: [[1, [2, null]], [], {}, "text", "5", '"quoted"', "null", 7, true, null],
    refused: [1n, () => 1]
  },
  { kind: "json with a class of its own", column: Table.json(Schema.Array(Schema.Date)), kept: [[new Date(1)]] },
  { kind: "bytes", column: Table.bytes, kept: [new Uint8Array([0, 1, 127, 128, 255]), new Uint8Array()] },
  { kind: "enum", column: mood, kept: ["glad", 'the "other", one'], refused: ["sad"] },
  { kind: "array of text", column: Table.array(Table.text), kept: [[], ["a", 'b "c", {d}', "", "NULL", "🪨"]] },
  { kind: "array of enum", column: Table.array(mood), kept: [[], ["glad", 'the "other", one', "so so"]] },
  {
    kind: "array of int8",
    column: Table.array(Table.bigint),
    kept: [[-(2n ** 63n), 9007199254740993n, 1n]],
    refused: [[2n ** 63n]]
  },
  { kind: "array of int4", column: Table.array(Table.int), kept: [[1, -2]], refused: [[1, 2147483648]] },
  { kind: "array of float8", column: Table.array(Table.float), kept: [[0.5, Number.POSITIVE_INFINITY]] },
  { kind: "array of numeric", column: Table.array(Table.numeric(15, 2)), kept: [["0.10", "9999999999999.99"]] },
  { kind: "array of boolean", column: Table.array(Table.boolean), kept: [[true, false]] },
  {
    kind: "array of timestamptz",
    column: Table.array(Table.timestamp),
    kept: [[new Date(1), new Date("-000043-03-15")]]
  },
  { kind: "array of date", column: Table.array(Table.date), kept: [["2026-02-28", "0044-03-15 BC"]] },
  { kind: "array of json", column: Table.array(Table.json(Schema.Unknown)), kept: [[{ a: [1, null] }, [2], "x"]] },
  { kind: "array of bytes", column: Table.array(Table.bytes), kept: [[new Uint8Array([0, 255])]] },
  {
    kind: "array of arrays",
    column: Table.array(Table.array(Table.int)),
    kept: [
      [
        [1, 2],
        [3, 4]
      ]
    ]
  },
  {
    kind: "the product's own type",
    column: Table.raw({ postgresql: "inet", sqlite: "TEXT" }, Schema.Unknown),
    kept: ["10.0.0.1", "::1"]
  }
]

const tableOf = (column: Table.Column.Any) =>
  Table.make("kept", {
    id: Table.int.pipe(Table.primaryKey),
    // A table of columns of every kind has no common type; what a column takes and gives is what the test is about.
    value: (column as Table.Column<unknown>).pipe(Table.named("the value"))
  })

const created = (table: Table.Table) =>
  DatabaseSchema.ensure(DatabaseSchema.make({ kept: table } as Record<string, Table.Table>))

/** Put in by one statement that gives the row back, changed by another, read by a third. */
export const through = <T extends Table.Table>(table: T) =>
  Effect.map(SqlClient.SqlClient, (sql) => ({
    insert: SqlSchema.single({
      Request: Table.insert(table),
      Result: Table.row(table),
      execute: (row) => sql`INSERT INTO ${sql(table.name)} ${sql.insert(row)} RETURNING *`
    }),
    update: SqlSchema.void({
      Request: Table.update(table),
      execute: (row) => sql`UPDATE ${sql(table.name)} SET ${sql.update(row)}`
    }),
    all: SqlSchema.findAll({
      Request: Schema.Void,
      Result: Table.row(table),
      execute: () => sql`SELECT * FROM ${sql(table.name)} ORDER BY id`
    })
  }))

/** For the rest of the scope; a zone that was not set before cannot be unset in a way that the process notices. */
const inZone = (zone: string) => {
  const set = (to: string) =>
    Effect.sync(() => {
      process.env.TZ = to
    })
  const before = process.env.TZ ?? Intl.DateTimeFormat().resolvedOptions().timeZone
  return Effect.acquireRelease(set(zone), () => set(before))
}

export const rows = (product: Product) => {
  contract("rows of a Table", product, (it) => {
    for (const { kind, column, kept, refused = [] } of kinds) {
      it(`${kind} comes back with the value it has everywhere`, () =>
        Effect.gen(function* () {
          for (const nullable of [false, true]) {
            const table = tableOf(nullable ? (Table.nullable(column as Table.Column<unknown>) as never) : column)
            const sql = yield* SqlClient.SqlClient
            yield* sql`DROP TABLE IF EXISTS kept`
            yield* created(table)
            const { insert, update, all } = yield* through(table)
            const values = nullable ? [...kept, null] : kept
            const pairs = values.map((one) => (one instanceof Read ? one : new Read(one, one)))
            for (const [id, { sent, read }] of pairs.entries()) {
              expect(yield* insert({ id, value: sent })).toStrictEqual({ id, value: read })
            }
            expect(yield* all()).toStrictEqual(pairs.map(({ read }, id) => ({ id, value: read })))
            for (const { sent, read } of pairs) {
              yield* update({ value: sent })
              expect((yield* all()).map(({ value }) => value)).toStrictEqual(pairs.map(() => read))
            }
            for (const value of [...refused, undefined]) {
              const said = yield* Effect.either(insert({ id: 1000, value }))
              if (value === undefined && nullable) expect(Either.getOrThrow(said).value).toBe(null)
              else expect(Either.flip(said).pipe(Either.getOrThrow)._tag).toBe("ParseError")
            }
          }
        }))
    }

    it("columns left out have their defaults, in the columns' own values", () =>
      Effect.gen(function* () {
        const { usage, ...tables } = AppSchema.make("app")
        yield* DatabaseSchema.ensure(DatabaseSchema.make({ ...tables, usage }))
        const users = yield* through(tables.users)
        const user = yield* users.insert({ username: "ann", email: "ann@example.org", is_active: undefined })
        expect(user).toStrictEqual({
          id: expect.stringMatching(/^[\da-f-]{36}$/),
          username: "ann",
          email: "ann@example.org",
          password_hash: null,
          full_name: null,
          roles: [],
          is_active: true,
          created_at: expect.any(Date),
          updated_at: expect.any(Date),
          last_login_at: null
        })
        const keys = yield* through(tables.apiKeys)
        const id = 2n ** 60n + 1n
        const key = yield* keys.insert({ id, name: "a", key_hash: "h", key_prefix: "p", scopes: ["read", "write"] })
        expect(key).toMatchObject({ id, scopes: ["read", "write"], is_active: true, expires_at: null })
        const usages = yield* through(usage)
        const one = { api_key_id: id, user_id: user.id, endpoint: "/", method: "GET", status: 200, duration_ms: 3 }
        expect(yield* usages.insert(one)).toMatchObject({ id: 1n, ...one, tokens_in: 0 })
        const logs = yield* through(tables.logs)
        expect(yield* logs.insert({ level: "info", message: "m", context: { a: [null] } })).toMatchObject({
          context: { a: [null] },
          logger: null
        })
      }))

    it("moments and days are the same in whatever zone the program runs, the odd ones of long ago too", () =>
      Effect.gen(function* () {
        const table = Table.make("kept", {
          id: Table.int.pipe(Table.primaryKey),
          at: Table.timestamp,
          day: Table.date,
          all: Table.array(Table.timestamp),
          days: Table.array(Table.date)
        })
        yield* created(table)
        const { insert, all } = yield* through(table)
        const moments = [
          "-000043-03-15T12:00:00.007Z",
          "0000-02-28T00:00:00Z",
          "1800-01-01T00:00:00Z",
          "1934-07-01T23:59:59Z"
        ]
        const days = ["0044-03-15 BC", "1800-01-01", "1937-07-01", "2018-11-04", "2011-12-29"]
        for (const [id, zone] of ["Europe/Amsterdam", "America/Sao_Paulo", "Pacific/Apia"].entries()) {
          yield* inZone(zone)
          for (const [at, text] of moments.entries()) {
            const row = {
              id: id * 10 + at,
              at: new Date(text),
              day: days[at] ?? "",
              all: moments.map((one) => new Date(one)),
              days
            }
            expect(yield* insert(row)).toStrictEqual(row)
            expect((yield* all())[id * 10 + at - id * (10 - moments.length)]).toStrictEqual(row)
          }
        }
      }))

    it("a part of the columns is read by a part of the schema, found by a value of the column", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const table = Table.make("kept", {
          id: Table.bigint.pipe(Table.primaryKey, Table.named("the id")),
          day: Table.date,
          more: Table.text
        })
        yield* created(table)
        const { insert } = yield* through(table)
        yield* insert({ id: 5n, day: "2026-02-28", more: "m" })
        const byDay = SqlSchema.findOne({
          Request: Table.row(table).pipe(Schema.pick("day")),
          Result: Table.row(table).pipe(Schema.pick("id", "day")),
          execute: ({ day }) => sql`SELECT "the id", day FROM kept WHERE day = ${day}`
        })
        expect(yield* Effect.flatten(byDay({ day: "2026-02-28" }))).toStrictEqual({ id: 5n, day: "2026-02-28" })
      }))

    it("what other programs put there is the column's value or a ParseError, never another value", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const table = Table.make("kept", { id: Table.int.pipe(Table.primaryKey), day: Table.date })
        yield* sql`CREATE TABLE kept (id BIGINT, day TEXT)`
        yield* sql`INSERT INTO kept VALUES (${9007199254740993n}, '2026-02-28')`
        const { all } = yield* through(table)
        expect((yield* Effect.flip(all()))._tag).toBe("ParseError")
        yield* sql`UPDATE kept SET id = 1, day = '2026-02-30'`
        expect((yield* Effect.flip(all()))._tag).toBe("ParseError")
        yield* sql`UPDATE kept SET day = '2026-02-28'`
        expect(yield* all()).toStrictEqual([{ id: 1, day: "2026-02-28" }])
      }))
  })
}
