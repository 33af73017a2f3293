/**
 * Stands in front of the parser of `@effect/cli`, which takes unknown options for arguments, wants options in one place and
 * repeats what was written, secrets included. Here every word is known before the parser sees it: options may stand anywhere,
 * an unknown one is an error with a suggestion, and nothing is shown again unless it is a plain word.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { kindOf, type Name, names } from "./Options.js"
import { nearest, shown } from "./words.js"

/** The command was used wrongly: a sentence, and what to do. @since 0.1.0 @category errors */
export interface UsageError {
  readonly _tag: "UsageError"
  readonly message: string
}

/** @since 0.1.0 @category constructors */
export const usageError = (message: string): UsageError => ({ _tag: "UsageError", message })

/** @since 0.1.0 @category models */
export interface Written {
  /** What is no option, in order: the command's words and its arguments. */
  readonly words: ReadonlyArray<string>
  /** The options that were really written, with what was written for them. */
  readonly given: ReadonlyMap<Name, ReadonlyArray<string>>
}

const find = (written: string): Name | undefined =>
  names.find((name) => {
    const { short } = kindOf(name)
    return written === `--${name}` || (short !== undefined && written === `-${short}`)
  })

const unknown = (written: string): UsageError => {
  const near = nearest(
    written,
    names.map((name) => `--${name}`)
  )
  if (/^--(?:dry-?run|sql)$/.test(written)) {
    return usageError(`unknown option ${shown(written)}. aquifer migrate plan shows what would be run`)
  }
  return usageError(
    `unknown option ${shown(written)}. ${near === undefined ? "aquifer --help lists them" : `Did you mean ${near}?`}`
  )
}

/** `-1` is a place in the history, one step back. */
const isArgument = (arg: string): boolean => !arg.startsWith("-") || arg === "-" || /^-\d+$/.test(arg)

/** @since 0.1.0 @category parsing */
export const read = (args: ReadonlyArray<string>): Either.Either<Written, UsageError> => {
  const words: Array<string> = []
  const given = new Map<Name, ReadonlyArray<string>>()
  const rest = [...args]
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === "--") {
      words.push(...rest.splice(0))
    } else if (isArgument(arg)) {
      words.push(arg)
    } else {
      const [written = "", ...inline] = arg.split("=")
      const name = find(written)
      if (name === undefined) return Either.left(unknown(written))
      const before = given.get(name)
      if (before !== undefined && !kindOf(name).many) {
        return Either.left(usageError(`--${name} is given twice. Give it once`))
      }
      const value = valueOf(name, inline.length > 0 ? inline.join("=") : undefined, rest)
      if (Either.isLeft(value)) return Either.left(value.left)
      given.set(name, [...(before ?? []), value.right])
    }
  }
  return Either.right({ words, given })
}

const valueOf = (name: Name, inline: string | undefined, rest: Array<string>): Either.Either<string, UsageError> => {
  const { value: called } = kindOf(name)
  if (called === undefined) {
    return inline === undefined ? Either.right("") : Either.left(usageError(`--${name} takes no value. Leave it out`))
  }
  const next = rest[0]
  const follows = next !== undefined && !next.startsWith("--") && find(next) === undefined
  const value = inline ?? (follows ? rest.shift() : undefined)
  return value === undefined || value === ""
    ? Either.left(usageError(`--${name} needs a value. Write --${name} ${called}`))
    : Either.right(value)
}
