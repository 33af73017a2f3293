import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Change, LiveSchema, Table } from "effect-aquifer"
import { describe, expect, expectTypeOf, it } from "vitest"

const users = Table.make(
  "users",
  {
    id: Table.bigint.pipe(Table.primaryKey, Table.identity),
    email: Table.varchar(100).pipe(Table.unique),
    nick: Table.text.pipe(Table.nullable, Table.named("nick_name")),
    role: Table.enums("role", ["admin", "user"]).pipe(Table.withDefault("user")),
    teamId: Table.uuid.pipe(Table.named("team_id"), Table.references("teams.id", { onDelete: "cascade" })),
    tags: Table.array(Table.text).pipe(Table.withDefault([])),
    settings: Table.json(Schema.Struct({ dark: Schema.Boolean })),
    full: Table.text.pipe(Table.computed("email || nick_name")),
    born: Table.timestamp.pipe(Table.withDefault("now"))
  },
  (c) => [Table.index([c.teamId, c.nick]), Table.checkOf("named", "nick_name <> ''")]
)

describe("a table's types", () => {
  it("are those of its rows, inserts and updates", () => {
    type Row = Table.Row<typeof users>
    expectTypeOf<Row>().toEqualTypeOf<{
      readonly id: bigint
      readonly email: string
      readonly nick: string | null
      readonly role: "admin" | "user"
      readonly teamId: string
      readonly tags: ReadonlyArray<string>
      readonly settings: { readonly dark: boolean }
      readonly full: string
      readonly born: Date
    }>()
    expectTypeOf<Table.Insert<typeof users>>().toEqualTypeOf<{
      readonly email: string
      readonly teamId: string
      readonly settings: { readonly dark: boolean }
      readonly nick?: string | null | undefined
      readonly role?: "admin" | "user" | undefined
      readonly tags?: ReadonlyArray<string> | undefined
      readonly born?: Date | undefined
    }>()
    expectTypeOf<Table.Update<typeof users>>().not.toHaveProperty("id")
    // @ts-expect-error: a default must be of the column's type
    Table.int.pipe(Table.withDefault("one"))
    // @ts-expect-error: an enum's default must be one of its words
    Table.enums("role", ["a"]).pipe(Table.withDefault("b"))
  })

  it("are values to pipe, which no modifier changes", () => {
    const before = Table.text
    expect(before.pipe(Table.nullable).nullable).toBe(true)
    expect(before.nullable).toBe(false)
    expect(Object.isFrozen(before)).toBe(true)
  })
})

describe("a table's definition", () => {
  const definition = Table.definition(users)

  it("speaks of SQL names only, and names every constraint", () => {
    expect(definition.columns.map((column) => column.name)).toEqual([
      "id",
      "email",
      "nick_name",
      "role",
      "team_id",
      "tags",
      "settings",
      "full",
      "born"
    ])
    expect(definition.constraints).toEqual([
      { kind: "primary key", name: "users_pkey", columns: ["id"] },
      { kind: "unique", name: "users_email_key", columns: ["email"] },
      {
        kind: "foreign key",
        name: "users_team_id_fkey",
        columns: ["team_id"],
        table: "teams",
        targets: ["id"],
        onDelete: "cascade"
      },
      { kind: "check", name: "named", sql: "nick_name <> ''" }
    ])
    expect(definition.indexes).toEqual([
      { kind: "index", name: "users_team_id_nick_name_idx", columns: ["team_id", "nick_name"] }
    ])
  })

  it("shortens a name PostgreSQL would cut, so that two long names stay two", () => {
    const name = (column: string) => Table.constraintName("t".repeat(50), Table.index([column]))
    const [a, b] = [name("a_rather_long_column_1"), name("a_rather_long_column_2")]
    expect(a).not.toBe(b)
    expect([a, b].map((one) => new TextEncoder().encode(one).length)).toEqual([63, 63])
    expect(new TextEncoder().encode(Table.shortName("é".repeat(40))).length).toBeLessThanOrEqual(63)
    expect(Table.shortName("short")).toBe("short")
  })
})

describe("a change's inverse", () => {
  const table = Table.definition(users)
  const index = Table.withName("users", Table.index(["a"], { concurrently: true }))
  const constraint = Table.withName("users", Table.uniqueOf(["a"]))
  const column = table.columns[1] as Table.NamedColumn
  const pairs: ReadonlyArray<Change.Change> = [
    Change.make.CreateTable({ table, ifNotExists: false }),
    Change.make.RenameTable({ from: "a", to: "b" }),
    Change.make.AddColumn({ table: "users", column }),
    Change.make.RenameColumn({ table: "users", from: "a", to: "b" }),
    Change.make.AlterColumn({ table: "users", column: "a", to: { nullable: true }, was: { nullable: false } }),
    Change.make.AddConstraint({ table: "users", constraint }),
    Change.make.CreateIndex({ table: "users", index, ifNotExists: false }),
    Change.make.CreateEnum({ name: "mood", values: ["a"] })
  ]

  it.each(pairs.map((change) => [change._tag, change] as const))(
    "%s: the inverse of the inverse is itself",
    (_, change) => {
      const back = Option.getOrThrow(Change.inverse(change))
      expect(back).not.toEqual(change)
      expect(Option.getOrThrow(Change.inverse(back))).toEqual(change)
    }
  )

  it("is not invented where it cannot be known", () => {
    const unknown: ReadonlyArray<Change.Change> = [
      Change.make.DropTable({ name: "a", ifExists: false }),
      Change.make.DropColumn({ table: "a", column: "b" }),
      Change.make.DropConstraint({ table: "a", name: "b" }),
      Change.make.DropIndex({ table: "a", name: "b", ifExists: false, concurrently: false }),
      Change.make.AlterColumn({ table: "a", column: "b", to: {} }),
      Change.make.AddEnumValue({ name: "a", value: "b" }),
      Change.make.DropEnum({ name: "a" }),
      Change.make.Execute({ sql: "SELECT 1" })
    ]
    expect(unknown.map(Change.inverse)).toEqual(unknown.map(() => Option.none()))
  })
})

describe("differences of schemas", () => {
  const column = (name: string, type: string): LiveSchema.LiveColumn => ({ name, type, nullable: false })
  const table = (name: string, ...columns: ReadonlyArray<LiveSchema.LiveColumn>): LiveSchema.LiveTable => ({
    name,
    columns,
    uniques: [],
    foreignKeys: [],
    checks: [],
    exclusions: [],
    indexes: [],
    triggers: [],
    source: Math.random().toString()
  })
  const schema = (...tables: ReadonlyArray<LiveSchema.LiveTable>) => ({ ...LiveSchema.empty, tables })

  it("are paths to what is gone, new, other, or in another order", () => {
    const before = schema(table("a", column("x", "int"), column("y", "int")), table("b"))
    const after = schema(table("a", column("y", "text"), column("x", "int")), table("c"))
    expect(LiveSchema.differences(before, after)).toEqual([
      "tables.b: gone",
      "tables.c: new",
      "tables.a.columns: another order",
      "tables.a.columns.y.type: int -> text"
    ])
  })

  it("are none where only the product's own text differs", () => {
    expect(LiveSchema.differences(schema(table("a")), schema(table("a")))).toEqual([])
  })
})
