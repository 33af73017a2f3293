/** Migrations by several commands at once on a PGlite folder, which one process has at a time. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { driver } from "./command.js"
import { project, tables } from "./migrations.js"

describe.each(["up", "to head"])("aquifer migrate %s on a PGlite folder", (way) => {
  it.scopedLive(
    "waits for whoever has it: of three at once one applies, all succeed",
    () =>
      Effect.gen(function* () {
        const { json } = driver(yield* project(tables(2)), { DATABASE_URL: "pglite:data" })
        const ups = yield* Effect.replicateEffect(json("migrate", ...way.split(" ")), 3, { concurrency: 3 })
        for (const { code, err } of ups) {
          expect(code, err).toBe(0)
          // Whoever waited has said for whom, and nothing else.
          expect(err).toMatch(/^(.*Waiting for the database, held by process \d+"\n)*$/)
        }
        const applied = ups.map(({ out }) => (out as { readonly applied: ReadonlyArray<unknown> }).applied.length)
        expect(applied.sort()).toEqual([0, 0, 2])
      }),
    600_000
  )
})
