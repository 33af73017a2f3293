/** `aquifer migrate plan` and `lint`: what migrations would do, before they are run. */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import { freshDatabase, query } from "../support/server.js"
import { driver } from "./command.js"
import { project, tables } from "./migrations.js"

const limit = 120_000

describe("aquifer migrate plan", () => {
  it.scopedLive(
    "prints what SQLite's own program could run, and runs nothing",
    () =>
      Effect.gen(function* () {
        const cwd = yield* project(tables(3))
        const { json, run } = driver(cwd, { DATABASE_URL: "sqlite:app.db" })
        const planned = yield* run("migrate", "plan")
        expect(planned).toMatchObject({ code: 0, err: "" })
        expect(yield* json("migrate", "status")).toMatchObject({ out: { pending: 3 } })
        const db = new Sqlite(path.join(cwd, "app.db"))
        db.exec(planned.out)
        db.close()
        expect(yield* json("migrate", "status")).toMatchObject({ code: 0, out: { applied: 3, atHead: true } })
        const back = yield* run("migrate", "plan", "--down", "base")
        expect(back.out).toMatch(/DROP TABLE t3[\s\S]*DROP TABLE t2[\s\S]*DROP TABLE t1/)
        const range = yield* json("migrate", "plan", "0001:0002")
        expect(range).toMatchObject({ out: { revisions: [{ id: "0002", direction: "up" }] } })
        expect(yield* run("migrate", "plan", "0001:")).toMatchObject({ code: 2, out: "" })
      }),
    limit
  )

  it.scopedLive(
    "of a range asks no database: none has to be there, and none is made",
    () =>
      Effect.gen(function* () {
        const cwd = yield* project(tables(3))
        const { run } = driver(cwd, {})
        for (const url of ["postgres://u:canary@127.0.0.1:1/x", "sqlite:none.db", "pglite:none"]) {
          const up = yield* run("migrate", "plan", "base:head", "--url", url)
          expect(up).toMatchObject({ code: 0, err: "" })
          expect(up.out).toMatch(/CREATE TABLE t1[\s\S]*CREATE TABLE t2[\s\S]*CREATE TABLE t3/)
          const down = yield* run("migrate", "plan", "--down", "0003:0001", "--url", url)
          expect(down).toMatchObject({ code: 0, err: "" })
          expect(down.out).toMatch(/DROP TABLE t3[\s\S]*DROP TABLE t2/)
          expect(down.out).not.toContain("DROP TABLE t1")
        }
        expect(yield* Effect.promise(() => fs.readdir(cwd))).toEqual(["migrations"])
      }),
    limit
  )
})

describe("aquifer migrate lint", () => {
  it.scopedLive(
    "needs no database, names the place, and fails on errors only",
    () =>
      Effect.gen(function* () {
        const cwd = yield* project({
          "migrations/0001_t.sql": "-- migrate:up\nCREATE TABLE t (id bigint);\n",
          "migrations/0002_i.sql": "-- migrate:up\n\nCREATE INDEX i ON t (id);\n",
          "migrations/0003_p.ts": "export default 1\n"
        })
        const { run } = driver(cwd, {})
        const found = yield* run("migrate", "lint")
        expect(found).toMatchObject({ code: 1, err: "" })
        expect(found.out).toMatch(/^migrations\/0002_i\.sql:3:1: error require-concurrent-index-creation/m)
        // What cannot be looked at is never passed over.
        expect(found.out).toMatch(/^migrations\/0003_p\.ts:1:1: error not-recorded: .*could be recorded/m)
        expect(yield* run("migrate", "lint", "0001")).toMatchObject({ code: 0, err: "" })
        expect((yield* run("migrate", "lint", "--format", "github")).out).toMatch(
          /^::error file=migrations\/0002_i\.sql/
        )
        expect(JSON.parse((yield* run("migrate", "lint", "--format=sarif")).out)).toMatchObject({ version: "2.1.0" })
        const json = JSON.parse((yield* run("migrate", "lint", "--json", "0001", "0002")).out)
        expect(json).toMatchObject({ errors: 1, findings: [{ file: "migrations/0002_i.sql", line: 3 }] })
        expect(yield* run("migrate", "lint", "--product", "sqlite", "0001", "0002")).toMatchObject({ code: 0 })
        expect(yield* run("migrate", "lint", "0009")).toMatchObject({ code: 1, out: "" })
      }),
    limit
  )

  it.scopedLive(
    "looks at the SQL that a program sends, recorded beside the database or where nothing answers",
    () =>
      Effect.gen(function* () {
        const url = yield* freshDatabase
        const cwd = yield* project({
          "migrations/0001_t.sql":
            "-- migrate:up\nCREATE TABLE t (id bigint, n integer);\nINSERT INTO t VALUES (1, 1);\n",
          "migrations/0002_p.ts": `import { Migration, Operations } from "effect-aquifer"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

export default Migration.make({
  up: Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql\`SELECT count(*) AS n FROM t\`
    if (Number(row.n) === 1) yield* sql\`CREATE INDEX t_n ON t (n)\`
  }),
  down: Operations.dropIndex("t", "t_n")
})
`
        })
        const { run } = driver(cwd, {})
        const index = /^migrations\/0002_p\.ts:9:41: error require-concurrent-index-creation: Statement 1 of its up:/m
        const beside = yield* run("migrate", "lint", "--url", url)
        expect(beside).toMatchObject({ code: 1, err: "" })
        expect(beside.out).toMatch(index)
        // The database itself is as it was.
        expect(yield* query(url, "SELECT to_regclass('t') AS t, to_regclass('aquifer_migrations') AS l")).toEqual([
          { t: null, l: null }
        ])
        const paper = yield* run("migrate", "lint")
        expect(paper.out).toMatch(/0002_p\.ts:11:3: error require-concurrent-index-deletion: Statement 1 of its down: /)
        expect(paper.out).toMatch(/^migrations\/0002_p\.ts:1:1: warning not-recorded: Of its up nothing was recorded/m)
        expect(paper.err).toMatch(
          /^aquifer: 1 migration was recorded where nothing answered \(0002_p\)\. With a database/
        )
        const closed = yield* run("migrate", "lint", "--url", "postgres://u:canary@127.0.0.1:1/x")
        expect(closed.err).toMatch(/recorded where nothing answered \(0002_p\)\. Of the first: .*nothing listens/)
        expect(closed.err).not.toContain("canary")
      }),
    limit
  )
})
