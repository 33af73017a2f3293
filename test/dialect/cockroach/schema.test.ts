/** The catalogue as CockroachDB's dialect reads it, and changes as it says them. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Change, LiveSchema, Table } from "effect-aquifer"
import { ddl, rebuilds } from "../../../src/dialect/cockroach/ddl.js"
import { inspect } from "../../../src/dialect/cockroach/inspect.js"
import { type Rows, schemaOf } from "../../../src/dialect/cockroach/shape.js"
import { inspect as inspectPostgres } from "../../../src/dialect/postgres/inspect.js"
import { UnsupportedError } from "../../../src/model/DatabaseError.js"
import { freshDatabase } from "../../support/server.js"
import { connectTo } from "../postgres/support.js"

const script = `
  CREATE TYPE mood AS ENUM ('sad', 'happy');
  CREATE TABLE owners (id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email varchar(50) NOT NULL UNIQUE, note text DEFAULT 'x');
  COMMENT ON TABLE owners IS 'people';
  COMMENT ON COLUMN owners.note IS 'said of them';
  CREATE TABLE pets (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), owner int8 NOT NULL, name text COLLATE "C", born date, weight numeric(6, 2),
    feels mood NOT NULL DEFAULT 'happy', tags text[], data jsonb, at timestamptz NOT NULL DEFAULT now(), short text GENERATED ALWAYS AS (left(name, 3)) STORED,
    CONSTRAINT owned FOREIGN KEY (owner) REFERENCES owners (id) ON DELETE CASCADE ON UPDATE SET NULL,
    CONSTRAINT weighs CHECK (weight > 0), UNIQUE (owner, name));
  CREATE INDEX lately ON pets (at DESC, owner) WHERE name IS NOT NULL;
  CREATE UNIQUE INDEX same ON pets (lower(name), born);
  CREATE VIEW heavy AS SELECT id, name FROM pets WHERE weight > 10;
  CREATE SEQUENCE counter;
  CREATE TABLE "Odd name" (a int2, b int4, "c d" float8, PRIMARY KEY ("c d", a));
  ALTER TABLE "Odd name" ADD CONSTRAINT later CHECK (b > 1) NOT VALID`

/** Where PostgreSQL prints a thing in several ways, and only one of them is asked for. */
const loosely = (schema: LiveSchema.LiveSchema): LiveSchema.LiveSchema => ({
  ...schema,
  tables: schema.tables.map((table) => ({
    ...table,
    checks: table.checks.map((check) => ({ ...check, sql: check.sql.replace(/^\((.*)\)$/s, "$1") }))
  }))
})

describe("inspect", () => {
  it.scopedLive("reads with plain joins what PostgreSQL's reads with nested ones", () =>
    Effect.gen(function* () {
      const session = yield* connectTo(yield* freshDatabase)
      yield* session.script(script)
      const ours = yield* inspect(session)
      const theirs = yield* inspectPostgres(session)
      assert.strictEqual(theirs.tables.length, 3)
      assert.deepStrictEqual(LiveSchema.differences(loosely(theirs), loosely(ours)), [])
    })
  )

  it("leaves out what the server hides, and a key made of nothing else", () => {
    const rows: Rows = {
      schema: [{ name: "public" }],
      tables: [{ id: "104", name: "t", comment: null }],
      columns: [
        ["a", 1, null],
        ["rowid", 2, "unique_rowid()"],
        ["n", 3, "0:::INT8"]
      ].map(([name, number, expression]) => ({
        tableId: "104",
        number,
        name,
        type: "bigint",
        nullable: true,
        expression,
        identity: "",
        generated: "",
        collate: null,
        comment: null
      })),
      hidden: [
        { table_name: "t", column_name: "a", is_hidden: "NO" },
        { table_name: "t", column_name: "rowid", is_hidden: "YES" },
        { table_name: "other", column_name: "a", is_hidden: "YES" }
      ],
      constraints: [
        {
          tableId: "104",
          name: "t_pkey",
          type: "p",
          indexId: "1",
          columns: "2",
          definition: "PRIMARY KEY (rowid ASC)"
        },
        { tableId: "104", name: "t_a_key", type: "u", indexId: "2", columns: "1", definition: "UNIQUE (a ASC)" },
        {
          tableId: "104",
          name: "c",
          type: "c",
          indexId: "0",
          columns: "1",
          valid: true,
          definition: "CHECK ((a > 0:::INT8))"
        }
      ],
      targets: [],
      indexes: [
        {
          id: "1",
          tableId: "104",
          name: "t_pkey",
          unique: true,
          valid: true,
          using: "prefix",
          where: null,
          sql: ""
        },
        {
          id: "2",
          tableId: "104",
          name: "t_a_key",
          unique: true,
          valid: true,
          using: "prefix",
          where: null,
          sql: ""
        },
        {
          id: "3",
          tableId: "104",
          name: "by_n",
          unique: false,
          valid: true,
          using: "prefix",
          where: null,
          sql: "CREATE INDEX by_n"
        }
      ],
      parts: [{ id: "3", n: 1, part: "n" }],
      enums: [],
      views: [],
      triggers: [],
      sequences: []
    }
    const [table] = schemaOf(rows).tables
    assert.deepStrictEqual(
      table?.columns.map(({ name }) => name),
      ["a", "n"]
    )
    assert.strictEqual(table?.columns[1]?.default, "0::INT8")
    assert.strictEqual(table?.primaryKey, undefined)
    assert.deepStrictEqual(table?.uniques, [{ name: "t_a_key", columns: ["a"] }])
    assert.deepStrictEqual(table?.checks, [{ name: "c", sql: "(a > 0::INT8)", valid: true }])
    assert.deepStrictEqual(
      table?.indexes.map(({ columns, name }) => ({ columns, name })),
      [{ columns: ["n"], name: "by_n" }]
    )
  })
})

const table = Table.definition(
  Table.make(
    "pets",
    {
      id: Table.int.pipe(Table.primaryKey),
      small: Table.smallint,
      big: Table.bigint,
      owner: Table.int.pipe(Table.references("owners.id")),
      name: Table.text.pipe(Table.unique)
    },
    (c) => [Table.index([c.big], { concurrently: true })]
  )
)

const said = (change: Change.Change, before: LiveSchema.LiveSchema = LiveSchema.empty) => ddl(change, before)

const refused = (change: Change.Change) => {
  try {
    said(change)
  } catch (error) {
    assert.instanceOf(error, UnsupportedError)
    return (error as UnsupportedError).message
  }
  throw new Error("it was not refused")
}

/** A schema whose table `pets` has a unique constraint `same` and a plain index `slow`. */
const before: LiveSchema.LiveSchema = {
  ...LiveSchema.empty,
  tables: [
    {
      name: "pets",
      columns: [],
      uniques: [{ name: "same", columns: ["name"] }],
      foreignKeys: [],
      checks: [{ name: "weighs", sql: "weight > 0", valid: true }],
      exclusions: [],
      indexes: [{ name: "slow", sql: "", over: "", columns: ["name"], unique: false, valid: true }],
      triggers: []
    }
  ]
}

const foreignKey = { kind: "foreign key", name: "owned", columns: ["owner"], table: "owners", targets: ["id"] } as const

describe("ddl", () => {
  it("names integers by their width, because INTEGER is eight bytes wide", () => {
    const [text] = said(Change.make.CreateTable({ table, ifNotExists: false }))
    assert.include(text, '"id" int4 NOT NULL')
    assert.include(text, '"small" int2')
    assert.include(text, '"big" int8')
  })

  it("builds every index without stopping anybody, and never says so", () => {
    const texts = said(Change.make.CreateTable({ table, ifNotExists: false })).concat(
      table.indexes.flatMap((index) => said(Change.make.CreateIndex({ table: "pets", index, ifNotExists: false }))),
      said(Change.make.DropIndex({ table: "pets", name: "slow", ifExists: true, concurrently: true }), before)
    )
    assert.strictEqual(texts.length, 4)
    assert.isFalse(texts.some((text) => text.includes("CONCURRENTLY")))
    assert.strictEqual(texts.at(-1), 'DROP INDEX IF EXISTS "slow"')
  })

  it("adds a column first, and what stands at it one by one", () => {
    const column = table.columns.find(({ name }) => name === "owner")
    if (column === undefined) throw new Error("no column")
    assert.deepStrictEqual(
      said(Change.make.AddColumn({ table: "pets", column: { ...column, unique: true, comment: "whose" } })),
      [
        'ALTER TABLE "pets" ADD COLUMN "owner" int4 NOT NULL',
        `COMMENT ON COLUMN "pets"."owner" IS 'whose'`,
        'ALTER TABLE "pets" ADD CONSTRAINT "pets_owner_key" UNIQUE ("owner")',
        'ALTER TABLE "pets" ADD CONSTRAINT "pets_owner_fkey" FOREIGN KEY ("owner") REFERENCES "owners" ("id")'
      ]
    )
  })

  it("drops a unique constraint or index as the index it is, and others by what they are", () => {
    const drop = (name: string) => said(Change.make.DropConstraint({ table: "pets", name }), before)
    assert.deepStrictEqual(drop("same"), ['DROP INDEX "pets"@"same" CASCADE'])
    assert.deepStrictEqual(drop("weighs"), ['ALTER TABLE "pets" DROP CONSTRAINT "weighs"'])
    const was = { kind: "unique", name: "gone", columns: ["a"] } as const
    assert.deepStrictEqual(said(Change.make.DropConstraint({ table: "pets", name: "gone", was })), [
      'DROP INDEX "pets"@"gone" CASCADE'
    ])
    assert.deepStrictEqual(
      said(Change.make.DropIndex({ table: "pets", name: "same", ifExists: true, concurrently: false }), before),
      ['DROP INDEX IF EXISTS "pets"@"same" CASCADE']
    )
    assert.isTrue(rebuilds(Change.make.DropConstraint({ table: "pets", name: "same" })))
    assert.isFalse(rebuilds(Change.make.DropTable({ name: "pets", ifExists: false })))
  })

  it("refuses what it has not before anything is sent", () => {
    const exclude = { kind: "exclude", name: "x", sql: "a WITH =" } as const
    assert.include(refused(Change.make.AddConstraint({ table: "pets", constraint: exclude })), "EXCLUDE")
    const deferrable = { ...foreignKey, deferrable: true }
    assert.include(refused(Change.make.AddConstraint({ table: "pets", constraint: deferrable })), "deferrable")
    assert.include(
      refused(Change.make.CreateTable({ table: { ...table, constraints: [deferrable] }, ifNotExists: false })),
      "deferrable"
    )
    assert.deepStrictEqual(said(Change.make.AddConstraint({ table: "pets", constraint: foreignKey })).length, 1)
  })

  it("takes a text of its own before PostgreSQL's", () => {
    const execute = (sql: Record<string, string>) => said(Change.make.Execute({ sql }))
    assert.deepStrictEqual(execute({ postgresql: "A", cockroachdb: "B", sqlite: "C" }), ["B"])
    assert.deepStrictEqual(execute({ postgresql: "A", sqlite: "C" }), ["A"])
  })

  it.scopedLive("is understood by PostgreSQL, too, but for its way to drop an index", () =>
    Effect.gen(function* () {
      const session = yield* connectTo(yield* freshDatabase)
      yield* session.script("CREATE TABLE owners (id int4 PRIMARY KEY)")
      const changes = [
        Change.make.CreateTable({ table, ifNotExists: true }),
        Change.make.AddColumn({
          table: "pets",
          column: { name: "n", type: { _tag: "int4" }, nullable: true, unique: true, check: "n > 0" }
        })
      ]
      for (const text of changes.flatMap((change) => said(change))) yield* session.script(text)
      const [, pets] = (yield* inspect(session)).tables
      assert.deepStrictEqual(
        pets?.uniques.map(({ name }) => name),
        ["pets_n_key", "pets_name_key"]
      )
    })
  )
})
