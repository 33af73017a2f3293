import * as fs from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Database, Migration, Migrator, Operations, Table } from "effect-aquifer"
import { folder, on, products, reason, refusal, rows, scratch, tables } from "./support.js"

const [sqlite] = products as [(typeof products)[0], ...typeof products]

/** Everything below is read without a database, until something is to be run. */
const load = (files: Readonly<Record<string, string>>) =>
  Effect.scoped(Effect.flatMap(folder(files), (at) => Migrator.fromDirectory(at)))

const typescript = (name: string, more = "") => `
import { Migration, Operations, Table } from "effect-aquifer"
import * as Effect from "effect/Effect"
${more}
const table: Table.Table = Table.make("${name}", { id: Table.int.pipe(Table.primaryKey) })
export default Migration.make({ up: Operations.createTable(table), down: Operations.dropTable("${name}") })
`

/** A `.mjs` as it is imported natively: it knows the package's tags by their keys, as another build of it would. */
const javascript = (name: string) => `
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
const run = (text) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(text))
export default {
  [Symbol.for("effect-aquifer/Migration")]: Effect.succeed,
  transaction: true,
  up: run("CREATE TABLE ${name} (id integer PRIMARY KEY)"),
  down: run("DROP TABLE ${name}")
}
`

describe("fromDirectory", () => {
  it.scoped("reads id, name, kind and checksum, and skips what is no migration", () =>
    Effect.gen(function* () {
      const revisions = yield* load({
        "0001_a.sql": "-- migrate:up\nSELECT 1;\r\n",
        "20260102_030405_b.ts": "throw new Error('imported')",
        "0003_c.mjs": "throw new Error('imported')",
        "0004_d.js": "throw new Error('imported')",
        "_helper.ts": "throw new Error('imported')",
        "0001_a.d.ts": "",
        "0001_a.test.ts": "",
        "README.md": ""
      })
      expect(revisions.map(({ id, name, kind }) => `${id} ${name} ${kind}`)).toEqual([
        "0001 a sql",
        "0003 c js",
        "0004 d js",
        "20260102_030405 b ts"
      ])
      expect(new Set(revisions.map((revision) => revision.checksum)).size).toBe(2)
    })
  )

  it.scoped("a missing folder is a failure that names it and the way out", () =>
    Effect.gen(function* () {
      const at = yield* scratch
      const error = yield* refusal(Migrator.fromDirectory(path.join(at, "nowhere")))
      expect(error.reason).toBe("no-folder")
      expect(error.message).toContain(`there is no migrations folder ${path.join(at, "nowhere")}`)
      expect(error.message).toContain("Create it, or name the right one")
    })
  )

  it.scoped("a file in the folder's place is a failure that says so", () =>
    Effect.gen(function* () {
      const at = yield* scratch
      fs.writeFileSync(path.join(at, "file"), "")
      const error = yield* refusal(Migrator.fromDirectory(path.join(at, "file")))
      expect(error.reason).toBe("no-folder")
      expect(error.message).toContain("is a file, not a migrations folder")
    })
  )

  it.scoped.each(["create_users.sql", "0001.sql", "v1_users.ts"])("%s is refused and not skipped", (name) =>
    Effect.gen(function* () {
      const error = yield* refusal(load({ [name]: "-- migrate:up\n" }))
      expect(error.reason).toBe("bad-name")
      expect(error.message).toContain(name)
      expect(error.message).toContain("0001_create_users.ts")
    })
  )
})

describe("the four kinds of files", () => {
  for (const product of products) {
    it.live(`are all applied and taken back on ${product.name}`, () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder({
            "1_a.sql": "-- migrate:up\nCREATE TABLE a (id integer PRIMARY KEY);\n-- migrate:down\nDROP TABLE a;",
            "2_b.ts": typescript("b"),
            "3_c.mjs": javascript("c"),
            "4_d.js": javascript("d"),
            "package.json": `{ "type": "module" }`
          })
          const report = yield* Migrator.up({ directory })
          expect(report.applied.map((done) => done.name)).toEqual(["a", "b", "c", "d"])
          expect(yield* tables).toEqual(["a", "b", "c", "d"])
          const back = yield* Migrator.down({ directory, to: "base" })
          expect(back.reverted.map((done) => done.name)).toEqual(["d", "c", "b", "a"])
          expect(yield* tables).toEqual([])
        })
      )
    )
  }

  it.live("a glob's modules and a record's migrations are applied too", () =>
    on(sqlite, () =>
      Effect.gen(function* () {
        const migration = (name: string) =>
          Migration.make({ up: Operations.createTable(Table.make(name, { id: Table.int.pipe(Table.primaryKey) })) })
        const glob = Migrator.fromGlob({ "./migrations/0001_a.ts": async () => ({ default: migration("a") }) })
        yield* Migrator.up({ loader: glob })
        yield* Migrator.up({
          loader: Effect.zipWith(glob, Migrator.fromRecord({ "0002_b": migration("b") }), (a, b) => [...a, ...b])
        })
        expect(yield* tables).toEqual(["a", "b"])
        expect(yield* rows("SELECT kind, checksum FROM aquifer_migrations ORDER BY id")).toEqual([
          { kind: "ts", checksum: null },
          { kind: "effect", checksum: null }
        ])
      })
    )
  )
})

interface Copies {
  readonly Aquifer: typeof import("effect-aquifer")
  readonly SqlClient: typeof import("@effect/sql/SqlClient")
  readonly barrel: unknown
  readonly submodule: unknown
}

describe("a TypeScript migration", () => {
  it.live("shares the program's copies of effect and of this library", () =>
    on(sqlite, () =>
      Effect.gen(function* () {
        const directory = yield* folder({
          "1_a.ts": `
import * as Aquifer from "effect-aquifer"
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect } from "effect"
import * as Submodule from "effect/Effect"
;(globalThis as any).aquiferCopies = { Aquifer, SqlClient, barrel: Effect.succeed, submodule: Submodule.succeed }
export default Aquifer.Migration.make({ up: Effect.void })
`
        })
        yield* Migrator.up({ directory })
        const seen = (globalThis as never as { aquiferCopies: Copies }).aquiferCopies
        expect(seen.barrel).toBe(Effect.succeed)
        expect(seen.submodule).toBe(Effect.succeed)
        expect(seen.Aquifer.Database.layer).toBe(Database.layer)
        expect(seen.SqlClient.SqlClient).toBe((yield* Effect.promise(() => import("@effect/sql/SqlClient"))).SqlClient)
      })
    )
  )

  it.live("of a folder without any packages still finds them", () =>
    on(sqlite, () =>
      Effect.gen(function* () {
        const at = yield* scratch
        fs.writeFileSync(path.join(at, "1_a.ts"), typescript("a"))
        yield* Migrator.up({ directory: at })
        expect(yield* tables).toEqual(["a"])
      })
    )
  )

  it.live("may import helpers beside it", () =>
    on(sqlite, () =>
      Effect.gen(function* () {
        const directory = yield* folder({
          "_names.ts": `export const name = "from_helper" as const`,
          "1_a.ts": typescript("x", `import { name } from "./_names.js"`).replace(`"x"`, "name")
        })
        yield* Migrator.up({ directory })
        expect(yield* tables).toEqual(["from_helper"])
      })
    )
  )

  it.live("is read anew when its file was mended while the program goes on", () =>
    on(sqlite, () =>
      Effect.gen(function* () {
        const directory = yield* folder({ "1_a.ts": "export default 1" })
        expect(yield* reason(Migrator.up({ directory }))).toBe("bad-module")
        fs.writeFileSync(path.join(directory, "1_a.ts"), typescript("a"))
        yield* Migrator.up({ directory })
        expect(yield* tables).toEqual(["a"])
      })
    )
  )
})

describe("a module that cannot be used", () => {
  it.live.each([
    ["that does not parse", "1_a.ts", "export default {{{", "bad-module", "cannot be imported"],
    ["that throws", "1_a.mjs", "throw new Error('on import')", "bad-module", "on import"],
    ["whose import is missing", "1_a.mjs", `import "nowhere-to-be-found"`, "bad-module", "nowhere-to-be-found"],
    ["without a migration", "1_a.ts", "export const up = 1", "bad-module", "Migration.make({ up, down })"],
    [
      "of another copy of effect",
      "1_a.mjs",
      `export default { [Symbol.for("effect-aquifer/Migration")]: () => 1, transaction: true, up: {} }`,
      "other-copy",
      "another copy of effect"
    ]
  ] as const)("%s is a failure that names its file, and nothing is done", ([, file, text, why, said]) =>
    on(sqlite, () =>
      Effect.gen(function* () {
        const directory = yield* folder({ [file]: text })
        const error = yield* refusal(Migrator.up({ directory }))
        expect(error.reason).toBe(why)
        expect(error.message).toContain(said)
        expect(error.message).toContain(file)
        expect(error.message).not.toContain("\n")
        expect(yield* tables).toEqual([])
        expect(yield* rows("SELECT * FROM aquifer_migrations")).toEqual([])
      })
    )
  )
})
