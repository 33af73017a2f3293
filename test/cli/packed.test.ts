/** The package as npm packs it, in a project that has installed it and nothing but what it says it needs. */
import { execFile } from "node:child_process"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { promisify } from "node:util"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { command } from "./command.js"
import { project, write } from "./migrations.js"

const run = promisify(execFile)
const limit = 300_000
const checkout = path.resolve(import.meta.dirname, "../..")

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>
  readonly peerDependencies: Readonly<Record<string, string>>
}

/** As `npm install` leaves it: the package from its archive, what it depends on beside it, its command in `.bin`. */
const installed = Effect.gen(function* () {
  const built = yield* command
  const cwd = yield* project({ "package.json": JSON.stringify({ name: "shop", private: true, type: "module" }) })
  yield* Effect.promise(async () => {
    for (const name of ["src", "README.md", "LICENSE"]) {
      await fs.cp(path.join(checkout, name), path.join(built, name), { recursive: true })
    }
    const { stdout } = await run("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", cwd], {
      cwd: built
    })
    const [{ filename }] = JSON.parse(stdout) as readonly [{ readonly filename: string }]
    const modules = path.join(cwd, "node_modules")
    const own = path.join(modules, "effect-aquifer")
    await fs.mkdir(own, { recursive: true })
    await run("tar", ["-xzf", path.join(cwd, filename), "--strip-components=1", "-C", own])
    await fs.rm(path.join(cwd, filename))
    const manifest: Manifest = JSON.parse(await fs.readFile(path.join(own, "package.json"), "utf8"))
    for (const name of Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })) {
      await fs.mkdir(path.dirname(path.join(modules, name)), { recursive: true })
      await fs.symlink(path.join(checkout, "node_modules", name), path.join(modules, name))
    }
    const bin = path.join(own, "dist/bin.js")
    await fs.chmod(bin, 0o755)
    await fs.mkdir(path.join(modules, ".bin"))
    await fs.symlink(bin, path.join(modules, ".bin/aquifer"))
  })
  const PATH = `${path.join(cwd, "node_modules/.bin")}:${process.env.PATH ?? ""}`
  /** A line of shell in the project's folder; a failure is a defect with what was said. */
  const shell = (line: string) =>
    Effect.promise(() => run("sh", ["-c", line], { cwd, env: { PATH, HOME: cwd } }).then(({ stdout }) => stdout))
  return { cwd, shell }
})

describe("the packed package", () => {
  it.scopedLive(
    "begins a project by its own instructions, and runs TypeScript migrations with the project's copy of effect",
    () =>
      Effect.gen(function* () {
        const { cwd, shell } = yield* installed
        const said = yield* shell("aquifer init")
        // Whoever does what it says arrives somewhere.
        const next = Array.from(said.matchAll(/aquifer migrate [a-z ]+?(?= and | *$|\n)/g), ([line]) => line)
        expect(next).toEqual(["aquifer migrate new create users", "aquifer migrate up"])
        for (const line of next) yield* shell(line)
        expect(yield* shell("aquifer migrate status")).toMatch(/applied +0001_create_users[\s\S]*1 applied, 0 pending/)
        yield* write(cwd, {
          "migrations/0002_words.ts": `import { Migration, Operations, Table } from "effect-aquifer"
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect, type Option } from "effect"
import { words } from "../words.js"

enum Kind { Noun = "noun" }
const none: Option.Option<string> | undefined = undefined

export default Migration.make({
  up: Effect.gen(function* () {
    yield* Operations.createTable(Table.make("words", { id: Table.int.pipe(Table.primaryKey), word: Table.text }))
    const sql = yield* SqlClient.SqlClient
    for (const [id, word] of words.entries()) yield* sql\`INSERT INTO words \${sql.insert({ id, word: \`\${word} \${Kind.Noun} \${none}\` })}\`
  }),
  down: Operations.dropTable("words")
})
`,
          "words.ts": `export const words = ["naïve"] as const satisfies ReadonlyArray<string>\n`,
          "look.mjs": `import { Database } from "effect-aquifer"
const db = await Database.promise({ url: "sqlite:app.db" })
console.log(JSON.stringify(await db.query\`SELECT word FROM words\`))
await db.close()
`
        })
        yield* shell("aquifer migrate up")
        expect(JSON.parse(yield* shell("node look.mjs"))).toEqual([{ word: "naïve noun undefined" }])
        yield* shell("aquifer migrate down base --yes")
        expect(JSON.parse(yield* shell("aquifer migrate new --kind sql later --json"))).toMatchObject({
          file: "migrations/0003_later.sql"
        })
        expect(yield* shell("aquifer doctor --json || true")).toContain('"ok": true')
        // Its own demo finds its own migrations.
        expect(JSON.parse(yield* shell("aquifer demo --json --url sqlite:demo.db"))).toMatchObject({ ok: true })
      }),
    limit
  )
})
