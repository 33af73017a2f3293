/** Versions applied by many at once, cut short, waited for: each is applied once and whole, and nothing is left behind. */
import * as fs from "node:fs"
import * as path from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { Database, DatabaseError, Table, Transaction, Versions } from "effect-aquifer"
import * as Connections from "../../src/connection/Connections.js"
import { programOf, runner } from "./processes.js"
import { everywhere, layerOf, products, scratch } from "./support.js"
import { numbers, on, one, prepare, refusal, rows, run, tables, two, twoOf } from "./versions.js"

const ten = Array.from({ length: 10 }, (_, i) => i)

for (const product of everywhere) {
  describe(`versions of many on ${product.name}`, () => {
    prepare(product)

    it.live("ten layers built at once: each finds its tables, each version is applied once", () =>
      on(product, (url) =>
        Effect.gen(function* () {
          let times = 0
          const counted = twoOf(
            Effect.zipRight(
              Effect.sync(() => times++),
              run("UPDATE users SET name = 'x'")
            )
          )
          // In one process there is one database inside it; elsewhere each has its own pool.
          const here = Layer.succeed(SqlClient.SqlClient, yield* SqlClient.SqlClient)
          const database = product.name === "pglite" ? here : layerOf(product, url)
          const instance = (i: number) =>
            run(`INSERT INTO users (id, email, name) VALUES (${i}, '${i}@x.org', '')`).pipe(
              Effect.provide(Layer.provideMerge(Versions.layer([one, counted]), Layer.fresh(database)))
            )
          yield* Effect.forEach(ten, instance, { concurrency: "unbounded" })
          expect(times).toBe(1)
          expect(yield* numbers).toEqual([1, 2])
          expect(yield* rows("SELECT id FROM users ORDER BY id")).toEqual(ten.map((id) => ({ id })))
        })
      )
    )

    it.live("an older program beside a newer database goes on with a warning", () =>
      on(product, () =>
        Effect.gen(function* () {
          yield* Versions.up([one, two])
          expect(yield* Effect.provide(rows("SELECT * FROM posts"), Versions.layer([one]))).toEqual([])
        })
      )
    )

    it.live("inside of a transaction they are refused at once, whatever there is to do", () =>
      on(product, () =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(
            Transaction.run(Effect.zipRight(run("CREATE TABLE x (id integer)"), Versions.up([one])))
          )
          expect(error).toMatchObject({ _tag: "UnsupportedError" })
          expect(yield* tables).toEqual([])
        })
      )
    )

    it.live("at head it is one SELECT on a connection of the pool", () =>
      on(product, () =>
        Effect.gen(function* () {
          yield* Versions.up([one, two])
          const connections = yield* Connections.current
          const sql = yield* SqlClient.SqlClient
          const texts: Array<string> = []
          const heard = Connections.mark(
            Object.assign(() => sql``, sql),
            {
              ...connections,
              run: (request) =>
                Effect.zipRight(
                  Effect.sync(() => texts.push(request.text)),
                  connections.run(request)
                ),
              reserve: Effect.dieMessage("a connection for more than one statement"),
              own: Effect.dieMessage("a connection of its own")
            }
          )
          // Only the way to the connections is looked at.
          yield* Effect.provideService(Versions.up([one, two]), SqlClient.SqlClient, heard as unknown as typeof sql)
          expect(texts).toEqual([`SELECT max("version") AS "version" FROM "schema_version"`])
        })
      )
    )

    it.live("one that is interrupted in the middle leaves nothing, and neither its lock nor its connection", () =>
      on(product, () =>
        Effect.gen(function* () {
          yield* Versions.up([one])
          yield* run("INSERT INTO users (id, email) VALUES (1, 'ada@x.org')")
          const reached = yield* Deferred.make<void>()
          const stuck = run("UPDATE users SET name = 'x'").pipe(
            Effect.zipRight(Deferred.succeed(reached, undefined)),
            Effect.zipRight(Effect.never)
          )
          const running = yield* Effect.fork(Versions.up([one, twoOf(stuck)]))
          yield* Deferred.await(reached)
          expect(Exit.isInterrupted(yield* Fiber.interrupt(running))).toBe(true)
          expect(yield* numbers).toEqual([1])
          expect(yield* rows("SELECT * FROM users")).toEqual([{ id: 1, email: "ada@x.org" }])
          expect(yield* tables).toEqual(["schema_version", "settings", "users"])
          expect((yield* Versions.up([one, two], { lockTimeout: "10 seconds" })).to).toBe(2)
          // The only session of a database is tidied up before it is there again.
          const { pool } = yield* Connections.current
          yield* pool.status.pipe(
            Effect.delay("10 millis"),
            Effect.repeat({ until: ({ checkedOut }) => checkedOut === 0 })
          )
        })
      )
    )
  })
}

for (const product of products) {
  describe(`versions of several processes on ${product.name}`, () => {
    prepare(product)

    it.live("who waits too long is told for whom; who waits can be interrupted; at head nobody waits", () =>
      on(product, (url) =>
        Effect.gen(function* () {
          yield* Versions.up([one])
          const reached = yield* Deferred.make<void>()
          const stuck = Effect.zipRight(Deferred.succeed(reached, undefined), Effect.never)
          const holder = Effect.provide(
            Versions.up([one, twoOf(stuck)]),
            Database.layer({ url, applicationName: "the other one" })
          )
          yield* Effect.forkScoped(holder)
          yield* Deferred.await(reached)
          const error = yield* refusal(Versions.up([one, two], { lockTimeout: "100 millis" }))
          expect(error.reason).toBe("locked")
          expect(error.message).toContain("the migration lock of schema_version")
          const waiting = yield* Effect.fork(Versions.up([one, two]))
          yield* Effect.sleep("100 millis")
          expect(Exit.isInterrupted(yield* Fiber.interrupt(waiting))).toBe(true)
          expect(yield* Versions.up([one], { lockTimeout: 0 })).toEqual({ from: 1, to: 1, applied: [] })
        })
      )
    )

    it.live(
      "ten at once: one applies, and the others find it done; one killed in the middle leaves nothing",
      () =>
        on(product, (url) =>
          Effect.gen(function* () {
            const go = path.join(yield* scratch, "go")
            const file = yield* programOf("versionsRunner.ts")
            fs.writeFileSync(go, "")
            const stuck = yield* runner(file, url, "stuck", go)
            yield* stuck.hears("in the middle")
            expect(stuck.said()).toContain("in the middle")
            stuck.kill()
            yield* stuck.ended
            fs.rmSync(go)
            expect(yield* tables).toEqual(["log", "schema_version"])

            const runners = yield* Effect.forEach(ten, () => runner(file, url, "", go))
            yield* Effect.forEach(runners, (child) => child.hears("ready"))
            fs.writeFileSync(go, "")
            const codes = yield* Effect.forEach(runners, (child) => child.ended)
            expect(codes, runners.map((child) => child.said()).join("\n")).toEqual(ten.map(() => 0))
            const said = runners.map((child) => child.said().match(/applied \d+ to \d/)?.[0])
            expect(said.sort()).toEqual([...ten.slice(1).map(() => "applied 0 to 3"), "applied 2 to 3"])
            expect(yield* rows("SELECT version FROM log ORDER BY version")).toEqual(
              [1, 2, 3].map((version) => ({ version }))
            )
            expect(yield* numbers).toEqual([1, 2, 3])
          })
        ),
      300_000
    )
  })
}

/** Neither the server's time zone nor this process's may matter. */
const elsewhere = Effect.acquireRelease(
  Effect.sync(() => {
    const before = process.env.TZ
    process.env.TZ = "America/New_York"
    return before
  }),
  (before) =>
    Effect.sync(() => {
      if (before === undefined) delete process.env.TZ
      else process.env.TZ = before
    })
)

const [sqlite, postgres] = products as [(typeof products)[0], (typeof products)[0]]

describe("versions on sqlite alone", () => {
  it.live("a table that is made anew takes nothing along, and rows that refer to nothing are refused", () =>
    on(sqlite, () =>
      Effect.gen(function* () {
        yield* Versions.up([one])
        yield* run(
          "INSERT INTO users (id, email) VALUES (1, 'ada@x.org')",
          "INSERT INTO settings (user_id, key, value) VALUES (1, 'theme', 'dark')"
        )
        const refused = yield* refusal(Versions.up([one, twoOf(["DELETE FROM users"])]))
        expect(refused).toMatchObject({ reason: "failed", version: 2, cause: { _tag: "ForeignKeyViolation" } })
        expect(yield* numbers).toEqual([1])
        yield* Versions.up([one, two])
        expect(yield* rows("SELECT value FROM settings")).toEqual([{ value: "dark" }])
        expect((yield* Effect.flip(run("DELETE FROM users")))._tag).toBe("SqlError")
      })
    )
  )

  it.live("a database in memory has its versions, too", () =>
    Effect.gen(function* () {
      yield* Versions.up([one, two])
      expect(yield* numbers).toEqual([1, 2])
      yield* Versions.check([one, two])
    }).pipe(Effect.provide(Database.layer({ url: "sqlite::memory:" })))
  )

  it.scopedLive("a file that is not there is at none, and is not made by looking", () =>
    Effect.gen(function* () {
      const file = path.join(yield* scratch, "none.db")
      yield* Effect.gen(function* () {
        expect(yield* Versions.current()).toBe(0)
        expect(yield* Versions.status([one])).toEqual({ current: 0, latest: 1, applied: [], pending: [1] })
        expect(fs.existsSync(file)).toBe(false)
        yield* Versions.up([one])
        expect(yield* Versions.current()).toBe(1)
      }).pipe(Effect.provide(Database.layer({ url: `sqlite:${file}`, connect: "lazy" })))
    })
  )
})

describe("versions on postgresql alone", () => {
  const moods = (...values: readonly [string, ...ReadonlyArray<string>]) =>
    Table.make("moods", { id: Table.int.pipe(Table.primaryKey), mood: Table.enums("mood", values) })

  it.live(
    "a new word of an enum may be a default and stand in the rows at once; one that is gone is refused by rows",
    () =>
      on(postgres, () =>
        Effect.gen(function* () {
          const first = Versions.make(1, { moods: moods("sad", "glad") })
          yield* Versions.up([first])
          yield* run("INSERT INTO moods VALUES (1, 'sad'), (2, 'glad')")
          const fine = Table.make("moods", {
            id: Table.int.pipe(Table.primaryKey),
            mood: Table.enums("mood", ["sad", "fine", "glad"]).pipe(Table.withDefault("fine"))
          })
          const second = Versions.make(2, { fine }, { migrate: ["UPDATE moods SET mood = 'fine' WHERE mood = 'glad'"] })
          const { applied } = yield* Versions.up([first, second])
          expect(applied[0]?.changes.map(({ _tag }) => _tag)).toEqual(["AddEnumValue", "AlterColumn"])
          yield* Versions.check([first, second])
          const less = { moods: moods("glad", "fine") }
          const third = Versions.make(3, less)
          expect(yield* refusal(Versions.up([first, second, third]))).toMatchObject({ reason: "failed", version: 3 })
          const sure = Versions.make(3, less, { migrate: ["DELETE FROM moods WHERE mood = 'sad'"] })
          yield* Versions.up([first, second, sure])
          yield* Versions.check([first, second, sure])
          expect(yield* rows("SELECT * FROM moods")).toEqual([{ id: 2, mood: "fine" }])
        })
      )
  )

  it.live(
    "what is renamed keeps its rows, an index is built in the version's transaction, and the table of versions is where it is told",
    () =>
      on(postgres, () =>
        Effect.gen(function* () {
          yield* elsewhere
          yield* run(
            "CREATE SCHEMA kept",
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone TO %L', current_database(), 'Asia/Tokyo'); END $$"
          )
          const where = { table: "acme_version", schema: "kept" }
          const old = Versions.make(1, { people: Table.make("people", { id: Table.int, nick: Table.text }) })
          const people = Table.make(
            "persons",
            { id: Table.int, name: Table.text.pipe(Table.renamedFrom("nick")) },
            (c) => [Table.index([c.name], { concurrently: true })],
            { renamedFrom: "people" }
          )
          const renamed = Versions.make(2, { people }, { migrate: ["UPDATE persons SET name = upper(name)"] })
          expect(yield* Versions.current(where)).toBe(0)
          yield* Versions.up([old], where)
          yield* run("INSERT INTO people VALUES (1, 'ada')")
          yield* Versions.up([old, renamed], where)
          expect(yield* rows("SELECT * FROM persons")).toEqual([{ id: 1, name: "ADA" }])
          expect(yield* tables).toEqual(["persons"])
          yield* Versions.check([old, renamed], where)
          yield* run(
            "CREATE TABLE zoned (version bigint PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now(), note text)",
            "INSERT INTO zoned (version) VALUES (1)"
          )
          yield* Versions.up([old, renamed], { table: "zoned" })
          const kept = yield* Versions.status([old, renamed], where)
          const zoned = yield* Versions.status([old, renamed], { table: "zoned" })
          const all = [...kept.applied, ...zoned.applied]
          expect(all.map(({ version }) => version)).toEqual([1, 2, 1, 2])
          expect(all.filter(({ appliedAt }) => !(Math.abs(appliedAt.getTime() - Date.now()) < 1_200_000))).toEqual([])
        })
      )
  )

  it.live("an error that migrate swallows is a failure, and so is a transaction that it ends", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        const swallows = twoOf(Effect.ignore(run("INSERT INTO nowhere VALUES (1)")))
        const swallowed = yield* refusal(Versions.up([one, swallows]))
        expect(swallowed).toMatchObject({ reason: "failed", cause: { _tag: "TransactionAborted" } })
        expect(DatabaseError.find((swallowed.cause as DatabaseError.TransactionAborted).cause)?.reason).toContain(
          "nowhere"
        )
        expect(yield* tables).toEqual(["schema_version", "settings", "users"])
        expect((yield* refusal(Versions.up([one, twoOf(["COMMIT"])]))).message).toContain(
          "ended the transaction it ran in"
        )
        expect(yield* numbers).toEqual([1])
        const beside = yield* refusal(Versions.up([one, twoOf(run("ROLLBACK"))]))
        expect(beside).toMatchObject({ reason: "failed", version: 2 })
        expect(yield* numbers).toEqual([1])
      })
    )
  )

  it.live("a session killed in the middle leaves nothing, and the next run does it all", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        yield* Versions.up([one])
        const killed = twoOf(
          Effect.zipRight(run("UPDATE users SET name = 'x'"), run("SELECT pg_terminate_backend(pg_backend_pid())"))
        )
        const error = yield* refusal(Versions.up([one, killed]))
        expect(error).toMatchObject({ reason: "failed", version: 2 })
        expect(DatabaseError.find(error)?._tag).toBe("ConnectionError")
        expect(error.message).toContain("run again when the database is back")
        expect(yield* numbers).toEqual([1])
        expect((yield* Versions.up([one, two], { lockTimeout: "10 seconds" })).to).toBe(2)
      })
    )
  )

  it.live("a lock somebody's query holds is waited for by trying the whole version again", () =>
    on(postgres, (url) =>
      Effect.gen(function* () {
        yield* Versions.up([one])
        const locked = yield* Effect.makeLatch()
        const tried = yield* Effect.makeLatch()
        const holder = Effect.flatMap(SqlClient.SqlClient, (sql) =>
          sql.withTransaction(sql`LOCK TABLE settings`.pipe(Effect.zipRight(locked.open), Effect.zipRight(tried.await)))
        )
        yield* Effect.forkScoped(Effect.provide(holder, Database.layer({ url })))
        yield* locked.await
        let tries = 0
        const patient = Effect.gen(function* () {
          tries++
          if (tries === 2) yield* tried.open
          yield* run(`SET LOCAL lock_timeout = '${tries === 1 ? 50 : 5000}ms'`, "UPDATE settings SET value = 'x'")
        })
        expect(
          (yield* Versions.up([one, twoOf(Effect.zipRight(patient, run("UPDATE users SET name = 'x'")))])).to
        ).toBe(2)
        expect(tries).toBe(2)
      })
    )
  )
})
