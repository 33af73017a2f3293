/** The examples in the documentation of what users put in a database's place compile, and do what they say. */
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import { afterAll, expect, it } from "vitest"

const project = path.resolve(import.meta.dirname, "../..")
const sources = path.join(project, "src/testing")

const examples = fs.readdirSync(sources).flatMap((file) => {
  if (!file.endsWith(".ts")) return []
  const text = fs.readFileSync(path.join(sources, file), "utf8")
  return Array.from(text.matchAll(/@example\n \* ```ts\n([\s\S]*?)^ \* ```$/gm), ([, lines = ""], index) => ({
    name: `${path.basename(file, ".ts")}${index + 1}.ts`,
    program: lines.replace(/^ \* ?/gm, "")
  }))
})

// Where this package's own name means its source.
const folder = path.join(project, "test/testing/.examples")

afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

// The compiler may have to wait for its turn on a busy machine.
it("they compile as strictly as the project itself, and the one of Faults says the truth", async () => {
  expect(examples.map(({ name }) => name)).toContain("Faults1.ts")
  fs.mkdirSync(folder, { recursive: true })
  for (const { name, program } of examples) fs.writeFileSync(path.join(folder, name), program)
  const settings = {
    extends: path.join(project, "tsconfig.json"),
    files: examples.map(({ name }) => name),
    include: []
  }
  fs.writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify(settings))
  const tsc = path.join(project, "node_modules/typescript/bin/tsc")
  const said = await promisify(execFile)(process.execPath, [tsc, "--noEmit", "-p", folder], { cwd: folder }).then(
    () => "",
    (error: { readonly stdout?: string }) => error.stdout ?? String(error)
  )
  // Mistakes elsewhere in the source are the type check's to tell.
  expect(said.split("\n").filter((line) => examples.some(({ name }) => line.startsWith(name)))).toEqual([])
  const { outcome } = await import(pathToFileURL(path.join(folder, "Faults1.ts")).href)
  const { third, words } = await Effect.runPromise(outcome as Effect.Effect<{ third: unknown; words: unknown }>)
  expect(third).toEqual({ fault: "commit 3 fails with SerializationError", met: 4, happened: 1 })
  expect(words).toEqual(["one", "two", "three"].map((word) => ({ word })))
}, 180_000)
