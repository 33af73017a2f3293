/** A command started outside a project that has the package: the project's own copy runs, with what was written. */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { projectsOwn } from "../../src/cli/handOver.js"
import { aquifer, command } from "./command.js"
import { freshFolder } from "./folder.js"
import { project } from "./migrations.js"

const copy = {
  "node_modules/effect-aquifer/package.json": JSON.stringify({
    name: "effect-aquifer",
    version: "9.9.9",
    type: "module",
    bin: { aquifer: "./dist/bin.js" }
  }),
  "node_modules/effect-aquifer/dist/bin.js":
    "console.log(JSON.stringify(process.argv.slice(2)))\nprocess.exitCode = 3\n",
  "below/deep/note.txt": ""
}

describe("a project with a copy of its own", () => {
  it.scopedLive("runs that copy, also from a folder below, and its exit code is the command's", () =>
    Effect.gen(function* () {
      const folder = yield* project(copy)
      const ended = yield* aquifer(["migrate", "down", "-1", "--url", "sqlite:a b.db"], {
        cwd: path.join(folder, "below/deep")
      })
      expect(ended).toEqual({ code: 3, err: "", out: '["migrate","down","-1","--url","sqlite:a b.db"]\n' })
    })
  )

  it.scopedLive("that is the very one which was started goes on itself", () =>
    Effect.gen(function* () {
      const built = yield* command
      const folder = yield* freshFolder
      yield* Effect.promise(async () => {
        await fs.mkdir(path.join(folder, "node_modules"))
        await fs.symlink(built, path.join(folder, "node_modules/effect-aquifer"))
      })
      expect(yield* aquifer(["--version"], { cwd: folder })).toMatchObject({ code: 0, err: "" })
      const asking = pathToFileURL(path.join(built, "dist/bin.js")).href
      expect(projectsOwn(folder, asking)).toBeUndefined()
    })
  )

  it.scopedLive("which is not whole is not handed over to", () =>
    Effect.gen(function* () {
      const { "node_modules/effect-aquifer/dist/bin.js": _, ...broken } = copy
      const folder = yield* project(broken)
      expect(projectsOwn(folder, import.meta.url)).toBeUndefined()
      expect((yield* aquifer(["--version"], { cwd: folder })).out).not.toContain("9.9.9")
      const bad = yield* project({ "node_modules/effect-aquifer/package.json": "{" })
      expect(projectsOwn(bad, import.meta.url)).toBeUndefined()
      expect(projectsOwn(yield* freshFolder, import.meta.url)).toBeUndefined()
    })
  )
})
