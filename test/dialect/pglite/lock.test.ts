/** One process has a PGlite folder at a time: who comes second is told at once whose it is, and the dead hold nothing. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Database } from "effect-aquifer"
import { take } from "../../../src/dialect/pglite/lock.js"
import { skip } from "../../support/skip.js"

const project = resolve(import.meta.dirname, "../../..")
const program = join(import.meta.dirname, "holder.program.ts")

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "aquifer-pglite-lock-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** Another process that has the database open. */
const holder = (url: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const loader = `import { createJiti } from "jiti"; await createJiti(import.meta.url).import(${JSON.stringify(program)})`
      const child = spawn(process.execPath, ["--input-type=module", "-e", loader, "program", url], {
        cwd: project,
        stdio: ["pipe", "pipe", "inherit"]
      })
      await Promise.race([once(child.stdout, "data"), once(child, "exit")])
      return child
    }),
    (child) => killed(child)
  )

const killed = (child: ChildProcess) =>
  Effect.promise(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, "exit")
    child.kill("SIGKILL")
    await exited
  })

const opened = (url: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql<{ n: number }>`SELECT count(*)::int AS n FROM kept`).pipe(
    Effect.provide(Database.layer({ url }))
  )

describe("a PGlite folder", () => {
  it.scopedLive(
    "open in another process is refused at once, named; when that one was killed it is free",
    () =>
      Effect.gen(function* () {
        const data = join(yield* folder, "data")
        const url = `pglite:${data}`
        const child = yield* holder(url)
        expect(readFileSync(`${data}.lock`, "utf8")).toContain(String(child.pid))
        const refused = yield* Effect.timeout(Effect.flip(Layer.build(Database.layer({ url }))), "10 seconds")
        expect(refused).toMatchObject({ _tag: "TooManyConnections", operation: "connect" })
        expect(String(refused)).toContain(`open in process ${child.pid}`)
        // Whoever was refused took nothing along.
        expect(existsSync(`${data}.lock`)).toBe(true)
        yield* killed(child)
        expect(existsSync(`${data}.lock`)).toBe(true)
        expect(yield* opened(url)).toEqual([{ n: 1 }])
        expect(existsSync(`${data}.lock`)).toBe(false)
      }),
    // Starting it is seconds of work for one processor, which others may have.
    300_000
  )
})

describe("the lock of a folder", () => {
  it.scopedLive("is had once, by whatever name the folder is called, and again when it was given back", () =>
    Effect.gen(function* () {
      const parent = yield* folder
      const data = join(parent, "data")
      mkdirSync(data)
      symlinkSync(data, join(parent, "alias"))
      const lock = yield* take(data)
      for (const name of [data, join(parent, "alias")]) {
        expect(yield* Effect.flip(take(name))).toMatchObject({ _tag: "TooManyConnections" })
      }
      lock.release()
      lock.release()
      const again = yield* take(join(parent, "alias"))
      // What was given back once is not given back for the next.
      lock.release()
      expect(yield* Effect.flip(take(data))).toMatchObject({ _tag: "TooManyConnections" })
      again.release()
      expect(readdirSync(parent).sort()).toEqual(["alias", "data"])
    })
  )

  it.scopedLive("of a process that is gone, or of an older one of the same number, is taken over", (test) => {
    skip(test, process.platform !== "linux", "needs /proc to tell one process from a later one of its number")
    return Effect.gen(function* () {
      const data = join(yield* folder, "data")
      for (const stale of [`${2 ** 22 + 1}\n`, `${process.pid}\nan earlier life\n`, "", "nonsense"]) {
        writeFileSync(`${data}.lock`, stale)
        const lock = yield* take(data)
        expect(readFileSync(`${data}.lock`, "utf8").split("\n")[0]).toBe(String(process.pid))
        lock.release()
      }
    })
  })

  it.scopedLive("left half-way by a taker that died is taken over in the end", () =>
    Effect.gen(function* () {
      const data = join(yield* folder, "data")
      writeFileSync(`${data}.lock`, `${2 ** 22 + 1}\n`)
      mkdirSync(`${data}.lock.taking`)
      expect(yield* Effect.flip(take(data))).toMatchObject({ _tag: "TooManyConnections" })
      rmSync(`${data}.lock.taking`, { recursive: true })
      ;(yield* take(data)).release()
    })
  )

  it.scopedLive("that cannot be made is a typed failure", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(take(join(yield* folder, "not", "there")))
      expect(error).toMatchObject({ _tag: "ConnectionError", operation: "connect" })
    })
  )
})
