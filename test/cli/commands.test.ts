/** Every command by the real process: what it does, what it prints for programs, and how it ends. */
import * as fs from "node:fs/promises"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { freshDatabase, query } from "../support/server.js"
import { aquifer, driver } from "./command.js"
import { project, tables, write } from "./migrations.js"

// PGlite starts anew with each process, which takes seconds.
const limit = 300_000
type Env = Readonly<Record<string, string>>

const products: Readonly<Record<string, Effect.Effect<Env, unknown, Scope.Scope>>> = {
  SQLite: Effect.succeed({ DATABASE_URL: "sqlite:app.db" }),
  PostgreSQL: Effect.map(freshDatabase, (url) => ({ DATABASE_URL: url })),
  PGlite: Effect.succeed({ DATABASE_URL: "pglite:data" })
}

describe.each(Object.entries(products))("on %s", (_, environment) => {
  it.scopedLive(
    "a history is written, applied, looked at, branched, merged, stamped and taken back",
    () =>
      Effect.gen(function* () {
        const cwd = yield* project({})
        const { json, run } = driver(cwd, yield* environment)
        expect(yield* json("init")).toMatchObject({ code: 0, out: { created: ["migrations/README.md", ".env"] } })
        expect(yield* json("init")).toMatchObject({ code: 0, out: { created: [] } })
        expect(yield* json("migrate", "new", "--kind", "sql", "Add", "users")).toMatchObject({
          code: 0,
          out: { id: "0001", file: "migrations/0001_add_users.sql", revises: [] }
        })
        yield* write(cwd, {
          "migrations/0001_add_users.sql":
            "-- migrate:up\nCREATE TABLE users (id INTEGER PRIMARY KEY);\n-- migrate:down\nDROP TABLE users;\n"
        })
        // The kind of the last one there, and two that follow the same one.
        expect(yield* json("migrate", "new", "-m", "left")).toMatchObject({
          out: { file: "migrations/0002_left.sql" }
        })
        expect(yield* json("migrate", "new", "right", "--revises", "0001")).toMatchObject({
          out: { file: "migrations/0003_right.sql", revises: ["0001"] }
        })
        expect(yield* json("migrate", "heads")).toMatchObject({ out: { heads: [{ id: "0002" }, { id: "0003" }] } })
        expect(yield* json("migrate", "branches")).toMatchObject({ out: { branches: [{ id: "0001" }] } })
        const several = yield* run("migrate", "up")
        expect(several).toMatchObject({ code: 1, out: "" })
        expect(several.err).toMatch(/several ends: .*aquifer migrate merge/)
        expect(yield* json("migrate", "merge", "-m", "join")).toMatchObject({
          out: { id: "0004", revises: ["0002", "0003"] }
        })
        expect(yield* json("migrate", "show", "head")).toMatchObject({
          out: { revisions: [{ id: "0004", parents: ["0002", "0003"], isHead: true }] }
        })
        expect(yield* json("migrate", "current", "--check-heads")).toMatchObject({ code: 3, out: { current: [] } })
        expect(yield* json("migrate", "up", "+1")).toMatchObject({ out: { applied: [{ id: "0001" }] } })
        expect(yield* json("migrate", "up")).toMatchObject({ out: { applied: [{}, {}, {}], already: 1 } })
        expect(yield* json("migrate", "current", "--check-heads")).toMatchObject({
          code: 0,
          out: { current: [{ id: "0004" }], atHead: true }
        })
        expect(yield* json("migrate", "history")).toMatchObject({ code: 0, out: { revisions: [{}, {}, {}, {}] } })
        expect(yield* json("migrate", "down", "-1", "--yes")).toMatchObject({ out: { reverted: [{ id: "0004" }] } })
        // Only the way back is asked about.
        expect(yield* json("migrate", "to", "0001")).toMatchObject({ code: 2 })
        expect(yield* json("migrate", "to", "0001", "-y")).toMatchObject({ out: { reverted: [{}, {}] } })
        expect(yield* json("migrate", "to", "0002")).toMatchObject({ code: 0, out: { applied: [{ id: "0002" }] } })
        expect(yield* json("migrate", "to", "-1", "-y")).toMatchObject({ code: 0, out: { reverted: [{ id: "0002" }] } })
        expect(yield* json("migrate", "stamp", "head")).toMatchObject({
          code: 0,
          out: { added: ["0002_left", "0003_right", "0004_join"], removed: [] }
        })
        expect(yield* json("migrate", "stamp", "base", "--purge", "--yes")).toMatchObject({
          out: { removed: [expect.any(String), expect.any(String), expect.any(String), expect.any(String)] }
        })
        expect(yield* json("migrate", "status")).toMatchObject({ code: 3, out: { applied: 0, pending: 4 } })
      }),
    limit
  )

  it.scopedLive(
    "a changed file is a difference with exit code 3, which repair settles",
    () =>
      Effect.gen(function* () {
        const cwd = yield* project(tables(1))
        const { json, run } = driver(cwd, yield* environment)
        yield* json("migrate", "up")
        yield* write(cwd, { "migrations/0001_t1.sql": `${tables(1)["migrations/0001_t1.sql"]}-- later\n` })
        const status = yield* run("migrate", "status")
        expect(status.code).toBe(3)
        expect(status.err).toMatch(/0001_t1 .*changed since.*aquifer migrate repair --accept 0001_t1/)
        expect(yield* json("doctor")).toMatchObject({ code: 1, out: { ok: false } })
        expect(yield* json("migrate", "repair", "--accept", "0001", "--yes")).toMatchObject({
          code: 0,
          out: { changed: [{ id: "0001" }] }
        })
        expect(yield* run("migrate", "status")).toMatchObject({ code: 0, err: "" })
      }),
    limit
  )

  it.scopedLive(
    "doctor finds nothing wrong, and exits 3 while anything is pending",
    () =>
      Effect.gen(function* () {
        const cwd = yield* project(tables(1))
        const { json, run } = driver(cwd, yield* environment)
        const before = yield* run("doctor")
        expect(before).toMatchObject({ code: 3, err: "" })
        expect(before.out).toMatch(/note +migrations +1 migration is pending\.\n +aquifer migrate up applies them\./)
        yield* json("migrate", "up")
        const after = yield* json("doctor")
        expect(after).toMatchObject({ code: 0, err: "", out: { ok: true } })
        const checks: ReadonlyArray<{ readonly name: string; readonly verdict: string }> = (
          after.out as { readonly checks: never }
        ).checks
        expect(checks.map(({ name }) => name)).toEqual(
          expect.arrayContaining(["node", "effect", "configuration", "reachable", "version", "migrations"])
        )
      }),
    limit
  )

  it.scopedLive(
    "verify goes up, down and up beside the database, and names the way back that does not lead back",
    () =>
      Effect.gen(function* () {
        const cwd = yield* project(tables(2))
        const { json } = driver(cwd, yield* environment)
        expect(yield* json("migrate", "verify")).toMatchObject({ code: 0, out: { ok: true } })
        yield* write(cwd, {
          "migrations/0003_half.sql":
            "-- migrate:up\nCREATE TABLE IF NOT EXISTS h (id INTEGER);\n-- migrate:down\nSELECT 1;\n"
        })
        expect(yield* json("migrate", "verify")).toMatchObject({
          code: 1,
          out: { ok: false, revisions: [{ standing: "same" }, { standing: "same" }, { standing: "differs" }] }
        })
        expect(yield* json("migrate", "status")).toMatchObject({ code: 3, out: { applied: 0 } })
      }),
    limit
  )
})

describe("aquifer connections", () => {
  it.scopedLive(
    "names the sessions of our application name, and with --all everybody's",
    () =>
      Effect.gen(function* () {
        const url = yield* freshDatabase
        const cwd = yield* project({})
        const { json, run } = driver(cwd, { DATABASE_URL: url, DB_APPLICATION_NAME: "shop" })
        const named = (name: string) =>
          aquifer(["migrate", "up", "--url", url], {
            cwd,
            env: { DB_APPLICATION_NAME: name }
          })
        yield* write(cwd, { "migrations/0001_slow.sql": "-- migrate:up\nSELECT pg_sleep(600);\n" })
        yield* Effect.forkScoped(named("shop worker"))
        yield* Effect.forkScoped(named("another"))
        const sleeping = query(
          url,
          "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND application_name IN ('shop worker', 'another')"
        )
        yield* Effect.repeat(sleeping, { until: ([row]) => row?.n >= 2 })
        const ours = yield* json("connections")
        expect(ours.code).toBe(0)
        const names = (shown: typeof ours) =>
          new Set(
            (shown.out as { readonly sessions: ReadonlyArray<{ readonly applicationName: string }> }).sessions.map(
              ({ applicationName }) => applicationName
            )
          )
        expect(names(ours)).toEqual(new Set(["shop worker"]))
        expect(names(yield* json("connections", "--all"))).toEqual(new Set(["shop worker", "another"]))
        const told = yield* run("connections")
        expect(told.out).toMatch(/application +user +client +state/)
        expect(told.out).not.toContain("pg_sleep")
      }),
    limit
  )
})

describe("where things are", () => {
  it.scopedLive(
    "several folders make one history, in a ledger of another name, on the database an env file names",
    () =>
      Effect.gen(function* () {
        const cwd = yield* project({
          "a/0001_a.sql": "-- migrate:up\nCREATE TABLE a (id INTEGER);\n",
          "b/0002_b.sql": "-- migrate:up\nCREATE TABLE b (id INTEGER);\n",
          "prod.env": "DATABASE_URL=sqlite:prod.db\n",
          "config.yaml": "url: sqlite:config.db\n",
          ".env": "DATABASE_URL=sqlite:wrong.db\n"
        })
        const { json } = driver(cwd, {})
        const where = ["--migrations", "a", "--migrations=b", "--table", "ledger", "--env-file", "prod.env"]
        expect(yield* json("migrate", "up", ...where)).toMatchObject({
          code: 0,
          out: { ledger: "ledger", applied: [{ id: "0001" }, { id: "0002" }] }
        })
        // A file of settings, and a URL before everything.
        const settings = ["--migrations", "a", "--config", "config.yaml"]
        expect(yield* json("migrate", "status", ...settings)).toMatchObject({
          code: 3,
          out: { applied: 0, pending: 1 }
        })
        expect(yield* json("migrate", "up", ...settings)).toMatchObject({ code: 0, out: { applied: [{ id: "0001" }] } })
        const url = ["--url", "sqlite:named.db", "--env-file=prod.env"]
        expect(yield* json("--migrations", "a", ...url, "migrate", "up")).toMatchObject({
          code: 0,
          out: { already: 0 }
        })
        const files = yield* Effect.promise(() => fs.readdir(cwd))
        expect(files).toEqual(expect.arrayContaining(["prod.db", "config.db", "named.db"]))
        expect(files).not.toContain("wrong.db")
      }),
    limit
  )
})
