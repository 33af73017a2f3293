/** What a start of the command loads: no more than the command that was asked for needs, because a person waits for it. */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { aquifer } from "./command.js"
import { freshFolder } from "./folder.js"

/** A module for `--import` that writes down every module that is loaded as one; what is required is not seen. */
const recorder = (file: string): string => {
  const hooks = `import { appendFileSync } from "node:fs"
export const load = (url, context, next) => {
  if (!url.startsWith("node:")) appendFileSync(${JSON.stringify(file)}, url + "\\n")
  return next(url, context)
}`
  return `import { register } from "node:module"
register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hooks)}`)})`
}

const heavy = /\/@effect\/|\/effect\/dist\/esm\/(?:Effect|Schema|Layer)\.js|\/dist\/(?:Database|migration|connection)/
const others = /\/@effect\/(?:cli|platform-node|sql-)|\/(?:yaml|toml|pg|jiti|cli-progress|cli-table3|libpg-query)\//
const unasked =
  /\/dist\/(?:migration\/(?:lint|autogenerate|Lint|Verify)|schema\/(?:source|diagram|Pull)|cli\/(?:demo|db|doctor|Values)|dialect\/postgres)/

/** The modules it loaded, and how it ended. */
const loaded = (line: string) =>
  Effect.gen(function* () {
    const cwd = yield* freshFolder
    const [hook, log] = [path.join(cwd, "recorder.mjs"), path.join(cwd, "loaded")]
    yield* Effect.promise(async () => {
      await fs.writeFile(hook, recorder(log))
      await fs.mkdir(path.join(cwd, "migrations"))
      await fs.writeFile(path.join(cwd, "migrations/0001_t.sql"), "-- migrate:up\nCREATE TABLE t (id INTEGER)\n")
    })
    const env = { DATABASE_URL: "sqlite:app.db", NODE_OPTIONS: `--import=${pathToFileURL(hook).href}` }
    const { code } = yield* aquifer(line.split(" "), { cwd, env })
    const modules = (yield* Effect.promise(() => fs.readFile(log, "utf8"))).trim().split("\n")
    return { code, modules, those: (what: RegExp) => modules.filter((url) => what.test(url)) }
  })

describe("a start of the command", () => {
  it.scopedLive.each([
    [0, "--version"],
    [0, "--help"],
    [0, "migrate up --help --json"],
    [0, "--completions zsh"],
    [2, "migrate stauts"],
    [2, "migrate to"],
    [2, "health --wizard"]
  ] as const)("that is answered at once loads nothing that runs: %s, %s", ([expected, line]) =>
    Effect.gen(function* () {
      const { code, modules, those } = yield* loaded(line)
      expect(code).toBe(expected)
      expect(those(/\/dist\/bin\.js$/)).toHaveLength(1)
      expect(those(heavy)).toEqual([])
      expect(modules.length).toBeLessThan(60)
    })
  )

  it.scopedLive.each([
    [3, "migrate status"],
    [0, "migrate up --json"],
    [1, "health --url sqlite:nowhere.db"]
  ] as const)("loads no other command and no decoder it has no use for: %s, %s", ([expected, line]) =>
    Effect.gen(function* () {
      const { code, those } = yield* loaded(line)
      expect(code).toBe(expected)
      // It did run, and the recorder saw it.
      expect(those(/\/dist\/Database\.js$/)).toHaveLength(1)
      expect([...those(others), ...those(unasked)]).toEqual([])
    })
  )

  it.scopedLive("that needs no database loads none", () =>
    Effect.gen(function* () {
      const { code, those } = yield* loaded("init")
      expect(code).toBe(0)
      expect(those(/\/dist\/(?:Database|connection|dialect|migration)/)).toEqual([])
    })
  )
})
