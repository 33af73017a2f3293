/** A PGlite folder, which one process has at a time: whoever migrates waits for it as for the migration lock. */
import * as fs from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Database, Migrator } from "effect-aquifer"
import { program, runner } from "./processes.js"
import { folder, ledger, refusal, scratch, table, tables } from "./support.js"

const names = ["a", "b", "c", "d", "e"]
const five = Object.fromEntries(names.map((name, i) => [`${i + 1}_${name}.sql`, table(name)]))
/** Each of them starts the program, one after the other: seconds of work for one processor, which others may have. */
const limit = 900_000

const there = (url: string) => Database.layer({ url, connect: "lazy" })

describe("a PGlite folder in other processes' hands", () => {
  it.scopedLive(
    "10 processes at once: one applies, all succeed",
    () =>
      Effect.gen(function* () {
        const directory = yield* folder(five)
        const url = `pglite:${path.join(yield* scratch, "data")}`
        const go = path.join(directory, "_go")
        const file = yield* program
        const children = yield* Effect.all(Array.from({ length: 10 }, () => runner(file, url, directory, go)))
        yield* Effect.forEach(children, (child) => child.hears("ready"))
        fs.writeFileSync(go, "")
        const codes = yield* Effect.forEach(children, (child) => child.ended, { concurrency: "unbounded" })
        expect(codes, children.map((child) => child.said()).join("\n")).toEqual(Array.from({ length: 10 }, () => 0))
        const said = children.map((child) =>
          child
            .said()
            .match(/applied (\d+) already (\d+)/)
            ?.slice(1)
            .join(" ")
        )
        expect(said.sort()).toEqual([...Array.from({ length: 9 }, () => "0 5"), "5 0"])
        yield* Effect.gen(function* () {
          expect(yield* tables).toEqual(names)
          expect(yield* ledger).toEqual(names.map((_, i) => `${i + 1} applied 0`))
        }).pipe(Effect.provide(there(url)))
      }),
    limit
  )

  it.scopedLive(
    "the wait is shown, ends when told with the holder's name, and can be interrupted; who only looks does not wait",
    () =>
      Effect.gen(function* () {
        const data = path.join(yield* scratch, "data")
        const url = `pglite:${data}`
        const directory = yield* folder({
          "1_stuck.ts": `
import { Migration } from "effect-aquifer"
import * as Effect from "effect/Effect"
export default Migration.make({
  up: Effect.zipRight(Effect.sync(() => process.stdout.write("in the middle\\n")), Effect.never)
})`
        })
        const go = path.join(directory, "_go")
        fs.writeFileSync(go, "")
        const child = yield* runner(yield* program, url, directory, go)
        yield* child.hears("in the middle")
        const holder = `process ${fs.readFileSync(`${data}.lock`, "utf8").split("\n")[0]}`
        const other = yield* folder(five)
        const waits: Array<string> = []
        const onEvent = (event: { readonly _tag: string; readonly holder?: string }) =>
          Effect.sync(() => waits.push(`${event._tag} ${event.holder}`))
        yield* Effect.gen(function* () {
          const refused = yield* refusal(Migrator.up({ directory: other, lockTimeout: "300 millis", onEvent }))
          expect(refused).toMatchObject({ reason: "locked", cause: { _tag: "TooManyConnections" } })
          expect(refused.message).toContain(`${holder} holds the database, and did so for 300ms`)
          expect(new Set(waits)).toEqual(new Set([`waiting ${holder}`]))
          expect(yield* refusal(Migrator.stamp("head", { directory: other, lockTimeout: 0 }))).toMatchObject({
            reason: "locked"
          })
          expect(yield* Effect.flip(Migrator.status({ directory: other }))).toMatchObject({
            _tag: "TooManyConnections"
          })
          const waiting = yield* Effect.fork(Migrator.up({ directory: other, lockTimeout: "1 hour" }))
          yield* Effect.sleep("50 millis")
          yield* Fiber.interrupt(waiting)
          // Whoever waited has it when its holder is gone.
          const next = yield* Effect.fork(Migrator.up({ directory: other, lockTimeout: "1 hour" }))
          yield* Effect.sleep("50 millis")
          child.kill()
          expect((yield* Fiber.join(next)).applied).toHaveLength(5)
        }).pipe(Effect.provide(there(url)))
      }),
    limit
  )

  it.scopedLive(
    "in this very process's hands it is not waited for",
    () =>
      Effect.gen(function* () {
        const url = `pglite:${path.join(yield* scratch, "data")}`
        const directory = yield* folder(five)
        const inside = Effect.provide(Effect.flip(Migrator.up({ directory, lockTimeout: "1 hour" })), there(url))
        const error = yield* Effect.provide(Effect.zipRight(Migrator.up({ directory }), inside), there(url))
        expect(error).toMatchObject({ _tag: "TooManyConnections" })
      }),
    limit
  )
})
