/** Seeds on both products: all or nothing, once, and side by side. */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Database from "../../src/Database.js"
import * as Seed from "../../src/seed/Seed.js"
import { freshFile } from "../cli/folder.js"
import { freshDatabase } from "../support/server.js"

const products: Readonly<Record<string, Effect.Effect<string, unknown, Scope.Scope>>> = {
  sqlite: Effect.map(freshFile("seed.db"), (path) => `sqlite:${path}`),
  postgres: freshDatabase
}

const layer = (url: string) => Database.layer({ url, pool: { size: 3, maxOverflow: 0 } })

const insert = (name: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO things (name) VALUES (${name})`)

const things = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(sql<{ name: string }>`SELECT name FROM things ORDER BY n`, (rows) => rows.map(({ name }) => name))
)

const create = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  sql.onDialectOrElse({
    pg: () => sql`CREATE TABLE things (n SERIAL PRIMARY KEY, name TEXT NOT NULL)`,
    orElse: () => sql`CREATE TABLE things (n INTEGER PRIMARY KEY, name TEXT NOT NULL)`
  })
)

describe.each(Object.entries(products))("seeds on %s", (_, fresh) => {
  const prepared = Effect.flatMap(fresh, (url) => Effect.as(Effect.provide(create, layer(url)), layer(url)))

  it.scopedLive("run in the order of their dependencies, and the report says so", () =>
    Effect.gen(function* () {
      const database = yield* prepared
      const seeds = [
        Seed.make({ name: "keys", dependsOn: ["users"], run: insert("key") }),
        Seed.make({ name: "users", run: insert("user") })
      ]
      const [report, found] = yield* Effect.provide(Effect.all([Seed.run(seeds), things]), database)
      expect(report.map(({ name, outcome }) => [name, outcome])).toEqual([
        ["users", "ran"],
        ["keys", "ran"]
      ])
      expect(found).toEqual(["user", "key"])
    })
  )

  it.scopedLive("a seed that runs once is skipped the next time, any other runs again", () =>
    Effect.gen(function* () {
      const database = yield* prepared
      const seeds = [
        Seed.make({ name: "first", once: true, run: insert("first") }),
        Seed.make({ name: "every", run: insert("every") })
      ]
      const again = yield* Effect.provide(Effect.zipRight(Seed.run(seeds), Seed.run(seeds)), database)
      expect(again.map(({ outcome }) => outcome)).toEqual(["skipped", "ran"])
      expect(yield* Effect.provide(things, database)).toEqual(["first", "every", "every"])
    })
  )

  it.scopedLive("the failure of one takes back all, what is remembered included", () =>
    Effect.gen(function* () {
      const database = yield* prepared
      const good = Seed.make({ name: "good", once: true, run: insert("good") })
      const bad = Seed.make({ name: "bad", once: true, run: Effect.zipRight(insert("bad"), Effect.fail("no")) })
      const error = yield* Effect.flip(Effect.provide(Seed.run([good, bad]), database))
      expect(error).toMatchObject({ _tag: "SeedError", reason: "failed", seed: "bad", cause: "no" })
      expect(yield* Effect.provide(things, database)).toEqual([])
      const report = yield* Effect.provide(Seed.run([good]), database)
      expect(report.map(({ outcome }) => outcome)).toEqual(["ran"])
    })
  )

  it.scopedLive("the database's own answer is the failure's cause", () =>
    Effect.gen(function* () {
      const database = yield* prepared
      const error = yield* Effect.flip(
        Effect.provide(
          Seed.run([
            Seed.make({
              name: "typo",
              run: Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO thing DEFAULT VALUES`)
            })
          ]),
          database
        )
      )
      expect(error).toMatchObject({ _tag: "SeedError", reason: "failed", seed: "typo" })
      expect(error.message).toContain("thing")
    })
  )

  it.scopedLive("what makes no order fails before anything is sent", () =>
    Effect.gen(function* () {
      const database = yield* prepared
      const seeds = [
        Seed.make({ name: "a", once: true, run: insert("a") }),
        Seed.make({ name: "b", dependsOn: ["c"], run: insert("b") })
      ]
      const error = yield* Effect.flip(Effect.provide(Seed.run(seeds), database))
      expect(error).toMatchObject({ reason: "unknown-dependency" })
      const tables = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT * FROM aquifer_seeds`)
      expect(yield* Effect.isFailure(Effect.provide(tables, database))).toBe(true)
    })
  )

  it.scopedLive("of two processes at once one runs a seed, the other waits and skips it", () =>
    Effect.gen(function* () {
      const database = yield* prepared
      const inside = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const slow = Seed.make({
        name: "one",
        once: true,
        run: Effect.zipRight(insert("one"), Effect.zipRight(Deferred.succeed(inside, undefined), Deferred.await(go)))
      })
      const fast = Seed.make({ name: "one", once: true, run: insert("one") })
      const first = yield* Effect.fork(Effect.provide(Seed.run([slow]), database))
      yield* Deferred.await(inside)
      const second = yield* Effect.fork(Effect.provide(Seed.run([fast]), database))
      yield* Effect.sleep("100 millis")
      yield* Deferred.succeed(go, undefined)
      const reports = yield* Fiber.join(Fiber.zip(first, second))
      expect(reports.map((report) => report.map(({ outcome }) => outcome))).toEqual([["ran"], ["skipped"]])
      expect(yield* Effect.provide(things, database)).toEqual(["one"])
    })
  )

  it.scopedLive("many starts at once on a new database all succeed", () =>
    Effect.gen(function* () {
      const database = yield* prepared
      const seed = Seed.make({ name: "one", once: true, run: insert("one") })
      const reports = yield* Effect.all(
        Array.from({ length: 6 }, () => Effect.provide(Seed.run([seed]), database)),
        { concurrency: "unbounded" }
      )
      expect(reports.flat().filter(({ outcome }) => outcome === "ran")).toHaveLength(1)
      expect(yield* Effect.provide(things, database)).toEqual(["one"])
    })
  )
})
