/** Rows of a table made from a Model have the model's values on every product, and the Model's own repository works on it. */
import * as Model from "@effect/sql/Model"
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import { expect } from "@effect/vitest"
import * as BigDecimal from "effect/BigDecimal"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { DatabaseSchema, Table } from "effect-aquifer"
import { contract, type Product } from "./contract.js"
import { through } from "./rows.js"

const Key = Schema.Uint8ArrayFromSelf.pipe(Schema.brand("Key"))

/** Fields whose values are of one kind and whose columns of another. */
class Kept extends Model.Class<Kept>("Kept")({
  id: Model.Generated(Schema.Int),
  key: Model.UuidV4Insert(Key),
  team: Schema.Int.pipe(Model.fieldFromKey({ select: "team_id", insert: "team_id", update: "team_id" })),
  role: Schema.Literal("admin", "it's me"),
  bio: Model.FieldOption(Schema.String.pipe(Schema.maxLength(500))),
  secret: Model.Sensitive(Schema.Redacted(Schema.String)),
  checked: Model.BooleanFromNumber,
  shown: Model.BooleanFromNumber,
  small: Schema.Int,
  wide: Schema.Number,
  big: Schema.BigInt,
  bigger: Schema.BigIntFromSelf,
  exact: Schema.BigDecimal,
  price: Schema.Number,
  settings: Schema.Struct({ dark: Schema.NullOr(Schema.Boolean), at: Schema.Date }),
  tags: Schema.Array(Schema.String),
  numbers: Schema.Array(Schema.BigInt),
  raw: Model.JsonFromString(Schema.Struct({ a: Schema.Array(Schema.Int) })),
  maybe: Model.FieldOption(Schema.Struct({ b: Schema.Null })),
  seen: Model.DateTimeInsertFromDate,
  changed: Model.DateTimeUpdate,
  written: Model.DateTimeInsert,
  epoch: Model.DateTimeInsertFromNumber,
  day: Model.Date,
  born: Model.Date,
  died: Schema.DateFromSelf,
  instant: Model.DateTimeInsertFromNumber,
  flag: Schema.Boolean,
  wideFlag: Schema.Boolean,
  count: Schema.BigIntFromSelf,
  whole: Schema.BigIntFromSelf,
  perhaps: Schema.NullOr(Schema.Array(Schema.BigInt))
}) {}

const kept = Table.fromModel(Kept, "kept", (c) => ({
  id: c.id.pipe(Table.primaryKey, Table.identity),
  key: c.key.pipe(Table.unique),
  role: c.role.pipe(Table.withDefault("admin")),
  shown: Table.boolean,
  small: Table.smallint,
  wide: Table.bigint,
  exact: Table.numeric(20, 2),
  price: Table.numeric(10, 2),
  numbers: Table.array(Table.bigint),
  written: Table.timestamp.pipe(Table.withDefault("now")),
  epoch: Table.bigint,
  born: Table.date,
  died: Table.date,
  instant: Table.timestamp,
  flag: Table.smallint,
  wideFlag: Table.bigint,
  count: Table.int,
  whole: Table.numeric(20),
  perhaps: Table.array(Table.bigint)
}))
const schemaOfKept = DatabaseSchema.make({ kept })

export const models = (product: Product) => {
  contract("rows of a Model's Table", product, (it) => {
    it("a Model's fields come back as the model's values, in whatever type the table keeps them", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* DatabaseSchema.ensure(schemaOfKept)
        // The conditions, lengths and defaults are the product's own by now, and still those that are declared.
        expect(yield* DatabaseSchema.diff(schemaOfKept)).toEqual([])
        const { insert, all } = yield* through(kept)
        const key = Schema.decodeSync(Key)(new Uint8Array(16).fill(7))
        const at = DateTime.unsafeMake("2026-02-28T23:59:59.987Z")
        const full = {
          key,
          team: 7,
          role: "it's me",
          bio: Option.some("🪨"),
          secret: Redacted.make("s"),
          checked: true,
          shown: true,
          small: -32768,
          wide: Number.MAX_SAFE_INTEGER,
          big: 2n ** 63n - 1n,
          bigger: -(2n ** 63n),
          exact: BigDecimal.unsafeFromString("12345678901234567.89"),
          price: 0.1,
          settings: { dark: null, at: new Date(1) },
          tags: ["a", '"b"'],
          numbers: [2n ** 60n, 1n],
          raw: { a: [1] },
          maybe: Option.some({ b: null }),
          seen: at,
          changed: at,
          written: at,
          epoch: at,
          day: DateTime.removeTime(at),
          born: DateTime.removeTime(at),
          // A day as a Date is one's own midnight.
          died: new Date(2026, 1, 28),
          instant: at,
          flag: true,
          wideFlag: false,
          count: -5n,
          whole: 10n ** 19n,
          perhaps: [2n ** 60n]
        } as const
        const { perhaps: _, ...some } = full
        const none = {
          ...some,
          key: Key.make(new Uint8Array(16)),
          bio: Option.none(),
          maybe: Option.none(),
          flag: false
        }
        const [one, other] = [yield* insert(full), yield* insert(none)]
        expect(one).toEqual({ id: 1, ...full })
        expect(other).toEqual({ id: 2, ...none, perhaps: null })
        expect(Redacted.value(one.secret)).toBe("s")
        expect(yield* all()).toEqual([one, other])
        const wide = SqlSchema.findOne({
          Request: Table.row(kept).pipe(Schema.pick("wide", "day")),
          Result: Table.row(kept).pipe(Schema.pick("id")),
          execute: ({ wide, day }) => sql`SELECT id FROM kept WHERE wide = ${wide} AND day = ${day} AND id = 1`
        })
        expect(yield* Effect.flatten(wide({ wide: full.wide, day: full.day }))).toEqual({ id: 1 })
        // What a double or a safe integer cannot hold is refused on the way out, too.
        yield* sql`UPDATE kept SET wide = ${2n ** 53n + 1n} WHERE id = 1`
        expect((yield* Effect.flip(all()))._tag).toBe("ParseError")
      }))

    it("a Model's own repository works on its table", () =>
      Effect.gen(function* () {
        class Note extends Model.Class<Note>("Note")({
          id: Model.Generated(Schema.Int),
          text: Schema.String.pipe(Schema.maxLength(10)),
          mood: Schema.Literal("glad", "sad"),
          by: Model.FieldOption(Schema.UUID),
          done: Schema.Boolean,
          size: Schema.Number,
          on: Model.Date,
          settings: Schema.Struct({ dark: Schema.Boolean }),
          list: Model.JsonFromString(Schema.Array(Schema.Int)),
          photo: Schema.Uint8ArrayFromSelf,
          made: Model.DateTimeInsertFromDate,
          said: Model.DateTimeUpdate
        }) {}
        const notes = Table.fromModel(Note, "notes", (c) => ({ id: c.id.pipe(Table.primaryKey, Table.identity) }))
        yield* DatabaseSchema.ensure(DatabaseSchema.make({ notes }))
        const repository = yield* Model.makeRepository(Note, { tableName: "notes", idColumn: "id", spanPrefix: "Note" })
        const at = DateTime.unsafeMake("2026-02-28T00:00:00Z")
        const note = yield* repository.insert(
          Note.insert.make({
            text: "t",
            mood: "glad",
            by: Option.none(),
            done: true,
            size: 0.5,
            on: at,
            settings: { dark: true },
            list: [1, 2],
            photo: new Uint8Array([1]),
            made: Model.Override(at),
            said: Model.Override(at)
          })
        )
        expect({ ...note, photo: new Uint8Array(note.photo) }).toMatchObject({
          id: 1,
          on: at,
          made: at,
          said: at,
          list: [1, 2]
        })
        const { all } = yield* through(notes)
        expect(yield* all()).toEqual([{ ...note, photo: new Uint8Array([1]) }])
      }))
  })
}
