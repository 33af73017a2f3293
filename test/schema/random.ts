/** Declared tables at random: what one set has and another has not is what comparing them is about. */
import * as Schema from "effect/Schema"
import { DatabaseSchema, Table } from "effect-aquifer"
import * as fc from "fast-check"

type Any = Table.Column.Any
type Change = <C>(column: C) => C

/** Types whose one value in these tests, 1, becomes that of any other of them. */
const numeric = {
  text: Table.text,
  varchar: Table.varchar(20),
  int4: Table.int,
  int8: Table.bigint,
  numeric: Table.numeric(9, 2)
} as const
const defaults = { text: "1", varchar: "1", int4: 1, int8: 1n, numeric: "1.00" } as const
const checks = {
  text: "NAME <> ''",
  varchar: "length(NAME) < 19",
  int4: "NAME > 0",
  int8: "NAME > 0 AND NAME < 1000",
  numeric: "NAME > 0.5"
} as const

const enums = [["a", "b"], ["a", "x", "b"], ["b", "a"], ["a"], ["a", "b", "c", "d"]] as const

const plain = fc.record({
  type: fc.constantFrom(...(["text", "varchar", "int4", "int8", "numeric"] as const)),
  nullable: fc.boolean(),
  valued: fc.boolean(),
  check: fc.boolean(),
  unique: fc.boolean(),
  comment: fc.option(fc.constantFrom("one", "it's two"), { nil: undefined }),
  computed: fc.boolean()
})

const table = fc.record({
  id: fc.constantFrom(...(["int4", "int8"] as const)),
  key: fc.constantFrom(...(["id", "both", "none"] as const)),
  numbered: fc.constantFrom(...(["always", "by default", "no"] as const)),
  a: fc.option(plain, { nil: undefined }),
  b: fc.option(plain, { nil: undefined }),
  renamed: fc.boolean(),
  flag: fc.option(fc.boolean(), { nil: undefined }),
  mood: fc.option(fc.constantFrom(...(["plain", "valued", "text"] as const)), { nil: undefined }),
  settings: fc.option(fc.boolean(), { nil: undefined }),
  seen: fc.option(fc.boolean(), { nil: undefined }),
  sum: fc.option(fc.constantFrom("id + 1", "id + 2"), { nil: undefined }),
  parent: fc.option(
    fc.tuple(
      fc.constantFrom(...(["t1", "t2", "t3"] as const)),
      fc.constantFrom(...(["cascade", "set null", "no action"] as const))
    ),
    {
      nil: undefined
    }
  ),
  indexes: fc.subarray(["plain", "expression", "partial", "unique"] as const),
  chosen: fc.constantFrom("one", "two"),
  comment: fc.option(fc.constantFrom("x", "y"), { nil: undefined })
})

const some = fc.record({
  t1: fc.option(table, { nil: undefined }),
  t2: fc.option(table, { nil: undefined }),
  t3: fc.option(table, { nil: undefined }),
  words: fc.constantFrom(...enums)
})

type Spec = typeof some extends fc.Arbitrary<infer S> ? S : never
type Of = NonNullable<Spec["t1"]>

const keyed = (spec: Of | undefined): boolean => spec !== undefined && spec.key === "id"

const plainly = (spec: NonNullable<Of["a"]>, name: string): Any => {
  let column: Any = numeric[spec.type]
  const also = (change: Change) => {
    column = change(column)
  }
  if (spec.nullable) also(Table.nullable as Change)
  // What is new and not null needs a value for the rows that are there.
  if (spec.valued || !spec.nullable) also(Table.withDefault(defaults[spec.type]) as unknown as Change)
  if (spec.check) also(Table.check(checks[spec.type].replaceAll("NAME", name)) as Change)
  if (spec.unique) also(Table.unique as Change)
  if (spec.comment !== undefined) also(Table.comment(spec.comment) as Change)
  return column
}

const tableOf = (name: "t1" | "t2" | "t3", spec: Of, all: Spec): Table.Table => {
  const id = numeric[spec.id].pipe((column: Any) =>
    spec.key === "id" && spec.numbered !== "no"
      ? spec.numbered === "always"
        ? Table.identity(column)
        : Table.identityByDefault(column)
      : column
  )
  const columns: Record<string, Any> = { id: spec.key === "id" ? Table.primaryKey(id as Table.Column<unknown>) : id }
  if (spec.a !== undefined) columns.a = plainly(spec.a, "a")
  // The same column under one of two names; each says what it was called.
  const b = spec.renamed ? "b2" : "b1"
  if (spec.b !== undefined) {
    columns[b] = Table.renamedFrom(spec.renamed ? "b1" : "b2")(plainly(spec.b, b) as Table.Column<unknown>)
  }
  columns.flag = Table.boolean.pipe(Table.withDefault(spec.flag ?? false))
  const mood = Table.enums("mood", [...all.words] as [string, ...Array<string>])
  if (spec.mood === "text") columns.mood = Table.text.pipe(Table.nullable, Table.withDefault("a"))
  else if (spec.mood !== undefined) {
    columns.mood = spec.mood === "valued" ? mood.pipe(Table.nullable, Table.withDefault("a")) : Table.nullable(mood)
  }
  if (spec.settings !== undefined) {
    columns.settings = Table.json(Schema.Unknown).pipe(Table.withDefault(spec.settings ? { x: [1] } : []))
  }
  if (spec.seen !== undefined) {
    const seen = Table.timestamp.pipe(Table.nullable)
    columns.seen = spec.seen ? Table.withDefault("now")(seen) : seen
  }
  if (spec.sum !== undefined) columns.sum = Table.int.pipe(Table.nullable, Table.computed(spec.sum))
  const [parent, onDelete] = spec.parent ?? []
  if (parent !== undefined && keyed(all[parent])) {
    const type: Any = numeric[all[parent]?.id ?? "int4"]
    columns.parent = (type as Table.Column<number>).pipe(Table.nullable, Table.references(`${parent}.id`, { onDelete }))
  }
  return Table.make(
    name,
    columns,
    () => [
      ...(spec.key === "both" ? [Table.primaryKeyOf(["id", "flag"])] : []),
      ...(spec.indexes.includes("plain") ? [Table.index(["flag", "id"])] : []),
      ...(spec.indexes.includes("expression")
        ? [Table.index([{ sql: "id + 1" }, "flag"], { name: `${name}_${spec.chosen}` })]
        : []),
      ...(spec.indexes.includes("partial")
        ? [Table.index(["id"], { name: `${name}_partial`, where: spec.chosen === "one" ? "id > 1" : "id > 2" })]
        : []),
      ...(spec.indexes.includes("unique")
        ? [Table.uniqueIndex(["id", "flag"], { name: `${name}_${spec.chosen}_u` })]
        : []),
      ...(spec.chosen === "two" ? [Table.checkOf(`${name}_sane`, "id > 0 OR flag IS NULL")] : [])
    ],
    { comment: spec.comment }
  )
}

/** Of any kind but for what no database could be led from and to: a key that is both numbered and of two columns, say. */
export const declared: fc.Arbitrary<DatabaseSchema.DatabaseSchema> = some.map((spec) => {
  const names = (["t1", "t2", "t3"] as const).filter((name) => spec[name] !== undefined)
  const tables: Record<string, Table.Table> = Object.fromEntries(
    names.map((name) => [name, tableOf(name, spec[name] as Of, spec)])
  )
  return DatabaseSchema.make(tables, { enums: [{ name: "mood", values: spec.words }] })
})
