/**
 * What can be written behind a command: one table for all commands, read strictly. An option nobody knows is an error with a
 * suggestion and never an argument, and nothing a person wrote is shown again unless it is a plain word: it may be a URL
 * with its password.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { nearest, shown } from "./words.js"

/** @since 0.1.0 @category models */
export interface Options {
  readonly json: boolean
  readonly yes: boolean
  readonly help: boolean
  readonly version: boolean
  readonly config?: string
  readonly url?: string
  readonly directory?: string
  readonly steps?: number
}

/** @since 0.1.0 @category models */
export type Name = keyof Options

interface Kind {
  /** How its value is called in the help; without one it is a flag. */
  readonly value?: string
  readonly short?: string
  readonly meaning: string
}

/** Every option, in the order of the help. @since 0.1.0 @category defaults */
export const kinds: Readonly<Record<Name, Kind>> = {
  url: { value: "URL", meaning: "the database, in place of DATABASE_URL" },
  config: { value: "FILE", meaning: "settings from .env, .yaml, .json, .ini or .toml, in place of the environment" },
  directory: { value: "FOLDER", meaning: "where the migrations are (./migrations)" },
  steps: { value: "N", meaning: "at most so many migrations" },
  yes: { short: "y", meaning: "do it without asking" },
  json: { meaning: "the result as one JSON object" },
  help: { short: "h", meaning: "show this" },
  version: { meaning: "show the version" }
}

const names = Object.keys(kinds) as ReadonlyArray<Name> // `Object.keys` forgets the keys' type

/** The command was used wrongly: a sentence, and what to do. @since 0.1.0 @category errors */
export interface UsageError {
  readonly _tag: "UsageError"
  readonly message: string
}

/** @since 0.1.0 @category constructors */
export const usageError = (message: string): UsageError => ({ _tag: "UsageError", message })

/** @since 0.1.0 @category models */
export interface Parsed {
  /** What is no option, in order: the command's words. */
  readonly words: ReadonlyArray<string>
  readonly options: Options
  /** The options that were really written. */
  readonly given: ReadonlyArray<Name>
}

const find = (written: string): Name | undefined =>
  names.find(
    (name) => written === `--${name}` || (kinds[name].short !== undefined && written === `-${kinds[name].short}`)
  )

const unknown = (written: string): UsageError => {
  const near = nearest(
    written,
    names.map((name) => `--${name}`)
  )
  return usageError(
    `unknown option ${shown(written)}. ${near === undefined ? "aquifer --help lists them" : `Did you mean ${near}?`}`
  )
}

/** @since 0.1.0 @category parsing */
export const parse = (args: ReadonlyArray<string>): Either.Either<Parsed, UsageError> => {
  const words: Array<string> = []
  const given: Array<Name> = []
  const options: Record<string, unknown> = { json: false, yes: false, help: false, version: false }
  const rest = [...args]
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === "--") {
      words.push(...rest.splice(0))
    } else if (!arg.startsWith("-") || arg === "-") {
      words.push(arg)
    } else {
      const [written = "", ...inline] = arg.split("=")
      const name = find(written)
      if (name === undefined) return Either.left(unknown(written))
      if (given.includes(name)) return Either.left(usageError(`--${name} is given twice. Give it once`))
      const value = read(name, inline.length > 0 ? inline.join("=") : undefined, rest)
      if (Either.isLeft(value)) return Either.left(value.left)
      given.push(name)
      options[name] = value.right
    }
  }
  // Each name was written under its own key, with what `read` gives for it.
  return Either.right({ words, given, options: options as unknown as Options })
}

const read = (
  name: Name,
  inline: string | undefined,
  rest: Array<string>
): Either.Either<string | number | true, UsageError> => {
  const { value: called } = kinds[name]
  if (called === undefined) {
    return inline === undefined ? Either.right(true) : Either.left(usageError(`--${name} takes no value. Leave it out`))
  }
  const next = rest[0]
  const value = inline ?? (next === undefined || next.startsWith("--") ? undefined : rest.shift())
  if (value === undefined || value === "") {
    return Either.left(usageError(`--${name} needs a value. Write --${name} ${called}`))
  }
  if (name !== "steps") return Either.right(value)
  return /^[1-9]\d{0,5}$/.test(value)
    ? Either.right(Number(value))
    : Either.left(usageError(`--${name} takes a whole number from 1. Write --${name} 1`))
}
