/** Once the scope is closed no timer, socket or handle keeps a process alive. */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { afterAll, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { temporaryFolder } from "../contract/products.js"
import { closedPort } from "../errors/postgresDoor.js"
import { freshDatabase } from "../support/server.js"

const project = resolve(import.meta.dirname, "../..")
const program = join(import.meta.dirname, "fixture.program.ts")

/** The first process translates the source for all. */
const cache = mkdtempSync(join(tmpdir(), "aquifer-jiti-"))
afterAll(() => rmSync(cache, { recursive: true, force: true }))

/** Runs the program; a process that does not end by itself is killed after a while and says so by its signal. */
const run = (what: string, url: string) =>
  Effect.async<{ readonly code: number | null; readonly signal: string | null; readonly output: string }>((resume) => {
    const loader = `import { createJiti } from "jiti"; await createJiti(import.meta.url, { fsCache: ${JSON.stringify(cache)} }).import(${JSON.stringify(program)})`
    const child = spawn(process.execPath, ["--input-type=module", "-e", loader, "program", what, url], {
      cwd: project,
      stdio: ["ignore", "pipe", "pipe"]
    })
    let output = ""
    child.stdout.on("data", (data) => (output += data))
    child.stderr.on("data", (data) => (output += data))
    const patience = setTimeout(() => child.kill("SIGKILL"), 25_000)
    child.on("close", (code, signal) => {
      clearTimeout(patience)
      resume(Effect.succeed({ code, signal, output }))
    })
    return Effect.sync(() => {
      clearTimeout(patience)
      child.kill("SIGKILL")
    })
  })

const ended = (what: string) => ({ code: 0, signal: null, output: `done: ${what}\n` })

const addresses = [
  ["PostgreSQL", freshDatabase],
  ["SQLite", Effect.map(temporaryFolder, (folder) => `sqlite:${join(folder, "x.db")}`)],
  ["SQLite in memory", Effect.succeed("sqlite::memory:")]
] as const

describe.each(addresses)("a process on %s ends by itself when it", (_, address) => {
  it.scopedLive.each(["works", "works lazily", "is interrupted"])("%s", (what) =>
    Effect.gen(function* () {
      expect(yield* run(what, yield* address)).toEqual(ended(what))
    })
  )
})

describe("a process whose server is not there ends by itself when it", () => {
  it.scopedLive.each(["fails", "fails lazily"])("%s", (what) =>
    Effect.gen(function* () {
      const url = `postgres://u:p@127.0.0.1:${yield* closedPort}/d`
      expect(yield* run(what, url)).toEqual(ended(what))
    })
  )
})
