/** Test databases on a real server, within one process. */
import { randomBytes } from "node:crypto"
import { createServer, type Server } from "node:net"
import { describe, expect, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Console from "effect/Console"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestServices from "effect/TestServices"
import { Migration, Migrator, Operations, Table } from "effect-aquifer"
import { DatabaseTest } from "effect-aquifer/testing"
import { eventually } from "../reliability/world.js"
import { absent, needs, pooledWith } from "../support/pgbouncer.js"
import { adminQuery, adminUrl, freshDatabase, freshRole, scratchServer, urlWith } from "../support/server.js"
import { skip } from "../support/skip.js"
import { add, migrations, name, server, words } from "./databaseTestSupport.js"

const sessionsOf = (applicationName: string) =>
  Effect.map(
    adminQuery("SELECT pid, datname FROM pg_stat_activity WHERE application_name = $1", [applicationName]),
    (rows) => rows
  )

describe("DatabaseTest.postgres", () => {
  it.live("twenty layers at once are twenty databases, at most four of them at a time", () =>
    Effect.gen(function* () {
      const { clones, templates, url } = yield* server
      const layer = DatabaseTest.postgres({ url, migrations: { directory: yield* migrations() } })
      const full = yield* Deferred.make<void>()
      let live = 0
      let most = 0
      const one = (id: number) =>
        Effect.gen(function* () {
          most = Math.max(most, ++live)
          // The first ones stay until there are as many as there may be.
          if (live === 4) yield* Deferred.succeed(full, undefined)
          yield* Deferred.await(full)
          yield* add(id, `word ${id}`)
          const seen = [yield* name, ...(yield* words)]
          live--
          return seen
        }).pipe(Effect.provide(Layer.fresh(layer)))
      const seen = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, id) => id),
        one,
        { concurrency: "unbounded" }
      )
      expect(new Set(seen.map(([database]) => database)).size).toBe(20)
      expect(seen.map(([, ...rest]) => rest)).toEqual(seen.map((_, id) => [`word ${id}`]))
      expect(most).toBe(4)
      expect(yield* clones).toEqual([])
      expect(yield* templates).toHaveLength(1)
    }).pipe(Effect.scoped)
  )

  it.effect(
    "nobody waits for ever, whatever the test's own clock says, and whoever gave up waiting loses no turn",
    () =>
      Effect.gen(function* () {
        const { url } = yield* server
        const given = { url, migrations: { directory: yield* migrations() } }
        const one = Layer.build(DatabaseTest.postgres(given))
        const holding = Effect.all([one, one, one, one], { concurrency: "unbounded" })
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* holding
            const late = DatabaseTest.postgres({ ...given, acquireTimeout: 50 })
            for (let round = 0; round < 5; round++) {
              expect(yield* Effect.flip(Effect.provide(words, late))).toMatchObject({
                _tag: "TooManyConnections",
                reason: expect.stringContaining("as many test databases as it may (4)")
              })
            }
            const waiting = yield* Effect.fork(Effect.provide(words, DatabaseTest.postgres(given)))
            yield* TestServices.provideLive(Effect.sleep(50))
            yield* Fiber.interrupt(waiting)
          })
        )
        yield* Effect.scoped(holding)
      }).pipe(Effect.scoped)
  )

  it.live("what is not marked as a template is not whole, and built anew", () =>
    Effect.gen(function* () {
      const { templates, url } = yield* server
      let seeded = 0
      const seed = Effect.sync(() => seeded++)
      const layer = DatabaseTest.postgres({ url, migrations: { directory: yield* migrations() }, seed, version: "1" })
      for (let build = 0; build < 3; build++) yield* Effect.provide(words, layer)
      expect(seeded).toBe(1)
      const [template] = yield* templates
      yield* adminQuery(`ALTER DATABASE "${template}" IS_TEMPLATE false`)
      for (let build = 0; build < 3; build++) yield* Effect.provide(words, layer)
      expect(seeded).toBe(2)
      expect(yield* templates).toEqual([template])
    }).pipe(Effect.scoped)
  )

  it.live("contents without a text are made for each database, or by their version for all", () =>
    Effect.gen(function* () {
      const loader = Migrator.fromRecord({
        "0001_words": Migration.make({
          up: Operations.createTable(Table.make("words", { id: Table.int.pipe(Table.primaryKey), word: Table.text }))
        })
      })
      let seeded = 0
      const seed = Effect.zipRight(
        Effect.sync(() => seeded++),
        add(1, "seeded")
      )
      const { templates, url } = yield* server
      const given = { url, migrations: { loader }, seed }
      for (const layer of [DatabaseTest.postgres(given), DatabaseTest.postgres(given)]) {
        expect(yield* Effect.provide(words, layer)).toEqual(["seeded"])
      }
      expect(seeded).toBe(2)
      expect(yield* templates).toEqual([])
      const versioned = DatabaseTest.postgres({ ...given, version: "1" })
      for (const layer of [versioned, versioned]) {
        expect(yield* Effect.provide(words, layer)).toEqual(["seeded"])
      }
      expect(seeded).toBe(3)
      expect(yield* Effect.provide(words, DatabaseTest.postgres({ ...given, version: "2" }))).toEqual(["seeded"])
      expect(seeded).toBe(4)
      expect(yield* templates).toHaveLength(2)
    }).pipe(Effect.scoped)
  )

  it.live("a failing migration is the layer's failure and leaves no template", () =>
    Effect.gen(function* () {
      const directory = yield* migrations("CREATE TABLE words (id nonsense)")
      const { clones, templates, url } = yield* server
      const layer = DatabaseTest.postgres({ url, migrations: { directory } })
      const failure = yield* Effect.flip(Effect.provide(words, layer))
      expect(failure).toMatchObject({ _tag: "MigrationError", reason: "failed" })
      expect([...(yield* templates), ...(yield* clones)]).toEqual([])
    }).pipe(Effect.scoped)
  )

  it.live("a database is kept when the test fails, and its place is printed without a secret", () =>
    Effect.gen(function* () {
      const printed: Array<string> = []
      const console = yield* Console.consoleWith(Effect.succeed)
      const overheard: Console.Console = {
        ...console,
        warn: (...args) => Effect.sync(() => void printed.push(args.join(" ")))
      }
      const { clones, kept, url } = yield* server
      const layer = DatabaseTest.postgres({ url, migrations: { directory: yield* migrations() }, keep: "onFailure" })
      let own = ""
      const noting = Effect.zipRight(
        add(1, "evidence"),
        Effect.map(name, (name) => {
          own = name
        })
      )
      const run = <E>(test: Effect.Effect<void, E>) =>
        Effect.exit(Effect.provide(Effect.zipRight(noting, test), layer)).pipe(Effect.withConsole(overheard))
      expect(yield* run(Effect.void)).toEqual(Exit.void)
      expect(printed).toEqual([])
      expect(yield* kept).toEqual([])
      expect(yield* run(Effect.fail("mine"))).toEqual(Exit.fail("mine"))
      const stays = `aquifer_kept_${own.slice(-16)}`
      expect(yield* kept).toEqual([stays])
      expect(yield* clones).toEqual([])
      expect(printed).toHaveLength(1)
      expect(printed[0]).toContain(`${new URL(url).host}/${stays}`)
      expect(printed[0]).not.toContain(new URL(url).password)
    }).pipe(Effect.scoped)
  )

  it.live(
    "whoever is interrupted, waiting or cloning, leaves no database, no session and no turn",
    () =>
      Effect.gen(function* () {
        const applicationName = `interrupted_${randomBytes(4).toString("hex")}`
        const { clones, url } = yield* server
        const layer = DatabaseTest.postgres({
          url,
          applicationName,
          migrations: { directory: yield* migrations() }
        })
        const interruptedAfter = (millis: number) =>
          Effect.gen(function* () {
            const fiber = yield* Effect.fork(Effect.provide(Effect.never, Layer.fresh(layer)))
            yield* Effect.sleep(millis)
            yield* Fiber.interrupt(fiber)
          })
        // While the template is made, and while it is copied: over as long as that takes here and now.
        for (let round = 0; round < 10; round++) yield* interruptedAfter(round * 10)
        yield* Effect.provide(words, layer)
        const [takes] = yield* Effect.timed(Effect.provide(words, Layer.fresh(layer)))
        for (let round = 0; round < 40; round++) yield* interruptedAfter((Duration.toMillis(takes) * round) / 40)
        yield* eventually("no session is left", sessionsOf(applicationName), (sessions) => sessions.length === 0)
        expect(yield* clones).toEqual([])
        const four = yield* Effect.forEach(Array.from({ length: 4 }), () => Effect.provide(words, Layer.fresh(layer)), {
          concurrency: "unbounded"
        })
        expect(four).toHaveLength(4)
      }).pipe(Effect.scoped),
    60_000
  )

  it.live("a server that no longer answers is not waited for when the test ends", () =>
    Effect.gen(function* () {
      const real = yield* scratchServer
      const mute = Effect.async<Server>((resume) => {
        const server = createServer((socket) => socket.on("error", () => undefined))
        server.listen(real.port, "127.0.0.1", () => resume(Effect.succeed(server)))
      })
      const silenced = Effect.zipRight(
        real.stop,
        Effect.acquireRelease(mute, (server) => Effect.sync(() => server.close()))
      )
      const layer = DatabaseTest.postgres({ url: real.url, connectTimeout: "200 millis" })
      yield* Effect.provide(Effect.zipRight(name, silenced), layer)
    }).pipe(Effect.scoped)
  )

  it.live("all test databases together keep within their connections", () =>
    Effect.gen(function* () {
      const { url } = yield* scratchServer
      const layer = DatabaseTest.postgres({ url, connections: 3 })
      let live = 0
      let most = 0
      const one = Effect.gen(function* () {
        most = Math.max(most, ++live)
        yield* Effect.sleep(10)
        live--
      }).pipe(Effect.provide(Layer.fresh(layer)))
      yield* Effect.all([one, one, one, one], { concurrency: "unbounded" })
      expect(most).toBe(1)
      const holding = yield* Deferred.make<void>()
      const holder = yield* Effect.fork(
        Effect.provide(Effect.zipRight(Deferred.succeed(holding, undefined), Effect.never), layer)
      )
      yield* Deferred.await(holding)
      const late = yield* Effect.flip(Layer.build(DatabaseTest.postgres({ url, connections: 3, acquireTimeout: 200 })))
      expect(late).toMatchObject({ _tag: "TooManyConnections", operation: "test database" })
      yield* Fiber.interrupt(holder)
      const small = yield* Effect.flip(Layer.build(DatabaseTest.postgres({ url, connections: 2 })))
      expect(small).toMatchObject({
        _tag: "TooManyConnections",
        reason: expect.stringContaining("takes 3 connections")
      })
      const nonsense = yield* Effect.flip(Layer.build(DatabaseTest.postgres({ url, connections: Number.NaN })))
      expect(nonsense).toMatchObject({ _tag: "TooManyConnections" })
      // More than the server takes are those it takes.
      for (const connections of [3.5, Number.POSITIVE_INFINITY]) {
        expect(yield* Effect.provide(name, DatabaseTest.postgres({ url, connections }))).toMatch(/^aquifer_test_/)
      }
    }).pipe(Effect.scoped)
  )

  it.live("an owner whose session is lost takes its lock again", () =>
    Effect.gen(function* () {
      const applicationName = `owner_${randomBytes(4).toString("hex")}`
      const { kept, url } = yield* server
      const layer = DatabaseTest.postgres({ url, applicationName, keep: "always" })
      const own = yield* Effect.gen(function* () {
        const own = yield* name
        const held = adminQuery(
          `SELECT a.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.application_name = $1 AND l.locktype = 'advisory'
           AND l.objsubid = 1 AND lpad(to_hex(l.classid::bigint), 8, '0') || lpad(to_hex(l.objid::bigint), 8, '0') = $2`,
          [applicationName, own.slice(-16)]
        )
        const [first] = yield* held
        expect(first?.pid).toBeGreaterThan(0)
        yield* adminQuery("SELECT pg_terminate_backend($1)", [first?.pid])
        yield* eventually("the lock again", held, ([now]) => now !== undefined && now.pid !== first?.pid)
        return own
      }).pipe(Effect.provide(layer))
      expect(yield* kept).toEqual([`aquifer_kept_${own.slice(-16)}`])
    }).pipe(Effect.scoped)
  )
})

describe("what is wrong with the server is told with what to do", () => {
  const failing = (options: DatabaseTest.PostgresOptions) =>
    Effect.flip(Effect.scoped(Layer.build(DatabaseTest.postgres(options))))

  it.live("no server named; the application's own is never taken", () =>
    Effect.gen(function* () {
      const failure = yield* failing({})
      expect(String(failure)).toContain("TEST_DATABASE_URL")
    }).pipe(Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["DATABASE_URL", adminUrl()]]))))
  )

  it.live("the server the variable names", () =>
    Effect.gen(function* () {
      expect(yield* Effect.provide(name, DatabaseTest.postgres())).toMatch(/^aquifer_test_[0-9a-f]{16}$/)
    }).pipe(Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["TEST_DATABASE_URL", adminUrl()]]))))
  )

  it.live("a server that is not there", () =>
    Effect.gen(function* () {
      expect(yield* failing({ url: "postgres://nobody@127.0.0.1:1/postgres" })).toMatchObject({
        _tag: "ConnectionError",
        operation: "test database",
        hint: expect.stringContaining("Start that server")
      })
    })
  )

  it.live("a role without the right to create databases, and a wrong password", () =>
    Effect.gen(function* () {
      const role = yield* freshRole(yield* freshDatabase)
      expect(yield* failing({ url: role.url })).toMatchObject({
        _tag: "AuthorizationError",
        hint: expect.stringContaining(`(ALTER ROLE "${role.name}" CREATEDB)`)
      })
      expect(yield* failing({ url: urlWith(role.url, { password: "wrong" }) })).toMatchObject({
        _tag: "AuthenticationError",
        operation: "test database"
      })
    }).pipe(Effect.scoped)
  )

  it.live("a pooler in front of it", (test) => {
    skip(test, absent, needs)
    return Effect.gen(function* () {
      const ignored = "statement_timeout,lock_timeout,idle_in_transaction_session_timeout,transaction_timeout"
      for (const settings of [[], [`ignore_startup_parameters = ${ignored}`]]) {
        const { url } = yield* pooledWith(...settings)
        const failure = yield* failing({ url })
        expect(failure).toMatchObject({ _tag: "UnsupportedError", operation: "test database" })
        expect(String(failure)).toContain("Name the server itself")
      }
    }).pipe(Effect.scoped)
  })

  it.live("another product's URL", () =>
    Effect.gen(function* () {
      for (const url of ["sqlite::memory:", "pglite::memory:", "cockroachdb://root@127.0.0.1:1/defaultdb"]) {
        expect(yield* failing({ url })).toMatchObject({ _tag: "UnsupportedError", operation: "test database" })
      }
    })
  )
})
