/**
 * From what was written behind `aquifer` to an exit code: find the command, refuse what it does not understand, run it, say
 * what went wrong. 0: fine; 1: failed; 2: used wrongly; 3: migrations pending; 130: interrupted.
 *
 * @since 0.1.0
 */
import { createRequire } from "node:module"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Logger from "effect/Logger"
import type { Command } from "./Command.js"
import { commands } from "./commands.js"
import { lines, prefix, sentence } from "./Failure.js"
import * as Options from "./Options.js"
import type { ExitCode } from "./Process.js"
import { live, Terminal } from "./Terminal.js"
import { nearest, shown } from "./words.js"

/** Not an import: Node 20 warns on standard error about those of JSON. */
const about: { readonly version: string; readonly description: string } = createRequire(import.meta.url)(
  "../../package.json"
)

const optionLines = (names: ReadonlyArray<Options.Name>): ReadonlyArray<string> =>
  names.map((name) => {
    const { meaning, short, value } = Options.kinds[name]
    const written = `${short === undefined ? "    " : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`
    return `  ${written.padEnd(24)} ${meaning}`
  })

const codes = "Exit codes: 0 fine, 1 failed, 2 used wrongly, 3 migrations pending, 130 interrupted."

const helpOf = (command: Command): string =>
  [
    `aquifer ${command.name}: ${command.summary}`,
    "",
    ...optionLines([...command.takes, "help"]),
    "",
    "Without --url and --config the environment says which database, with .env behind it.",
    codes
  ].join("\n")

const help = (): string =>
  [
    `aquifer ${about.version}: ${about.description}`,
    "",
    ...commands.map((command) => `  aquifer ${command.name.padEnd(16)} ${command.summary}`),
    "",
    ...optionLines(Object.keys(Options.kinds) as ReadonlyArray<Options.Name>), // `Object.keys` forgets the keys' type
    "",
    codes
  ].join("\n")

/** The command whose words these are, or a sentence about the word that is none. */
const find = (words: ReadonlyArray<string>): Either.Either<Command, Options.UsageError> => {
  const command = commands.find(({ name }) => {
    const parts = name.split(" ")
    return parts.every((part, index) => words[index] === part)
  })
  if (command !== undefined) {
    const more = words[command.name.split(" ").length]
    return more === undefined
      ? Either.right(command)
      : Either.left(Options.usageError(`aquifer ${command.name} takes no argument ${shown(more)}. See aquifer --help`))
  }
  const [first = "", second] = words
  const below = commands
    .filter(({ name }) => name.startsWith(`${first} `))
    .map(({ name }) => name.slice(first.length + 1))
  if (below.length > 0 && second === undefined) {
    return Either.left(Options.usageError(`aquifer ${first} what? There are: ${below.join(", ")}`))
  }
  const known = below.length > 0 ? below : commands.map(({ name }) => name.split(" ")[0] ?? "")
  const word = below.length > 0 ? (second ?? "") : first
  const near = nearest(word, known)
  return Either.left(
    Options.usageError(
      `unknown command ${shown(word)}. ${
        near === undefined
          ? `There are: ${[...new Set(known)].join(", ")}`
          : `Did you mean aquifer ${below.length > 0 ? `${first} ` : ""}${near}?`
      }`
    )
  )
}

const chosen = (args: ReadonlyArray<string>): Effect.Effect<ExitCode, Options.UsageError | Failure, Terminal> =>
  Effect.gen(function* () {
    const terminal = yield* Terminal
    const { given, options, words } = yield* Options.parse(args)
    if (options.version) return yield* Effect.as(terminal.print(about.version), 0 as const)
    if (words.length === 0) {
      if (options.help) return yield* Effect.as(terminal.print(help()), 0 as const)
      return yield* Effect.as(terminal.complain(help()), 2 as const)
    }
    const command = yield* find(words)
    if (options.help) return yield* Effect.as(terminal.print(helpOf(command)), 0 as const)
    const strange = given.find((name) => !command.takes.includes(name))
    if (strange !== undefined) {
      return yield* Effect.fail(
        Options.usageError(`aquifer ${command.name} takes no option --${strange}. See aquifer ${command.name} --help`)
      )
    }
    if (options.url !== undefined && options.config !== undefined) {
      return yield* Effect.fail(Options.usageError("--url and --config both say which database. Give one of them"))
    }
    return yield* command.run(options)
  })

type Failure = Effect.Effect.Error<ReturnType<Command["run"]>>

/** The command, its failures told; it does not fail itself. @since 0.1.0 @category running */
export const main = (args: ReadonlyArray<string>): Effect.Effect<ExitCode> =>
  Effect.flatMap(live, (terminal) =>
    chosen(args).pipe(
      Effect.provideService(Terminal, terminal),
      Effect.catchAllCause((cause): Effect.Effect<ExitCode> => {
        if (Cause.isInterrupted(cause)) return Effect.interrupt
        const failure = Cause.failureOption(cause)
        const error = failure._tag === "Some" ? failure.value : undefined
        const say = (texts: ReadonlyArray<string>) => Effect.forEach(texts, terminal.complain, { discard: true })
        if (error?._tag === "UsageError") return Effect.as(say([prefix + sentence(error.message)]), 2)
        return Effect.as(say(error?._tag === "Told" ? error.lines : lines(cause)), 1)
      }),
      // Results go to standard output, and nothing but results.
      Effect.provide(Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger)))
    )
  )
