/** As much of versions as PostgreSQL can show in CockroachDB's place, and all of them on a node, where the run was given one. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Database, Operations, Transaction, Versions } from "effect-aquifer"
import { freshDisguise, swept } from "../dialect/cockroach/disguise.js"
import { freshOn, nodeUrl } from "../dialect/cockroach/node.js"
import { skip } from "../support/skip.js"
import { numbers, one, refusal, rows, run, tables, three, two, twoOf } from "./versions.js"

const onward = Effect.gen(function* () {
  yield* Versions.up([one])
  yield* run(
    "INSERT INTO users (id, email) VALUES (1, 'Ada@x.org'), (2, 'bob@x.org')",
    "INSERT INTO settings (user_id, key, value) VALUES (2, 'theme', 'dark')"
  )
  // Each change is by itself: what came before the failure stays, and the next run goes on behind it.
  const attempts: Array<number> = []
  const bad = Effect.flatMap(Transaction.attempt, (attempt) => {
    attempts.push(attempt)
    return Effect.zipRight(run("UPDATE users SET name = 'x'"), Effect.fail("no"))
  })
  const error = yield* refusal(Versions.up([one, twoOf(bad)]))
  expect(error.message).toBe(
    "version 2: its migrate failed: no. What it did before stays, and the next run goes on from there; mend it, or the rows it meets, and run again."
  )
  expect(attempts).toEqual([0])
  expect(yield* numbers).toEqual([1])
  expect(yield* tables).toEqual(["posts", "schema_version", "schema_version_lock", "settings", "users"])
  expect(yield* rows("SELECT name FROM users")).toEqual([{ name: "x" }, { name: "x" }])

  expect(yield* refusal(Versions.up([one, Versions.make(2, {})]))).toMatchObject({ reason: "destructive" })
  const reports = yield* Effect.all(
    Array.from({ length: 4 }, () => Versions.up([one, two, three])),
    { concurrency: "unbounded" }
  )
  expect(reports.map(({ applied }) => applied.length).sort()).toEqual([0, 0, 0, 2])
  expect(yield* numbers).toEqual([1, 2, 3])
  expect(yield* rows("SELECT id, email, name FROM users ORDER BY id")).toEqual([
    { id: 1, email: "ada@x.org", name: "Ada" },
    { id: 2, email: "bob@x.org", name: "bob" }
  ])
  expect(yield* rows("SELECT user_id, body FROM posts")).toEqual([{ user_id: 2, body: "dark" }])
  yield* Versions.check([one, two, three])

  const four = Versions.make(4, one.schema.tables, { rebuild: true, migrate: Operations.execute("SELECT 1") })
  yield* Versions.up([one, two, three, four])
  expect(yield* rows("SELECT * FROM users")).toEqual([])
  yield* Versions.check([one, two, three, four])
  expect(yield* Versions.up([one, two, three, four])).toEqual({ from: 4, to: 4, applied: [] })
})

it.scopedLive(
  "versions by CockroachDB's dialect are gone on with where a run was cut short",
  () =>
    Effect.flatMap(freshDisguise, ({ cockroachdb }) =>
      onward.pipe(Effect.provide(Database.layer({ url: cockroachdb })), swept)
    ),
  300_000
)

it.scopedLive(
  "and on a node",
  (test) => {
    skip(test, nodeUrl === undefined, "needs a CockroachDB, named by COCKROACH_TEST_URL")
    return Effect.flatMap(freshOn(nodeUrl ?? ""), (url) => onward.pipe(Effect.provide(Database.layer({ url }))))
  },
  600_000
)
