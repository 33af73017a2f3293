/** `aquifer health` with replicas, on a real primary with a real streaming standby: each is shown, and none makes it fail. */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { eventually } from "../reliability/world.js"
import { query } from "../support/server.js"
import { sharedPair } from "../support/sharedPair.js"
import { driver, start } from "./command.js"
import { freshFolder } from "./folder.js"

interface Replica {
  readonly database: string
  readonly status: string
  readonly used: boolean
  readonly behindMillis?: number
  readonly error?: string
}

const shared = sharedPair(({ primary }) => query(primary.url, "CREATE TABLE written (id integer)"))

/** Nothing listens there. */
const nowhere = "postgresql://u:canary@127.0.0.1:1/d"

const world = (replicas: ReadonlyArray<string>, more: Readonly<Record<string, string>> = {}) =>
  Effect.map(freshFolder, (cwd) => {
    const env = { DATABASE_URL: shared.servers.primary.url, DATABASE_REPLICA_URLS: replicas.join(" "), ...more }
    const { json, run } = driver(cwd, env)
    const health = Effect.map(
      json("health"),
      ({
        code,
        out
      }: {
        readonly code: number | null
        readonly out: { readonly replicas: ReadonlyArray<Replica> }
      }) => ({
        code,
        ...out
      })
    )
    return { cwd, env, health, run }
  })

/** Says what it sees once all are as they are to be: a standby that is slow to answer is down for a while. */
const standing = <A extends { readonly replicas: ReadonlyArray<Replica> }>(
  health: Effect.Effect<A>,
  ...statuses: ReadonlyArray<string>
) =>
  eventually(
    `the replicas are ${statuses.join(", ")}`,
    health,
    ({ replicas }) => replicas.map(({ status }) => status).join() === statuses.join(),
    "90 seconds"
  )

describe("aquifer health with replicas", () => {
  shared.promise("shows each without its password, and one that is down does not make it fail", () =>
    Effect.gen(function* () {
      const { health, run } = yield* world([shared.servers.standby.url, nowhere])
      const { port } = new URL(shared.servers.standby.url)
      const found = yield* standing(health, "up", "down")
      expect(found).toMatchObject({
        code: 0,
        status: "up",
        replicas: [
          { database: expect.stringContaining(`:***@127.0.0.1:${port}/`), status: "up", used: true },
          { database: "postgres://u:***@127.0.0.1:1/d", status: "down", used: false, error: expect.any(String) }
        ]
      })
      expect(found.replicas[0]?.behindMillis).toBeGreaterThanOrEqual(0)
      const said = yield* eventually("it says so in words", run("health"), ({ out }) => out.includes("up, at most"))
      expect(said.code).toBe(0)
      const [first, second, error] = said.out.slice(said.out.indexOf("  replica ")).split("\n")
      expect(first).toMatch(new RegExp(`^ {2}replica +postgres://.*:${port}/\\w+ {2}up, at most [\\d.]+ m?s behind$`))
      expect(second).toMatch(/^ {2}replica +postgres:\/\/u:\*\*\*@127\.0\.0\.1:1\/d {2}down, reads go elsewhere$/)
      expect(error).toMatch(/ConnectionError: /)
      expect(JSON.stringify([found, said])).not.toContain("canary")
    })
  )

  shared.promise("one whose data are too old is up and not used", () =>
    Effect.gen(function* () {
      const { health, run } = yield* world([shared.servers.standby.url], { DATABASE_REPLICA_MAX_STALENESS: "50ms" })
      yield* query(shared.servers.primary.url, "INSERT INTO written VALUES (1)")
      yield* shared.servers.caughtUp
      yield* query(shared.servers.standby.url, "SELECT pg_wal_replay_pause()")
      yield* Effect.addFinalizer(() =>
        Effect.ignore(query(shared.servers.standby.url, "SELECT pg_wal_replay_resume()"))
      )
      yield* query(shared.servers.primary.url, "INSERT INTO written VALUES (2)")
      const found = yield* eventually("it is too old", health, ({ replicas }) => replicas[0]?.used === false)
      yield* standing(health, "up")
      expect(found.code).toBe(0)
      const { out } = yield* eventually("it says so in words", run("health"), ({ out }) => out.includes("too old"))
      expect(out).toMatch(/ {2}too old, at most [\d.]+ m?s behind; reads go elsewhere$/m)
    })
  )

  shared.promise("a primary that is down makes it fail, and they are shown all the same", () =>
    Effect.gen(function* () {
      const { health } = yield* world([shared.servers.standby.url], { DATABASE_URL: nowhere })
      expect(yield* standing(health, "up")).toMatchObject({ code: 1, status: "down", replicas: [{ used: true }] })
    })
  )

  shared.promise("--watch counts them in words and shows them in JSON", () =>
    Effect.gen(function* () {
      const { cwd, env } = yield* world([shared.servers.standby.url, nowhere])
      const says = (wanted: RegExp, ...args: ReadonlyArray<string>) =>
        Effect.gen(function* () {
          const { child } = yield* start(["health", "--watch", "--every", "1", ...args], { cwd, env })
          let out = ""
          child.stdout?.on("data", (chunk) => {
            out += chunk
          })
          yield* eventually(
            `it says ${wanted}`,
            Effect.sync(() => wanted.test(out)),
            (said) => said,
            "90 seconds"
          )
        })
      yield* says(/Z {2}up, answers in [\d.]+ m?s; 1 of 2 replicas in use$/m)
      yield* says(/^\{"at":.*"replicas":\[\{.*"status":"up","used":true.*"status":"down","used":false.*\n/m, "--json")
    })
  )
})
