/** A live database written down as a module, and what that module makes again. */
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { promisify } from "node:util"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Database, DatabaseSchema, Table } from "effect-aquifer"
import * as fc from "fast-check"
import { everywhere, products, scratch } from "../migration/support.js"
import { compiled } from "../support/compiled.js"
import { casesOn } from "./cases.js"
import { apply, diff, on, prepare, told } from "./changes.js"
import { failings, load, roundTrip, run } from "./pulled.js"
import { declared } from "./random.js"
import { rich } from "./rich.js"

const [sqlite, postgres] = products as [(typeof products)[0], (typeof products)[0]]

const project = path.resolve(import.meta.dirname, "../..")

/** What was pulled so far, under names for files. */
const kept: Array<readonly [name: string, text: string]> = []
const keep = (name: string, text: string) => kept.push([name, text])

const runs = { sqlite: 12, postgresql: 4, pglite: 1 }

for (const product of everywhere) {
  describe(`pulled from ${product.name}`, () => {
    prepare(product)

    it.live("tables with a bit of everything are declared as they are", () =>
      on(product, () =>
        Effect.gen(function* () {
          yield* apply(yield* diff(rich))
          const { schema, text } = yield* roundTrip(product)
          keep(product.name, text)
          expect(Object.keys(schema.tables)).toHaveLength(4)
        })
      )
    )

    it.live("an empty database is a schema without tables", () =>
      on(product, () =>
        Effect.map(roundTrip(product), ({ text }) =>
          expect(text).toBe(
            'import { DatabaseSchema } from "effect-aquifer"\n\nexport default DatabaseSchema.make({})\n'
          )
        )
      )
    )

    it.live("whatever a declaration can say is said, under names that end no string, comment or variable", () =>
      on(product, () =>
        Effect.gen(function* () {
          for (const schema of [...casesOn(product).map(({ after }) => after), attacked]) {
            yield* apply(yield* diff(schema))
            const text = yield* DatabaseSchema.pull()
            expect(text).not.toMatch(failings)
            expect(told(yield* diff(yield* load(text)))).toEqual([])
            keep(`${product.name}_case`, text)
          }
        })
      )
    )

    it.live(
      "any tables are declared as they are",
      () =>
        Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(declared, (schema) =>
              Effect.runPromise(
                on(product, () =>
                  Effect.flatMap(diff(schema), (changes) => Effect.zipRight(apply(changes), roundTrip(product)))
                ) as Effect.Effect<unknown, unknown>
              ).then(() => undefined)
            ),
            { numRuns: runs[product.name], endOnFailure: true }
          )
        ),
      300_000
    )
  })
}

describe("pulled from a database that no library made", () => {
  it.live("PostgreSQL: what tables stand on, what only the product says, and what no table says", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        yield* run(...legacy)
        // Where there are no rows, all of them are valid.
        const { schema, text } = yield* roundTrip(postgres, { but: /foreignKeys\.late\.valid: false -> true/ })
        keep("legacy", text)
        expect(Object.keys(schema.tables)).toEqual(["Org", "z_parent", "a_child", "order_items", "class_"])
        for (const line of [
          'legalName: Table.raw({ postgresql: "citext" }, Schema.Unknown).pipe(Table.unique),',
          "huge: Table.bigint.pipe(Table.nullable, Table.withDefault(9007199254740993n)),",
          'Table.primaryKeyOf([c._2, c._1], "odd_key"),',
          'over: { postgresql: "USING btree (made DESC NULLS LAST, id) INCLUDE (slug) WHERE (slug IS NOT NULL)" }',
          '{ postgresql: "CREATE EXTENSION IF NOT EXISTS citext CASCADE" },'
        ]) {
          expect(text).toContain(line)
        }
        const [, said = ""] = text.split("// The database also holds what no table says:\n")
        expect(said.split("\n").map((line) => line.slice(5))).toEqual([
          'trigger "stamped" on "a_child"',
          'view "seen"',
          'sequence "nobodys"',
          'sequence "tickets"',
          "extension citext",
          "function apart.slug(text)",
          "function stamp()",
          "schema apart",
          'table "order items": partly UNIQUE NULLS NOT DISTINCT ("1", org)',
          "table a_child: ROW LEVEL SECURITY",
          "type apart.hue",
          "type pair",
          "type positive",
          ""
        ])
      })
    )
  )

  it.live("SQLite: types of every kind, keys that are numbers, names that are none", () =>
    on(sqlite, () =>
      Effect.gen(function* () {
        yield* run(...old)
        // A reference that names no column is one to the key.
        const { text } = yield* roundTrip(sqlite, { but: /targets\.0 ID: new/ })
        keep("old", text)
        for (const line of [
          'whatever: Table.raw({ sqlite: "" }, Schema.Unknown).pipe(Table.nullable),',
          'user: Table.int.pipe(Table.nullable, Table.references("Users.ID", { onDelete: "cascade" })),',
          'twice: Table.raw({ sqlite: "INT" }, Schema.Unknown).pipe(Table.nullable, Table.computed(\'"1" * 2\', { stored: false })),',
          'over: { sqlite: "(Name COLLATE NOCASE DESC, amount) WHERE amount > 1" }'
        ]) {
          expect(text.replace(/\s+/g, " ").replace(/ ?([()]) ?/g, "$1")).toContain(
            line
              .replace(/,$/, "")
              .replace(/\s+/g, " ")
              .replace(/ ?([()]) ?/g, "$1")
          )
        }
        expect(text.split("no table says:")[1]).toBe(
          '\n//   trigger "t" on "Users"\n//   view "v"\n//   table order; "items": WITHOUT ROWID\n//   virtual table words\n'
        )
      })
    )
  )

  it.live("a reference to what is not pulled is told, and that it would be dropped", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        yield* run(
          "CREATE SCHEMA apart",
          "CREATE TABLE apart.far (id int PRIMARY KEY)",
          "CREATE TABLE near (id int PRIMARY KEY, far int REFERENCES apart.far)",
          "CREATE TABLE left_out (id int)"
        )
        const text = yield* DatabaseSchema.pull({ ignore: ["left_out"] })
        expect(text).toContain("make({ near })")
        expect(text).toContain('//   foreign key "near_far_fkey" of "near", to "apart.far"')
        expect(text).toMatch(/ask for this:\n\/\/ {3}drop foreign key near_far_fkey of near\n$/)
        const schema = yield* load(text)
        expect(told(yield* diff(schema, { ignore: ["left_out"] }))).toEqual(["DropConstraint near.near_far_fkey"])
      })
    )
  )

  it.live("a database that is not there yet is empty, and not made", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const file = path.join(yield* scratch, "nowhere.db")
        const text = yield* Effect.provide(
          DatabaseSchema.pull(),
          Database.layer({ url: `sqlite:${file}`, connect: "lazy" })
        )
        expect(text).toContain("DatabaseSchema.make({})")
        expect(fs.existsSync(file)).toBe(false)
      })
    )
  )
})

describe("a pulled module", () => {
  const at = path.join(project, "node_modules", ".pulled")
  /** Where git does not look; a package of its own, as a reader's program is. */
  const files = () => {
    fs.rmSync(at, { recursive: true, force: true })
    fs.mkdirSync(at, { recursive: true })
    return kept.map(([name, text], i) => {
      const file = `${name}_${i}.ts`
      fs.writeFileSync(path.join(at, file), text)
      return file
    })
  }

  it("compiles as strictly as the project itself", { timeout: 120_000 }, async () => {
    const names = files()
    expect(names.length).toBeGreaterThan(60)
    expect(await compiled(at, names)).toEqual([])
    fs.rmSync(at, { recursive: true, force: true })
  })

  it.scopedLive("is written as a formatter leaves it", () =>
    Effect.gen(function* () {
      const folder = yield* scratch
      // How wide a character of another script is, is for the formatter to know.
      for (const [i, [name, text]] of kept.entries()) {
        if (!/[^ -~\n]/.test(text)) fs.writeFileSync(path.join(folder, `${name}_${i}.ts`), text)
      }
      const { formatter, javascript } = JSON.parse(fs.readFileSync(path.join(project, "biome.json"), "utf8"))
      fs.writeFileSync(path.join(folder, "biome.json"), JSON.stringify({ root: true, formatter, javascript }))
      const names = fs.readdirSync(folder).filter((name) => name.endsWith(".ts"))
      expect(names.length).toBeGreaterThan(60)
      const texts = () =>
        Object.fromEntries(names.map((name) => [name, fs.readFileSync(path.join(folder, name), "utf8")]))
      const own = texts()
      const biome = path.join(project, "node_modules/@biomejs/biome/bin/biome")
      expect(yield* execute([biome, "format", "--write", folder], folder)).toContain(
        `Formatted ${names.length + 1} files`
      )
      expect(own).toEqual(texts())
    })
  )
})

const execute = (args: ReadonlyArray<string>, cwd: string) =>
  Effect.promise(() =>
    promisify(execFile)(process.execPath, [...args], { cwd }).then(
      ({ stdout }) => stdout,
      (error: { readonly stdout?: string }) => error.stdout ?? String(error)
    )
  )

const names = [
  `x"); process.exit(7); ("`,
  "a\nprocess.exit(7)",
  "*/ x /*",
  `\${x}\``,
  "it's; DROP TABLE users; --",
  "Table",
  "default",
  "c",
  "10",
  "__proto__",
  "größe",
  "a b",
  "a_b",
  "\u202Eevil"
]
const attacked = DatabaseSchema.make(
  Object.fromEntries(
    names.map((name) => [
      name,
      Table.make(
        name,
        {
          id: Table.int.pipe(Table.primaryKey, Table.named(name)),
          other: Table.text.pipe(Table.withDefault(name), Table.comment(name), Table.named("constructor"))
        },
        (c) => [Table.index([c.id, c.other], { name: `i ${name}` })],
        { comment: name }
      )
    ])
  ) as never
)

const standsOn = [
  "CREATE EXTENSION citext",
  "CREATE SCHEMA apart",
  "CREATE TYPE apart.hue AS ENUM ('red', 'it''s blue')",
  "CREATE FUNCTION apart.slug(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$\n  SELECT lower(t) -- `x` \\n\n$$",
  "CREATE DOMAIN positive AS integer DEFAULT 1 CONSTRAINT above CHECK (VALUE > 0)",
  'CREATE TYPE pair AS (a integer, "B" text)',
  "CREATE SEQUENCE tickets"
]

const legacy = [
  ...standsOn,
  "CREATE SEQUENCE nobodys",
  "CREATE TYPE mood AS ENUM ('sad', 'glad')",
  "CREATE TYPE unused AS ENUM ('x')",
  "CREATE TYPE nothing AS ENUM ()",
  `CREATE TABLE "Org" (id serial PRIMARY KEY, "legalName" citext NOT NULL UNIQUE, big bigserial, no positive NOT NULL,
    ticket bigint DEFAULT nextval('tickets'), pairs pair, hue apart.hue DEFAULT 'red', n nothing, slug text DEFAULT apart.slug('X'),
    made timestamp DEFAULT now(), at time(3), net inet, xs numeric(9, 2)[] DEFAULT '{}', doc json DEFAULT '{"a":  1}', m mood[] DEFAULT '{sad}',
    huge bigint DEFAULT 9007199254740993, tiny smallint DEFAULT -3, ratio real DEFAULT 0.1, free numeric DEFAULT 1.50, bits bit(3), c char(4) DEFAULT 'ab')`,
  `CREATE TABLE "order items" ("2" int, "1" int, "select" text COLLATE "C" NOT NULL, __proto__ int, "a b" text DEFAULT 'it''s', "c""d" text, org int,
    CONSTRAINT odd_key PRIMARY KEY ("2", "1"), CONSTRAINT "weird ""name" CHECK ("a b" <> '(' OR "1" > 0),
    CONSTRAINT partly UNIQUE NULLS NOT DISTINCT ("1", org))`,
  `ALTER TABLE "order items" ADD CONSTRAINT late FOREIGN KEY (org) REFERENCES "Org" (id) ON DELETE SET DEFAULT NOT VALID`,
  `CREATE TABLE "class" (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), two int, one int, span tstzrange NOT NULL, room int,
    FOREIGN KEY (two, one) REFERENCES "order items" ON UPDATE CASCADE,
    CONSTRAINT apart EXCLUDE USING gist (span WITH &&) WHERE (room > 1))`,
  "CREATE TABLE a_child (id int PRIMARY KEY)",
  "CREATE TABLE z_parent (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, twice int GENERATED ALWAYS AS (1 + 2) STORED, child int REFERENCES a_child)",
  "ALTER TABLE a_child ADD parent int NOT NULL REFERENCES z_parent DEFERRABLE INITIALLY DEFERRED",
  `CREATE INDEX by_made ON "Org" (made DESC NULLS LAST, id) INCLUDE (slug) WHERE (slug IS NOT NULL)`,
  `CREATE INDEX by_pattern ON "Org" (lower("legalName"::text) text_pattern_ops)`,
  `CREATE UNIQUE INDEX by_tags ON "Org" USING btree (big) WITH (fillfactor = 70)`,
  `CREATE INDEX by_doc ON "Org" USING gin (m)`,
  `CREATE INDEX by_sum ON "order items" (("1" + "2"), "a b")`,
  `COMMENT ON TABLE "class" IS 'one\n// two\u2028three */'`,
  `COMMENT ON COLUMN "class".room IS 'a "room"'`,
  "CREATE VIEW seen AS SELECT id FROM a_child",
  "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$",
  "CREATE TRIGGER stamped BEFORE UPDATE ON a_child FOR EACH ROW EXECUTE FUNCTION stamp()",
  "ALTER TABLE a_child ENABLE ROW LEVEL SECURITY",
  "CREATE TABLE schema_migrations (version text)",
  "CREATE TABLE aquifer_migrations (id text)"
]

const old = [
  `CREATE TABLE Users (ID INTEGER PRIMARY KEY, Name VARCHAR(50) NOT NULL DEFAULT '', born DATETIME DEFAULT CURRENT_TIMESTAMP, whatever, amount DECIMAL(10, 2) DEFAULT 0.50,
    flag BOOLEAN DEFAULT 0, ratio REAL DEFAULT 1e3, blob BLOB DEFAULT X'00ff', big UNSIGNED BIG INT, n INT DEFAULT -1, CHECK (amount > 0), UNIQUE (Name, born))`,
  `CREATE TABLE [order; "items"] ("1" INT, "0" INT, user INTEGER REFERENCES users (id) ON DELETE CASCADE, boss INT REFERENCES Users,
    mood TEXT COLLATE NOCASE CONSTRAINT m CHECK (mood IN ('a', 'b''c')), twice INT AS ("1" * 2), PRIMARY KEY ("1", "0")) WITHOUT ROWID`,
  `CREATE TABLE auto (id INTEGER PRIMARY KEY AUTOINCREMENT, doc JSON DEFAULT '{"a":  1}') STRICT`.replace(
    " STRICT",
    ""
  ),
  `CREATE INDEX down ON Users (Name COLLATE NOCASE DESC, amount) WHERE amount > 1`,
  `CREATE UNIQUE INDEX up ON Users (lower(Name))`,
  "CREATE VIEW v AS SELECT * FROM Users",
  "CREATE VIRTUAL TABLE words USING fts5(body)",
  "CREATE TRIGGER t AFTER DELETE ON Users BEGIN SELECT 1; END",
  "CREATE TABLE flyway_schema_history (id INT)"
]
