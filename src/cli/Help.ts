/**
 * The help, one line for each thing, from the same tables as everything else.
 *
 * @since 0.1.0
 */
import { bounds } from "./Arguments.js"
import type { Argument, Command } from "./Command.js"
import { codes } from "./codes.js"
import { globals, kindOf, type Name } from "./Options.js"
import type { Style } from "./Style.js"

const optionLines = (names: ReadonlyArray<Name>): ReadonlyArray<string> =>
  names.map((name) => {
    const { meaning, short, value } = kindOf(name)
    const written = `${short === undefined ? "    " : `-${short}, `}--${name}${value === undefined ? "" : ` ${shortened(value)}`}`
    const choices = value?.includes("|") ? ` (${value.split("|").join(", ")})` : ""
    return `  ${written.padEnd(26)} ${meaning}${choices}`
  })

/** A long list of choices stands behind the meaning. */
const shortened = (value: string): string => (value.includes("|") ? "WHICH" : value)

const written = (argument: Argument | undefined): string => {
  if (argument === undefined) return ""
  const [least, most] = bounds(argument)
  const one = `<${argument.name}>${most > 1 ? "…" : ""}`
  return least === 0 ? ` [${one}]` : ` ${one}`
}

const listed = (commands: ReadonlyArray<Command>): ReadonlyArray<string> =>
  commands.map((command) => `  ${`aquifer ${command.name}${written(command.argument)}`.padEnd(36)} ${command.summary}`)

const exits = `Exit codes: ${Object.entries(codes)
  .map(([code, meaning]) => `${code} ${meaning}`)
  .join(", ")}.`

const database = "Without --url and --config the environment says which database, with --env-file or .env behind it."

/** @since 0.1.0 @category conversions */
export const ofCommand = (command: Command, style: Style): string => {
  const own = command.takes ?? []
  return [
    `${style.bold(`aquifer ${command.name}${written(command.argument)}`)}: ${command.summary}`,
    "",
    ...(command.notes === undefined ? [] : [...command.notes, ""]),
    ...(own.length === 0 ? [] : [...optionLines(own), ""]),
    `With --json: { ${command.gives.join(", ")} }; of a failure: { error: { code, messages } }.`,
    "",
    style.dim("Options of every command, in any place:"),
    ...optionLines(globals),
    "",
    database,
    exits
  ].join("\n")
}

/** @since 0.1.0 @category conversions */
export const ofGroup = (name: string, summary: string, commands: ReadonlyArray<Command>, style: Style): string =>
  [`${style.bold(`aquifer ${name}`)}: ${summary}`, "", ...listed(commands), "", exits].join("\n")

/** @since 0.1.0 @category conversions */
export const ofAll = (
  about: { readonly version: string; readonly description: string },
  commands: ReadonlyArray<Command>,
  style: Style
): string =>
  [
    `${style.bold(`aquifer ${about.version}`)}: ${about.description}`,
    "",
    ...listed(commands),
    "",
    style.dim("Options of every command, in any place; aquifer COMMAND --help shows its own:"),
    ...optionLines(globals),
    "",
    database,
    exits
  ].join("\n")
