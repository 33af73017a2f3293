/** `--json`: whatever a command is asked and however it ends, what it prints is one JSON value of the shape its help says. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { commands } from "../../src/cli/commands.js"
import { freshDatabase, query } from "../support/server.js"
import { aquifer, start } from "./command.js"
import { project, schema, tables } from "./migrations.js"

const limit = 300_000

/** What is written behind each command here, and its exit code; in this order they make sense one after the other. */
const cases: Readonly<Record<string, readonly [code: number, ...args: ReadonlyArray<string>]>> = {
  init: [0],
  "db create": [0],
  doctor: [3],
  "migrate status": [3],
  "migrate plan": [0],
  "migrate verify": [0],
  "migrate lint": [0],
  "migrate up": [0],
  "migrate current": [0, "--check-heads"],
  "migrate history": [0],
  "migrate down": [0, "-1", "--yes"],
  "migrate to": [0, "head"],
  "migrate check": [3],
  "migrate heads": [0],
  "migrate branches": [0],
  "migrate show": [0, "head"],
  "migrate stamp": [0, "0001"],
  "migrate new": [0, "left", "--revises", "0001"],
  "migrate merge": [0],
  "migrate repair": [0, "--accept", "0001", "--yes"],
  "db pull": [0],
  "db diagram": [0],
  health: [0],
  connections: [1],
  "db reset": [0, "--yes"],
  "db drop": [0, "--yes"],
  demo: [0, "--migrations", "nothing"]
}

const given = (name: string): ReadonlyArray<string> => {
  const [, ...args] = cases[name] ?? [0]
  return [...name.split(" "), ...args]
}

/** Those that read no database fail over the place of their files. */
const fileless = ["migrate heads", "migrate branches", "migrate show", "migrate lint"]
const writing = ["init", "migrate new", "migrate merge"]

describe("--json", () => {
  it.scopedLive(
    "gives one object with the fields that the command's help names, and nothing beside it",
    () =>
      Effect.gen(function* () {
        const cwd = yield* project({ ...tables(2), "nothing/README.md": "", "schema.ts": schema(["t1", "t2", "t3"]) })
        const env = { DATABASE_URL: "sqlite:app.db" }
        expect(Object.keys(cases).sort()).toEqual(commands.map(({ name }) => name).sort())
        for (const [name, [code]] of Object.entries(cases)) {
          const ended = yield* aquifer([...given(name), "--json"], { cwd, env })
          const { error, ...fields } = JSON.parse(ended.out)
          expect({ name, code: ended.code }).toEqual({ name, code })
          if (code === 1) {
            expect(error).toMatchObject({ code: 1, messages: [expect.stringMatching(/./)] })
            expect(ended.err).toBe(`aquifer: ${error.messages[0]}\n`)
          } else {
            const gives = commands.find((one) => one.name === name)?.gives ?? []
            expect({ name, error, fields: Object.keys(fields) }).toEqual({ name, error: undefined, fields: gives })
            expect(ended.err).toBe("")
          }
        }
      }),
    limit
  )

  it.scopedLive(
    "tells of a failure in the same place, and hides the password there, too",
    () =>
      Effect.gen(function* () {
        const cwd = yield* project({ ...tables(2), "file.txt": "", "schema.ts": schema([]) })
        const broken = (name: string): ReadonlyArray<string> =>
          fileless.includes(name) || writing.includes(name)
            ? ["--migrations", "file.txt"]
            : ["--url", "postgres://u:canary@127.0.0.1:1/x"]
        const failing = commands.filter(({ name }) => name !== "demo")
        yield* Effect.forEach(
          failing,
          ({ name }) =>
            Effect.gen(function* () {
              const { code, err, out } = yield* aquifer([...given(name), ...broken(name), "--json"], { cwd })
              const result = JSON.parse(out)
              expect(`${out}${err}`).not.toContain("canary")
              if (name === "doctor" || name === "health") {
                // These two have something to say of a database that does not answer.
                expect({ name, code }).toEqual({ name, code: 1 })
                expect(JSON.stringify(result)).toContain("nothing listens")
              } else {
                expect({ name, error: result.error }).toMatchObject({
                  name,
                  error: { code, messages: [expect.any(String)] }
                })
                expect(err).toBe(`aquifer: ${result.error.messages[0]}\n`)
              }
              return code === 0 ? name : undefined
            }),
          { concurrency: 2 }
        ).pipe(Effect.map((names) => expect(names.filter((name) => name !== undefined)).toEqual([])))
      }),
    limit
  )

  it.scopedLive(
    "is an object also where it was used wrongly or asked for help",
    () =>
      Effect.gen(function* () {
        const cwd = yield* project(tables(1))
        const json = (...args: ReadonlyArray<string>) =>
          Effect.map(
            aquifer([...args, "--json"], { cwd, env: { DATABASE_URL: "sqlite:app.db" } }),
            ({ code, out }) => ({
              code,
              out: JSON.parse(out)
            })
          )
        expect(yield* json("migrate", "upp")).toEqual({
          code: 2,
          out: { error: { code: 2, messages: ['unknown command "upp". Did you mean aquifer migrate up?'] } }
        })
        expect(yield* json("migrate", "up", "--dryrun")).toMatchObject({ code: 2, out: { error: { code: 2 } } })
        expect(yield* json("migrate", "down")).toMatchObject({ code: 2, out: { error: { code: 2 } } })
        expect(yield* json("migrate", "lint", "--format", "text")).toMatchObject({ code: 2 })
        expect(yield* json()).toMatchObject({ code: 2, out: { error: { code: 2 } } })
        expect(yield* json("migrate", "up", "--help")).toMatchObject({ code: 0, out: { help: expect.any(String) } })
        expect(yield* json("--version")).toMatchObject({ code: 0, out: { version: expect.any(String) } })
        expect(yield* json("--completions", "bash")).toMatchObject({ code: 0, out: { script: expect.any(String) } })
        // Behind two dashes it is an argument.
        const argument = yield* aquifer(["migrate", "show", "--", "--json"], { cwd })
        expect(argument).toMatchObject({ code: 1, out: "" })
      }),
    limit
  )

  it.scopedLive(
    "says that it was interrupted, and the next run goes on where the ledger says it stopped",
    () =>
      Effect.gen(function* () {
        const url = yield* freshDatabase
        const cwd = yield* project({
          ...tables(1),
          // Done at once when somebody has come to the gate.
          "migrations/0002_slow.sql": `-- transaction: false
-- migrate:up
CREATE TABLE gate (id integer);
CREATE TABLE once (id integer);
SELECT pg_sleep(CASE WHEN EXISTS (SELECT FROM gate) THEN 0 ELSE 600 END);
CREATE TABLE last (id integer);
`
        })
        const env = { DATABASE_URL: url }
        const ended = yield* Effect.scoped(
          Effect.gen(function* () {
            const { child, ended } = yield* start(["migrate", "up", "--json"], { cwd, env })
            const sleeping = query(
              url,
              "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
            )
            yield* Effect.repeat(Effect.delay(sleeping, "20 millis"), { until: (rows) => rows.length > 0 })
            child.kill("SIGINT")
            return yield* Effect.promise(() => ended)
          })
        )
        expect(ended.code).toBe(130)
        expect(JSON.parse(ended.out)).toEqual({ error: { code: 130, messages: ["interrupted"] } })
        expect(ended.err).toBe("aquifer: interrupted; everything is closed.\n")
        const ledger = query(url, "SELECT id, state, abs(step) AS step FROM aquifer_migrations ORDER BY sequence")
        const [first, second] = yield* ledger
        expect(first).toMatchObject({ id: "0001", state: "applied" })
        expect(second).toMatchObject({ id: "0002", state: "applying" })
        yield* query(url, "INSERT INTO gate VALUES (1)")
        const next = yield* aquifer(["migrate", "up", "--json"], { cwd, env })
        expect(next).toMatchObject({ code: 0, err: "" })
        expect(JSON.parse(next.out)).toMatchObject({ applied: [{ id: "0002" }], already: 1 })
        expect(yield* query(url, "SELECT to_regclass('last') AS t")).toEqual([{ t: "last" }])
        expect(yield* ledger).toMatchObject([{ state: "applied" }, { state: "applied" }])
      }),
    limit
  )
})
