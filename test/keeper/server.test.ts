/** What the other tests may rely on: databases, roles and scratch servers that are their own and end with their scope. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import pg from "pg"
import { adminQuery, freshDatabase, freshRole, query, scratchServer, scratchServerWith } from "../support/server.js"

const databaseName = (url: string) => new URL(url).pathname.slice(1)
const failureOf = <A, E extends Error, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.message)

it.scopedLive("a fresh database is empty and nobody else's", () =>
  Effect.gen(function* () {
    const [one, other] = yield* Effect.all([freshDatabase, freshDatabase], { concurrency: 2 })
    yield* query(one, "CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
    expect(yield* query(one, "SELECT n FROM t")).toEqual([{ n: 1 }])
    expect(yield* failureOf(query(other, "SELECT n FROM t"))).toContain('relation "t" does not exist')
  })
)

it.live("a fresh database goes with its scope, even while somebody is connected", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const url = yield* Scope.extend(freshDatabase, scope)
    const exists = adminQuery("SELECT 1 FROM pg_database WHERE datname = $1", [databaseName(url)])
    const client = new pg.Client(url)
    client.on("error", () => undefined)
    yield* Effect.promise(() => client.connect())
    expect((yield* exists).length).toBe(1)
    yield* Scope.close(scope, Exit.void)
    expect((yield* exists).length).toBe(0)
    yield* Effect.promise(() => client.end())
  })
)

it.live("a fresh role logs in with its own rights and goes with its scope, with what it owns", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const url = yield* Scope.extend(freshDatabase, scope)
    const role = yield* Scope.extend(freshRole(url, "CONNECTION LIMIT 1"), scope)
    const exists = adminQuery("SELECT 1 FROM pg_roles WHERE rolname = $1", [role.name])
    expect(yield* failureOf(query(role.url, "CREATE TABLE t ()"))).toContain("permission denied")
    yield* query(url, `GRANT CREATE ON SCHEMA public TO "${role.name}"`)
    yield* query(role.url, "CREATE TABLE t ()")
    expect((yield* exists).length).toBe(1)
    yield* Scope.close(scope, Exit.void)
    expect((yield* exists).length).toBe(0)
  })
)

it.scopedLive("a query that the server refuses is a typed failure with the server's sentence", () =>
  Effect.gen(function* () {
    const outcome = yield* Effect.either(adminQuery("SELECT 1 / $1::int AS n", [0]))
    expect(Either.isLeft(outcome) && outcome.left._tag).toBe("ServerError")
    expect(Either.isLeft(outcome) && outcome.left.message).toBe("division by zero")
  })
)

it.scopedLive("a scratch server refuses while it is stopped and keeps its data, over a crash, too", () =>
  Effect.gen(function* () {
    const server = yield* scratchServer
    yield* query(server.url, "CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
    yield* server.stop
    expect(yield* failureOf(query(server.url, "SELECT n FROM t"))).toContain("ECONNREFUSED")
    yield* server.start
    yield* query(server.url, "INSERT INTO t VALUES (2)")
    yield* server.crash
    expect(yield* failureOf(query(server.url, "SELECT n FROM t"))).toContain("ECONNREFUSED")
    yield* server.start
    expect(yield* query(server.url, "SELECT n FROM t ORDER BY n")).toEqual([{ n: 1 }, { n: 2 }])
  })
)

it.scopedLive("a scratch server may have settings of its own", () =>
  Effect.gen(function* () {
    const server = yield* scratchServerWith({ max_connections: "7", wal_level: "logical" })
    expect(yield* query(server.url, "SHOW max_connections")).toEqual([{ max_connections: "7" }])
    expect(yield* query(server.url, "SHOW wal_level")).toEqual([{ wal_level: "logical" }])
  })
)

it.live("a server that is told what it cannot do says why", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const server = yield* scratchServer
      expect(yield* failureOf(server.start)).toBe("start: the server runs already")
      expect(yield* query(server.url, "SELECT 1 AS one")).toEqual([{ one: 1 }])
    })
  )
)
