/** Runners in processes of their own: the program of `runner.ts`, bundled once, so that each is there in half a second. */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { build } from "vite"
import { scratch } from "./support.js"

const project = path.resolve(import.meta.dirname, "../..")

/** The program, in a folder that finds the project's packages and goes with the scope. */
export const programOf = (entry: string): Effect.Effect<string, unknown, Scope.Scope> =>
  Effect.flatMap(scratch, (at) =>
    Effect.as(
      Effect.promise(async () => {
        fs.symlinkSync(path.join(project, "node_modules"), path.join(at, "node_modules"))
        await build({
          configFile: false,
          root: project,
          logLevel: "error",
          resolve: { alias: { "effect-aquifer": path.join(project, "src/index.ts") } },
          build: {
            ssr: path.join(project, "test/migration", entry),
            outDir: at,
            emptyOutDir: false,
            rollupOptions: { output: { entryFileNames: "runner.mjs" } }
          }
        })
      }),
      path.join(at, "runner.mjs")
    )
  )

export const program = programOf("runner.ts")

export interface Runner {
  /** Done when it has said so, or has ended. */
  readonly hears: (text: string) => Effect.Effect<void>
  readonly said: () => string
  readonly kill: () => boolean
  /** Its exit code; none when it was killed. */
  readonly ended: Effect.Effect<number | null>
}

/** Waits for the file `go` and migrates; ends with the scope at the latest. */
export const runner = (
  program: string,
  url: string,
  directory: string,
  go: string
): Effect.Effect<Runner, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync((): Runner => {
      const child = spawn(process.execPath, [program, url, directory, go], {
        cwd: project,
        stdio: ["ignore", "pipe", "pipe"]
      })
      let said = ""
      const heard = new Set<() => void>()
      const hear = (chunk: unknown) => {
        said += String(chunk)
        for (const one of heard) one()
      }
      child.stdout.on("data", hear)
      child.stderr.on("data", hear)
      const ended = new Promise<number | null>((resolve) => child.on("exit", resolve))
      return {
        said: () => said,
        kill: () => child.kill("SIGKILL"),
        ended: Effect.promise(() => ended),
        hears: (text) =>
          Effect.async<void>((resume) => {
            const look = () => {
              if (!said.includes(text) && child.exitCode === null && child.signalCode === null) return
              heard.delete(look)
              resume(Effect.void)
            }
            heard.add(look)
            child.on("exit", look)
            look()
          })
      }
    }),
    (child) => Effect.zipRight(Effect.sync(child.kill), child.ended)
  )
