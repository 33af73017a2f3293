/**
 * Problems of a configuration as data, collected all at once, and their way into and out of Effect's `ConfigError`.
 * A found value is quoted only where it cannot hold a secret; what looks like a URL or holds an `@` never is.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"

/**
 * One thing that is wrong: the variable or option it stands under, and a sentence that says what was expected.
 *
 * @since 0.1.0
 * @category models
 */
export interface Problem {
  readonly kind: "missing" | "invalid" | "unavailable"
  readonly name: string
  readonly message: string
  /** Only for `unavailable`: why the source could not be read. Never a parser's error, which quotes what it read. */
  readonly cause?: Cause.Cause<unknown> | undefined
}

/** A value was there and will not do. @since 0.1.0 @category constructors */
export const invalid = (name: string, message: string): Problem => ({ kind: "invalid", name, message })

/** A value that must be there is not. @since 0.1.0 @category constructors */
export const missing = (name: string, message: string): Problem => ({ kind: "missing", name, message })

/** A file could not be read. @since 0.1.0 @category constructors */
export const unavailable = (name: string, message: string, cause: Cause.Cause<unknown>): Problem => ({
  kind: "unavailable",
  name,
  message,
  cause
})

const one = (problem: Problem): ConfigError.ConfigError => {
  switch (problem.kind) {
    case "missing":
      return ConfigError.MissingData([problem.name], problem.message)
    case "invalid":
      return ConfigError.InvalidData([problem.name], problem.message)
    case "unavailable":
      return ConfigError.SourceUnavailable([problem.name], problem.message, problem.cause ?? Cause.empty)
  }
}

/** All problems as one `ConfigError`, in order. @since 0.1.0 @category conversions */
export const toConfigError = (problems: Arr.NonEmptyReadonlyArray<Problem>): ConfigError.ConfigError =>
  Arr.reduce(Arr.tailNonEmpty(problems), one(Arr.headNonEmpty(problems)), (all, next) =>
    ConfigError.And(all, one(next))
  )

const lines = (error: ConfigError.ConfigError): ReadonlyArray<string> => {
  switch (error._op) {
    case "And":
      return [...lines(error.left), ...lines(error.right)]
    case "Or":
      return [`${lines(error.left).join("; ")}, or else ${lines(error.right).join("; ")}`]
    default:
      return [error.path.length === 0 ? error.message : `${error.path.join(".")}: ${error.message}`]
  }
}

/**
 * A `ConfigError` as a person reads it: one line for one problem, a heading and a line each for several.
 *
 * @since 0.1.0
 * @category conversions
 */
export const explain = (error: ConfigError.ConfigError): string => {
  const all = Arr.dedupe(lines(error))
  return all.length === 1
    ? all.join("")
    : [`The database configuration has ${all.length} problems:`, ...all.map((line) => `  - ${line}`)].join("\n")
}

const longest = 40

/** A path in quotes; what may as well be a URL is not shown. @since 0.1.0 @category conversions */
export const shownPath = (path: string): string =>
  /@|:\/\//.test(path) ? "(which is not shown here, because it may hold a secret)" : JSON.stringify(path)

/**
 * What was found, in words that are safe to print. A value in the wrong place may be a URL with its password.
 *
 * @since 0.1.0
 * @category conversions
 */
export const found = (value: unknown): string => {
  if (Duration.isDuration(value)) return `found ${Duration.format(value)}`
  switch (typeof value) {
    case "number":
    case "bigint":
    case "boolean":
      return `found ${value}`
    case "string":
      return /[@\\]|:\/\//.test(value) || value.length > longest
        ? "found a text that is not shown here, because it may hold a secret"
        : `found ${JSON.stringify(value)}`
    default:
      return `found ${value === null ? "null" : `a value of type ${typeof value}`}`
  }
}
