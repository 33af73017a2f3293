import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Migrator } from "effect-aquifer"
import {
  everywhere,
  folder,
  ledger,
  on,
  prepare,
  put,
  reason,
  refusal,
  remove,
  rows,
  table,
  tables
} from "./support.js"

const three = { "1_a.sql": table("a"), "2_b.sql": table("b"), "3_c.sql": table("c") }

for (const product of everywhere) {
  describe(`files and ledger on ${product.name}`, () => {
    prepare(product)
    it.live("a changed file is found out, and can be accepted", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder(three)
          yield* Migrator.up({ directory })
          yield* put(directory, { "2_b.sql": `${table("b")}-- changed`, "4_d.sql": table("d") })
          const error = yield* refusal(Migrator.up({ directory }))
          expect(error).toMatchObject({ reason: "changed", revision: "2_b" })
          expect(error.message).toContain("2_b.sql")
          expect(error.message).toContain("Migrator.repair({ accept })")
          expect((yield* Migrator.status({ directory })).revisions.map((line) => line.standing)).toEqual([
            "applied",
            "changed",
            "applied",
            "pending"
          ])
          expect(yield* tables).toEqual(["a", "b", "c"])
          yield* Migrator.repair({ directory, accept: ["2"] })
          expect((yield* Migrator.up({ directory })).applied.map((done) => done.id)).toEqual(["4"])
        })
      )
    )

    it.live("another migration of the same id is not taken for the one that is applied, and can be accepted", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder(three)
          yield* Migrator.up({ directory })
          yield* remove(directory, "2_b.sql")
          yield* put(directory, { "2_other.ts": "export default { up: () => { throw new Error('never imported') } }" })
          const error = yield* refusal(Migrator.up({ directory }))
          expect(error).toMatchObject({ reason: "changed", revision: "2_other" })
          expect(error.message).toContain("2_b (sql)")
          yield* remove(directory, "2_other.ts")
          yield* put(directory, { "2_b.ts": "export default { up: () => { throw new Error('never imported') } }" })
          expect((yield* Migrator.up({ directory })).already).toBe(3)
          yield* remove(directory, "2_b.ts")
          yield* put(directory, { "2_other.ts": "export default { up: () => { throw new Error('never imported') } }" })
          yield* Migrator.repair({ directory, accept: ["2"] })
          expect((yield* Migrator.up({ directory })).already).toBe(3)
        })
      )
    )

    it.live("other line ends are no change", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder(three)
          yield* Migrator.up({ directory })
          yield* put(directory, { "2_b.sql": table("b").replaceAll("\n", "\r\n") })
          expect((yield* Migrator.up({ directory })).already).toBe(3)
        })
      )
    )

    it.live("a file gone from the middle is found out, and can be forgotten", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder(three)
          yield* Migrator.up({ directory })
          yield* remove(directory, "2_b.sql")
          expect(yield* refusal(Migrator.up({ directory }))).toMatchObject({ reason: "missing-file", revision: "2_b" })
          expect(yield* reason(Migrator.down({ directory, steps: 2 }))).toBe("missing-file")
          yield* Migrator.repair({ directory, forget: ["2_b"] })
          expect((yield* Migrator.up({ directory })).already).toBe(2)
          expect(yield* reason(Migrator.repair({ directory, forget: ["9"] }))).toBe("unknown-revision")
        })
      )
    )

    it.live("a ledger ahead of the files: up fails, the layer goes on", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder(three)
          yield* Migrator.up({ directory })
          yield* remove(directory, "3_c.sql")
          const error = yield* refusal(Migrator.up({ directory }))
          expect(error.reason).toBe("ahead")
          expect(error.message).toContain("3_c")
          expect((yield* Migrator.status({ directory })).revisions.at(-1)).toMatchObject({ id: "3", standing: "ahead" })
          yield* Effect.void.pipe(Effect.provide(Migrator.layer({ directory })))
        })
      )
    )

    it.live("what comes before an applied revision is refused, and run only when allowed", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder({ "1_a.sql": table("a"), "3_c.sql": table("c") })
          yield* Migrator.up({ directory })
          yield* put(directory, { "2_b.sql": table("b") })
          const error = yield* refusal(Migrator.up({ directory }))
          expect(error).toMatchObject({ reason: "out-of-order", revision: "2_b" })
          expect(error.message).toContain("3_c")
          expect(error.message).toContain("allowOutOfOrder")
          expect(yield* tables).toEqual(["a", "c"])
          yield* Migrator.up({ directory, allowOutOfOrder: true })
          expect(yield* ledger).toEqual(["1 applied 0", "3 applied 0", "2 applied 0"])
        })
      )
    )

    it.live("several heads are refused, and one of them can be gone to", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder({
            "1_a.sql": table("a"),
            "2_b.sql": `-- revises: 1\n${table("b")}`,
            "3_c.sql": `-- revises: 1\n${table("c")}`
          })
          expect(yield* reason(Migrator.up({ directory }))).toBe("several-heads")
          expect(yield* tables).toEqual([])
          expect((yield* Migrator.up({ directory, to: "3" })).applied.map((done) => done.id)).toEqual(["1", "3"])
          yield* put(directory, { "4_d.sql": `-- revises: 2, 3\n${table("d")}` })
          expect((yield* Migrator.up({ directory })).applied.map((done) => done.id)).toEqual(["2", "4"])
          expect(yield* rows("SELECT parents FROM aquifer_migrations WHERE id = '4'")).toEqual([
            { parents: `["2","3"]` }
          ])
        })
      )
    )
  })
}
