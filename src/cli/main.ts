/**
 * From what was written behind `aquifer` to an exit code: find the command, refuse what it does not understand, run it, say
 * what went wrong.
 *
 * @since 0.1.0
 */
import { createRequire } from "node:module"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type * as Scope from "effect/Scope"
import type { Command, Failure } from "./Command.js"
import * as Completions from "./Completions.js"
import { commands, groups } from "./commands.js"
import { lines, prefix, sentence } from "./Failure.js"
import * as Grammar from "./Grammar.js"
import * as Guard from "./Guard.js"
import * as Help from "./Help.js"
import { globals, type Options } from "./Options.js"
import type { ExitCode } from "./Process.js"
import { live, Terminal } from "./Terminal.js"
import { concealed, nearest, shown } from "./words.js"

/** Not an import: Node 20 warns on standard error about those of JSON. */
const about: { readonly version: string; readonly description: string } = createRequire(import.meta.url)(
  "../../package.json"
)

const root = Grammar.tree(commands, groups, about.description)

/** The commands below a first word, `migrate` say. */
const below = (first: string): ReadonlyArray<Command> => commands.filter(({ name }) => name.startsWith(`${first} `))

const find = (words: ReadonlyArray<string>): Command | undefined =>
  commands.find(({ name }) => name.split(" ").every((part, index) => words[index] === part))

/** A sentence about the word that is no command. */
const noCommand = ([first = "", second]: ReadonlyArray<string>): Guard.UsageError => {
  const family = below(first).map(({ name }) => name.slice(first.length + 1))
  if (family.length > 0 && second === undefined) {
    return Guard.usageError(`${first} what? There are: ${family.join(", ")}`)
  }
  const known = family.length > 0 ? family : commands.map(({ name }) => name.split(" ")[0] ?? "")
  const word = family.length > 0 ? (second ?? "") : first
  const near = nearest(word, [...new Set(known)])
  const elsewhere = commands.find(({ name }) => name === `migrate ${word}` || name === `db ${word}`)
  const meant =
    near !== undefined
      ? `${family.length > 0 ? `${first} ` : ""}${near}`
      : elsewhere === undefined
        ? undefined
        : elsewhere.name
  return Guard.usageError(
    `unknown command ${shown(word)}. ${
      meant === undefined ? `There are: ${[...new Set(known)].join(", ")}` : `Did you mean aquifer ${meant}?`
    }`
  )
}

/** What the command says of itself. */
interface Answer {
  readonly about: "help" | "version" | "script"
  readonly text: string
}

const written = ({ about, text }: Answer): string => JSON.stringify({ [about]: text }, null, 2)

/** What is asked about the command itself, and not of it. */
const asked = (
  { given, words }: Guard.Written,
  command: Command | undefined
): Effect.Effect<Answer | undefined, Guard.UsageError, Terminal> =>
  Effect.map(Terminal, ({ style }): Answer | undefined => {
    if (given.has("version")) return { about: "version", text: about.version }
    if (!given.has("help")) return undefined
    const help = (text: string): Answer => ({ about: "help", text })
    if (command !== undefined) return help(Help.ofCommand(command, style))
    const [first = "", ...others] = words
    if (first === "") return help(Help.ofAll(about, commands, style))
    return others.length === 0 && below(first).length > 0
      ? help(Help.ofGroup(first, groups[first] ?? "", below(first), style))
      : undefined
  })

const isShell = (shell: string): shell is Completions.Shell => ["bash", "zsh", "fish"].includes(shell)

/** Options by themselves: `--completions bash`, or nothing at all. */
const bare = ({ given }: Guard.Written): Effect.Effect<ExitCode, Guard.UsageError, Terminal> =>
  Effect.flatMap(Terminal, (terminal) => {
    const shell = given.get("completions")?.[0]
    if (shell === undefined) {
      return given.has("json")
        ? Effect.fail(Guard.usageError("which command? aquifer --help lists them"))
        : Effect.as(terminal.complain(Help.ofAll(about, commands, terminal.style)), 2)
    }
    const script = (shell: Completions.Shell): Answer => ({
      about: "script",
      text: Completions.script(commands, groups, shell)
    })
    return isShell(shell)
      ? Effect.as(terminal.print(given.has("json") ? written(script(shell)) : script(shell).text), 0)
      : Effect.fail(Guard.usageError("--completions takes one of bash, zsh, fish. Write --completions bash"))
  })

const chosen = (args: ReadonlyArray<string>): Effect.Effect<ExitCode, Failure, Terminal | Scope.Scope> =>
  Effect.gen(function* () {
    const terminal = yield* Terminal
    const read = yield* Guard.read(args)
    const helped: Guard.Written =
      read.words[0] === "help" ? { words: read.words.slice(1), given: new Map([...read.given, ["help", [""]]]) } : read
    const { given, words } = helped
    const command = find(words)
    const answer = yield* asked(helped, command)
    if (answer !== undefined) {
      return yield* Effect.as(terminal.print(given.has("json") ? written(answer) : answer.text), 0 as const)
    }
    if (words.length === 0 || given.has("completions")) return yield* bare(helped)
    if (command === undefined) return yield* Effect.fail(noCommand(words))
    const known = [...(command.takes ?? []), ...globals]
    const strange = [...given.keys()].find((name) => !known.includes(name))
    if (strange !== undefined) {
      return yield* Effect.fail(
        Guard.usageError(`aquifer ${command.name} takes no option --${strange}. See aquifer ${command.name} --help`)
      )
    }
    if (given.has("url") && given.has("config")) {
      return yield* Effect.fail(Guard.usageError("--url and --config both say which database. Give one of them"))
    }
    const parsed = yield* Grammar.parse(root, command, given, words.slice(command.name.split(" ").length))
    return yield* logging(parsed.options, command.run(parsed.options, parsed.args))
  })

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

/** Also of a line that could not be read. */
const wantsJson = (args: ReadonlyArray<string>): boolean => {
  const end = args.indexOf("--")
  return (end < 0 ? args : args.slice(0, end)).includes("--json")
}

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

/** The command, its failures told; it does not fail itself. @since 0.1.0 @category running */
export const main = (args: ReadonlyArray<string>): Effect.Effect<ExitCode> =>
  Effect.flatMap(live, (own) => {
    const { printed, terminal } = observed(own)
    /** Whoever reads JSON finds it there whatever happens; people read standard error. */
    const result = (code: number, messages: ReadonlyArray<string>): Effect.Effect<void> =>
      wantsJson(args) && !printed()
        ? terminal.print(JSON.stringify({ error: { code, messages } }, null, 2))
        : Effect.void
    const say = (code: ExitCode, lines: ReadonlyArray<string>): Effect.Effect<ExitCode> => {
      const texts = lines.map(concealed)
      const messages = texts.map((text) => (text.startsWith(prefix) ? text.slice(prefix.length) : text))
      return Effect.forEach(texts, terminal.complain, { discard: true }).pipe(
        Effect.zipRight(result(code, messages)),
        Effect.as(code)
      )
    }
    return Effect.scoped(chosen(args)).pipe(
      Effect.provideService(Terminal, terminal),
      Effect.catchAllCause((cause): Effect.Effect<ExitCode> => {
        if (Cause.isInterrupted(cause)) return Effect.interrupt
        const failure = Cause.failureOption(cause)
        const error = failure._tag === "Some" ? failure.value : undefined
        if (error?._tag === "UsageError") return say(2, [prefix + sentence(error.message)])
        return say(1, error?._tag === "Told" ? error.lines : lines(cause))
      }),
      Effect.onInterrupt(() => result(130, ["interrupted"])),
      // Results go to standard output, and nothing but results.
      Effect.provide(Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger)))
    )
  })
