/**
 * The command as a user has it: built from the source of this moment into a package of its own, beside the project's
 * dependencies, and run as a process that inherits nothing of this one's configuration.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { once } from "node:events"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { afterAll, vi } from "vitest"

const project = path.resolve(import.meta.dirname, "../..")

// A process that has to load everything takes its time on a machine with other things to do.
vi.setConfig({ testTimeout: 120_000 })

let building: Promise<string> | undefined

// With the test file that imports this; a worker is not told of its own end.
afterAll(async () => {
  const folder = await building?.catch(() => undefined)
  if (folder !== undefined) await fs.rm(folder, { recursive: true, force: true })
})

/** Types are looked at elsewhere. One build for each test file: in `node_modules`, where its imports find what the project has installed. */
const build = async (): Promise<string> => {
  const folder = await fs.mkdtemp(path.join(project, "node_modules", ".aquifer-command-"))
  const tsc = path.join(project, "node_modules/typescript/bin/tsc")
  await promisify(execFile)(
    process.execPath,
    [tsc, "-p", "tsconfig.build.json", "--noCheck", "--declaration", "false", "--outDir", path.join(folder, "dist")],
    {
      cwd: project
    }
  ).catch(async (error: { readonly stdout?: string }) => {
    await fs.rm(folder, { recursive: true, force: true })
    throw new Error(`the build failed\n${error.stdout ?? String(error)}`)
  })
  await fs.cp(path.join(project, "package.json"), path.join(folder, "package.json"))
  await fs.cp(path.join(project, "migrations"), path.join(folder, "migrations"), { recursive: true })
  return folder
}

/** The folder of the built package. */
export const command: Effect.Effect<string> = Effect.promise(() => {
  building ??= build()
  return building
})

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
}

export interface Settings {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
}

/** Starts `aquifer` with these arguments; killed with the scope. */
export const start = (
  args: ReadonlyArray<string>,
  { cwd, env }: Settings
): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.flatMap(command, (folder) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const child = spawn(process.execPath, [path.join(folder, "dist/bin.js"), ...args], {
          cwd,
          env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "", ...env },
          stdio: ["ignore", "pipe", "pipe"]
        })
        const said = { out: "", err: "" }
        child.stdout.on("data", (chunk) => {
          said.out += chunk
        })
        child.stderr.on("data", (chunk) => {
          said.err += chunk
        })
        const ended = once(child, "close").then(([code]): Ended => ({ code, ...said }))
        return { child, ended }
      }),
      ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
    )
  )

/** Runs `aquifer` to its end. */
export const aquifer = (args: ReadonlyArray<string>, settings: Settings): Effect.Effect<Ended> =>
  Effect.scoped(Effect.flatMap(start(args, settings), ({ ended }) => Effect.promise(() => ended)))

/** The command in one folder on one database: its code and its JSON. */
export const driver = (cwd: string, env: Readonly<Record<string, string>>) => ({
  json: (...args: ReadonlyArray<string>) =>
    Effect.map(aquifer([...args, "--json"], { cwd, env }), ({ code, err, out }) => ({
      code,
      err,
      // What a command prints is looked at by its test.
      out: (out === "" ? undefined : JSON.parse(out)) as never
    })),
  run: (...args: ReadonlyArray<string>) => aquifer(args, { cwd, env })
})
