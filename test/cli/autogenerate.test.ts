/** From an empty folder to a database that is what a schema declares, and on from there, as a person does it. */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { freshDatabase } from "../support/server.js"
import { aquifer, command, driver } from "./command.js"
import { project, schema, tables, write } from "./migrations.js"

const limit = 300_000
type Env = Readonly<Record<string, string>>

const products: Readonly<Record<string, Effect.Effect<Env, unknown, Scope.Scope>>> = {
  SQLite: Effect.succeed({ DATABASE_URL: "sqlite:app.db" }),
  PostgreSQL: Effect.map(freshDatabase, (url) => ({ DATABASE_URL: url }))
}

/** What a project has: here, the package that is tested and what it depends on. */
const installed = (cwd: string) =>
  Effect.flatMap(command, (own) =>
    Effect.promise(async () => {
      await fs.mkdir(path.join(cwd, "node_modules"))
      await fs.symlink(own, path.join(cwd, "node_modules/effect-aquifer"))
      await fs.symlink(
        path.resolve(import.meta.dirname, "../../node_modules/effect"),
        path.join(cwd, "node_modules/effect")
      )
    })
  )

const imports = `import { DatabaseSchema, Table } from "effect-aquifer"\n`

const first = `${imports}
const users = Table.make("users", {
  id: Table.int.pipe(Table.primaryKey),
  email: Table.varchar(255).pipe(Table.unique),
  nick: Table.text.pipe(Table.nullable),
  age: Table.int.pipe(Table.nullable, Table.check("age > 0"))
})

export default DatabaseSchema.make({ users })
`

const second = `${imports}
const users = Table.make(
  "users",
  {
    id: Table.int.pipe(Table.primaryKey),
    email: Table.varchar(320).pipe(Table.unique),
    name: Table.text.pipe(Table.nullable, Table.renamedFrom("nick")),
    country: Table.text.pipe(Table.withDefault("it's here"))
  },
  (c) => [Table.index([c.country])]
)
const posts = Table.make("posts", {
  id: Table.int.pipe(Table.primaryKey),
  author: Table.int.pipe(Table.references("users.id", { onDelete: "cascade" }))
})

export const both = DatabaseSchema.make({ users, posts })
`

/** A program of the user's own, through the command: a revision nobody keeps. */
const rows = `-- migrate:up
INSERT INTO users (id, email, nick, age) VALUES (1, 'a@b', 'ann', 30);
`

/** Refused unless that row is still there, under its new names. */
const proof = `-- migrate:up
INSERT INTO posts (id, author) SELECT 1, id FROM users WHERE name = 'ann' AND country = 'it''s here';
CREATE TABLE proof (id integer REFERENCES posts (id));
INSERT INTO proof VALUES (1);
`

describe.each(Object.entries(products))("on %s", (_, environment) => {
  it.scopedLive(
    "declared tables become migrations, there and back, and the data stays",
    () =>
      Effect.gen(function* () {
        const cwd = yield* project({})
        const { json, run } = driver(cwd, yield* environment)
        const file = (name: string) => path.join(cwd, "migrations", name)
        yield* json("init")
        yield* write(cwd, { "schema.ts": first })

        const made = yield* run("migrate", "new", "--autogenerate", "create", "users")
        // Looking makes no database.
        expect(yield* Effect.promise(() => fs.readdir(cwd))).toEqual([".env", "migrations", "schema.ts"])
        expect(made).toMatchObject({ code: 0, err: "" })
        expect(made.out).toContain("migrations/0001_create_users.ts")
        expect(made.out).toContain('create the table "users"')
        // What is written is not applied.
        expect(yield* json("migrate", "check")).toMatchObject({ code: 1, err: expect.stringContaining("is pending") })
        expect(yield* json("migrate", "up")).toMatchObject({ code: 0, out: { applied: [{ id: "0001" }] } })
        expect(yield* json("migrate", "check")).toEqual({ code: 0, err: "", out: { same: true, changes: [] } })
        const nothing = yield* run("migrate", "new", "--autogenerate", "nothing")
        expect(nothing).toMatchObject({ code: 0, err: "", out: expect.stringContaining("nothing differs") })
        expect(yield* Effect.promise(() => fs.readdir(path.join(cwd, "migrations")))).toHaveLength(2)

        yield* write(cwd, { "migrations/0002_rows.sql": rows, "schema.ts": second })
        yield* json("migrate", "up")
        const differs = yield* json("migrate", "check")
        expect(differs).toMatchObject({ code: 3, out: { same: false } })
        const said = JSON.stringify(differs.out)
        for (const part of ["country", "posts", "rename the column", "drop the column"]) expect(said).toContain(part)
        // Of the kind of the last one there, which is SQL now.
        expect(yield* json("migrate", "new", "--autogenerate", "second")).toMatchObject({
          code: 0,
          err: "",
          out: { created: [{ file: "migrations/0003_second.sql", revises: ["0002"] }] }
        })
        expect(yield* Effect.promise(() => fs.readFile(file("0003_second.sql"), "utf8"))).toContain(
          '-- Danger: the values of "age" are lost'
        )
        expect(yield* run("migrate", "up")).toMatchObject({ code: 0, err: "" })
        expect(yield* run("migrate", "down", "--yes")).toMatchObject({ code: 0, err: "" })
        // Back where it was: without the way on, the first declaration holds again.
        yield* write(cwd, { "first.ts": first })
        yield* Effect.promise(() => fs.rename(file("0003_second.sql"), path.join(cwd, "aside")))
        expect(yield* json("migrate", "check", "--from", "first.ts")).toMatchObject({ code: 0, out: { same: true } })
        yield* Effect.promise(() => fs.rename(path.join(cwd, "aside"), file("0003_second.sql")))
        yield* write(cwd, { "migrations/0004_look.sql": proof })
        expect(yield* run("migrate", "up")).toMatchObject({ code: 0, err: "" })
        expect(yield* json("migrate", "check")).toMatchObject({
          code: 3,
          out: { changes: [{ says: 'drop the table "proof"', danger: 'the rows of "proof" are lost' }] }
        })
        expect(yield* json("migrate", "check", "--ignore", "proof")).toMatchObject({ code: 0 })
      }),
    limit
  )
})

describe("on PGlite", () => {
  // It starts anew with each process, and once more to try the declared tables on: a shorter way.
  it.scopedLive(
    "declared tables become migrations, and the data stays",
    () =>
      Effect.gen(function* () {
        const cwd = yield* project({ "schema.ts": first })
        const { json } = driver(cwd, { DATABASE_URL: "pglite:data" })
        expect(yield* json("migrate", "new", "--autogenerate", "first")).toMatchObject({ code: 0, err: "" })
        yield* write(cwd, { "migrations/0002_rows.sql": rows, "src/schema.ts": second })
        expect(yield* json("migrate", "up")).toMatchObject({ code: 0, err: "", out: { applied: [{}, {}] } })
        const made = yield* json("migrate", "new", "--autogenerate", "second", "--from", "src/schema.ts")
        expect(made).toMatchObject({ code: 0, err: "", out: { created: [{ file: "migrations/0003_second.sql" }] } })
        yield* write(cwd, { "migrations/0004_look.sql": proof })
        expect(yield* json("migrate", "up")).toMatchObject({ code: 0, err: "", out: { applied: [{}, {}] } })
        expect(yield* json("migrate", "check", "--from", "src/schema.ts")).toMatchObject({
          code: 3,
          out: { changes: [{ says: 'drop the table "proof"' }] }
        })
      }),
    limit
  )
})

describe("a schema", () => {
  it.scopedLive(
    "may be of several modules, and of JavaScript",
    () =>
      Effect.gen(function* () {
        // Only the inner one knows what tables are made with.
        const cwd = yield* project({
          "src/tables/users.ts": `import { Table } from "effect-aquifer"
import * as Schema from "effect/Schema"
const name: string = "users"
export const users = Table.make(name, { id: Table.int.pipe(Table.primaryKey), tags: Table.json(Schema.Array(Schema.String)) })
`,
          "src/schema.ts": `import { users } from "./tables/users.js"
export default { tables: { users }, prefix: "", enums: [], requires: [] }
`,
          "other.mjs": `import { DatabaseSchema, Table } from "effect-aquifer"
export const schema = DatabaseSchema.make({ other: Table.make("other", { id: Table.int }) })
`
        })
        yield* installed(cwd)
        const { json } = driver(cwd, { DATABASE_URL: "sqlite:app.db" })
        expect(yield* json("migrate", "check")).toMatchObject({
          code: 3,
          err: "",
          out: { changes: [{ says: 'create the table "users"' }] }
        })
        expect(yield* json("migrate", "check", "--from", "other.mjs")).toMatchObject({
          code: 3,
          err: "",
          out: { changes: [{ says: 'create the table "other"' }] }
        })
      }),
    limit
  )
})

describe("what cannot be compared with", () => {
  const wrong: ReadonlyArray<readonly [what: string, code: number, says: RegExp, files: Env, ...args: Array<string>]> =
    [
      ["no schema at all", 2, /^aquifer: there are no declared tables .*Write --from FILE\.\n$/, {}],
      [
        "no such file",
        2,
        /^aquifer: --from x\.ts: there is no such file\. Correct the path\.\n$/,
        {},
        "--from",
        "x.ts"
      ],
      ["a folder", 2, /^aquifer: .*--from.*\n$/, { "src/x.ts": "" }, "--from", "src"],
      ["a file of another kind", 2, /^aquifer: --from x\.json: .*\n$/, { "x.json": "{}" }, "--from", "x.json"],
      [
        "a module without a schema",
        1,
        /^aquifer: schema\.ts exports no schema\. Write in it: .*\n$/,
        { "schema.ts": "export const x = 1" }
      ],
      ["an empty module", 1, /^aquifer: schema\.ts exports no schema\. .*\n$/, { "schema.ts": "" }],
      [
        "several schemas",
        1,
        /^aquifer: schema\.ts exports several schemas: a, b\. Make one of them the default export\.\n$/,
        { "schema.ts": `${imports}export const a = DatabaseSchema.make({})\nexport const b = DatabaseSchema.make({})` }
      ],
      [
        "a mistake in the syntax",
        1,
        /^aquifer: schema\.ts cannot be imported: .*\n$/,
        { "schema.ts": "export default {{{" }
      ],
      [
        "a module that throws",
        1,
        /^aquifer: schema\.ts cannot be imported: two lines\. Correct the file; nothing was done\.\n$/,
        { "schema.ts": `throw new Error("two\\n lines")` }
      ],
      [
        "a module that throws no error",
        1,
        /^aquifer: schema\.ts cannot be imported: .*\n$/,
        { "schema.ts": "throw undefined" }
      ],
      [
        "a reference to nothing",
        1,
        /^aquifer: .*\n$/,
        {
          "schema.ts": `${imports}const a = Table.make("a", { id: Table.int.pipe(Table.references("b.id")) })\nexport default DatabaseSchema.make({ a } as never)`
        }
      ],
      [
        "a database that is not at its head",
        1,
        /^aquifer: the database is not at the head of its history: 1 migration is pending\. Apply them with aquifer migrate up first\.\n$/,
        { ...tables(1), "schema.ts": schema([]) }
      ],
      [
        "a database that does not answer",
        1,
        /^aquifer: ConnectionError.*\n$/,
        { "schema.ts": schema([]) },
        "--url",
        "postgres://u:canary@127.0.0.1:1/x"
      ]
    ]

  it.scopedLive(
    "is told in one line, and nothing is written",
    () =>
      Effect.forEach(
        wrong,
        ([what, code, says, files, ...args]) =>
          Effect.gen(function* () {
            const cwd = yield* project(files)
            const before = (yield* Effect.promise(() => fs.readdir(cwd, { recursive: true }))).sort()
            for (const words of [
              ["migrate", "check"],
              ["migrate", "new", "--autogenerate", "x"]
            ]) {
              const ended = yield* aquifer([...words, ...args], { cwd, env: { DATABASE_URL: "sqlite:app.db" } })
              expect({ what, ...ended, err: says.test(ended.err) || ended.err }).toEqual({
                what,
                code,
                out: "",
                err: true
              })
            }
            const after = yield* Effect.promise(() => fs.readdir(cwd, { recursive: true }))
            expect({ what, files: after.sort() }).toEqual({
              what,
              files: before
            })
          }),
        { concurrency: 2 }
      ),
    limit
  )

  it.scopedLive("the options of comparing say nothing without it", () =>
    Effect.gen(function* () {
      const cwd = yield* project({})
      const ended = yield* aquifer(["migrate", "new", "x", "--from", "schema.ts"], { cwd })
      expect(ended).toMatchObject({ code: 2, err: expect.stringContaining("Write --autogenerate, too") })
      expect(yield* Effect.promise(() => fs.readdir(cwd))).toEqual([])
    })
  )
})
