/** Changes written as a program: loaded again they are the same, whatever things are called; it compiles; it is formatted. */
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { promisify } from "node:util"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { Change, LiveSchema, Migrator, Operations } from "effect-aquifer"
import * as fc from "fast-check"
import { ddl as postgres } from "../../../src/dialect/postgres/ddl.js"
import { ddl as sqlite } from "../../../src/dialect/sqlite/ddl.js"
import { body } from "../../../src/migration/autogenerate/program.js"
import { describe as inWords } from "../../../src/migration/autogenerate/words.js"
import type { ForeignKey, Named, NamedColumn, TableConstraint } from "../../../src/model/Table.js"
import { plain } from "../../../src/schema/source/columns.js"
import { compiled } from "../../support/compiled.js"
import { folder, scratch } from "../support.js"
import { change } from "./changes.js"

const project = path.resolve(import.meta.dirname, "../../..")

/** Without what is no part of what a product renders, and with a table's constraints in one order. */
const normal = (one: Change.Change): Change.Change => {
  const { was: _, ...bare } = { was: undefined, ...one } as { was?: unknown } & Change.Change
  const flagless = (c: NamedColumn) => ({ ...plain(c), primaryKey: c.primaryKey === true, unique: c.unique === true })
  if (bare._tag === "AddColumn") return { ...bare, column: flagless(bare.column) } as never
  if (bare._tag === "CreateIndex") return { ...bare, index: { ...bare.index, unique: bare.index.unique === true } }
  if (bare._tag === "AddConstraint") return { ...bare, constraint: validity(bare.constraint) }
  if (bare._tag !== "CreateTable") return bare as Change.Change
  const { table } = bare
  return {
    ...bare,
    table: {
      ...table,
      columns: table.columns.map((c) => {
        const { check: _, primaryKey: __, references: ___, unique: ____, ...own } = plain(c)
        return own
      }),
      constraints: table.constraints.map(validity).sort((a, b) => (a.name < b.name ? -1 : 1)),
      indexes: table.indexes.map((index) => ({ ...index, unique: index.unique === true }))
    }
  }
}

/** Not said is looked at. */
const validity = (one: Named<TableConstraint>): Named<TableConstraint> =>
  one.kind === "foreign key" ? { ...one, notValid: one.notValid === true } : one

const texts = (one: Change.Change): ReadonlyArray<unknown> =>
  [postgres, sqlite].map((ddl) => {
    try {
      return ddl(normal(one), LiveSchema.empty)
    } catch (error) {
      return String(error)
    }
  })

/** The file's text, its warnings those of nobody. */
const written = (changes: ReadonlyArray<Change.Change>, direction: "up" | "down" = "up") =>
  Either.getOrThrow(
    body(
      changes.map((change) => ({ change, warning: `Danger: ${inWords(change)}` })),
      direction
    )
  )

let number = 0
const file = (changes: ReadonlyArray<Change.Change>) =>
  Effect.gen(function* () {
    const directory = yield* folder({})
    const bare = Either.getOrThrow(
      body(
        changes.slice(0, 1).map((change) => ({ change })),
        "up"
      )
    )
    const created = yield* Migrator.create({
      directory,
      name: `x${number++}`,
      up: bare,
      down: written(changes, "down")
    })
    return { directory, path: path.join(directory, path.basename(created.file)) }
  })

/** What an effect of a migration applies. */
const applied = (effect: Effect.Effect<unknown, unknown, never>) => {
  const found: Array<Change.Change> = []
  return Effect.as(
    Effect.provideService(effect, Operations.Operations, {
      apply: (change: Change.Change) => Effect.sync(() => void found.push(change))
    }),
    found
  )
}

const loaded = (directory: string) =>
  Effect.gen(function* () {
    const [revision] = yield* Migrator.fromDirectory(directory)
    if (revision === undefined) throw new Error("there is no file")
    const { down, up } = yield* revision.load
    if (up._tag !== "effect" || down?._tag !== "effect") throw new Error("it is no program")
    // Nothing but operations stands in it.
    return { up: yield* applied(up.effect as never), down: yield* applied(down.effect as never) }
  })

const word = (_tag: "date" | "uuid", value: string) =>
  Change.make.AddColumn({
    table: "t",
    column: { name: "a", type: { _tag }, nullable: false, default: { _tag: "value", value } }
  })

const pointing = (more: Partial<ForeignKey>) =>
  Change.make.CreateTable({
    table: {
      name: "t",
      columns: [{ name: "a", type: { _tag: "text" }, nullable: false }],
      constraints: [
        {
          kind: "foreign key",
          columns: ["a"],
          table: "u",
          targets: ["b"],
          name: "t_a_fkey",
          ...more
        } as Named<ForeignKey>
      ],
      indexes: []
    },
    ifNotExists: false
  })

/** Defaults that are words for something else, and references that a column has no words for. */
const rare = [word("date", "now"), word("uuid", "uuid"), pointing({ targets: ["b.c"] }), pointing({ notValid: true })]

describe("a program", () => {
  it("gives the changes it was written from", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) =>
        Effect.runPromise(
          Effect.scoped(
            Effect.gen(function* () {
              const { directory } = yield* file(changes)
              const found = yield* loaded(directory)
              expect(found.up.map(normal)).toEqual(changes.slice(0, 1).map(normal))
              expect(found.down.map(normal)).toEqual(changes.map(normal))
              expect(found.down.map(texts)).toEqual(changes.map(texts))
            })
          )
        )
      ),
      { numRuns: 150, examples: [[rare]] }
    )
  }, 120_000)

  it.scoped("keeps the order of columns whose names an object would sort or swallow", () =>
    Effect.gen(function* () {
      const names = ["b", "10", "_10", "__proto__", "2", "constructor", "a"]
      const columns = names.map((name): NamedColumn => ({ name, type: { _tag: "text" }, nullable: false }))
      const constraints = [{ kind: "unique" as const, columns: ["10", "__proto__"], name: "u" }]
      const one = Change.make.CreateTable({
        table: { name: "t", columns, constraints, indexes: [] },
        ifNotExists: false
      })
      const { directory, path } = yield* file([one])
      expect(fs.readFileSync(path, "utf8")).not.toContain("Operations.apply")
      const { up } = yield* loaded(directory)
      expect(up.flatMap((change) => (change._tag === "CreateTable" ? change.table.columns : []))).toMatchObject(columns)
      expect(up.map((change) => (change._tag === "CreateTable" ? change.table.constraints : []))).toEqual([constraints])
    })
  )

  it("is not written of a value that only a program makes", () => {
    const filled = { _tag: "value" as const, value: { of: new Map() } }
    const column: NamedColumn = { name: "a", type: { _tag: "json" }, nullable: false, default: filled }
    const change = Change.make.AddColumn({ table: "t", column })
    expect(body([{ change }], "up")).toEqual(Either.left([change]))
  })

  /** A hundred files, the same at each run; their names. */
  const sampled = (at: string, arbitrary = change): ReadonlyArray<string> => {
    fs.rmSync(at, { recursive: true, force: true })
    fs.mkdirSync(at, { recursive: true })
    const samples = fc.sample(fc.array(arbitrary, { minLength: 1, maxLength: 6 }), { seed: 1, numRuns: 100 })
    return samples.map((changes, i) => {
      const up = Either.getOrThrow(body([{ change: changes[0] as Change.Change }], "up"))
      const down = written(changes, "down")
      return path.basename(Effect.runSync(Migrator.create({ directory: at, name: `x${i}`, up, down })).file)
    })
  }

  it("compiles as strictly as the project itself", { timeout: 120_000 }, async () => {
    // Where git does not look; a package of its own, as a reader's program is.
    const at = path.join(project, "node_modules", ".autogenerated")
    expect(await compiled(at, sampled(at))).toEqual([])
    fs.rmSync(at, { recursive: true, force: true })
  })

  it.scoped("is written as a formatter leaves it", () =>
    Effect.gen(function* () {
      const at = yield* scratch
      // How wide a character of another script is, is for the formatter to know.
      const files = sampled(
        at,
        change.filter((one) => !/[^ -~]/.test(JSON.stringify(one, (_, v) => (typeof v === "bigint" ? `${v}` : v))))
      )
      const { formatter, javascript } = JSON.parse(fs.readFileSync(path.join(project, "biome.json"), "utf8"))
      fs.writeFileSync(path.join(at, "biome.json"), JSON.stringify({ root: true, formatter, javascript }))
      const texts = () => Object.fromEntries(files.map((name) => [name, fs.readFileSync(path.join(at, name), "utf8")]))
      const own = texts()
      const biome = path.join(project, "node_modules/@biomejs/biome/bin/biome")
      const said = yield* Effect.promise(() => run(process.execPath, [biome, "format", "--write", at], at))
      expect(said).toContain(`Formatted ${files.length + 1} files`)
      expect(own).toEqual(texts())
    })
  )
})

const run = (program: string, args: ReadonlyArray<string>, cwd: string): Promise<string> =>
  promisify(execFile)(program, [...args], { cwd }).then(
    ({ stdout }) => stdout,
    (error: { readonly stdout?: string }) => error.stdout ?? String(error)
  )
