/** Changes of every kind at random, under names that nobody should give anything. */
import { Change, type Table } from "effect-aquifer"
import * as fc from "fast-check"
import type { Default, OnDelete, SqlType } from "../../../src/model/Column.js"
import type { Index, Named, NamedColumn, TableConstraint, TableDefinition } from "../../../src/model/Table.js"
import { constraintName, shortName } from "../../../src/model/Table.js"

const attacks = [
  `x"); process.exit(7); ("`,
  `x'); process.exit(7); ('`,
  `\`\${process.exit(7)}\``,
  "*/ process.exit(7) /*",
  "a\nprocess.exit(7)",
  "a\u2028process.exit(7)",
  "a\r\n-- migrate:down\nDROP TABLE users;",
  "a'; DROP TABLE users; --",
  "\\",
  `\\"`,
  "\\'",
  "\0",
  "\u202Eevil",
  "\uD800",
  "__proto__",
  "constructor",
  "toString",
  "10",
  "2",
  "a.b",
  "Operations.apply",
  "Effect.gen",
  "größe",
  "a b",
  "$",
  "x".repeat(90)
]

export const name = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom("users", "posts", "id", "email", "name", "created_at", "user_id") },
  { weight: 2, arbitrary: fc.constantFrom(...attacks) },
  { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: 12, unit: "binary" }) }
)
const text = fc.oneof(fc.constantFrom("age > 0", "lower(email)", ...attacks), fc.string({ unit: "binary" }))
const names = fc.uniqueArray(name, { minLength: 1, maxLength: 3 })

const simple = [
  "text",
  "boolean",
  "uuid",
  "timestamptz",
  "date",
  "json",
  "bytes",
  "int2",
  "int4",
  "int8",
  "float8"
] as const

const scalar: fc.Arbitrary<SqlType> = fc.oneof(
  fc.constantFrom(...simple).map((_tag) => ({ _tag })),
  fc.integer({ min: 1, max: 400 }).map((length) => ({ _tag: "varchar" as const, length })),
  fc.record({
    _tag: fc.constant("numeric" as const),
    precision: fc.integer({ min: 5, max: 30 }),
    scale: fc.integer({ min: 0, max: 5 })
  }),
  fc.record({
    _tag: fc.constant("enum" as const),
    name,
    values: fc.uniqueArray(text, { minLength: 0, maxLength: 3 })
  }),
  fc.record({ _tag: fc.constant("raw" as const), sql: fc.record({ postgresql: text, sqlite: text }) })
)
export const type: fc.Arbitrary<SqlType> = fc.oneof(
  { weight: 5, arbitrary: scalar },
  { weight: 1, arbitrary: scalar.map((of): SqlType => ({ _tag: "array", of })) }
)

const value: fc.Arbitrary<unknown> = fc.oneof(
  text,
  fc.double(),
  fc.integer(),
  fc.bigInt(),
  fc.boolean(),
  fc.constant(null),
  fc.date(),
  fc.uint8Array({ maxLength: 6 }),
  fc.array(fc.oneof(text, fc.integer()), { maxLength: 3 }),
  fc.dictionary(name, fc.oneof(text, fc.integer(), fc.constant(null)), { maxKeys: 3 }),
  fc.constantFrom("now", "uuid")
)

const defaults: fc.Arbitrary<Default> = fc.oneof(
  value.map((value) => ({ _tag: "value" as const, value })),
  fc.constantFrom<Default>(
    { _tag: "now" },
    { _tag: "uuid" },
    { _tag: "identity", always: true },
    { _tag: "identity", always: false }
  ),
  fc.oneof(text, fc.record({ postgresql: text, sqlite: text })).map((sql) => ({ _tag: "sql" as const, sql }))
)

const action = fc.constantFrom<OnDelete>("no action", "restrict", "cascade", "set null", "set default")
const maybe = <A>(arbitrary: fc.Arbitrary<A>) => fc.option(arbitrary, { nil: undefined, freq: 2 })
const rarely = <A>(arbitrary: fc.Arbitrary<A>) => fc.option(arbitrary, { nil: undefined, freq: 1 })

export const column: fc.Arbitrary<NamedColumn> = fc.record({
  name,
  type,
  nullable: fc.boolean(),
  default: maybe(defaults),
  primaryKey: rarely(fc.boolean()),
  unique: rarely(fc.boolean()),
  comment: rarely(text),
  check: rarely(text),
  collate: rarely(name),
  computed: rarely(fc.record({ sql: text, stored: fc.boolean() })),
  references: rarely(
    fc.record({
      target: fc.oneof(
        fc.constant("users.id"),
        fc.tuple(name, name).map(([a, b]) => `${a}.${b}`),
        name
      ),
      onDelete: maybe(action),
      deferrable: maybe(fc.boolean())
    })
  )
})

type Bare = TableConstraint extends infer C ? Omit<C & TableConstraint, "name"> : never

const bare = (columns: fc.Arbitrary<ReadonlyArray<string>>): fc.Arbitrary<Bare> =>
  fc.oneof(
    columns.map((columns) => ({ kind: "unique" as const, columns })),
    text.map((sql) => ({ kind: "check" as const, sql })),
    fc.record({
      kind: fc.constant("foreign key" as const),
      columns,
      table: name,
      targets: names,
      onDelete: maybe(action),
      onUpdate: maybe(action),
      deferrable: maybe(fc.boolean()),
      notValid: maybe(fc.boolean())
    }),
    fc.record({ kind: fc.constant("exclude" as const), sql: text, using: maybe(name) }),
    columns.map((columns) => ({ kind: "primary key" as const, columns }))
  ) as fc.Arbitrary<Bare>

/** As often under the name it would have anyway, at the table or at the column, as under another. */
const constraintOf = (table: string, columns: fc.Arbitrary<ReadonlyArray<string>>) =>
  fc.tuple(bare(columns), fc.constantFrom("implied", "own"), name, columns).map(([one, which, own, [first = ""]]) => ({
    ...one,
    name:
      which === "own"
        ? own
        : one.kind === "check"
          ? shortName(`${table}_${first}_check`)
          : constraintName(table, one as TableConstraint)
  })) as fc.Arbitrary<Named<TableConstraint>>

const indexOf = (table: string, columns: fc.Arbitrary<ReadonlyArray<string>>): fc.Arbitrary<Named<Index>> =>
  fc
    .record({
      kind: fc.constant("index" as const),
      columns: fc.oneof(
        columns as fc.Arbitrary<ReadonlyArray<Table.IndexPart>>,
        text.map((sql) => [{ sql }])
      ),
      own: maybe(name),
      unique: maybe(fc.boolean()),
      where: rarely(text),
      using: rarely(name),
      concurrently: rarely(fc.boolean())
    })
    .map(({ own, ...index }) => ({ ...index, name: own ?? constraintName(table, index) }))

export const table: fc.Arbitrary<TableDefinition> = fc
  .tuple(name, fc.uniqueArray(column, { minLength: 1, maxLength: 4, selector: (c) => c.name }))
  .chain(([name, columns]) => {
    const some = fc.uniqueArray(fc.constantFrom(...columns.map((c) => c.name)), { minLength: 1, maxLength: 2 })
    return fc.record({
      name: fc.constant(name),
      // What stands at a column has moved to the table.
      columns: fc.constant(columns.map(({ check: _, primaryKey: __, references: ___, unique: ____, ...c }) => c)),
      constraints: fc.uniqueArray(constraintOf(name, some), { maxLength: 4, selector: (c) => c.name }).map(oneKey),
      indexes: fc.uniqueArray(indexOf(name, some), { maxLength: 2, selector: (i) => i.name }),
      schema: rarely(fc.constantFrom("other")),
      comment: rarely(text)
    })
  })

const oneKey = (all: ReadonlyArray<Named<TableConstraint>>) =>
  all.filter((one, i) => one.kind !== "primary key" || all.findIndex(({ kind }) => kind === "primary key") === i)

const { make } = Change
const within = <A>(of: (table: string) => fc.Arbitrary<A>) =>
  name.chain((table) => of(table).map((one) => [table, one] as const))

export const change: fc.Arbitrary<Change.Change> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.tuple(table, fc.boolean()).map(([table, ifNotExists]) => make.CreateTable({ table, ifNotExists }))
  },
  fc.tuple(name, fc.boolean(), maybe(table)).map(([name, ifExists, was]) => make.DropTable({ name, ifExists, was })),
  fc.tuple(name, name).map(([from, to]) => make.RenameTable({ from, to })),
  { weight: 3, arbitrary: fc.tuple(name, column).map(([table, column]) => make.AddColumn({ table, column })) },
  fc.tuple(name, name, maybe(column)).map(([table, column, was]) => make.DropColumn({ table, column, was })),
  fc.tuple(name, name, name).map(([table, from, to]) => make.RenameColumn({ table, from, to })),
  {
    weight: 3,
    arbitrary: fc
      .record({
        table: name,
        column: name,
        to: fc.record({
          type: maybe(type),
          nullable: maybe(fc.boolean()),
          default: maybe(fc.option(defaults)),
          collate: rarely(fc.option(name)),
          using: rarely(text)
        })
      })
      .map(make.AlterColumn)
  },
  within((table) => constraintOf(table, names)).map(([table, constraint]) => make.AddConstraint({ table, constraint })),
  fc.tuple(name, name).map(([table, name]) => make.DropConstraint({ table, name })),
  fc
    .tuple(
      within((table) => indexOf(table, names)),
      fc.boolean()
    )
    .map(([[table, index], ifNotExists]) => make.CreateIndex({ table, index, ifNotExists })),
  fc.record({ table: name, name, ifExists: fc.boolean(), concurrently: fc.boolean() }).map(make.DropIndex),
  fc.record({ table: name, column: maybe(name), comment: fc.option(text) }).map(make.Comment),
  fc.record({ name, values: fc.uniqueArray(text, { maxLength: 3 }) }).map(make.CreateEnum),
  fc.record({ name, value: text, before: rarely(text), after: rarely(text) }).map(make.AddEnumValue),
  name.map((name) => make.DropEnum({ name })),
  fc.oneof(text, fc.record({ postgresql: text, sqlite: text })).map((sql) => make.Execute({ sql }))
)
