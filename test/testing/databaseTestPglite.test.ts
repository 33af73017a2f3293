/** Test databases on PGlite. */
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { Migration, Migrator, Operations, Table } from "effect-aquifer"
import { DatabaseTest } from "effect-aquifer/testing"
import { add, migrations, server, words } from "./databaseTestSupport.js"

describe("DatabaseTest.pglite", () => {
  it.live(
    "builds with the same contents begin as copies of one, which nobody has touched",
    () =>
      Effect.gen(function* () {
        let seeded = 0
        const loader = Migrator.fromRecord({
          "0001_words": Migration.make({
            up: Operations.createTable(Table.make("words", { id: Table.int.pipe(Table.primaryKey), word: Table.text }))
          })
        })
        const seed = Effect.zipRight(
          Effect.sync(() => seeded++),
          add(0, "seeded")
        )
        const layer = DatabaseTest.pglite({ migrations: { loader }, seed })
        const both = yield* Deferred.make<void>()
        let live = 0
        const one = (id: number) =>
          Effect.gen(function* () {
            yield* add(id, `word ${id}`)
            if (++live === 2) yield* Deferred.succeed(both, undefined)
            yield* Deferred.await(both)
            return yield* words
          }).pipe(Effect.provide(Layer.fresh(layer)))
        const seen = yield* Effect.all([one(1), one(2)], { concurrency: "unbounded" })
        expect(seen).toEqual([
          ["seeded", "word 1"],
          ["seeded", "word 2"]
        ])
        expect(yield* Effect.provide(words, layer)).toEqual(["seeded"])
        expect(seeded).toBe(1)
        const other = DatabaseTest.pglite({ migrations: { loader } })
        expect(yield* Effect.provide(words, other)).toEqual([])
      }),
    60_000
  )

  it.live(
    "whoever is interrupted leaves its turn to the next",
    () =>
      Effect.gen(function* () {
        const layer = DatabaseTest.pglite()
        const build = Effect.scoped(Layer.build(Layer.fresh(layer)))
        for (let round = 0; round < 3; round++) {
          const fiber = yield* Effect.fork(build)
          yield* Effect.sleep(round * 150)
          yield* Fiber.interrupt(fiber)
        }
        yield* build
      }),
    60_000
  )

  it.effect(
    "the same program runs on all three",
    () =>
      Effect.gen(function* () {
        const { url } = yield* server
        const given = { migrations: { directory: yield* migrations() }, seed: add(1, "one") }
        const program = DatabaseTest.sandbox(Effect.zipRight(add(2, "two"), words))
        for (const layer of [
          DatabaseTest.sqlite(given),
          DatabaseTest.pglite(given),
          DatabaseTest.postgres({ ...given, url })
        ]) {
          expect(yield* Effect.provide(Effect.zip(program, words), layer)).toEqual([["one", "two"], ["one"]])
        }
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(
    "a failing migration is the layer's failure",
    () =>
      Effect.gen(function* () {
        const layer = DatabaseTest.pglite({
          migrations: { directory: yield* migrations("CREATE TABLE words (id nonsense)") }
        })
        for (const again of [layer, layer]) {
          expect(yield* Effect.flip(Layer.build(again))).toMatchObject({ _tag: "MigrationError", reason: "failed" })
        }
      }).pipe(Effect.scoped),
    60_000
  )
})
