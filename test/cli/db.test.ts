/** `aquifer db`: databases made, reset and removed, and nothing else. */
import { once } from "node:events"
import * as fs from "node:fs/promises"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { adminQuery, freshDatabase, query, urlWith } from "../support/server.js"
import { driver, start } from "./command.js"
import { project, tables, write } from "./migrations.js"

const limit = 300_000

describe("aquifer db", () => {
  it.scopedLive(
    "makes, resets and removes a SQLite file with everything beside it, and nothing else",
    () =>
      Effect.gen(function* () {
        const cwd = yield* project({ ...tables(2), "app.db-notes.txt": "mine", "app.db2": "mine" })
        const { json } = driver(cwd, { DATABASE_URL: "sqlite:app.db" })
        expect(yield* json("db", "create")).toMatchObject({ code: 0, out: { created: true } })
        expect(yield* json("db", "create")).toMatchObject({ code: 0, out: { created: false } })
        yield* json("migrate", "up")
        expect(yield* json("db", "reset", "--yes")).toMatchObject({
          code: 0,
          out: { dropped: true, applied: [{ id: "0001" }, { id: "0002" }] }
        })
        expect(yield* json("db", "reset", "--yes", "--migrations", "nowhere")).toMatchObject({ code: 1 })
        expect(yield* json("migrate", "status")).toMatchObject({ code: 0 })
        yield* write(cwd, { "app.db-wal": "", "app.db-shm": "" })
        expect(yield* json("db", "drop", "--yes")).toMatchObject({ code: 0, out: { dropped: true } })
        expect(yield* json("db", "drop", "--yes")).toMatchObject({ code: 0, out: { dropped: false } })
        const left = yield* Effect.promise(() => fs.readdir(cwd))
        expect(left.sort()).toEqual(["app.db-notes.txt", "app.db2", "migrations"])
      }),
    limit
  )

  it.scopedLive(
    "makes, resets and removes a PostgreSQL database, whoever is connected",
    () =>
      Effect.gen(function* () {
        const base = yield* freshDatabase
        const name = `${new URL(base).pathname.slice(1)} "made"`
        const url = urlWith(base, { database: encodeURIComponent(name) })
        const isThere = Effect.map(
          adminQuery("SELECT 1 FROM pg_database WHERE datname = $1", [name]),
          (rows) => rows.length === 1
        )
        yield* Effect.addFinalizer(() =>
          Effect.ignore(adminQuery(`DROP DATABASE IF EXISTS "${name.replaceAll('"', '""')}" WITH (FORCE)`))
        )
        const cwd = yield* project(tables(1))
        const { json, run } = driver(cwd, { DATABASE_URL: url })
        const missing = yield* run("migrate", "up")
        expect(missing.err).toMatch(/does not exist\. Create/)
        expect(yield* json("db", "create")).toMatchObject({ code: 0, out: { created: true } })
        expect(yield* json("db", "create")).toMatchObject({ code: 0, out: { created: false } })
        expect(yield* isThere).toBe(true)
        // Somebody who is connected does not keep it.
        yield* Effect.forkScoped(Effect.ignore(query(url, "SELECT pg_sleep(600)")))
        const connected = adminQuery("SELECT 1 FROM pg_stat_activity WHERE datname = $1 AND state = 'active'", [name])
        yield* Effect.repeat(connected, { until: (rows) => rows.length > 0 })
        expect(yield* json("db", "reset", "--yes")).toMatchObject({
          code: 0,
          out: { dropped: true, applied: [{ id: "0001" }] }
        })
        expect(yield* query(url, "SELECT to_regclass('t1') AS t")).toEqual([{ t: "t1" }])
        expect(yield* json("db", "drop", "--yes")).toMatchObject({ code: 0, out: { dropped: true } })
        expect(yield* isThere).toBe(false)
        expect(yield* json("db", "drop", "--yes")).toMatchObject({ code: 0, out: { dropped: false } })
      }),
    limit
  )
})

describe("aquifer db", () => {
  it.scopedLive(
    "makes, resets and removes a PGlite folder, and no other folder",
    () =>
      Effect.gen(function* () {
        const cwd = yield* project({ ...tables(1), "mine/note.txt": "mine" })
        const { json, run } = driver(cwd, { DATABASE_URL: "pglite:data" })
        expect(yield* json("db", "create")).toMatchObject({ code: 0, out: { created: true } })
        expect(yield* json("db", "create")).toMatchObject({ code: 0, out: { created: false } })
        expect(yield* json("db", "reset", "--yes")).toMatchObject({ code: 0, out: { dropped: true, applied: [{}] } })
        expect(yield* json("db", "drop", "--yes")).toMatchObject({ code: 0, out: { dropped: true } })
        expect(yield* json("db", "drop", "--yes")).toMatchObject({ code: 0, out: { dropped: false } })
        const other = yield* run("db", "drop", "--yes", "--url", "pglite:mine")
        expect(other.code).toBe(1)
        expect(other.err).toMatch(/mine is there and holds no PGlite database/)
        expect(yield* run("db", "drop", "--yes", "--url", "pglite::memory:")).toMatchObject({ code: 1 })
        const left = yield* Effect.promise(() => fs.readdir(cwd))
        expect(left.sort()).toEqual(["migrations", "mine"])
      }),
    limit
  )

  it.scopedLive(
    "does not take a PGlite folder from under the process that has it open",
    () =>
      Effect.gen(function* () {
        const cwd = yield* project(tables(1))
        const env = { DATABASE_URL: "pglite:data" }
        const { json, run } = driver(cwd, env)
        yield* json("migrate", "up")
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { child } = yield* start(["health", "--watch", "--json"], { cwd, env })
            // It has answered once, so it has the folder.
            yield* Effect.promise(() => once(child.stdout ?? child, "data"))
            const refused = yield* run("db", "drop", "--yes")
            expect(refused).toMatchObject({ code: 1, out: "" })
            expect(refused.err).toMatch(/^aquifer: TooManyConnections .*process/)
          })
        )
        expect(yield* json("migrate", "status")).toMatchObject({ code: 0, out: { applied: 1 } })
      }),
    limit
  )

  it.scopedLive(
    "is refused under the production profile, whoever says yes, and changes nothing",
    () =>
      Effect.gen(function* () {
        const cwd = yield* project(tables(1))
        const { json, run } = driver(cwd, { DATABASE_URL: "sqlite:app.db", DB_ENV: "production" })
        yield* json("migrate", "up")
        for (const what of ["drop", "reset"]) {
          const refused = yield* run("db", what, "--yes")
          expect(refused).toMatchObject({ code: 1, out: "" })
          expect(refused.err).toMatch(/^aquifer: sqlite:app\.db is a production database/)
        }
        expect(yield* json("migrate", "status")).toMatchObject({ code: 0, out: { applied: 1 } })
      }),
    limit
  )
})
