/** What was done by hand is seen; what only reads otherwise is not. */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Change, DatabaseSchema, LiveSchema, Table } from "effect-aquifer"
import { everywhere, products } from "../migration/support.js"
import { apply, diff, differences, inverses, look, on, prepare, told } from "./changes.js"

const [sqlite, postgres] = products as [(typeof products)[0], (typeof products)[0]]

const run = (...texts: ReadonlyArray<string>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.forEach(texts, (text) => sql.unsafe(text), { discard: true }))

const items = Table.make(
  "items",
  {
    id: Table.int.pipe(Table.primaryKey),
    kind: Table.varchar(20).pipe(Table.withDefault("new"), Table.check("kind IN ('new', 'old')")),
    price: Table.numeric(9, 2).pipe(Table.nullable),
    note: Table.text.pipe(Table.nullable)
  },
  (c) => [
    Table.index([c.kind]),
    Table.index([{ sql: "lower(kind)" }], { name: "by_lower", where: "kind IN ('new', 'old') AND price > 0" }),
    Table.checkOf("cheap", "price BETWEEN 0 AND 1000 OR kind = 'old'")
  ]
)
const schema = DatabaseSchema.make({ items })

for (const product of everywhere) {
  describe(`drift on ${product.name}`, () => {
    prepare(product)
    it.live("is a failure that says what would mend it, and nothing where there is none", () =>
      on(product, () =>
        Effect.gen(function* () {
          yield* apply(yield* diff(schema))
          yield* DatabaseSchema.check(schema)
          yield* run(
            "CREATE TABLE strange (id integer)",
            "ALTER TABLE items ADD COLUMN extra text",
            "DROP INDEX items_kind_idx"
          )
          const error = yield* Effect.flip(DatabaseSchema.check(schema))
          expect(error).toMatchObject({ _tag: "SchemaError", reason: "drifted" })
          expect(error.message).toBe(
            "the database is not what is declared: drop column items.extra, create index items_kind_idx on items, drop table strange. Write a migration that makes it so, or declare what is there."
          )
          if (error._tag === "SchemaError") yield* apply(error.changes ?? [])
          yield* DatabaseSchema.check(schema)
        })
      )
    )

    it.live("is what cannot be put back where there is no word for it, too, but no way back is invented", () =>
      on(product, () =>
        Effect.gen(function* () {
          yield* apply(yield* diff(schema))
          yield* run(
            "CREATE INDEX downwards ON items (kind DESC)",
            "CREATE INDEX upwards ON items (kind, price)",
            "CREATE TABLE strange (id integer, at timestamp)",
            "CREATE INDEX strange_down ON strange (id DESC)",
            "CREATE TABLE plain (id integer, at timestamp DEFAULT CURRENT_TIMESTAMP)"
          )
          const changes = yield* diff(schema)
          expect([...told(changes)].sort()).toEqual([
            "DropIndex items.downwards",
            "DropIndex items.upwards",
            "DropTable plain",
            "DropTable strange"
          ])
          const lost = changes.filter((change) => Option.isNone(Change.inverse(change)))
          expect([...told(lost)].sort()).toEqual(["DropIndex items.downwards", "DropTable strange"])
        })
      )
    )
  })
}

describe("texts that only read otherwise", () => {
  it.live("are no drift on postgresql, where the server prints what it printed in another way", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        yield* apply(yield* diff(schema))
        const before = LiveSchema.table(yield* DatabaseSchema.inspect, "items")
        for (const { name, sql } of before?.checks ?? []) {
          yield* run(
            `ALTER TABLE items DROP CONSTRAINT ${name}`,
            `ALTER TABLE items ADD CONSTRAINT ${name} CHECK (${sql})`
          )
        }
        for (const { name, sql } of before?.indexes ?? []) yield* run(`DROP INDEX ${name}`, sql)
        const after = LiveSchema.table(yield* DatabaseSchema.inspect, "items")
        // Otherwise this would show nothing.
        expect(after?.checks).not.toEqual(before?.checks)
        expect(after?.indexes).not.toEqual(before?.indexes)
        expect(told(yield* diff(schema))).toEqual([])
        yield* run(
          "ALTER TABLE items DROP CONSTRAINT items_kind_check",
          "ALTER TABLE items ADD CONSTRAINT items_kind_check CHECK (kind IN ('new', 'bad'))"
        )
        expect(told(yield* diff(schema))).toEqual([
          "DropConstraint items.items_kind_check",
          "AddConstraint items.items_kind_check"
        ])
      })
    )
  )

  it.live("are no drift on sqlite, where a person wrote them: blanks, case, quotes, comments, missing names", () =>
    on(sqlite, () =>
      Effect.gen(function* () {
        yield* run(
          `create table [items] ( -- by hand
            \`id\` integer not null primary key, kind varchar( 20 ) not null default ( 'new' ) check (kind in('new','old')),
            "price"  Decimal_Text(9,2) /* money */, note text,
            constraint cheap check ((price between 0 and 1000 or "kind"='old')))`,
          "create index items_kind_idx on items(kind)",
          `create index by_lower on "items" (LOWER( kind )) where kind in ('new','old') and (price) > 0`.replace(
            "(price)",
            "price"
          )
        )
        expect(told(yield* diff(schema))).toEqual([])
      })
    )
  )

  it.live("nameless constraints of sqlite go by the names they would have had", () =>
    on(sqlite, () =>
      Effect.gen(function* () {
        yield* run(
          "CREATE TABLE items (id INTEGER NOT NULL PRIMARY KEY REFERENCES items (id), a TEXT UNIQUE CHECK (a <> ''), CHECK (id > 0), CHECK (id > 1))"
        )
        const bare = DatabaseSchema.make({
          items: Table.make("items", { id: Table.int.pipe(Table.primaryKey), a: Table.text.pipe(Table.nullable) })
        })
        const changes = yield* diff(bare)
        expect(told(changes)).toEqual([
          "DropConstraint items.items_id_fkey",
          "DropConstraint items.items_check1",
          "DropConstraint items.items_check",
          "DropConstraint items.items_a_check",
          "DropConstraint items.items_a_key"
        ])
        yield* apply(changes)
        expect(told(yield* diff(bare))).toEqual([])
      })
    )
  )

  it.live("a text of sqlite's keeps the quotes it needs, and is put back with them", () =>
    on(sqlite, () =>
      Effect.gen(function* () {
        yield* run(
          `CREATE TABLE a ("order" INTEGER NOT NULL CONSTRAINT quoted CHECK ("order" > 0), b INTEGER NOT NULL CONSTRAINT plain CHECK (b > 0))`
        )
        const bare = DatabaseSchema.make({ a: Table.make("a", { order: Table.int, b: Table.int }) })
        const changes = yield* diff(bare)
        expect(told(changes)).toEqual(["DropConstraint a.quoted", "DropConstraint a.plain"])
        const before = yield* look
        yield* apply(changes)
        yield* apply(Option.getOrThrow(inverses(changes)))
        expect(differences(before, yield* look)).toBe("")
        expect(told(yield* diff(bare))).toEqual(told(changes))
      })
    )
  )

  it.live("an index that a concurrent build left broken is built again", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        const a = DatabaseSchema.make({
          a: Table.make("a", { id: Table.int }, (c) => [Table.uniqueIndex([c.id], { name: "broken" })])
        })
        yield* run("CREATE TABLE a (id integer NOT NULL)", "INSERT INTO a VALUES (1), (1)")
        yield* Effect.flip(run("CREATE UNIQUE INDEX CONCURRENTLY broken ON a (id)"))
        expect(told(yield* diff(a))).toEqual(["DropIndex a.broken", "CreateIndex a.broken"])
      })
    )
  )
})

describe("what tables stand on", () => {
  it.live("is made on the scratch database only, and need not be portable", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        const requires = [
          "CREATE FUNCTION even(n integer) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT n % 2 = 0'",
          "CREATE EXTENSION IF NOT EXISTS plpgsql"
        ]
        const a = Table.make("a", { id: Table.int.pipe(Table.check("even(id)")) })
        expect(yield* Effect.flip(diff(DatabaseSchema.make({ a })))).toMatchObject({ reason: "refused" })
        const schema = DatabaseSchema.make({ a }, { requires })
        const changes = yield* diff(schema)
        yield* run(requires[0] ?? "")
        yield* apply(changes)
        expect(told(yield* diff(schema))).toEqual([])
        yield* run(
          "ALTER TABLE a DROP CONSTRAINT a_id_check",
          "ALTER TABLE a ADD CONSTRAINT other CHECK (even(id + 2))"
        )
        const back = yield* diff(schema)
        expect(told(back)).toEqual(["DropConstraint a.other", "AddConstraint a.a_id_check"])
        expect(back.map((change) => Option.isSome(Change.inverse(change)))).toEqual([true, true])
      })
    )
  )
})
