/** What a person may say to name a place in the history, and files that are written into it. */
import * as fs from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { Migrator } from "effect-aquifer"
import * as Graph from "../../src/migration/Graph.js"
import { folder, ledger, on, products, put, reason, refusal, scratch, table, tables } from "./support.js"

const [sqlite] = products as [(typeof products)[0], ...typeof products]

/** 1 - 2 - 3 and 2 - 4, joined by 5. */
const forked = {
  "1_a.sql": table("a"),
  "2_b.sql": table("b"),
  "3_c.sql": `-- revises: 2\n${table("c")}`,
  "4_d.sql": `-- revises: 2\n${table("d")}`
}
const joined = { ...forked, "5_e.sql": `-- revises: 3, 4\n${table("e")}` }

const graphOf = (files: Readonly<Record<string, string>>) =>
  Effect.scoped(Effect.flatMap(folder(files), (at) => Effect.flatMap(Migrator.fromDirectory(at), Graph.make)))

describe("a place in the history", () => {
  it.live("is named by an id, its beginning, base, head, heads, steps, and steps from any of these", () =>
    Effect.gen(function* () {
      const graph = yield* graphOf(joined)
      const target = (text: string) =>
        Either.match(Graph.target(graph, text), {
          onLeft: (error) => error.reason,
          onRight: (found) => (found._tag === "at" ? found.ids.join() : found._tag === "base" ? "base" : found.steps)
        })
      expect(
        ["base", "head", "heads", "+2", "-3", "4", "4_d", "1_", "head-0", "5+0", "base+2", "2-1", "2-2", "1+1"].map(
          target
        )
      ).toEqual(["base", "5", "5", 2, -3, "4", "4", "1", "5", "5", "2", "1", "base", "2"])
      // Joined from two, followed by two: which one is meant is not ours to choose.
      expect(["head-1", "2+1", "2-3", "head+1", "9", "", "9-1"].map(target)).toEqual([
        "ambiguous-revision",
        "ambiguous-revision",
        "unknown-revision",
        "unknown-revision",
        "unknown-revision",
        "unknown-revision",
        "unknown-revision"
      ])
      const several = Either.getOrThrow(Either.flip(Graph.target(yield* graphOf(forked), "head")))
      expect(several.message).toContain("3_c, 4_d")
      expect(several.message).toContain("Migrator.merge")
    })
  )

  it.live("ends, forks and joins are told without a database", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const directory = yield* folder(forked)
        const ids = (all: ReadonlyArray<Migrator.Place>) => all.map((one) => one.id)
        expect(ids(yield* Migrator.heads({ directory }))).toEqual(["3", "4"])
        expect(ids(yield* Migrator.branches({ directory }))).toEqual(["2"])
        yield* put(directory, { "5_e.sql": joined["5_e.sql"] })
        expect(ids(yield* Migrator.heads({ directory }))).toEqual(["5"])
        const places = yield* Migrator.graph({ directory })
        expect(places.map((one) => [one.id, one.isBase, one.isHead, one.isBranchPoint, one.isMergePoint])).toEqual([
          ["1", true, false, false, false],
          ["2", false, false, true, false],
          ["3", false, false, false, false],
          ["4", false, false, false, false],
          ["5", false, true, false, true]
        ])
        expect(yield* Migrator.show("head", { directory })).toMatchObject([{ id: "5", text: joined["5_e.sql"] }])
      })
    )
  )
})

for (const product of products) {
  describe(`going there on ${product.name}`, () => {
    it.live("by steps, from where the database is or from a revision", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder(joined)
          const at = { directory }
          expect((yield* Migrator.up({ ...at, to: "+2" })).applied.map((done) => done.id)).toEqual(["1", "2"])
          expect((yield* Migrator.to("base+1", at)).reverted.map((done) => done.id)).toEqual(["2"])
          expect((yield* Migrator.to("+1", at)).applied.map((done) => done.id)).toEqual(["2"])
          expect((yield* Migrator.up({ ...at, to: "head" })).applied.map((done) => done.id)).toEqual(["3", "4", "5"])
          expect((yield* Migrator.down({ ...at, to: "-2" })).reverted.map((done) => done.id)).toEqual(["5", "4"])
          // Not an ancestor of 4: going there takes it back.
          expect(yield* Migrator.to("4", at)).toMatchObject({ reverted: [{ id: "3" }], applied: [{ id: "4" }] })
          expect((yield* Migrator.current(at)).map((line) => line.id)).toEqual(["4"])
          expect((yield* Migrator.to("-1", at)).reverted).toHaveLength(1)
          expect(yield* tables).toEqual(["a", "b"])
        })
      )
    )

    it.live("the wrong way round, or no number of steps, is refused and nothing is done", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder(joined)
          yield* Migrator.up({ directory })
          expect(yield* reason(Migrator.up({ directory, to: "-1" }))).toBe("unknown-revision")
          expect(yield* reason(Migrator.up({ directory, to: "base" }))).toBe("unknown-revision")
          expect(yield* reason(Migrator.down({ directory, to: "+1" }))).toBe("unknown-revision")
          expect(yield* reason(Migrator.down({ directory, steps: -1 }))).toBe("unknown-revision")
          expect(yield* reason(Migrator.up({ directory, steps: 1.5 }))).toBe("unknown-revision")
          expect(yield* tables).toHaveLength(5)
        })
      )
    )

    it.live("several ends: up says what to do, heads takes them all, and merge joins them", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder(forked)
          expect(yield* reason(Migrator.up({ directory }))).toBe("several-heads")
          expect((yield* Migrator.up({ directory, to: "heads" })).applied).toHaveLength(4)
          expect((yield* Migrator.current({ directory })).map((line) => [line.id, line.isHead])).toEqual([
            ["3", true],
            ["4", true]
          ])
          const merged = yield* Migrator.merge({ directory })
          expect(merged).toMatchObject({ id: "0005", name: "merge", revises: ["3", "4"] })
          expect((yield* Migrator.up({ directory })).applied.map((done) => done.id)).toEqual(["0005"])
          expect((yield* Migrator.down({ directory })).reverted.map((done) => done.id)).toEqual(["0005"])
          expect(yield* reason(Migrator.merge({ directory }))).toBe("not-written")
        })
      )
    )

    it.live("several folders make one history", () =>
      on(product, () =>
        Effect.gen(function* () {
          const one = yield* folder({ "1_a.sql": table("a"), "3_c.sql": table("c") })
          const two = yield* folder({ "2_b.sql": table("b") })
          const directory = [one, two]
          expect((yield* Migrator.up({ directory })).applied.map((done) => done.id)).toEqual(["1", "2", "3"])
          yield* put(two, { "3_x.sql": table("x") })
          expect(yield* reason(Migrator.up({ directory }))).toBe("duplicate-id")
        })
      )
    )
  })
}

describe("a new revision", () => {
  it.live("is numbered like the newest, follows it without a word, and can be applied at once", () =>
    on(sqlite, () =>
      Effect.gen(function* () {
        const at = yield* scratch
        const directory = path.join(at, "migrations")
        fs.symlinkSync(path.resolve(import.meta.dirname, "../../node_modules"), path.join(at, "node_modules"))
        const first = yield* Migrator.create({ directory, name: "Create Users (ü)!" })
        expect(first).toMatchObject({ id: "0001", name: "create_users_u", revises: [] })
        expect(path.basename(first.file)).toBe("0001_create_users_u.ts")
        const second = yield* Migrator.create({ directory, name: "add logs", kind: "sql" })
        expect(second).toMatchObject({ id: "0002", revises: ["0001"] })
        const third = yield* Migrator.create({
          directory,
          name: "rows",
          up: `Operations.execute("CREATE TABLE r (id integer)")`,
          down: `Operations.dropTable("r")`,
          transaction: false
        })
        const text = fs.readFileSync(path.join(directory, path.basename(third.file)), "utf8")
        expect(text).toBe(`import { Migration, Operations } from "effect-aquifer"

export default Migration.make({
  up: Operations.execute("CREATE TABLE r (id integer)"),
  down: Operations.dropTable("r"),
  transaction: false
})
`)
        expect((yield* Migrator.up({ directory })).applied).toHaveLength(3)
        expect(yield* tables).toEqual(["r"])
        expect((yield* Migrator.to("base", { directory })).reverted).toHaveLength(3)
        expect(yield* tables).toEqual([])
        expect(yield* ledger).toEqual([])
      })
    )
  )

  it.live("says what it follows where the order of names does not", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const directory = yield* folder(forked)
        expect(yield* reason(Migrator.create({ directory, name: "x", kind: "sql" }))).toBe("several-heads")
        const made = yield* Migrator.create({ directory, name: "x", kind: "sql", revises: ["3"], dependsOn: ["4"] })
        expect(fs.readFileSync(path.join(directory, "0005_x.sql"), "utf8")).toMatch(
          /^-- revises: 3\n-- depends-on: 4\n-- migrate:up\n/
        )
        expect(made.revises).toEqual(["3"])
        expect((yield* Migrator.heads({ directory })).map((one) => one.id)).toEqual(["4", "0005"])
      })
    )
  )

  it.live("takes timestamps where timestamps are, always behind the newest", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const directory = yield* folder({ "20260102030405_a.sql": table("a") })
        const dated = yield* Migrator.create({ directory, name: "b", kind: "sql" })
        expect(dated.id).toMatch(/^20\d{12}$/)
        yield* put(directory, { "99990101000000_z.sql": table("z") })
        expect((yield* Migrator.create({ directory, name: "c", kind: "sql" })).id).toBe("99990101000001")
      })
    )
  )

  it.live("is never written over a file, nor without a name, nor where nothing can be written", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const directory = yield* folder({ "1_a.sql": table("a") })
        expect(yield* reason(Migrator.create({ directory, name: " ?! " }))).toBe("not-written")
        const into = path.join(directory, "1_a.sql")
        const error = yield* refusal(Migrator.create({ directory, name: "x", into }))
        expect(error.reason).toBe("not-written")
        expect(yield* reason(Migrator.create({ directory, name: "x", revises: ["7"] }))).toBe("unknown-revision")
        expect(fs.readdirSync(directory)).toEqual(["1_a.sql"])
      })
    )
  )
})
