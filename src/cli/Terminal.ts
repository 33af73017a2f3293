/**
 * Where a command speaks: results on standard output, everything else on standard error. Colours, what moves and questions
 * are for people at a terminal only, and colours not where `NO_COLOR` says so.
 *
 * @since 0.1.0
 */
import process from "node:process"
import { createInterface } from "node:readline"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Style, styleOf } from "./Style.js"

/** Moves a bar: how much is done, and what is being done. @since 0.1.0 @category models */
export type Bar = (done: number | undefined, what: string) => Effect.Effect<void>

/** @since 0.1.0 @category models */
export interface Terminal {
  /** A result, with a line end. */
  readonly print: (text: string) => Effect.Effect<void>
  /** What went wrong or is worth knowing, with a line end. */
  readonly complain: (text: string) => Effect.Effect<void>
  /** The one line that moves; an empty text takes it away. Nothing at all unless a person watches. */
  readonly progress: (text: string) => Effect.Effect<void>
  /** A bar for the length of the scope. Nothing at all unless a person watches. */
  readonly bar: (total: number) => Effect.Effect<Bar, never, Scope.Scope>
  /** Whether there is a person to be asked. */
  readonly interactive: boolean
  /** Asks that person; everything but a clear yes is a no. */
  readonly confirm: (question: string) => Effect.Effect<boolean>
  readonly style: Style
}

/** @since 0.1.0 @category tags */
export const Terminal = Context.GenericTag<Terminal>("effect-aquifer/cli/Terminal")

/** What a stream of the process can do, as far as this is concerned. @since 0.1.0 @category models */
export interface Output {
  readonly isTTY?: boolean | undefined
  readonly write: (text: string) => unknown
}

/** @since 0.1.0 @category models */
export interface Streams {
  readonly out: Output
  readonly err: Output
  readonly input?: NodeJS.ReadStream | undefined
  readonly noColor: boolean
}

/** @since 0.1.0 @category constructors */
export const make = (streams: Streams): Terminal => {
  const { err, input, noColor, out } = streams
  const watched = err.isTTY === true
  let moving = false
  const clear = () => {
    if (moving) err.write("\r\u001b[2K")
    moving = false
  }
  const on = (output: Output) => (text: string) =>
    Effect.sync(() => {
      clear()
      output.write(`${text}\n`)
    })
  return {
    print: on(out),
    complain: on(err),
    progress: (text) =>
      watched
        ? Effect.sync(() => {
            clear()
            if (text !== "") err.write(text)
            moving = text !== ""
          })
        : Effect.void,
    bar: (total) => {
      // The bar draws on the stream itself; a stand-in for it has no cursor to move.
      if (!watched || !("cursorTo" in err)) return Effect.succeed(() => Effect.void)
      clear()
      return drawn(err as unknown as NodeJS.WritableStream, total) // Asked for just above.
    },
    interactive: watched && input?.isTTY === true,
    confirm: (question) =>
      input === undefined
        ? Effect.succeed(false)
        : Effect.zipRight(
            Effect.sync(() => {
              clear()
              err.write(`${question} [y/N] `)
            }),
            Effect.map(answer(input), (said) => /^\s*y(es)?\s*$/i.test(said))
          ),
    style: styleOf(out, noColor)
  }
}

/** One line, read as the terminal gives it: Ctrl-C stays the signal it is. No line at all is an empty one. */
const answer = (input: NodeJS.ReadStream): Effect.Effect<string> =>
  Effect.async((resume) => {
    const reader = createInterface({ input, terminal: false })
    reader.once("line", (line) => {
      resume(Effect.succeed(line))
      reader.close()
    })
    reader.once("close", () => resume(Effect.succeed("")))
    return Effect.sync(() => reader.close())
  })

const drawn = (stream: NodeJS.WritableStream, total: number): Effect.Effect<Bar, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const { default: progress } = await import("cli-progress")
        const bar = new progress.SingleBar({
          stream,
          format: "  {bar}  {value} of {total}  {what}",
          barCompleteChar: "█",
          barIncompleteChar: "░",
          barsize: 24,
          clearOnComplete: true,
          // Signals are the process's business.
          gracefulExit: false
        })
        bar.start(total, 0, { what: "" })
        return bar
      }),
      (bar) => Effect.sync(() => bar.stop())
    ),
    (bar): Bar =>
      (done, what) =>
        Effect.sync(() => (done === undefined ? bar.update({ what }) : bar.update(done, { what })))
  )

/** The process's own. @since 0.1.0 @category constructors */
export const live: Effect.Effect<Terminal> = Effect.map(
  Effect.orElseSucceed(Config.withDefault(Config.string("NO_COLOR"), ""), () => ""),
  (noColor) => make({ out: process.stdout, err: process.stderr, input: process.stdin, noColor: noColor !== "" })
)
