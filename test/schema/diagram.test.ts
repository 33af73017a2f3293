/** Diagrams, read as strictly as the tools that draw them would. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { DatabaseSchema, LiveSchema, Table } from "effect-aquifer"
import * as fc from "fast-check"
import { name } from "../migration/autogenerate/changes.js"
import { everywhere } from "../migration/support.js"
import { apply, diff, on, prepare } from "./changes.js"
import { readDot, readMermaid } from "./grammars.js"
import { rich } from "./rich.js"

const users = Table.make("users", {
  id: Table.int.pipe(Table.primaryKey),
  email: Table.varchar(255).pipe(Table.unique),
  boss: Table.int.pipe(Table.nullable, Table.references("users.id"))
})
const profiles = Table.make("profiles", {
  user: Table.int.pipe(Table.named("user_id"), Table.primaryKey, Table.references("users.id")),
  bio: Table.text.pipe(Table.nullable)
})
const posts = Table.make(
  "posts",
  {
    id: Table.bigint.pipe(Table.primaryKey, Table.identity),
    author: Table.int.pipe(Table.references("users.id")),
    editor: Table.int.pipe(Table.nullable, Table.references("users.id")),
    price: Table.numeric(9, 2),
    tags: Table.array(Table.text)
  },
  (c) => [Table.uniqueIndex([c.editor]), Table.uniqueIndex([c.author], { where: "price > 1" })]
)
const blog = DatabaseSchema.make({ users, profiles, posts })

describe("a diagram", () => {
  it("in Mermaid has a line for each column and each reference, with how many stand at its ends", () => {
    expect(DatabaseSchema.diagram(blog)).toBe(`erDiagram
  "posts" {
    int8 id PK
    int4 author FK
    int4 editor FK, UK "null"
    numeric(9，2) price
    text[] tags
  }
  "profiles" {
    int4 user_id PK, FK
    text bio "null"
  }
  "users" {
    int4 id PK
    varchar(255) email UK
    int4 boss FK "null"
  }
  "users" ||--o{ "posts" : "author"
  "users" |o--o| "posts" : "editor"
  "users" ||--o| "profiles" : "user_id"
  "users" |o--o{ "users" : "boss"
`)
  })

  it("in DOT has a row for each column, and an edge from column to column", () => {
    expect(DatabaseSchema.diagram(DatabaseSchema.make({ users, profiles }, { prefix: "app" }), { format: "dot" })).toBe(
      `digraph {
  graph [rankdir=LR]
  node [shape=plain]
  edge [dir=both]
  "app_profiles" [label=<<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="0">
    <TR><TD COLSPAN="3"><B>app_profiles</B></TD></TR>
    <TR><TD ALIGN="LEFT" PORT="c0">user_id</TD><TD ALIGN="LEFT">int4</TD><TD ALIGN="LEFT">PK, FK</TD></TR>
    <TR><TD ALIGN="LEFT" PORT="c1">bio</TD><TD ALIGN="LEFT">text</TD><TD ALIGN="LEFT">null</TD></TR>
  </TABLE>>]
  "app_users" [label=<<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="0">
    <TR><TD COLSPAN="3"><B>app_users</B></TD></TR>
    <TR><TD ALIGN="LEFT" PORT="c0">id</TD><TD ALIGN="LEFT">int4</TD><TD ALIGN="LEFT">PK</TD></TR>
    <TR><TD ALIGN="LEFT" PORT="c1">email</TD><TD ALIGN="LEFT">varchar(255)</TD><TD ALIGN="LEFT">UK</TD></TR>
    <TR><TD ALIGN="LEFT" PORT="c2">boss</TD><TD ALIGN="LEFT">int4</TD><TD ALIGN="LEFT">FK, null</TD></TR>
  </TABLE>>]
  "app_profiles":c0 -> "app_users":c0 [arrowtail=teeodot, arrowhead=teetee]
  "app_users":c2 -> "app_users":c0 [arrowtail=crowodot, arrowhead=teeodot]
}
`
    )
  })

  it("of nothing is one, too", () => {
    for (const nothing of [DatabaseSchema.make({}), LiveSchema.empty]) {
      expect(readMermaid(DatabaseSchema.diagram(nothing))).toEqual({ entities: [], relations: [] })
      expect(readDot(DatabaseSchema.diagram(nothing, { format: "dot" }))).toEqual({ names: [], edges: [] })
    }
  })

  it("is the same whatever the order of the declaration", () => {
    const other = DatabaseSchema.make({ posts, users, profiles })
    for (const format of ["mermaid", "dot"] as const) {
      expect(DatabaseSchema.diagram(other, { format })).toBe(DatabaseSchema.diagram(blog, { format }))
    }
  })

  it("draws what is referred to and not there as a name alone", () => {
    const lonely = { ...DatabaseSchema.make({ users }), tables: { posts } } as DatabaseSchema.DatabaseSchema
    expect(readMermaid(DatabaseSchema.diagram(lonely)).entities).toContainEqual({ name: "users", attributes: [] })
    expect(readDot(DatabaseSchema.diagram(lonely, { format: "dot" })).names).toEqual(["posts", "users"])
  })

  it("of a reference of several columns counts them as one", () => {
    const { relations } = readMermaid(DatabaseSchema.diagram(rich))
    expect(relations).toEqual([
      ["people", "||--o{", "memberships", "person"],
      ["teams", "||--o{", "memberships", "team"],
      ["memberships", "||--o{", "notes", "team, person"],
      ["people", "|o--o{", "people", "boss"],
      ["teams", "||--o{", "people", "team_id"],
      ["people", "|o--o{", "teams", "lead"]
    ])
  })

  it("of a reference of several columns needs no parent where one of them may be NULL, and is one where a key is in it", () => {
    const slots = Table.make("slots", { day: Table.date, hour: Table.int }, (c) => [
      Table.primaryKeyOf([c.day, c.hour])
    ])
    const visits = Table.make(
      "visits",
      { day: Table.date.pipe(Table.unique), hour: Table.int.pipe(Table.nullable) },
      (c) => [Table.foreignKey([c.day, c.hour], "slots", ["day", "hour"])]
    )
    const { relations } = readMermaid(DatabaseSchema.diagram(DatabaseSchema.make({ slots, visits })))
    expect(relations).toEqual([["slots", "|o--o|", "visits", "day, hour"]])
  })

  it("holds any name, and holds names apart", () => {
    const odd = [
      "PK",
      "fk-1",
      "uk[",
      "direction  lr",
      "a~b~c",
      "%% x",
      "accTitle: x",
      "10",
      "a b",
      '"',
      "\\",
      "a\\",
      "#quot;",
      "<b>&amp;</b>",
      "`x`",
      "}",
      " ",
      "\u0007",
      "a·½",
      "\u0008"
    ]
    const called = fc.oneof(fc.constantFrom(...odd), name)
    const table = fc.record({
      name: called,
      columns: fc.uniqueArray(called, { minLength: 1, maxLength: 4 }),
      type: called,
      parent: fc.nat()
    })
    const read = fc.uniqueArray(table, { minLength: 1, maxLength: 5, selector: (one) => one.name })
    fc.assert(
      fc.property(read, (all) => {
        const tables = all.map((one) =>
          Table.make(
            one.name,
            Object.fromEntries(
              one.columns.map((column, i) => [
                `k${i}`,
                Table.raw({ sqlite: one.type }, Table.text.schema).pipe(Table.named(column))
              ])
            ),
            () => [Table.foreignKey(["k0"], all[one.parent % all.length]?.name ?? "", ["k0"])]
          )
        )
        const schema = DatabaseSchema.make(Object.fromEntries(tables.map((one, i) => [`t${i}`, one])) as never)
        const mermaid = readMermaid(DatabaseSchema.diagram(schema))
        expect(mermaid.entities).toHaveLength(all.length)
        expect(mermaid.entities.map(({ attributes }) => attributes.length).sort()).toEqual(
          all.map(({ columns }) => columns.length).sort()
        )
        expect(mermaid.relations).toHaveLength(all.length)
        const dot = readDot(DatabaseSchema.diagram(schema, { format: "dot" }))
        expect([dot.names.length, dot.edges.length]).toEqual([all.length, all.length])
      }),
      { numRuns: 2_000 }
    )
  })
})

for (const product of everywhere) {
  describe(`a diagram of a live database on ${product.name}`, () => {
    prepare(product)
    it.live("shows what the declared one shows, in the product's types", () =>
      on(product, () =>
        Effect.gen(function* () {
          yield* apply(yield* diff(rich))
          const live = yield* DatabaseSchema.inspect
          const bare = (schema: DatabaseSchema.DatabaseSchema | LiveSchema.LiveSchema) => {
            const { entities, relations } = readMermaid(DatabaseSchema.diagram(schema))
            return {
              relations,
              entities: entities.map((one) => ({ ...one, attributes: one.attributes.map(([, ...rest]) => rest) }))
            }
          }
          // The ledger is there, and not drawn.
          expect(live.tables.length).toBeGreaterThan(4)
          expect(bare(live)).toEqual(bare(rich))
          const dot = (schema: DatabaseSchema.DatabaseSchema | LiveSchema.LiveSchema) =>
            readDot(DatabaseSchema.diagram(schema, { format: "dot" }))
          expect(dot(live)).toEqual(dot(rich))
        })
      )
    )
  })
}
