/** The command driven as a person would: at a terminal, with questions, colours, Ctrl-C and a shell that completes. */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { adminQuery, freshDatabase, query } from "../support/server.js"
import { aquifer } from "./command.js"
import { freshFolder } from "./folder.js"
import { project, tables, write } from "./migrations.js"
import { at, keys, onPath, person } from "./person.js"

const limit = 120_000
const sqlite = { DATABASE_URL: "sqlite:app.db" }
const esc = "\u001b"

describe("at a terminal", () => {
  it.scopedLive(
    "the help is there, in colours unless NO_COLOR says otherwise",
    () =>
      Effect.gen(function* () {
        const cwd = yield* freshFolder
        const coloured = yield* person(["--help"], { cwd })
        expect(yield* coloured.ended).toBe(0)
        expect(coloured.screen()).toMatch(/aquifer migrate up \[<revision>\] +apply what is pending/)
        expect(coloured.raw()).toContain(`${esc}[1m`)
        const plain = yield* person(["--help"], { cwd, env: { NO_COLOR: "1" } })
        expect(yield* plain.ended).toBe(0)
        expect(plain.raw()).not.toContain(esc)
        expect(plain.screen()).toBe(coloured.screen())
      }),
    limit
  )

  it.scopedLive(
    "a typo is one line with what was meant, and exit code 2",
    () =>
      Effect.gen(function* () {
        const cwd = yield* freshFolder
        const typo = yield* person(["migrate", "upp"], { cwd })
        expect(yield* typo.ended).toBe(2)
        expect(typo.screen()).toBe('aquifer: unknown command "upp". Did you mean aquifer migrate up?')
      }),
    limit
  )

  it.scopedLive(
    "up brings a fresh database to the head, and says what it did",
    () =>
      Effect.gen(function* () {
        const cwd = yield* project(tables(3))
        const up = yield* person(["migrate", "up"], { cwd, env: sqlite })
        expect(yield* up.ended).toBe(0)
        // The bar has gone when it is done: what is left is the report.
        expect(up.screen()).toMatch(
          /applied +0001_t1 .*\n.*0002_t2 .*\n.*0003_t3 .*\n {2}3 migrations applied, 0 already/
        )
        expect(up.screen()).not.toContain("█")
        expect(up.raw()).toContain("3 of 3")
        const again = yield* person(["migrate", "up"], { cwd, env: { ...sqlite, NO_COLOR: "1" } })
        expect(yield* again.ended).toBe(0)
        expect(again.screen()).toBe("  nothing to do, 3 already there")
      }),
    limit
  )

  it.scopedLive(
    "a failing revision is one line with its file, line and reason, and what came before it stays",
    () =>
      Effect.gen(function* () {
        const url = yield* freshDatabase
        const cwd = yield* project({
          ...tables(1),
          "migrations/0002_bad.sql": "-- migrate:up\nCREATE TABLE b (id INTEGER);\n\nINSERT INTO nowhere VALUES (1);\n"
        })
        const up = yield* person(["migrate", "up"], { cwd, env: { DATABASE_URL: url } })
        expect(yield* up.ended).toBe(1)
        const said = up.screen().replace(/\n/g, "")
        expect(said).toMatch(/^aquifer: migration 0002_bad \(migrations\/0002_bad\.sql:4\): .*"nowhere" does not exist/)
        expect(said.match(/aquifer: /g)).toHaveLength(1)
        expect(yield* query(url, "SELECT to_regclass('t1') AS one, to_regclass('b') AS two")).toEqual([
          { one: "t1", two: null }
        ])
      }),
    limit
  )

  it.scopedLive(
    "Ctrl-C in the middle of a revision ends it with 130: nothing of it is left, nobody holds a lock",
    () =>
      Effect.gen(function* () {
        const url = yield* freshDatabase
        const cwd = yield* project({
          ...tables(1),
          "migrations/0002_slow.sql": "-- migrate:up\nCREATE TABLE s (id INTEGER);\nSELECT pg_sleep(600);\n"
        })
        const up = yield* person(["migrate", "up"], { cwd, env: { DATABASE_URL: url } })
        yield* up.sees(/1 of 2 +0002_slow/)
        yield* up.types(keys.ctrlC)
        expect(yield* up.ended).toBe(130)
        expect(up.screen()).toContain("aquifer: interrupted; everything is closed.")
        expect(yield* query(url, "SELECT to_regclass('t1') AS one, to_regclass('s') AS two")).toEqual([
          { one: "t1", two: null }
        ])
        yield* write(cwd, { "migrations/0002_slow.sql": "-- migrate:up\nCREATE TABLE s (id INTEGER);\n" })
        const next = yield* aquifer(["migrate", "up", "--json"], { cwd, env: { DATABASE_URL: url } })
        expect(next).toMatchObject({ code: 0, err: "" })
        expect(JSON.parse(next.out)).toMatchObject({ applied: [{ id: "0002" }], already: 1 })
      }),
    limit
  )
})

describe("a question", () => {
  const down = Effect.gen(function* () {
    const cwd = yield* project(tables(1))
    yield* aquifer(["migrate", "up"], { cwd, env: sqlite })
    const asked = yield* person(["migrate", "down"], { cwd, env: sqlite })
    yield* asked.sees(/this takes back the last migration on sqlite:app\.db .* Go on\? \[y\/N\]/)
    const left = Effect.map(aquifer(["migrate", "status", "--json"], { cwd, env: sqlite }), ({ out }) =>
      Number(JSON.parse(out).applied)
    )
    return { asked, left }
  })

  it.scopedLive(
    "answered with yes, it is done",
    () =>
      Effect.gen(function* () {
        const { asked, left } = yield* down
        yield* asked.types(`y${keys.enter}`)
        expect(yield* asked.ended).toBe(0)
        expect(asked.screen()).toMatch(/reverted +0001_t1/)
        expect(yield* left).toBe(0)
      }),
    limit
  )

  it.scopedLive.each([
    ["no", `n${keys.enter}`],
    ["nothing", keys.enter],
    ["something else", `yolo${keys.enter}`],
    ["the end of input", keys.ctrlD]
  ])(
    "answered with %s, nothing is done and the exit code is 1",
    ([, answer = ""]) =>
      Effect.gen(function* () {
        const { asked, left } = yield* down
        yield* asked.types(answer)
        expect(yield* asked.ended).toBe(1)
        expect(asked.screen()).toContain("aquifer: nothing was done.")
        expect(yield* left).toBe(1)
      }),
    limit
  )

  it.scopedLive(
    "answered with Ctrl-C, nothing is done and the exit code is 130",
    () =>
      Effect.gen(function* () {
        const { asked, left } = yield* down
        yield* asked.types(keys.ctrlC)
        expect(yield* asked.ended).toBe(130)
        expect(yield* left).toBe(1)
      }),
    limit
  )

  it.scopedLive(
    "comes before a database is dropped, and names it without its password",
    () =>
      Effect.gen(function* () {
        const url = yield* freshDatabase
        const cwd = yield* freshFolder
        const name = new URL(url).pathname.slice(1)
        const isThere = Effect.map(query(url, "SELECT current_database() AS name"), ([row]) => row?.name)
        const asked = yield* person(["db", "drop"], { cwd, env: { DATABASE_URL: url } })
        yield* asked.sees(/this drops .* and everything in it. Go on\? \[y\/N\]/s)
        expect(asked.raw()).not.toContain(new URL(url).password)
        yield* asked.types(`n${keys.enter}`)
        expect(yield* asked.ended).toBe(1)
        expect(yield* isThere).toBe(name)
        const again = yield* person(["db", "drop"], { cwd, env: { DATABASE_URL: url } })
        yield* again.sees(/Go on\? \[y\/N\]/)
        yield* again.types(`yes${keys.enter}`)
        expect(yield* again.ended).toBe(0)
        expect(again.screen()).toMatch(/dropped/)
        expect(yield* adminQuery("SELECT 1 FROM pg_database WHERE datname = $1", [name])).toEqual([])
      }),
    limit
  )

  it.scopedLive(
    "is not asked where nobody can answer: without a terminal, or with --json",
    () =>
      Effect.gen(function* () {
        const cwd = yield* project(tables(1))
        const piped = yield* aquifer(["db", "drop"], { cwd, env: sqlite })
        expect(piped).toMatchObject({ code: 2, out: "" })
        expect(piped.err).toMatch(/^aquifer: this drops sqlite:app\.db and everything in it\. Write --yes/)
        const json = yield* person(["db", "drop", "--json"], { cwd, env: sqlite })
        expect(yield* json.ended).toBe(2)
      }),
    limit
  )
})

describe("watching", () => {
  it.scopedLive(
    "goes on until Ctrl-C",
    () =>
      Effect.gen(function* () {
        const cwd = yield* freshFolder
        yield* aquifer(["db", "create"], { cwd, env: sqlite })
        const watch = yield* person(["health", "--watch", "--every", "1"], { cwd, env: { ...sqlite, NO_COLOR: "1" } })
        yield* watch.sees(/(T[\d:.]+Z {2}up, answers in .*\n[\s\S]*){2}/)
        yield* watch.types(keys.ctrlC)
        expect(yield* watch.ended).toBe(130)
      }),
    limit
  )
})

describe("in a real bash", () => {
  const bash = Effect.gen(function* () {
    const cwd = yield* project(tables(2))
    const bin = yield* onPath
    const shell = yield* at("bash", ["--norc", "--noprofile", "-i"], {
      cwd,
      env: { ...sqlite, PATH: `${bin}:${process.env.PATH ?? ""}`, PS1: "ready> " }
    })
    yield* shell.sees(/ready>$/)
    return { cwd, shell }
  })

  it.scopedLive(
    "--json goes to a file, whole and alone, and the exit code is the command's",
    () =>
      Effect.gen(function* () {
        const { cwd, shell } = yield* bash
        yield* shell.types(`aquifer migrate status --json > out.json; echo "code=$?"${keys.enter}`)
        yield* shell.sees(/^code=3$/m)
        const out = yield* Effect.promise(() => fs.readFile(path.join(cwd, "out.json"), "utf8"))
        expect(JSON.parse(out)).toMatchObject({ pending: 2, atHead: false })
      }),
    limit
  )
})
