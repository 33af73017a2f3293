/**
 * Where a command speaks: results on standard output, everything else on standard error. Colours and the moving line are
 * for people at a terminal only, and colours not where `NO_COLOR` says so.
 *
 * @since 0.1.0
 */
import process from "node:process"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/** How a word is made to stand out; all identities without colours. @since 0.1.0 @category models */
export type Style = Readonly<Record<"bold" | "dim" | "green" | "yellow" | "red", (text: string) => string>>

/** @since 0.1.0 @category models */
export interface Terminal {
  /** A result, with a line end. */
  readonly print: (text: string) => Effect.Effect<void>
  /** What went wrong or is worth knowing, with a line end. */
  readonly complain: (text: string) => Effect.Effect<void>
  /** The one line that moves; an empty text takes it away. Nothing at all unless a person watches. */
  readonly progress: (text: string) => Effect.Effect<void>
  readonly style: Style
}

/** @since 0.1.0 @category tags */
export const Terminal = Context.GenericTag<Terminal>("effect-aquifer/cli/Terminal")

const painted = (code: number, end: number) => (text: string) => `\u001b[${code}m${text}\u001b[${end}m`

/** @since 0.1.0 @category constructors */
export const colours: Style = {
  bold: painted(1, 22),
  dim: painted(2, 22),
  green: painted(32, 39),
  yellow: painted(33, 39),
  red: painted(31, 39)
}

const same = (text: string): string => text

/** @since 0.1.0 @category constructors */
export const plain: Style = { bold: same, dim: same, green: same, yellow: same, red: same }

/** What a stream of the process can do, as far as this is concerned. @since 0.1.0 @category models */
export interface Output {
  readonly isTTY?: boolean | undefined
  readonly write: (text: string) => unknown
}

/** @since 0.1.0 @category constructors */
export const make = (options: { readonly out: Output; readonly err: Output; readonly noColor: boolean }): Terminal => {
  const { err, out } = options
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
    style: out.isTTY === true && !options.noColor ? colours : plain
  }
}

/** The process's own. @since 0.1.0 @category constructors */
export const live: Effect.Effect<Terminal> = Effect.map(
  Effect.orElseSucceed(Config.withDefault(Config.string("NO_COLOR"), ""), () => ""),
  (noColor) => make({ out: process.stdout, err: process.stderr, noColor: noColor !== "" })
)
