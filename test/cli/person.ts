/**
 * The command as somebody at a terminal has it: a pseudo terminal around the process, and a screen that shows what a person
 * would see. Nothing here waits for a time: what is waited for is what stands on the screen, and the test's limit ends it.
 */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { type IPty, spawn } from "@lydell/node-pty"
import xterm from "@xterm/headless"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { command, type Settings } from "./command.js"
import { freshFolder } from "./folder.js"

export interface Person {
  /** What stands on the screen, and above it. */
  readonly screen: () => string
  /** Every byte that came, escape sequences and all. */
  readonly raw: () => string
  /** Waits until the screen shows it. */
  readonly sees: (what: RegExp) => Effect.Effect<string>
  readonly types: (text: string) => Effect.Effect<void>
  /** The exit code, when everything that was written is on the screen. */
  readonly ended: Effect.Effect<number>
}

export const keys = { enter: "\r", tab: "\t", ctrlC: "\u0003", ctrlD: "\u0004" }

const text = (terminal: xterm.Terminal): string => {
  const buffer = terminal.buffer.active
  return Array.from({ length: buffer.length }, (_, y) => buffer.getLine(y)?.translateToString(true) ?? "")
    .join("\n")
    .trimEnd()
}

/** Starts a program in a terminal of 120 columns; killed with the scope. */
export const at = (
  file: string,
  args: ReadonlyArray<string>,
  { cwd, env }: Settings
): Effect.Effect<Person, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const terminal = new xterm.Terminal({ cols: 120, rows: 50, scrollback: 1_000, allowProposedApi: true })
        const pty: IPty = spawn(file, [...args], {
          name: "xterm-256color",
          cols: 120,
          rows: 50,
          cwd,
          env: { PATH: process.env.PATH ?? "", HOME: cwd, TERM: "xterm-256color", LANG: "C.UTF-8", ...env }
        })
        let raw = ""
        let code: number | undefined
        pty.onData((data) => {
          raw += data
          terminal.write(data)
        })
        // Some programs ask the terminal what it can do, and wait for its answer.
        terminal.onData((answer) => pty.write(answer))
        pty.onExit(({ exitCode }) => {
          code = exitCode
        })
        return { terminal, pty, raw: () => raw, code: () => code }
      }),
      ({ code, pty, terminal }) =>
        Effect.sync(() => {
          if (code() === undefined) pty.kill("SIGKILL")
          terminal.dispose()
        })
    ),
    ({ code, pty, raw, terminal }): Person => {
      const until = <A>(ask: () => A | undefined): Effect.Effect<A> =>
        Effect.suspend(() => {
          const answer = ask()
          return answer === undefined ? Effect.delay(until(ask), "10 millis") : Effect.succeed(answer)
        })
      // The screen takes what was written to it in order: an empty text is done when all before it is.
      const drawn = Effect.async<void>((resume) => terminal.write("", () => resume(Effect.void)))
      return {
        screen: () => text(terminal),
        raw,
        // Long, but shorter than the test's own limit: this one says what stood there instead.
        sees: (what) =>
          until(() => what.exec(text(terminal))?.[0]).pipe(
            Effect.timeoutFail({
              duration: "60 seconds",
              onTimeout: () => new Error(`not on the screen: ${what}\n${text(terminal)}`)
            }),
            Effect.orDie
          ),
        types: (keys) => Effect.sync(() => pty.write(keys)),
        ended: Effect.tap(until(code), () => drawn)
      }
    }
  )

/** Starts `aquifer` at a terminal. */
export const person = (args: ReadonlyArray<string>, settings: Settings): Effect.Effect<Person, never, Scope.Scope> =>
  Effect.flatMap(command, (folder) => at(process.execPath, [path.join(folder, "dist/bin.js"), ...args], settings))

/** A folder with an `aquifer` in it that a shell finds on its path. */
export const onPath: Effect.Effect<string, never, Scope.Scope> = Effect.gen(function* () {
  const folder = yield* command
  const bin = yield* freshFolder
  yield* Effect.promise(() =>
    fs.writeFile(
      path.join(bin, "aquifer"),
      `#!/bin/sh\nexec "${process.execPath}" "${path.join(folder, "dist/bin.js")}" "$@"\n`,
      { mode: 0o755 }
    )
  )
  return bin
})
