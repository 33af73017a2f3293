/**
 * From a command and what was written for it to an exit code: decode that, run it, say what went wrong.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import { failed, failure } from "./Answer.js"
import type { ExitCode } from "./codes.js"
import { lines } from "./Failure.js"
import * as Grammar from "./Grammar.js"
import type { Asked } from "./Line.js"
import type { Options } from "./Options.js"
import { live, Terminal } from "./Terminal.js"
import { prefix, sentence } from "./words.js"

const levels = {
  all: LogLevel.All,
  trace: LogLevel.Trace,
  debug: LogLevel.Debug,
  info: LogLevel.Info,
  warning: LogLevel.Warning,
  error: LogLevel.Error,
  fatal: LogLevel.Fatal,
  none: LogLevel.None
}

const logging = <A, E, R>(options: Options, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  options["log-level"] === undefined ? effect : Logger.withMinimumLogLevel(effect, levels[options["log-level"]])

/** A terminal that knows whether a result has been printed: a failure is one only where nothing has. */
const observed = (terminal: Terminal): { readonly terminal: Terminal; readonly printed: () => boolean } => {
  let printed = false
  const print = (text: string) =>
    Effect.suspend(() => {
      printed = true
      return terminal.print(text)
    })
  return { terminal: { ...terminal, print }, printed: () => printed }
}

const chosen = ({ args, command, given }: Asked) =>
  Effect.gen(function* () {
    const options = yield* Grammar.options(given)
    const run = yield* Effect.promise(command.load)
    return yield* logging(options, run(options, args))
  })

/** The command, its failures told; it does not fail itself. @since 0.1.0 @category running */
export const main = (asked: Asked): Effect.Effect<ExitCode> =>
  Effect.flatMap(live, (own) => {
    const { printed, terminal } = observed(own)
    const say = (code: ExitCode, lines: ReadonlyArray<string>): Effect.Effect<ExitCode> => {
      const { complaints, result } = failure(code, lines, asked.json && !printed())
      return Effect.forEach(complaints, terminal.complain, { discard: true }).pipe(
        Effect.zipRight(result === undefined ? Effect.void : terminal.print(result)),
        Effect.as(code)
      )
    }
    return Effect.scoped(chosen(asked)).pipe(
      Effect.provideService(Terminal, terminal),
      Effect.catchAllCause((cause): Effect.Effect<ExitCode> => {
        if (Cause.isInterrupted(cause)) return Effect.interrupt
        const failure = Cause.failureOption(cause)
        const error = failure._tag === "Some" ? failure.value : undefined
        if (error?._tag === "UsageError") return say(2, [prefix + sentence(error.message)])
        return say(1, error?._tag === "Told" ? error.lines : lines(cause))
      }),
      Effect.onInterrupt(() => (asked.json && !printed() ? terminal.print(failed(130, ["interrupted"])) : Effect.void)),
      // Results go to standard output, and nothing but results.
      Effect.provide(Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger)))
    )
  })
