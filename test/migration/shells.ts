/** The databases' own programs, as people feed plans to them. */
import { execFile, spawnSync } from "node:child_process"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { scratch } from "./support.js"

const run = promisify(execFile)

/** Why a test of this program must be skipped here, if it must. */
export const lacks = (program: "psql" | "sqlite3"): string | undefined =>
  spawnSync(program, ["--version"]).status === 0 ? undefined : `needs ${program} on the path`

const written = (text: string): Effect.Effect<string, never, Scope.Scope> =>
  Effect.flatMap(scratch, (folder) => {
    const file = path.join(folder, "plan.sql")
    return Effect.as(
      Effect.promise(() => fs.writeFile(file, text)),
      file
    )
  })

/** What it said; a failure is a defect that holds what it said. */
const fed = (program: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
  Effect.promise(async () => {
    try {
      const { stderr, stdout } = await run(program, [...args], { env: { PATH: process.env.PATH ?? "", ...env } })
      return { out: stdout, err: stderr }
    } catch (error) {
      const { stderr = String(error) } = error as { readonly stderr?: string }
      throw new Error(`${program} failed\n${stderr}`)
    }
  })

/** `psql -v ON_ERROR_STOP=1 -f`, the password where psql looks for it. */
export const psql = (url: string, text: string, ...settings: ReadonlyArray<string>) =>
  Effect.scoped(
    Effect.flatMap(written(text), (file) => {
      const to = new URL(url)
      const PGPASSWORD = decodeURIComponent(to.password)
      to.password = ""
      return fed("psql", ["-X", "-q", "-v", "ON_ERROR_STOP=1", ...settings, "-f", file, to.href], {
        PGPASSWORD,
        PGOPTIONS: "-c client_min_messages=warning"
      })
    })
  )

/** `sqlite3 -bail … < plan.sql`, with `.read` in place of the shell's arrow. */
export const sqlite3 = (file: string, text: string) =>
  Effect.scoped(Effect.flatMap(written(text), (plan) => fed("sqlite3", ["-bail", file, `.read ${plan}`])))
