/** The main job as a person sees it first, on both products, by the real command. */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { codes } from "../../src/cli/codes.js"
import { commands } from "../../src/cli/commands.js"
import { freshDatabase } from "../support/server.js"
import { aquifer } from "./command.js"
import { freshFolder } from "./folder.js"

const products: Readonly<Record<string, Effect.Effect<Readonly<Record<string, string>>, unknown, Scope.Scope>>> = {
  "the embedded default": Effect.succeed({}),
  PostgreSQL: Effect.map(freshDatabase, (url) => ({ DATABASE_URL: url }))
}

describe.each(Object.entries(products))("aquifer demo on %s", (_, environment) => {
  it.scopedLive("does all of it, and finds the migrations there the second time", () =>
    Effect.gen(function* () {
      const settings = { cwd: yield* freshFolder, env: yield* environment }
      const first = yield* aquifer(["demo", "--json"], settings)
      expect(first).toMatchObject({ code: 0, err: "" })
      expect(JSON.parse(first.out)).toMatchObject({
        ok: true,
        migrations: {
          applied: ["0001_api_keys", "0002_logs", "0003_users", "0004_refresh_tokens", "0005_usage"],
          already: 0
        },
        accounts: { seeded: 24, all: 24 },
        transfers: { done: 400, failed: 0, fibers: 16 },
        sum: { before: 24_000, after: 24_000, unchanged: true },
        health: { status: "up" },
        pool: { checkedOut: 0, waiting: 0 }
      })
      // Sixteen at a time over so few accounts: some must have been too late.
      expect(JSON.parse(first.out).transfers.retried).toBeGreaterThan(0)
      const second = yield* aquifer(["demo", "--json"], settings)
      expect(JSON.parse(second.out)).toMatchObject({
        ok: true,
        migrations: { applied: [], already: 5 },
        accounts: { seeded: 0, all: 24 },
        transfers: { done: 400, failed: 0 }
      })
    })
  )

  it.scopedLive("goes into a database of others only when told to", () =>
    Effect.gen(function* () {
      const cwd = yield* freshFolder
      const env = { DATABASE_URL: `sqlite:${path.join(cwd, "theirs.db")}`, ...(yield* environment) }
      yield* Effect.promise(async () => {
        await fs.mkdir(path.join(cwd, "theirs"))
        await fs.writeFile(path.join(cwd, "theirs/0001_t.sql"), "-- migrate:up\nCREATE TABLE t (id INTEGER);\n")
      })
      const settings = { cwd, env }
      expect(yield* aquifer(["migrate", "up", "--migrations", "theirs"], settings)).toMatchObject({ code: 0 })
      const refused = yield* aquifer(["demo"], settings)
      expect(refused).toMatchObject({ code: 2, out: "" })
      expect(refused.err).toMatch(/which has 2 tables of others\. Write --yes if that is what you want\.\n$/)
      const status = yield* aquifer(["migrate", "status", "--json", "--migrations", "theirs"], settings)
      expect(JSON.parse(status.out)).toMatchObject({ applied: 1, atHead: true })
      const meant = ["demo", "--json", "--migrations", "theirs"]
      const told = yield* aquifer([...meant, "--yes"], settings)
      expect(JSON.parse(told.out)).toMatchObject({ ok: true, migrations: { already: 1 }, accounts: { seeded: 24 } })
      // Where it has been once it is no stranger.
      expect(yield* aquifer(meant, settings)).toMatchObject({ code: 0 })
    })
  )

  it.scopedLive("says it in words, without colours and without a password when nobody watches", () =>
    Effect.gen(function* () {
      const env = yield* environment
      const ended = yield* aquifer(["demo"], { cwd: yield* freshFolder, env })
      expect(ended).toMatchObject({ code: 0, err: "" })
      expect(ended.out).not.toContain("\u001b")
      const password = env.DATABASE_URL === undefined ? "" : new URL(env.DATABASE_URL).password
      if (password !== "") expect(ended.out).not.toContain(password)
      for (const line of [
        /^ {2}database {5}(sqlite:aquifer-demo\.db|postgres:\/\/.*:\*\*\*@.*)$/m,
        /^ {2}server {7}(SQLite 3|PostgreSQL \d)/m,
        /^ {2}migrations {3}5 applied$/m,
        /^ {2}transfers {4}400 done, \d+ retried, 0 failed$/m,
        /^ {2}latency {6}p50 [\d.]+ m?s, p99 [\d.]+ m?s/m,
        /^ {2}sum {10}24,000 before, 24,000 after: unchanged$/m,
        /^ {2}health {7}up, answers in/m,
        /^ {2}pool {9}0 in use/m,
        /^ {2}All is well, and everything is closed\.$/m
      ])
        expect(ended.out).toMatch(line)
    })
  )
})

describe("which database", () => {
  it.scopedLive(".env says it where the environment does not; the command line wins over both", () =>
    Effect.gen(function* () {
      const cwd = yield* freshFolder
      yield* Effect.promise(() => fs.writeFile(path.join(cwd, ".env"), "DATABASE_URL=sqlite:from-env-file.db\n"))
      const health = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>>) =>
        Effect.map(aquifer(["health", "--json", ...args], { cwd, env }), ({ out }) => JSON.parse(out).database)
      expect(yield* health([], {})).toBe("sqlite:from-env-file.db")
      expect(yield* health([], { DATABASE_URL: "sqlite:from-environment.db" })).toBe("sqlite:from-environment.db")
      expect(yield* health(["--url", "sqlite:given.db"], { DATABASE_URL: "sqlite:from-environment.db" })).toBe(
        "sqlite:given.db"
      )
      expect(yield* health([], { DATABASE_TYPE: "sqlite", DATABASE_NAME: "parts" })).toBe("sqlite:parts.db")
    })
  )

  it.scopedLive("a demo somebody configured never falls back to its own file", () =>
    Effect.gen(function* () {
      const cwd = yield* freshFolder
      const ended = yield* aquifer(["demo"], { cwd, env: { DATABASE_HOST: "127.0.0.1", DATABASE_PORT: "1" } })
      expect(ended.code).toBe(1)
      expect(yield* Effect.promise(() => fs.readdir(cwd))).toEqual([])
    })
  )
})

describe("aquifer migrate", () => {
  it.scopedLive("goes up, tells where it stands, goes down and up again", () =>
    Effect.gen(function* () {
      const cwd = yield* freshFolder
      yield* Effect.promise(async () => {
        await fs.mkdir(path.join(cwd, "migrations"))
        for (const n of [1, 2, 3]) {
          await fs.writeFile(
            path.join(cwd, `migrations/000${n}_t${n}.sql`),
            `-- migrate:up\nCREATE TABLE t${n} (id INTEGER);\n-- migrate:down\nDROP TABLE t${n};\n`
          )
        }
      })
      const run = (...args: ReadonlyArray<string>) =>
        Effect.map(aquifer(["migrate", ...args, "--json", "--url", "sqlite:m.db"], { cwd }), ({ code, out }) => ({
          code,
          ...JSON.parse(out)
        }))
      expect(yield* run("status")).toMatchObject({ code: 3, applied: 0, pending: 3, atHead: false })
      expect(yield* run("up", "--steps", "2")).toMatchObject({ code: 0, applied: [{ id: "0001" }, { id: "0002" }] })
      expect(yield* run("up")).toMatchObject({ code: 0, applied: [{ id: "0003" }], already: 2 })
      expect(yield* run("status")).toMatchObject({ code: 0, applied: 3, pending: 0, atHead: true })
      expect(yield* run("down", "--yes")).toMatchObject({ code: 0, reverted: [{ id: "0003" }] })
      expect(yield* run("down", "--steps=2", "-y")).toMatchObject({ reverted: [{ id: "0002" }, { id: "0001" }] })
      expect(yield* run("up")).toMatchObject({ applied: [{ id: "0001" }, { id: "0002" }, { id: "0003" }] })
    })
  )
})

describe("aquifer health", () => {
  it.scopedLive("a database that does not answer is a report and exit code 1", () =>
    Effect.gen(function* () {
      const cwd = yield* freshFolder
      const ended = yield* aquifer(["health", "--json", "--url", "postgres://u@127.0.0.1:1/x"], { cwd })
      expect(ended.code).toBe(1)
      expect(JSON.parse(ended.out)).toMatchObject({ status: "down", database: "postgres://u@127.0.0.1:1/x" })
      expect(ended.err).toMatch(/^aquifer: ConnectionError .*\n$/)
    })
  )
})

describe("help", () => {
  it.scopedLive("is a result when it was asked for, and wrong use when nothing was", () =>
    Effect.gen(function* () {
      const cwd = yield* freshFolder
      const asked = yield* aquifer(["--help"], { cwd })
      expect(asked).toMatchObject({ code: 0, err: "" })
      for (const { name, summary } of commands) {
        expect(asked.out).toContain(`aquifer ${name}`)
        expect(asked.out).toContain(summary)
      }
      expect(asked.out).not.toContain("\u001b")
      for (const code of Object.keys(codes)) expect(asked.out).toMatch(new RegExp(`\\b${code} \\w+`))
      expect(yield* aquifer([], { cwd })).toMatchObject({ code: 2, out: "" })
      const down = yield* aquifer(["migrate", "down", "-h"], { cwd })
      expect(down).toMatchObject({ code: 0, err: "" })
      expect(yield* aquifer(["help", "migrate", "down"], { cwd })).toEqual(down)
      const group = yield* aquifer(["migrate", "--help"], { cwd })
      expect(group.out).toContain("aquifer migrate verify")
      expect(group.out).not.toContain("aquifer db drop")
      expect((yield* aquifer(["--version"], { cwd })).out).toMatch(/^\d+\.\d+\.\d+\n$/)
    })
  )
})
