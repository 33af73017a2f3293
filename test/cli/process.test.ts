/** How a command's process ends, whatever the command does. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { command } from "./command.js"

/** A process that runs this effect as its command and says `ready` when it does. */
const started = (effect: string) =>
  Effect.flatMap(command, (folder) =>
    Effect.acquireRelease(
      Effect.promise(async () => {
        const file = path.join(folder, `main-${Buffer.from(effect).toString("hex").slice(0, 40)}-${effect.length}.mjs`)
        await fs.writeFile(
          file,
          `import * as Effect from "effect/Effect"
import { runMain } from "./dist/cli/Process.js"
const ready = Effect.sync(() => console.log("ready"))
runMain(Effect.zipRight(ready, ${effect}))
`
        )
        const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "pipe"] })
        const said = { out: "", err: "" }
        child.stdout.on("data", (chunk) => {
          said.out += chunk
        })
        child.stderr.on("data", (chunk) => {
          said.err += chunk
        })
        const ended = once(child, "close").then(([code]) => ({ code, ...said }))
        await once(child.stdout, "data")
        return { child, ended }
      }),
      ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
    )
  )

const ends = (effect: string, act: (child: ChildProcess) => Promise<void> = async () => undefined) =>
  Effect.flatMap(started(effect), ({ child, ended }) => Effect.promise(() => act(child).then(() => ended)))

const pause = (millis: number) => new Promise<void>((resolve) => setTimeout(resolve, millis))

describe("a command's process", () => {
  it.scopedLive("ends with the command's code", () =>
    Effect.gen(function* () {
      expect(yield* ends("Effect.succeed(3)")).toMatchObject({ code: 3, err: "" })
    })
  )

  it.scopedLive("stays alive while the command waits for nothing of the system, and closes on Ctrl-C", () =>
    Effect.gen(function* () {
      const waiting = `Effect.ensuring(Effect.never, Effect.sync(() => console.log("closed")))`
      const ended = yield* ends(waiting, async (child) => {
        await pause(200)
        child.kill("SIGINT")
      })
      expect(ended).toEqual({
        code: 130,
        out: "ready\nclosed\n",
        err: "aquifer: interrupted; everything is closed.\n"
      })
    })
  )

  it.scopedLive("a second Ctrl-C ends it at once when closing takes too long", () =>
    Effect.gen(function* () {
      const ended = yield* ends("Effect.uninterruptible(Effect.never)", async (child) => {
        child.kill("SIGINT")
        await pause(200)
        expect(child.exitCode).toBe(null)
        child.kill("SIGINT")
      })
      expect(ended).toEqual({ code: 130, out: "ready\n", err: "" })
    })
  )

  it.scopedLive("ends although something was left open", () =>
    Effect.gen(function* () {
      expect(yield* ends("Effect.sync(() => { setInterval(() => {}, 1000); return 0 })")).toMatchObject({ code: 0 })
    })
  )

  it.scopedLive("ends quietly when nobody reads it any more", () =>
    Effect.gen(function* () {
      const talking = `Effect.forever(Effect.zipRight(Effect.sync(() => console.log("more")), Effect.sleep("1 millis")))`
      const ended = yield* ends(talking, async (child) => {
        child.stdout?.destroy()
      })
      expect(ended).toMatchObject({ code: 1, err: "" })
    })
  )
})
