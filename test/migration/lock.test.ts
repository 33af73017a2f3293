import * as fs from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { Database, DatabaseError, type Dialect, Migration, Migrator } from "effect-aquifer"
import * as Lock from "../../src/migration/Lock.js"
import { program, runner } from "./processes.js"
import { folder, ledger, on, products, reason, refusal, table, tables } from "./support.js"

const names = ["a", "b", "c", "d", "e"]
const five = Object.fromEntries(names.map((name, i) => [`${i + 1}_${name}.sql`, table(name)]))

/** A lock another holds for ever, and how often it was asked for. */
const held = () => {
  const asked: Array<number> = []
  const dialect = {
    migrationLock: () =>
      Effect.flatMap(Effect.clock, (clock) => {
        asked.push(clock.unsafeCurrentTimeMillis())
        return Effect.fail(
          new DatabaseError.LockTimeoutError({ operation: "lock", reason: "held", detail: "somebody" })
        )
      })
    // Nothing else of a dialect is looked at.
  } as unknown as Dialect.Dialect
  return { asked, lock: Lock.hold(dialect, {} as Dialect.DriverConnection, "ledger", { limit: Duration.minutes(1) }) }
}

describe("waiting for the lock", () => {
  it.scoped("ends when told, having asked ever less often, with the holder's name", () =>
    Effect.gen(function* () {
      const { asked, lock } = held()
      const waiting = yield* Effect.fork(refusal(lock))
      yield* TestClock.adjust("59 seconds")
      expect(Option.isNone(yield* Fiber.poll(waiting))).toBe(true)
      yield* TestClock.adjust("1 seconds")
      const error = yield* Fiber.join(waiting)
      expect(error.reason).toBe("locked")
      expect(error.message).toContain("somebody holds the migration lock of ledger")
      expect(error.message).toContain("lockTimeout")
      expect(asked.at(-1)).toBe(60_000)
      expect(asked.slice(1).every((at, i) => at - (asked[i] ?? 0) <= 500)).toBe(true)
      expect(asked.length).toBeLessThan(140)
    })
  )

  it.scoped("can be interrupted", () =>
    Effect.gen(function* () {
      const waiting = yield* Effect.fork(held().lock)
      yield* TestClock.adjust("3 seconds")
      expect(Exit.isInterrupted(yield* Fiber.interrupt(waiting))).toBe(true)
    })
  )
})

for (const product of products) {
  describe(`the migration lock on ${product.name}`, () => {
    it.live("lets one of many runners apply, and the others find everything done", () =>
      on(product, (url) =>
        Effect.gen(function* () {
          const directory = yield* folder(five)
          const run = Effect.provide(Migrator.up({ directory }), Database.layer({ url }))
          const reports = yield* Effect.all(
            Array.from({ length: 6 }, () => run),
            { concurrency: "unbounded" }
          )
          expect(reports.map((report) => report.applied.length).sort()).toEqual([0, 0, 0, 0, 0, 5])
          expect(yield* tables).toEqual(names)
          expect(yield* ledger).toEqual(names.map((_, i) => `${i + 1} applied 0`))
        })
      )
    )

    it.live("names who holds it when the wait is over", () =>
      on(product, (url) =>
        Effect.gen(function* () {
          const started = yield* Effect.makeLatch()
          const up = Effect.zipRight(started.open, Effect.never)
          const loader = Migrator.fromRecord({ "1_x": Migration.make({ up }) })
          const holder = Effect.provide(
            Migrator.up({ loader }),
            Database.layer({ url, applicationName: "the other one" })
          )
          yield* Effect.forkScoped(holder)
          yield* started.await
          const error = yield* refusal(Migrator.up({ loader, lockTimeout: "100 millis" }))
          expect(error.reason).toBe("locked")
          expect(error.message).toContain("holds the migration lock of aquifer_migrations")
          expect(error.message).toMatch(/^the other one \(process \d+/)
        })
      )
    )

    it.live("two ledgers do not wait for each other", () =>
      on(product, (url) =>
        Effect.gen(function* () {
          const started = yield* Effect.makeLatch()
          const holding = Migrator.fromRecord({
            "1_x": Migration.make({ up: Effect.zipRight(started.open, Effect.never), transaction: false })
          })
          yield* Effect.forkScoped(Effect.provide(Migrator.up({ loader: holding }), Database.layer({ url })))
          yield* started.await
          const loader = Migrator.fromRecord({ "1_y": Migration.make({ up: Effect.void }) })
          expect(yield* reason(Migrator.up({ loader, lockTimeout: 0 }))).toBe("locked")
          expect((yield* Migrator.up({ loader, lockTimeout: 0, table: "other" })).applied).toHaveLength(1)
        })
      )
    )

    it.live(
      "holds between processes: one of four applies",
      () =>
        on(product, (url) =>
          Effect.gen(function* () {
            const directory = yield* folder(five)
            const go = path.join(directory, "_go")
            const file = yield* program
            const runners = yield* Effect.all(Array.from({ length: 4 }, () => runner(file, url, directory, go)))
            yield* Effect.forEach(runners, (child) => child.hears("ready"))
            fs.writeFileSync(go, "")
            const codes = yield* Effect.forEach(runners, (child) => child.ended)
            expect(codes, runners.map((child) => child.said()).join("\n")).toEqual([0, 0, 0, 0])
            const said = runners.map((child) => child.said().match(/applied \d+/)?.[0])
            expect(said.sort()).toEqual(["applied 0", "applied 0", "applied 0", "applied 5"])
            expect(yield* tables).toEqual(names)
          })
        ),
      60_000
    )

    it.live(
      "is free again when its holder is killed, and the next runner finishes",
      () =>
        on(product, (url) =>
          Effect.gen(function* () {
            const directory = yield* folder({
              ...five,
              "3_c.ts": `
import * as fs from "node:fs"
import { Migration, Operations, Table } from "effect-aquifer"
import * as Effect from "effect/Effect"
const stuck = Effect.suspend(() => {
  if (!fs.existsSync(new URL("./_go", import.meta.url))) return Effect.void
  process.stdout.write("in the middle\\n")
  return Effect.never
})
export default Migration.make({
  up: Effect.zipRight(Operations.createTable(Table.make("c", { id: Table.int.pipe(Table.primaryKey) })), stuck)
})`
            })
            fs.rmSync(path.join(directory, "3_c.sql"))
            const go = path.join(directory, "_go")
            fs.writeFileSync(go, "")
            const child = yield* runner(yield* program, url, directory, go)
            yield* child.hears("in the middle")
            expect(child.said()).toContain("in the middle")
            child.kill()
            yield* child.ended
            fs.rmSync(go)
            const report = yield* Migrator.up({ directory, lockTimeout: "20 seconds" })
            expect(report).toMatchObject({ already: 2, applied: [{ id: "3" }, { id: "4" }, { id: "5" }] })
            expect(yield* tables).toEqual(names)
          })
        ),
      60_000
    )
  })
}

describe("the name beside a file's lock", () => {
  it.live("goes with its holder, and one that was left behind names nobody", () =>
    on(products[0] as (typeof products)[0], (url) =>
      Effect.gen(function* () {
        const name = `${url.slice("sqlite:".length)}-aquifer_migrations.lock-holder`
        fs.writeFileSync(name, "somebody killed")
        const said: Array<string> = []
        const up = Effect.sync(() => said.push(fs.readFileSync(name, "utf8")))
        yield* Migrator.up({ loader: Migrator.fromRecord({ "1_x": Migration.make({ up }) }), lockTimeout: 0 })
        expect(said).toEqual([expect.stringContaining(`process ${process.pid} on `)])
        expect(fs.existsSync(name)).toBe(false)
      })
    )
  )
})
