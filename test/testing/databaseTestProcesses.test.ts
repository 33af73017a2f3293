/** Test databases of several programs on one server, some of them killed without a word (SIGKILL). */
import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { afterAll, beforeAll, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { programOf } from "../migration/processes.js"
import { eventually } from "../reliability/world.js"
import { adminQuery } from "../support/server.js"
import { isThere, migrations, server } from "./databaseTestSupport.js"

/** Bundled once, so that each is there in half a second. */
let program = ""
const bundle = Effect.runSync(Scope.make())
beforeAll(async () => {
  program = await Effect.runPromise(Scope.extend(programOf("../testing/databaseTestWorker.ts"), bundle))
})
afterAll(() => Effect.runPromise(Scope.close(bundle, Exit.void)))

/** The program, waiting for `go`; killed with the scope at the latest. */
const worker = (url: string, directory: string, version: string, way: "once" | "hold" | "stall") =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const child = spawn(process.execPath, [program, url, directory, version, way], {
          stdio: ["pipe", "pipe", "inherit"],
          env: { ...process.env, VITEST_POOL_ID: "7" }
        })
        child.stdin.on("error", () => undefined)
        const said: Array<string> = []
        createInterface({ input: child.stdout }).on("line", (line) => said.push(line))
        return { child, said, closed: once(child, "close") }
      }),
      ({ child, closed }) =>
        Effect.promise(async () => {
          child.kill("SIGKILL")
          await closed
        })
    ),
    ({ child, closed, said }) => {
      const says = (word: string) =>
        eventually(
          `${way} says ${word}`,
          Effect.sync(() => said.find((line) => line.startsWith(word))),
          (line) => line !== undefined,
          "60 seconds"
        )
      return {
        said,
        go: Effect.zipRight(
          says("ready"),
          Effect.sync(() => void child.stdin.write("go\n"))
        ),
        says,
        database: Effect.map(says("database"), (line) => line?.slice("database ".length) ?? ""),
        pid: child.pid,
        kill: Effect.promise(async () => {
          child.kill("SIGKILL")
          await closed
        }),
        end: Effect.promise(() => closed)
      }
    }
  )

const version = Effect.sync(() => randomBytes(6).toString("hex"))

it.live(
  "several processes at once build the template once",
  () =>
    Effect.gen(function* () {
      const directory = yield* migrations()
      const { clones, templates, url } = yield* server
      const one = yield* version
      const workers = yield* Effect.forEach([1, 2, 3, 4], () => worker(url, directory, one, "once"))
      yield* Effect.forEach(workers, ({ says }) => says("ready"))
      yield* Effect.forEach(workers, ({ go }) => go)
      const names = yield* Effect.forEach(workers, ({ database }) => database)
      yield* Effect.forEach(workers, ({ end }) => end)
      expect(new Set(names).size).toBe(4)
      expect(workers.flatMap(({ said }) => said.filter((line) => line === "seeding"))).toHaveLength(1)
      expect(yield* clones).toEqual([])
      expect(yield* templates).toHaveLength(1)
    }).pipe(Effect.scoped),
  120_000
)

it.live(
  "what a killed process leaves is swept by the next one, and nothing that a living one has",
  () =>
    Effect.gen(function* () {
      const directory = yield* migrations()
      const { clones, url } = yield* server
      const one = yield* version
      const living = yield* worker(url, directory, one, "hold")
      const doomed = yield* worker(url, directory, one, "hold")
      yield* Effect.all([living.go, doomed.go])
      const [alive, dead] = yield* Effect.all([living.database, doomed.database])
      const named = yield* adminQuery(
        "SELECT DISTINCT application_name AS name FROM pg_stat_activity WHERE datname = $1",
        [alive]
      )
      expect(named).toEqual([{ name: `aquifer_7_${living.pid}` }])
      // Not only what is in use is safe: the lock alone keeps this one.
      yield* adminQuery("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", [alive])
      yield* doomed.kill
      expect(yield* isThere(dead)).toBe(true)
      const next = Effect.scoped(
        Effect.flatMap(worker(url, directory, one, "once"), ({ end, go }) => Effect.zipRight(go, end))
      )
      yield* eventually("the dead one's is gone", Effect.zipRight(next, isThere(dead)), (there) => !there, "90 seconds")
      expect(yield* clones).toEqual([alive])
    }).pipe(Effect.scoped),
  120_000
)

it.live(
  "a template whose builder was killed is built anew",
  () =>
    Effect.gen(function* () {
      const directory = yield* migrations()
      const { templates, url } = yield* server
      const one = yield* version
      const doomed = yield* worker(url, directory, one, "stall")
      yield* doomed.go
      yield* doomed.says("seeding")
      yield* doomed.kill
      const [half = ""] = yield* templates
      const next = yield* Effect.forEach([1, 2], () =>
        Effect.gen(function* () {
          const { end, go, said } = yield* worker(url, directory, one, "once")
          yield* Effect.zipRight(go, end)
          return said.map((line) => line.split(" ")[0])
        })
      )
      expect(next).toEqual([
        ["ready", "seeding", "database"],
        ["ready", "database"]
      ])
      const [whole] = yield* adminQuery(
        "SELECT datistemplate AND NOT datallowconn AS whole FROM pg_database WHERE datname = $1",
        [half]
      )
      expect(whole).toEqual({ whole: true })
    }).pipe(Effect.scoped),
  120_000
)

it.live(
  "a template nobody may want any more goes after two weeks",
  () =>
    Effect.gen(function* () {
      const { templates, url } = yield* server
      const run = (directory: string) =>
        Effect.scoped(Effect.flatMap(worker(url, directory, "1", "once"), ({ end, go }) => Effect.zipRight(go, end)))
      const days = (count: number) => `to_char(clock_timestamp() - interval '${count} days', 'YYYY-MM-DD"T"HH24:MI:SS')`
      const age = (template: string, count: number) =>
        adminQuery(`DO $$ BEGIN EXECUTE format('COMMENT ON DATABASE "${template}" IS %L', ${days(count)}); END $$`)
      yield* run(yield* migrations())
      const [old = ""] = yield* templates
      yield* age(old, 13)
      const directory = yield* migrations()
      yield* run(directory)
      expect(yield* templates).toHaveLength(2)
      yield* age(old, 15)
      yield* eventually(
        "the old one is gone",
        Effect.zipRight(run(directory), templates),
        (all) => all.length === 1,
        "90 seconds"
      )
      expect(yield* templates).not.toContain(old)
    }).pipe(Effect.scoped),
  120_000
)
