/**
 * What was written behind `aquifer`: a command that is to be run, or something that is answered at once. Everything that can
 * be refused without decoding a value is refused here, and nothing is loaded for it.
 *
 * @since 0.1.0
 */
import { createRequire } from "node:module"
import * as Either from "effect/Either"
import { type Answer, failure } from "./Answer.js"
import * as Arguments from "./Arguments.js"
import type { Command } from "./Command.js"
import * as Completions from "./Completions.js"
import { commands, groups } from "./commands.js"
import * as Guard from "./Guard.js"
import * as Help from "./Help.js"
import { globals } from "./Options.js"
import type { Style } from "./Style.js"
import { nearest, prefix, sentence, shown } from "./words.js"

/** A command, and what was written for it. @since 0.1.0 @category models */
export interface Asked {
  readonly _tag: "Asked"
  readonly command: Command
  readonly given: Guard.Written["given"]
  readonly args: ReadonlyArray<string>
  readonly json: boolean
}

/** Not an import: Node 20 warns on standard error about those of JSON. */
const about: { readonly version: string; readonly description: string } = createRequire(import.meta.url)(
  "../../package.json"
)

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

/** What the command says of itself, under the name it has in JSON. */
const said = (what: "help" | "version" | "script", text: string, { given }: Guard.Written): Answer => ({
  _tag: "Answer",
  code: 0,
  complaints: [],
  result: given.has("json") ? JSON.stringify({ [what]: text }, null, 2) : text
})

const helpOf = (words: ReadonlyArray<string>, command: Command | undefined, style: Style): string | undefined => {
  if (command !== undefined) return Help.ofCommand(command, style)
  const [first = "", ...others] = words
  if (first === "") return Help.ofAll(about, commands, style)
  return others.length === 0 && below(first).length > 0
    ? Help.ofGroup(first, groups[first] ?? "", below(first), style)
    : undefined
}

const isShell = (shell: string): shell is Completions.Shell => ["bash", "zsh", "fish"].includes(shell)

/** Options by themselves: `--completions bash`, or nothing at all. */
const bare = (written: Guard.Written, style: Style): Answer | Guard.UsageError => {
  const shell = written.given.get("completions")?.[0]
  if (shell === undefined) {
    return written.given.has("json")
      ? Guard.usageError("which command? aquifer --help lists them")
      : { _tag: "Answer", code: 2, complaints: [Help.ofAll(about, commands, style)] }
  }
  return isShell(shell)
    ? said("script", Completions.script(commands, groups, shell), written)
    : Guard.usageError("--completions takes one of bash, zsh, fish. Write --completions bash")
}

/** `aquifer help migrate up` is the option in other words. */
const helped = (written: Guard.Written): Guard.Written =>
  written.words[0] === "help"
    ? { words: written.words.slice(1), given: new Map([...written.given, ["help", [""]]]) }
    : written

const understood = (written: Guard.Written, style: Style): Asked | Answer | Guard.UsageError => {
  const { given, words } = written
  const command = find(words)
  if (given.has("version")) return said("version", about.version, written)
  const help = given.has("help") ? helpOf(words, command, style) : undefined
  if (help !== undefined) return said("help", help, written)
  if (words.length === 0 || given.has("completions")) return bare(written, style)
  if (command === undefined) return noCommand(words)
  const known = [...(command.takes ?? []), ...globals]
  const strange = [...given.keys()].find((name) => !known.includes(name))
  if (strange !== undefined) {
    return Guard.usageError(`aquifer ${command.name} takes no option --${strange}. See aquifer ${command.name} --help`)
  }
  if (given.has("url") && given.has("config")) {
    return Guard.usageError("--url and --config both say which database. Give one of them")
  }
  const behind = words.slice(command.name.split(" ").length)
  return Arguments.problem(command, behind) ?? { _tag: "Asked", command, given, args: behind, json: given.has("json") }
}

/** Also of a line that could not be read. */
const wantsJson = (args: ReadonlyArray<string>): boolean => {
  const end = args.indexOf("--")
  return (end < 0 ? args : args.slice(0, end)).includes("--json")
}

/** @since 0.1.0 @category parsing */
export const read = (args: ReadonlyArray<string>, style: Style): Asked | Answer => {
  const guarded = Guard.read(args)
  const line = Either.isLeft(guarded) ? guarded.left : understood(helped(guarded.right), style)
  return line._tag === "UsageError" ? failure(2, [prefix + sentence(line.message)], wantsJson(args)) : line
}
