/** A table from a Model: what its fields tell, what must be said, and what is refused before the program runs. */
import * as Model from "@effect/sql/Model"
import type * as BigDecimal from "effect/BigDecimal"
import type * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { DatabaseSchema, Table } from "effect-aquifer"
import { describe, expect, expectTypeOf, it } from "vitest"

const UserId = Schema.Int.pipe(Schema.brand("UserId"))
const Key = Schema.Uint8ArrayFromSelf.pipe(Schema.brand("Key"))

class User extends Model.Class<User>("User")({
  id: Model.Generated(UserId),
  key: Model.UuidV4Insert(Key),
  ref: Model.GeneratedByApp(Schema.UUID),
  email: Schema.NonEmptyTrimmedString.pipe(Schema.maxLength(100), Schema.maxLength(80), Schema.brand("Email")),
  code: Schema.String.pipe(Schema.length(4)),
  nick: Schema.NullOr(Schema.String),
  bio: Model.FieldOption(Schema.String.pipe(Schema.maxLength(500))),
  password: Model.Sensitive(Schema.Redacted(Schema.String)),
  role: Schema.Literal("admin", "it's me"),
  rank: Model.FieldOption(Schema.Literal(1, 2)),
  active: Schema.Boolean,
  checked: Model.BooleanFromNumber,
  age: Schema.NullOr(Schema.Int.pipe(Schema.between(0, 150))),
  size: Schema.Number,
  big: Schema.BigInt,
  bigger: Schema.BigIntFromSelf,
  settings: Schema.Struct({ dark: Schema.Boolean, at: Schema.Date }),
  tags: Schema.Array(Schema.String),
  extra: Schema.Record({ key: Schema.String, value: Schema.Unknown }),
  raw: Model.JsonFromString(Schema.Struct({ a: Schema.Int })),
  born: Schema.DateFromSelf,
  seen: Model.DateTimeInsertFromDate,
  changed: Model.DateTimeUpdateFromNumber,
  written: Model.DateTimeInsert,
  day: Model.Date,
  team: Schema.Int.pipe(Model.fieldFromKey({ select: "team_id", insert: "team_id", update: "team_id" })),
  balance: Schema.BigDecimal
}) {}

const teams = Table.make("teams", { id: Table.int.pipe(Table.primaryKey) })

const users = Table.fromModel(
  User,
  "users",
  (c) => ({
    id: c.id.pipe(Table.primaryKey, Table.identity),
    email: c.email.pipe(Table.unique),
    nick: c.nick.pipe(Table.named("nick_name")),
    role: c.role.pipe(Table.withDefault("admin")),
    team: c.team.pipe(Table.references("teams.id")),
    tags: Table.array(Table.text).pipe(Table.withDefault([])),
    written: Table.timestamp.pipe(Table.withDefault("now")),
    balance: Table.numeric(12, 2).pipe(Table.withDefault("0.00"))
  }),
  (c) => [Table.index([c.team, c.nick])]
)

const sqlOf = (table: Table.Table) =>
  Object.fromEntries(
    Table.definition(table).columns.map(({ name, type, nullable }) => {
      const size = type._tag === "varchar" ? `(${type.length})` : ""
      return [name, `${type._tag}${size}${nullable ? " NULL" : ""}`]
    })
  )

describe("a table from a Model", () => {
  it("has the columns that the fields tell", () => {
    expect(sqlOf(users)).toEqual({
      id: "int4",
      key: "bytes",
      ref: "uuid",
      email: "varchar(80)",
      code: "varchar(4)",
      nick_name: "text NULL",
      bio: "varchar(500) NULL",
      password: "text",
      role: "text",
      rank: "int4 NULL",
      active: "boolean",
      checked: "int4",
      age: "int4 NULL",
      size: "float8",
      big: "int8",
      bigger: "int8",
      settings: "json",
      tags: "array",
      extra: "json",
      raw: "text",
      born: "timestamptz",
      seen: "timestamptz",
      changed: "float8",
      written: "timestamptz",
      day: "text",
      team_id: "int4",
      balance: "numeric"
    })
  })

  it("has the keys, defaults, references and indexes that are said", () => {
    const { constraints, indexes, columns } = Table.definition(users)
    expect(constraints).toEqual([
      { kind: "primary key", name: "users_pkey", columns: ["id"] },
      { kind: "unique", name: "users_email_key", columns: ["email"] },
      { kind: "check", name: "users_role_check", sql: "\"role\" IN ('admin', 'it''s me')" },
      { kind: "check", name: "users_rank_check", sql: '"rank" IN (1, 2)' },
      { kind: "check", name: "users_checked_check", sql: '"checked" IN (0, 1)' },
      { kind: "foreign key", name: "users_team_id_fkey", columns: ["team_id"], table: "teams", targets: ["id"] }
    ])
    expect(indexes.map(({ columns }) => columns)).toEqual([["team_id", "nick_name"]])
    expect(columns.flatMap(({ name, default: filled }) => (filled === undefined ? [] : [[name, filled]]))).toEqual([
      ["id", { _tag: "identity", always: true }],
      ["role", { _tag: "value", value: "admin" }],
      ["tags", { _tag: "value", value: [] }],
      ["written", { _tag: "now" }],
      ["balance", { _tag: "value", value: "0.00" }]
    ])
  })

  it("has rows of the model's values, and inserts of what the database does not fill", () => {
    type Row = Table.Row<typeof users>
    expectTypeOf<Row["id"]>().toEqualTypeOf<typeof UserId.Type>()
    expectTypeOf<Row["nick"]>().toEqualTypeOf<string | null>()
    expectTypeOf<Row["bio"]>().toEqualTypeOf<Option.Option<string>>()
    expectTypeOf<Row["password"]>().toEqualTypeOf<Redacted.Redacted<string>>()
    expectTypeOf<Row["role"]>().toEqualTypeOf<"admin" | "it's me">()
    expectTypeOf<Row["big"]>().toEqualTypeOf<bigint>()
    expectTypeOf<Row["settings"]>().toEqualTypeOf<{ readonly dark: boolean; readonly at: Date }>()
    expectTypeOf<Row["written"]>().toEqualTypeOf<DateTime.Utc>()
    expectTypeOf<Row["team"]>().toEqualTypeOf<number>()
    expectTypeOf<Row["balance"]>().toEqualTypeOf<BigDecimal.BigDecimal>()
    expectTypeOf<keyof Row>().toEqualTypeOf<keyof typeof User.fields>()
    type Insert = Table.Insert<typeof users>
    expectTypeOf<Insert>().not.toHaveProperty("id")
    expectTypeOf<Insert["email"]>().toEqualTypeOf<Row["email"]>()
    expectTypeOf<Insert["nick"]>().toEqualTypeOf<string | null | undefined>()
    expectTypeOf<Insert["role"]>().toEqualTypeOf<Row["role"] | undefined>()
    expectTypeOf<Insert["written"]>().toEqualTypeOf<DateTime.Utc | undefined>()
    expectTypeOf<Insert["seen"]>().toEqualTypeOf<DateTime.Utc>()
    expectTypeOf<Table.Update<typeof users>>().not.toHaveProperty("id")
  })

  it("belongs to a schema as any other table does", () => {
    DatabaseSchema.make({ users, teams })
    // @ts-expect-error: the teams are not among the tables
    DatabaseSchema.make({ users })
  })
})

describe("what a Model does not tell", () => {
  class Account extends Model.Class<Account>("Account")({
    id: Model.Generated(Schema.Int),
    balance: Schema.BigDecimal,
    anything: Schema.Unknown,
    mixed: Schema.Union(Schema.String, Schema.Number)
  }) {}
  const given = {
    id: Table.int.pipe(Table.identity),
    balance: Table.numeric(10, 2),
    anything: Table.json(Schema.Unknown),
    mixed: Table.json(Schema.Unknown)
  }

  it("does not compile, and throws where types were not asked", () => {
    Table.fromModel(Account, "accounts", () => given)
    // A class whose types nobody knows is what the errors below are for.
    const untyped = (columns: Record<string, Table.Column.Any>) => () =>
      Table.fromModel(Account as unknown as Table.Model, "accounts", () => columns as never)
    const { id, balance, anything, mixed } = given
    expect(untyped({ id, anything, mixed })).toThrow(
      "Account.balance: its SQL type cannot be told from its schema. Give it a column: Table.numeric(10, 2)."
    )
    expect(untyped({ id, balance, mixed })).toThrow("Account.anything: its SQL type cannot be told")
    expect(untyped({ id, balance, anything })).toThrow("Account.mixed: its SQL type cannot be told")
    expect(untyped({ balance, anything, mixed })).toThrow(
      "Account.id: the database fills it, and nothing says with what"
    )
    expect(untyped({ ...given, other: Table.int })).toThrow("Account.other: there is no such field")
    expect(untyped({ ...given, balance: balance.pipe(Table.withDefault("0.001")) })).toThrow(
      "Account.balance: its default is no value of it"
    )
    expect(untyped({ ...given, balance: Table.boolean })).toThrow(
      "Account.balance: its schema encodes to string, which a boolean column cannot keep. Give it another column, or the field another schema."
    )
    const types = () => {
      // @ts-expect-error: the balance's digits are not told
      Table.fromModel(Account, "accounts", () => ({ id, anything, mixed }))
      // @ts-expect-error: what can be anything is not told
      Table.fromModel(Account, "accounts", () => ({ id, balance, mixed }))
      // @ts-expect-error: one of two kinds is not told
      Table.fromModel(Account, "accounts", () => ({ id, balance, anything }))
      // @ts-expect-error: nothing says what fills the id
      Table.fromModel(Account, "accounts", () => ({ balance, anything, mixed }))
      // @ts-expect-error: there is no such field
      Table.fromModel(Account, "accounts", () => ({ ...given, other: Table.int }))
      // @ts-expect-error: the model has no value for NULL
      Table.fromModel(Account, "accounts", () => ({ ...given, balance: Table.nullable(balance) }))
      // @ts-expect-error: no column is told that is not
      Table.fromModel(Account, "accounts", (c) => ({ ...given, balance: c.balance }))
    }
    expect(types).toBeTypeOf("function")
  })

  it("throws for a field that may be missing, is only written, or is of no known class", () => {
    class Missing extends Model.Class<Missing>("Missing")({ a: Schema.optional(Schema.String) }) {}
    expect(() => Table.fromModel(Missing, "t", () => ({ a: Table.text }))).toThrow("Missing.a: it may be missing")
    const decoded = { decode: Option.some<string>, encode: Option.getOrElse(() => "") }
    for (const a of [
      Schema.optionalWith(Schema.String, { default: () => "" }),
      Schema.requiredToOptional(Schema.String, Schema.String, decoded)
    ]) {
      class Filled extends Model.Class<Filled>("Filled")({ a }) {}
      expect(() => Table.fromModel(Filled, "t", () => ({ a: Table.text }))).toThrow("Filled.a: it may be missing")
    }
    class Written extends Model.Class<Written>("Written")({
      a: Schema.String,
      b: Model.FieldOnly("insert")(Schema.String)
    }) {}
    expect(() => Table.fromModel(Written, "t", () => ({}))).toThrow("Written.b: it is written and never read")
    class Other extends Model.Class<Other>("Other")({ a: Schema.URLFromSelf }) {}
    expect(() => Table.fromModel(Other, "t", () => ({}))).toThrow("Other.a: its SQL type cannot be told")
    class Within extends Model.Class<Within>("Within")({ a: Model.FieldOption(Schema.BigDecimal) }) {}
    expect(() => Table.fromModel(Within, "t", () => ({}))).toThrow("Within.a: its SQL type cannot be told")
  })
})

describe("lengths and wholeness", () => {
  it("are those of what is kept, not of what it becomes", () => {
    class Kept extends Model.Class<Kept>("Kept")({
      id: Schema.Int,
      coded: Schema.StringFromBase64.pipe(Schema.maxLength(5)),
      text: Schema.NumberFromString.pipe(Schema.int()),
      both: Schema.NullOr(Schema.String.pipe(Schema.maxLength(7))),
      some: Schema.Union(Schema.Literal("a"), Schema.String),
      one: Schema.Literal("kept"),
      pattern: Schema.TemplateLiteral("a", Schema.Number),
      half: Schema.transform(Schema.Number, Schema.Number, { decode: (n) => n * 2, encode: (n) => n / 2 }).pipe(
        Schema.int()
      )
    }) {}
    const table = Table.fromModel(Kept, "t", (c) => ({ id: c.id.pipe(Table.primaryKey) }))
    expect(Table.definition(table).constraints.map(({ name }) => name)).toEqual(["t_pkey", "t_one_check"])
    expect(sqlOf(table)).toEqual({
      id: "int4",
      coded: "text",
      text: "text",
      both: "varchar(7) NULL",
      some: "text",
      one: "text",
      pattern: "text",
      half: "float8"
    })
  })

  it("of a default are the column's own values, whatever the model makes of them", () => {
    class Kept extends Model.Class<Kept>("Kept")({ a: Model.FieldOption(Schema.String), b: Schema.BigInt }) {}
    const table = Table.fromModel(Kept, "t", (c) => ({
      a: c.a.pipe(Table.withDefault(Option.some("x"))),
      b: c.b.pipe(Table.withDefault(5n))
    }))
    expect(Table.definition(table).columns.map((column) => column.default)).toEqual([
      { _tag: "value", value: "x" },
      { _tag: "value", value: 5n }
    ])
  })
})
