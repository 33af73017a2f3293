/**
 * Runs a command as a process: its exit code is the process's. The first Ctrl-C (or SIGTERM) interrupts, closes everything and
 * ends with 130 (143); a second one, or a close that takes too long, ends at once.
 *
 * @since 0.1.0
 */
import process from "node:process"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { whenUnread } from "./Answer.js"
import type { ExitCode } from "./codes.js"
import { prefix } from "./words.js"

const signals = { SIGINT: 130, SIGTERM: 143 } as const

/** How long closing may take after a signal, in milliseconds: a little more than the pool's own limit. */
const closing = 12_000

/** How long what is left open may keep a finished process alive, in milliseconds. */
const lingering = 2_000

/**
 * `command` must not fail: what can be said about a failure it has said.
 *
 * @since 0.1.0
 * @category running
 */
export const runMain = (command: Effect.Effect<ExitCode>): void => {
  // An Effect that waits for nothing of the system does not keep the process alive.
  const alive = setInterval(() => undefined, 2 ** 30)
  let fiber: Fiber.RuntimeFiber<ExitCode> | undefined
  let signal: keyof typeof signals | undefined

  const stop = (name: keyof typeof signals) => {
    if (signal !== undefined) process.exit(signals[signal])
    signal = name
    setTimeout(() => {
      process.stderr.write(`${prefix}interrupted; not everything could be closed in time.\n`)
      process.exit(signals[name])
    }, closing).unref()
    if (fiber !== undefined) Effect.runFork(Fiber.interruptFork(fiber))
  }
  for (const name of Object.keys(signals) as ReadonlyArray<keyof typeof signals>) process.on(name, () => stop(name))
  whenUnread(() => process.exit(signal === undefined ? 1 : signals[signal]))

  // Last: the command begins at once, and a signal before this line would end the process without closing anything.
  fiber = Effect.runFork(command)
  fiber.addObserver((exit) => {
    clearInterval(alive)
    if (signal !== undefined) process.stderr.write(`${prefix}interrupted; everything is closed.\n`)
    process.exitCode = signal !== undefined ? signals[signal] : Exit.isSuccess(exit) ? exit.value : 1
    setTimeout(() => process.exit(), lingering).unref()
  })
}
