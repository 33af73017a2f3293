/** Two programs in the middle of transactions, killed without a word (SIGKILL): nothing is half-done, and nothing said to be done is gone. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { expect, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import { temporaryFolder } from "../contract/products.js"
import { freshDatabase, query } from "../support/server.js"
import { quiet } from "./disturbance.js"
import { eventually } from "./world.js"

const program = fileURLToPath(new URL("./worker.ts", import.meta.url))
const accounts = 400
const opening = 1_000

const tables = [
  "CREATE TABLE accounts (id integer PRIMARY KEY, balance integer NOT NULL)",
  "CREATE TABLE transfers (id integer NOT NULL, payer integer NOT NULL, payee integer NOT NULL, amount integer NOT NULL)",
  `INSERT INTO accounts VALUES ${Array.from({ length: accounts }, (_, n) => `(${n + 1}, ${opening})`).join(", ")}`
]

/** Accounts whose balance is not what the transfers that are there make of it. */
const unbalanced = `SELECT id FROM accounts WHERE balance <> ${opening}
  + coalesce((SELECT sum(amount) FROM transfers WHERE payee = accounts.id), 0)
  - coalesce((SELECT sum(amount) FROM transfers WHERE payer = accounts.id), 0)`

/** The program at work; killed with the scope at the latest. */
const worker = (url: string, first: number) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const child = spawn(process.execPath, ["--import", "jiti/register", program, url, `${first}`, `${accounts}`], {
          stdio: ["pipe", "pipe", "inherit"]
        })
        child.stdin.on("error", () => undefined)
        const said = { begun: new Set<number>(), done: new Set<number>() }
        createInterface({ input: child.stdout }).on("line", (line) => {
          const [what, id] = line.split(" ")
          if (what === "begun" || what === "done") said[what].add(Number(id))
        })
        const closed = once(child, "close")
        return { child, closed, said }
      }),
      ({ child, closed }) =>
        Effect.promise(async () => {
          child.kill("SIGKILL")
          await closed
        })
    ),
    ({ child, closed, said }) => ({
      said,
      /** Done when so many more transfers are. */
      works: (transfers: number) =>
        Effect.suspend(() => {
          const goal = said.done.size + transfers
          return eventually(
            `${transfers} transfers more than ${said.done.size}, with ${said.begun.size} begun`,
            Effect.sync(() => [said.done.size, child.exitCode] as const),
            ([done, code]) => {
              if (code !== null) throw new Error(`the program ended by itself with ${code}`)
              return done >= goal
            },
            "80 seconds"
          )
        }),
      /** At a moment when a transaction of it has begun and is not done. */
      kill: Effect.zipRight(
        eventually(
          "a transaction in the middle",
          Effect.sync(() => said.begun.size > said.done.size && child.kill("SIGKILL")),
          (struck) => struck
        ),
        Effect.promise(async () => {
          const [code, signal] = await closed
          expect([code, signal]).toEqual([null, "SIGKILL"])
        })
      )
    })
  )

const killed = (url: string) =>
  Effect.gen(function* () {
    const [one, other] = yield* Effect.all([worker(url, 1_000_000), worker(url, 2_000_137)], { concurrency: 2 })
    yield* Effect.all([one.works(30), other.works(30)], { concurrency: 2 })
    yield* one.kill
    // What the dead one held does not keep the other from working.
    yield* other.works(30)
    yield* other.kill
    const inTheMiddle = [one, other].reduce((sum, { said }) => sum + said.begun.size - said.done.size, 0)
    return { done: [...one.said.done, ...other.said.done].sort((a, b) => a - b), inTheMiddle }
  })

const held = (
  { done, inTheMiddle }: Effect.Effect.Success<ReturnType<typeof killed>>,
  rows: ReadonlyArray<{ readonly id: number; readonly n: number }>
) => {
  const there = new Set(rows.map(({ id }) => id))
  expect(inTheMiddle).toBeGreaterThan(0)
  expect(rows.filter(({ n }) => n > 1)).toEqual([])
  expect(done.filter((id) => !there.has(id))).toEqual([])
  // What is there and was not said to be done had just been committed: no more than were at work.
  expect(there.size - done.length).toBeLessThanOrEqual(2 * 6)
}

const counted = "SELECT id, cast(count(*) AS integer) AS n FROM transfers GROUP BY id"

it.scopedLive(
  "programs killed on PostgreSQL leave nothing half-done, and what they called done is there",
  () =>
    Effect.gen(function* () {
      const url = yield* freshDatabase
      yield* query(url, tables.join("; "))
      const outcome = yield* killed(url)
      yield* quiet(url)
      held(outcome, (yield* query(url, counted)) as ReadonlyArray<{ id: number; n: number }>)
      expect(yield* query(url, unbalanced)).toEqual([])
    }),
  { timeout: 150_000 }
)

it.scopedLive(
  "programs killed on SQLite leave nothing half-done, and what they called done is there",
  () =>
    Effect.gen(function* () {
      const file = join(yield* temporaryFolder, "killed.db")
      const opened = <A>(use: (database: Sqlite.Database) => A) =>
        Effect.sync(() => {
          const database = new Sqlite(file)
          try {
            return use(database)
          } finally {
            database.close()
          }
        })
      yield* opened((database) => database.exec(tables.join("; ")))
      const outcome = yield* killed(`sqlite:${file}`)
      const found = yield* opened((database) => ({
        rows: database.prepare(counted).all() as ReadonlyArray<{ id: number; n: number }>,
        unbalanced: database.prepare(unbalanced).all(),
        whole: database.pragma("integrity_check", { simple: true })
      }))
      held(outcome, found.rows)
      expect(found.unbalanced).toEqual([])
      expect(found.whole).toBe("ok")
    }),
  { timeout: 150_000 }
)
