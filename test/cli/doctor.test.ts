/** What doctor finds on a server that is not as it should be, and what it says to do. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { absent, needs, pooledWith } from "../support/pgbouncer.js"
import { freshDatabase, freshRole, query } from "../support/server.js"
import { skip } from "../support/skip.js"
import { aquifer } from "./command.js"
import { project, tables } from "./migrations.js"

const limit = 120_000
type Env = Readonly<Record<string, string>>

interface Found {
  readonly name: string
  readonly verdict: string
  readonly finding: string
  readonly remedy?: string
}

const examined = (env: Env) =>
  Effect.gen(function* () {
    const cwd = yield* project(tables(1))
    const { code, err, out } = yield* aquifer(["doctor", "--json"], { cwd, env })
    const checks: ReadonlyArray<Found> = JSON.parse(out).checks
    return { code, err, find: (name: string) => checks.find((check) => check.name === name), checks }
  })

describe("aquifer doctor", () => {
  it.scopedLive(
    "names every variable that is wrong, and asks no database then",
    () =>
      Effect.gen(function* () {
        const found = yield* examined({ DATABASE_URL: "sqlite:x.db", DB_POOL_SIZE: "many", DB_CONNECT_TIMEOUT: "soon" })
        expect(found.code).toBe(1)
        const wrong = found.checks.filter(({ verdict }) => verdict === "wrong")
        expect(wrong.map(({ finding }) => finding.split(":")[0])).toEqual(["DB_POOL_SIZE", "DB_CONNECT_TIMEOUT"])
        expect(found.find("reachable")).toBeUndefined()
      }),
    limit
  )

  it.scopedLive(
    "says what to do about a server that does not answer, and goes no further",
    () =>
      Effect.gen(function* () {
        const found = yield* examined({ DATABASE_URL: "postgres://u:canary@127.0.0.1:1/x" })
        expect(found).toMatchObject({ code: 1, err: "" })
        expect(found.find("reachable")).toMatchObject({
          verdict: "wrong",
          remedy: expect.stringMatching(/server running/)
        })
        expect(found.find("migrations")).toBeUndefined()
        expect(JSON.stringify(found.checks)).not.toContain("canary")
      }),
    limit
  )

  it.scopedLive(
    "names the right that a role lacks, and the statement that gives it",
    () =>
      Effect.gen(function* () {
        const url = yield* freshDatabase
        const role = yield* freshRole(url)
        yield* query(url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        const found = yield* examined({ DATABASE_URL: role.url })
        expect(found.code).toBe(1)
        expect(found.find("tables")).toMatchObject({
          verdict: "wrong",
          finding: `${role.name} may not create tables in public`,
          remedy: expect.stringContaining(`GRANT CREATE ON SCHEMA public TO ${role.name}`)
        })
        expect(found.find("role")).toMatchObject({ verdict: "fine" })
      }),
    limit
  )

  it.scopedLive(
    "tells in production what would only be noted elsewhere",
    () =>
      Effect.gen(function* () {
        const url = yield* freshDatabase
        const development = yield* examined({ DATABASE_URL: url })
        expect(development).toMatchObject({ code: 3 })
        expect(development.find("role")).toMatchObject({ verdict: "fine" })
        expect(development.find("clock")).toMatchObject({ verdict: "fine" })
        expect(development.find("pooler")).toMatchObject({ verdict: "fine", finding: "none in between" })
        const production = yield* examined({ DATABASE_URL: url, DB_ENV: "production" })
        expect(production.find("role")).toMatchObject({ verdict: "note", finding: expect.stringMatching(/superuser/) })
        // The tests' own server runs without fsync.
        const [{ fsync } = {}] = yield* query(url, "SHOW fsync")
        expect(production.find("durability")).toMatchObject({ verdict: fsync === "off" ? "wrong" : "fine" })
      }),
    limit
  )

  it.scopedLive(
    "finds a pooler that was told of and is not there, and a pool that is larger than the server",
    () =>
      Effect.gen(function* () {
        const url = yield* freshDatabase
        const found = yield* examined({ DATABASE_URL: url, DB_POOLER: "transaction", DB_MAX_OVERFLOW: "5000" })
        expect(found.find("pooler")).toMatchObject({ verdict: "note", remedy: expect.stringMatching(/DB_POOLER/) })
        expect(found.find("sessions")).toMatchObject({
          verdict: "wrong",
          remedy: expect.stringMatching(/DB_MAX_OVERFLOW/)
        })
      }),
    limit
  )

  it.scopedLive(
    "sees a pooler in between that nobody told of, and says what to set",
    (test) => {
      skip(test, absent, needs)
      return Effect.gen(function* () {
        // As it comes, it refuses the session's settings: the first that anybody sees of it.
        const refused = yield* pooledWith()
        const stopped = yield* examined({ DATABASE_URL: refused.url })
        expect(stopped.code).toBe(1)
        expect(stopped.find("reachable")).toMatchObject({
          verdict: "wrong",
          remedy: expect.stringMatching(/pooler in between\? DB_POOLER=transaction/)
        })
        // Told to ignore them it seems to be the server itself, and loses what a session keeps.
        const settings = "statement_timeout,lock_timeout,idle_in_transaction_session_timeout,options,extra_float_digits"
        const silent = yield* pooledWith(`ignore_startup_parameters = ${settings}`)
        const unseen = yield* examined({ DATABASE_URL: silent.url })
        expect(unseen.code).toBe(1)
        expect(unseen.find("pooler")).toMatchObject({
          verdict: "wrong",
          finding: expect.stringMatching(/a pooler is in between/),
          remedy: expect.stringMatching(/DB_POOLER=transaction/)
        })
        const told = yield* examined({ DATABASE_URL: refused.url, DB_POOLER: "transaction", DB_PREPARE: "false" })
        expect(told.find("pooler")).toMatchObject({ verdict: "fine", finding: "in between, as DB_POOLER says" })
        expect(told.find("migrations")).toMatchObject({ verdict: "note", finding: "1 migration is pending." })
      })
    },
    limit
  )

  it.scopedLive(
    "leaves nothing else to be said behind a pooler that is told of: plans, verification and runs work there",
    (test) => {
      skip(test, absent, needs)
      return Effect.gen(function* () {
        const { url } = yield* pooledWith()
        const env = { DATABASE_URL: url, DB_POOLER: "transaction", DB_PREPARE: "false" }
        const cwd = yield* project({
          ...tables(2),
          "migrations/0003_p.ts": `import { Migration, Operations, Table } from "effect-aquifer"
export default Migration.make({
  up: Operations.createTable(Table.make("p", { id: Table.int.pipe(Table.primaryKey) })),
  down: Operations.dropTable("p")
})
`
        })
        const plan = yield* aquifer(["migrate", "plan"], { cwd, env })
        expect(plan).toMatchObject({ code: 0, err: "" })
        expect(plan.out).toContain("-- 0003_p, up: recorded on a scratch database")
        expect(yield* aquifer(["migrate", "verify"], { cwd, env })).toMatchObject({ code: 0, err: "" })
        expect(yield* aquifer(["migrate", "up"], { cwd, env })).toMatchObject({ code: 0, err: "" })
        expect(yield* aquifer(["migrate", "down", "base", "--yes"], { cwd, env })).toMatchObject({ code: 0, err: "" })
      })
    },
    limit
  )
})
