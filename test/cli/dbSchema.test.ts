/** `aquifer db pull` and `diagram`: from a database to the module that declares it, and to a picture. */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { readDot, readMermaid } from "../schema/grammars.js"
import { freshDatabase } from "../support/server.js"
import { command, driver } from "./command.js"
import { project, write } from "./migrations.js"

const limit = 300_000

const products: Readonly<Record<string, Effect.Effect<string, unknown, Scope.Scope>>> = {
  SQLite: Effect.succeed("sqlite:app.db"),
  PostgreSQL: freshDatabase
}

/** What a project has: here, the package that is tested and what it depends on. */
const installed = (cwd: string) =>
  Effect.flatMap(command, (own) =>
    Effect.promise(async () => {
      await fs.mkdir(path.join(cwd, "node_modules"))
      await fs.symlink(own, path.join(cwd, "node_modules/effect-aquifer"))
      const effect = path.resolve(import.meta.dirname, "../../node_modules/effect")
      await fs.symlink(effect, path.join(cwd, "node_modules/effect"))
    })
  )

const first = `-- migrate:up
CREATE TABLE users (id INTEGER PRIMARY KEY, email VARCHAR(255) NOT NULL UNIQUE);
CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER NOT NULL REFERENCES users (id), title TEXT);
CREATE INDEX newest ON posts (author, id DESC);
CREATE VIEW authors AS SELECT author FROM posts;
CREATE TABLE mine (id INTEGER);
`

const withDatabase = (url: Effect.Effect<string, unknown, Scope.Scope>) =>
  Effect.gen(function* () {
    const cwd = yield* project({ "migrations/0001_first.sql": first })
    yield* installed(cwd)
    const found = driver(cwd, { DATABASE_URL: yield* url })
    expect(yield* found.json("migrate", "up", "--table", "history")).toMatchObject({ code: 0 })
    return { ...found, cwd, read: (name: string) => Effect.promise(() => fs.readFile(path.join(cwd, name), "utf8")) }
  })

const ledger = ["--table", "history"]
const ignoring = [...ledger, "--ignore", "mine"]

describe.each(Object.entries(products))("on %s", (_, url) => {
  it.scopedLive(
    "what is pulled is what is there, and is not written over what somebody wrote",
    () =>
      Effect.gen(function* () {
        const { json, read, run } = yield* withDatabase(url)
        const printed = yield* run("db", "pull", ...ignoring)
        expect(printed).toMatchObject({ code: 0, err: "" })
        expect(printed.out).toContain("export default DatabaseSchema.make({ users, posts })\n")
        expect(printed.out).toContain('//   view "authors"\n')

        const out = ["--out", "schema.ts"]
        expect(yield* run("db", "pull", ...ignoring, ...out)).toMatchObject({
          code: 0,
          err: "",
          out: "  written schema.ts\n"
        })
        expect(yield* read("schema.ts")).toBe(printed.out)
        expect(yield* json("migrate", "check", ...ignoring)).toEqual({
          code: 0,
          err: "",
          out: { same: true, changes: [] }
        })

        const refused = yield* run("db", "pull", ...ledger, ...out)
        expect(refused).toMatchObject({ code: 2, out: "" })
        expect(refused.err).toMatch(/^aquifer: this overwrites schema\.ts\. Write --yes/)
        expect(yield* read("schema.ts")).toBe(printed.out)
        const over = yield* json("db", "pull", ...ledger, ...out, "--yes")
        expect(over).toMatchObject({ code: 0, out: { file: "schema.ts", module: yield* read("schema.ts") } })
        expect(yield* read("schema.ts")).toContain("make({ mine, users, posts })")
        // A difference is one again.
        expect(yield* json("migrate", "check", ...ignoring)).toMatchObject({ code: 0 })
        expect(yield* run("db", "pull", ...ledger, "--out", "no/such/folder/schema.ts")).toMatchObject({
          code: 1,
          out: "",
          err: expect.stringMatching(/^aquifer: ENOENT.* Name a file/)
        })
      }),
    limit
  )

  it.scopedLive(
    "what is there is drawn, or what is declared",
    () =>
      Effect.gen(function* () {
        const { cwd, json, read, run } = yield* withDatabase(url)
        const live = yield* run("db", "diagram", ...ledger)
        expect(live).toMatchObject({ code: 0, err: "" })
        const drawn = readMermaid(live.out)
        expect(drawn.entities.map(({ name }) => name)).toEqual(["mine", "posts", "users"])
        expect(drawn.relations).toEqual([["users", "||--o{", "posts", "author"]])

        const out = ["--as", "dot", "--out", "schema.dot"]
        expect(yield* json("db", "diagram", ...ledger, ...out)).toMatchObject({ code: 0, out: { file: "schema.dot" } })
        expect(readDot(yield* read("schema.dot")).names).toEqual(["mine", "posts", "users"])
        expect(yield* run("db", "diagram", ...ledger, ...out)).toMatchObject({ code: 2, out: "" })

        yield* run("db", "pull", ...ignoring, "--out", "schema.ts")
        // No database is asked for what is declared.
        const declared = yield* run("db", "diagram", "--from", "schema.ts", "--url", "sqlite:nowhere.db")
        expect(declared).toMatchObject({ code: 0, err: "" })
        expect(readMermaid(declared.out).relations).toEqual(drawn.relations)
        yield* write(cwd, { "other.ts": "export const x = 1\n" })
        expect(yield* run("db", "diagram", "--from", "other.ts")).toMatchObject({
          code: 1,
          err: expect.stringContaining("exports no schema")
        })
        expect(yield* run("db", "diagram", "--as", "png")).toMatchObject({ code: 2 })
      }),
    limit
  )
})

it.scopedLive(
  "on PGlite, which is slow to start, as well",
  () =>
    Effect.gen(function* () {
      const { json, run } = yield* withDatabase(Effect.succeed("pglite:data"))
      expect(yield* run("db", "pull", ...ignoring, "--out", "schema.ts")).toMatchObject({ code: 0, err: "" })
      expect(yield* json("migrate", "check", ...ignoring)).toMatchObject({ code: 0, out: { same: true } })
      expect(readMermaid((yield* run("db", "diagram", ...ledger)).out).entities).toHaveLength(3)
    }),
  limit
)

it.scopedLive("a database that is not there is not made by looking at it", () =>
  Effect.gen(function* () {
    const cwd = yield* project({})
    const { run } = driver(cwd, { DATABASE_URL: "sqlite:app.db" })
    for (const what of ["pull", "diagram"]) {
      expect(yield* run("db", what)).toMatchObject({
        code: 1,
        out: "",
        err: expect.stringMatching(/^aquifer: DatabaseNotFound .*aquifer db create/)
      })
    }
    expect(yield* Effect.promise(() => fs.readdir(cwd))).toEqual([])
  })
)
