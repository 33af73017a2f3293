/** Looking at a database that is not there: it is empty, and is not made by it. */
import * as fs from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Database, Migrator } from "effect-aquifer"
import { folder, reason, scratch, table } from "./support.js"

for (const scheme of ["sqlite", "pglite"]) {
  describe(`a database of ${scheme} that is not there`, () => {
    it.scopedLive("is empty for who looks, and made by who applies; a place that cannot be is told", () =>
      Effect.gen(function* () {
        const directory = yield* folder({ "1_a.sql": table("a"), "2_b.sql": table("b") })
        const place = yield* scratch
        const at = (name: string) => Database.layer({ url: `${scheme}:${path.join(place, name)}`, connect: "lazy" })
        yield* Effect.gen(function* () {
          expect(yield* Migrator.status({ directory })).toMatchObject({ applied: 0, pending: 2, atHead: false })
          expect(yield* Migrator.current({ directory })).toEqual([])
          expect(yield* Migrator.history({ directory })).toEqual([])
          expect((yield* Migrator.plan({ directory })).revisions.map(({ id }) => id)).toEqual(["1", "2"])
          expect((yield* Migrator.plan({ directory, direction: "down", to: "base" })).revisions).toEqual([])
          expect(yield* Migrator.down({ directory })).toMatchObject({ reverted: [], already: 0 })
          expect(yield* reason(Migrator.repair({ directory, forget: ["1"] }))).toBe("unknown-revision")
          expect(fs.readdirSync(place)).toEqual([])
          if (scheme === "sqlite") {
            expect((yield* Migrator.up({ directory })).applied).toHaveLength(2)
            expect(yield* Migrator.status({ directory })).toMatchObject({ applied: 2, atHead: true })
          }
        }).pipe(Effect.provide(at("data")))
        const nowhere = Effect.provide(Effect.flip(Migrator.status({ directory })), at("no/data"))
        expect((yield* nowhere)._tag).toMatch(/^(DatabaseNotFound|ConnectionError)$/)
        fs.writeFileSync(path.join(place, "text"), "no database")
        const foreign = Effect.provide(Effect.flip(Migrator.status({ directory })), at("text"))
        expect((yield* foreign)._tag).toBe("DatabaseNotFound")
        expect(fs.readFileSync(path.join(place, "text"), "utf8")).toBe("no database")
      })
    )
  })
}
