/** Commands that only look: at a database that is not there yet they answer, and leave nothing behind. */
import * as fs from "node:fs/promises"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { adminUrl } from "../support/server.js"
import { driver } from "./command.js"
import { project, tables } from "./migrations.js"

// Each command is a process that loads everything.
const limit = 600_000

/** What each of them says of a database with nothing in it. */
const looks: ReadonlyArray<{ readonly args: ReadonlyArray<string>; readonly answer: object }> = [
  { args: ["migrate", "status"], answer: { code: 3, out: { applied: 0, pending: 2, atHead: false, problems: [] } } },
  { args: ["migrate", "current", "--check-heads"], answer: { code: 3, out: { current: [], atHead: false } } },
  { args: ["migrate", "history"], answer: { code: 0, out: { revisions: [] } } },
  { args: ["migrate", "plan"], answer: { code: 0, out: { revisions: [{ id: "0001" }, { id: "0002" }] } } },
  { args: ["migrate", "plan", "--down", "base"], answer: { code: 0, out: { revisions: [], sql: "" } } },
  { args: ["migrate", "verify"], answer: { code: 0, out: { ok: true } } },
  { args: ["migrate", "lint"], answer: { code: 0 } },
  { args: ["migrate", "down", "--yes"], answer: { code: 0, out: { reverted: [], already: 0 } } },
  { args: ["migrate", "to", "base", "--yes"], answer: { code: 0, out: { reverted: [], already: 0 } } },
  { args: ["doctor"], answer: { code: 3, out: { ok: true } } },
  { args: ["health"], answer: { code: 1, out: { status: "down" } } },
  { args: ["connections"], answer: { code: 1 } },
  { args: ["migrate", "repair", "--forget", "0001", "--yes"], answer: { code: 1 } }
]

describe("aquifer, looking at a database that is not there", () => {
  for (const url of ["sqlite:none.db", "pglite:none"]) {
    it.scopedLive(
      `finds ${url} empty and does not make it; up does`,
      () =>
        Effect.gen(function* () {
          const cwd = yield* project(tables(2))
          const { json, run } = driver(cwd, { DATABASE_URL: url })
          for (const { answer, args } of looks) {
            expect(yield* json(...args), args.join(" ")).toMatchObject(answer)
            expect(yield* Effect.promise(() => fs.readdir(cwd)), args.join(" ")).toEqual(["migrations"])
          }
          expect((yield* run("health")).err).toMatch(/^aquifer: DatabaseNotFound \((sqlite|pglite):.*aquifer db create/)
          expect((yield* run("connections")).err).toMatch(/UnsupportedError .*no server knows/)
          expect((yield* run("doctor")).out).toMatch(/note +reachable .*not there yet[\s\S]*aquifer db create/)
          expect(yield* Effect.promise(() => fs.readdir(cwd))).toEqual(["migrations"])
          expect(yield* json("migrate", "up")).toMatchObject({ code: 0, out: { applied: [{}, {}] } })
          expect(yield* json("migrate", "status")).toMatchObject({ code: 0, out: { applied: 2, atHead: true } })
          expect(yield* Effect.promise(() => fs.readdir(cwd))).toContain(url.split(":")[1])
        }),
      limit
    )
  }

  it.scopedLive(
    "says how a server's database is made, whatever was asked",
    () =>
      Effect.gen(function* () {
        const cwd = yield* project(tables(2))
        const url = new URL(adminUrl())
        url.pathname = "/nobody_made_this"
        const { run } = driver(cwd, { DATABASE_URL: url.href })
        const without = looks.filter(({ args }) => !["lint", "doctor"].includes(args.at(-1) ?? ""))
        for (const { args } of [...without, { args: ["migrate", "up"] }]) {
          const { code, err } = yield* run(...args)
          expect({ code, err }, args.join(" ")).toEqual({
            code: 1,
            err: expect.stringMatching(/^aquifer: DatabaseNotFound .*aquifer db create/)
          })
        }
        // From A to B is the files' affair.
        expect(yield* run("migrate", "plan", "base:head")).toMatchObject({ code: 0, err: "" })
        expect((yield* run("doctor")).out).toMatch(/WRONG +reachable +DatabaseNotFound[\s\S]*aquifer db create/)
      }),
    limit
  )
})
