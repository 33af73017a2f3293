/** Two declarations each, and the changes that lead from one to the other. */
import * as Schema from "effect/Schema"
import { DatabaseSchema, Table } from "effect-aquifer"
import type { Product } from "../migration/support.js"

type Of = Record<string, Table.Column.Any>
type Constraints = ReadonlyArray<Table.Constraint>

/** Users with these columns and constraints, among teams. */
const users = (columns: Of, constraints: Constraints = [], options: Parameters<typeof Table.make>[3] = {}) =>
  Table.make("users", { id: Table.int.pipe(Table.primaryKey), ...columns } as Of, () => constraints, options)
const teams = Table.make("teams", {
  id: Table.int.pipe(Table.primaryKey),
  code: Table.text.pipe(Table.withDefault("x"), Table.unique)
})
const schemaOf = (...tables: ReadonlyArray<Table.Table>) =>
  DatabaseSchema.make(Object.fromEntries(tables.map((table) => [table.name, table])))
const among = (columns: Of, constraints: Constraints = [], options: Parameters<typeof Table.make>[3] = {}) =>
  schemaOf(teams, users(columns, constraints, options))

const text = Table.text.pipe(Table.withDefault("a"))
const number = Table.int.pipe(Table.withDefault(1))
const mood = (...words: [string, ...Array<string>]) => Table.enums("mood", words).pipe(Table.withDefault("ok" as never))

interface Case {
  readonly title: string
  readonly before: DatabaseSchema.DatabaseSchema
  readonly after: DatabaseSchema.DatabaseSchema
  readonly told: ReadonlyArray<string>
  /** Where a product has no such thing, or says it otherwise. */
  readonly sqlite?: ReadonlyArray<string>
  readonly oneWay?: true
  /** What is dropped on the way there does not come back with it. */
  readonly loses?: true
  /** No first row can be written. */
  readonly circular?: true
  /** The product prints a text in another way when it is told it in its own words. */
  readonly reprinted?: true
}

const collation = { sqlite: "NOCASE", postgresql: "C", pglite: "C" }

const span = Table.raw({ postgresql: "int4range" }, Schema.String).pipe(Table.nullable)
const apart = (sql: string) => among({ span }, [Table.exclude(sql, { name: "apart", using: "gist" })])

/** Only the PostgreSQL family has them. */
const excluded: ReadonlyArray<Case> = [
  {
    title: "an exclusion that is new",
    before: among({ span }),
    after: apart("span WITH &&"),
    told: ["AddConstraint users.apart"]
  },
  {
    title: "another exclusion",
    before: apart("span WITH &&"),
    after: apart("span WITH -|-"),
    told: ["DropConstraint users.apart", "AddConstraint users.apart"]
  }
]

export const casesOn = (product: Product): ReadonlyArray<Case> => [
  { title: "a table that is new", before: schemaOf(), after: schemaOf(teams), told: ["CreateTable teams"] },
  {
    title: "tables that are gone, children first",
    loses: true,
    before: among({ team: Table.int.pipe(Table.nullable, Table.references("teams.id")) }),
    after: schemaOf(),
    told: ["DropTable users", "DropTable teams"]
  },
  {
    title: "two new tables that refer to each other",
    before: schemaOf(),
    after: schemaOf(
      Table.make("a", { id: Table.int.pipe(Table.primaryKey), b: Table.int.pipe(Table.references("b.id")) }),
      Table.make("b", { id: Table.int.pipe(Table.primaryKey), a: Table.int.pipe(Table.references("a.id")) })
    ),
    told: ["CreateTable b", "CreateTable a", "AddConstraint b.b_a_fkey"]
  },
  {
    title: "two tables that refer to each other, gone",
    circular: true,
    loses: true,
    before: schemaOf(
      Table.make("a", { id: Table.int.pipe(Table.primaryKey), b: Table.int.pipe(Table.references("b.id")) }),
      Table.make("b", { id: Table.int.pipe(Table.primaryKey), a: Table.int.pipe(Table.references("a.id")) })
    ),
    after: schemaOf(),
    told: ["DropConstraint b.b_a_fkey", "DropTable a", "DropTable b"]
  },
  {
    title: "a table that says what it was called",
    before: among({ a: text }),
    after: schemaOf(teams, { ...users({ a: text }), name: "people", renamedFrom: "users" }),
    told: ["rename table users to people"]
  },
  {
    title: "a table that does not say so",
    loses: true,
    before: among({}),
    after: schemaOf(teams, { ...users({}), name: "people" }),
    told: ["CreateTable people", "DropTable users"]
  },
  { title: "a column that is new", before: among({}), after: among({ a: text }), told: ["AddColumn users.a"] },
  {
    title: "a column that is new, with all that stands at it",
    before: among({}),
    after: among({
      a: Table.int.pipe(
        Table.nullable,
        Table.unique,
        Table.check("a > 0"),
        Table.references("teams.id", { onDelete: "cascade" })
      )
    }),
    told: [
      "AddColumn users.a",
      "AddConstraint users.users_a_key",
      "AddConstraint users.users_a_check",
      "AddConstraint users.users_a_fkey"
    ]
  },
  {
    title: "a column that is gone, and its index",
    loses: true,
    before: among({ a: text }, [Table.index(["a"])]),
    after: among({}),
    told: ["DropIndex users.users_a_idx", "DropColumn users.a"]
  },
  {
    title: "a column that says what it was called, in all that names it",
    before: among({ a: number }, [
      Table.checkOf("positive", "a > 0"),
      Table.index([{ sql: "a + 1" }], { name: "more" })
    ]),
    after: among({ b: number.pipe(Table.renamedFrom("a")) }, [
      Table.checkOf("positive", "b > 0"),
      Table.index([{ sql: "b + 1" }], { name: "more" })
    ]),
    told: ["rename column users.a to b"]
  },
  {
    title: "another type, where values become it by themselves",
    before: among({ a: number }, [Table.index(["a"])]),
    after: among({ a: Table.bigint.pipe(Table.withDefault(1n)) }, [Table.index(["a"])]),
    told: ["AlterColumn users.a"]
  },
  {
    title: "another type, where they have to be told how",
    before: among({ a: Table.text.pipe(Table.withDefault("1")) }),
    after: among({ a: number }),
    told: ["AlterColumn users.a"]
  },
  {
    title: "another length",
    reprinted: true,
    before: among({ a: Table.varchar(10).pipe(Table.withDefault("a"), Table.check("a IN ('a', 'b')")) }),
    after: among({ a: Table.varchar(20).pipe(Table.withDefault("a"), Table.check("a IN ('a', 'b')")) }),
    told: ["AlterColumn users.a"]
  },
  {
    title: "another type under a reference, at both ends",
    before: among({ team: Table.int.pipe(Table.nullable, Table.references("teams.id")) }),
    after: schemaOf(
      Table.make("teams", { id: Table.text.pipe(Table.primaryKey), code: teams.columns.code }),
      users({ team: Table.text.pipe(Table.nullable, Table.references("teams.id")) })
    ),
    told: [
      "DropConstraint users.users_team_fkey",
      "AlterColumn teams.id",
      "AlterColumn users.team",
      "AddConstraint users.users_team_fkey"
    ]
  },
  {
    title: "may be null, and no longer",
    before: among({ a: text, b: text.pipe(Table.nullable) }),
    after: among({ a: text.pipe(Table.nullable), b: text }),
    told: ["AlterColumn users.a", "AlterColumn users.b"]
  },
  {
    title: "defaults: new, other, gone",
    before: among({
      a: Table.text.pipe(Table.nullable),
      b: text,
      c: text.pipe(Table.nullable),
      d: Table.json(Schema.Unknown).pipe(Table.withDefault({ x: 1 })),
      e: Table.array(Table.text).pipe(Table.withDefault(["x"]))
    }),
    after: among({
      a: text.pipe(Table.nullable),
      b: Table.text.pipe(Table.defaultSql("upper('b')")),
      c: Table.text.pipe(Table.nullable),
      d: Table.json(Schema.Unknown).pipe(Table.withDefault([{ y: "it's" }])),
      e: Table.array(Table.text).pipe(Table.withDefault(["x", "it's"]))
    }),
    told: ["a", "b", "c", "d", "e"].map((column) => `AlterColumn users.${column}`)
  },
  {
    title: "numbered by the database, and no longer",
    before: schemaOf(
      Table.make("a", { id: Table.int.pipe(Table.primaryKey) }),
      Table.make("b", { id: Table.int.pipe(Table.primaryKey, Table.identityByDefault) })
    ),
    after: schemaOf(
      Table.make("a", { id: Table.int.pipe(Table.primaryKey, Table.identityByDefault) }),
      Table.make("b", { id: Table.int.pipe(Table.primaryKey) })
    ),
    told: ["AlterColumn a.id", "AlterColumn b.id"]
  },
  {
    title: "computed otherwise, and what is computed from what changes",
    before: among({
      a: number,
      b: Table.int.pipe(Table.nullable, Table.computed("a + 1")),
      c: Table.text.pipe(Table.nullable, Table.computed("'x'"))
    }),
    after: among({
      a: Table.bigint.pipe(Table.withDefault(1n)),
      b: Table.int.pipe(Table.nullable, Table.computed("a + 1")),
      c: Table.text.pipe(Table.nullable, Table.computed("'y'"))
    }),
    told: ["DropColumn users.b", "DropColumn users.c", "AlterColumn users.a", "AddColumn users.b", "AddColumn users.c"]
  },
  {
    title: "comments: new, other, gone",
    before: among({ a: text, b: text.pipe(Table.comment("b")), c: text.pipe(Table.comment("c")) }, [], {
      comment: "t"
    }),
    after: among({ a: text.pipe(Table.comment("it's")), b: text.pipe(Table.comment("bb")), c: text }),
    told: ["Comment users.a", "Comment users.b", "Comment users.c", "Comment users"],
    sqlite: []
  },
  {
    title: "another primary key",
    before: schemaOf(Table.make("a", { id: Table.int.pipe(Table.primaryKey), b: number })),
    after: schemaOf(Table.make("a", { id: Table.int, b: number }, () => [Table.primaryKeyOf(["id", "b"])])),
    told: ["DropConstraint a.a_pkey", "AddConstraint a.a_pkey"]
  },
  {
    title: "a key that is referred to, of other columns",
    before: schemaOf(
      Table.make("a", { id: Table.int.pipe(Table.primaryKey), b: number.pipe(Table.unique) }),
      Table.make("c", { b: Table.int.pipe(Table.nullable, Table.references("a.b")) })
    ),
    after: schemaOf(
      Table.make("a", { id: Table.int.pipe(Table.primaryKey), b: number }, () => [Table.uniqueOf(["b"], "chosen")]),
      Table.make("c", { b: Table.int.pipe(Table.nullable, Table.references("a.b")) })
    ),
    told: [
      "DropConstraint c.c_b_fkey",
      "DropConstraint a.a_b_key",
      "AddConstraint a.chosen",
      "AddConstraint c.c_b_fkey"
    ]
  },
  {
    title: "constraints: unique, check, reference",
    before: among({ a: number, team: Table.int.pipe(Table.nullable, Table.references("teams.id")) }, [
      Table.uniqueOf(["id", "a"]),
      Table.checkOf("sane", "a > 0")
    ]),
    after: among(
      {
        a: number,
        team: Table.int.pipe(
          Table.nullable,
          Table.references("teams.id", { onDelete: "cascade", onUpdate: "set null", deferrable: true })
        )
      },
      [Table.uniqueOf(["a", "team"]), Table.checkOf("sane", "a > 0 OR a < -5")]
    ),
    told: [
      "DropConstraint users.users_team_fkey",
      "DropConstraint users.users_id_a_key",
      "DropConstraint users.sane",
      "AddConstraint users.users_a_team_key",
      "AddConstraint users.sane",
      "AddConstraint users.users_team_fkey"
    ].sort()
  },
  {
    title: "indexes: columns, expression, condition, uniqueness",
    before: among({ a: text, b: text }, [
      Table.index(["a"], { name: "i1" }),
      Table.index([{ sql: "lower(a)" }], { name: "i2" }),
      Table.index(["a"], { name: "i3", where: "b <> ''" }),
      Table.index(["a", "b", "id"], { name: "i4" }),
      Table.index(["b"])
    ]),
    after: among({ a: text, b: text }, [
      Table.index(["a", "b"], { name: "i1" }),
      Table.index([{ sql: "upper(a)" }], { name: "i2" }),
      Table.index(["a"], { name: "i3", where: "b <> 'x'" }),
      Table.uniqueIndex(["a", "b", "id"], { name: "i4" }),
      Table.index(["b"])
    ]),
    told: ["i1", "i2", "i3", "i4"].flatMap((name) => [`CreateIndex users.${name}`, `DropIndex users.${name}`]).sort()
  },
  {
    title: "an enum with more words",
    before: among({ a: mood("ok", "bad") }),
    after: among({ a: mood("best", "ok", "so so", "bad", "worst") }),
    told: ["AddEnumValue mood", "AddEnumValue mood", "AddEnumValue mood"],
    oneWay: true
  },
  {
    title: "an enum with fewer words, and in another order",
    before: among(
      { a: mood("ok", "bad", "worse"), b: text, c: Table.array(mood("ok", "bad", "worse")).pipe(Table.nullable) },
      [
        Table.checkOf("fine", "a <> 'bad' OR b = 'x'"),
        Table.index(["a"]),
        Table.index(["b"], { name: "partial", where: "a = 'ok'" })
      ]
    ),
    after: among({ a: mood("worse", "ok"), b: text, c: Table.array(mood("worse", "ok")).pipe(Table.nullable) }, [
      Table.checkOf("fine", "a <> 'worse' OR b = 'x'"),
      Table.index(["a"]),
      Table.index(["b"], { name: "partial", where: "a = 'ok'" })
    ]),
    told: [
      "DropConstraint users.fine",
      "DropIndex users.users_a_idx",
      "DropIndex users.partial",
      "AlterColumn users.a",
      "AlterColumn users.c",
      "DropEnum mood",
      "CreateEnum mood",
      "AlterColumn users.a",
      "AlterColumn users.c",
      "AddConstraint users.fine",
      "CreateIndex users.users_a_idx",
      "CreateIndex users.partial"
    ].sort(),
    // There a list is JSON, whatever is in it.
    sqlite: [
      "DropConstraint users.fine",
      "DropIndex users.users_a_idx",
      "DropIndex users.partial",
      "AlterColumn users.a",
      "DropEnum mood",
      "CreateEnum mood",
      "AlterColumn users.a",
      "AddConstraint users.fine",
      "CreateIndex users.users_a_idx",
      "CreateIndex users.partial"
    ].sort()
  },
  {
    title: "an enum in place of a text, and back to a text",
    before: among({
      a: Table.text.pipe(Table.withDefault("ok")),
      b: Table.enums("hue", ["red", "blue"]).pipe(Table.withDefault("red"))
    }),
    after: among({ a: mood("ok", "bad"), b: Table.text.pipe(Table.withDefault("red")) }),
    told: ["CreateEnum mood", "AlterColumn users.a", "AlterColumn users.b", "DropEnum hue"]
  },
  {
    title: "another order of letters",
    before: among({ a: text, b: text.pipe(Table.collate(collation[product.name])) }),
    after: among({ a: text.pipe(Table.collate(collation[product.name])), b: text }),
    told: ["AlterColumn users.a", "AlterColumn users.b"]
  },
  ...(product.name === "sqlite" ? [] : excluded)
]
