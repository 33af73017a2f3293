/**
 * Reading a configuration file and taking its format apart, into texts by name. Whatever goes wrong names the file, the
 * line and the remedy, and never quotes the file: parsers' messages do, so none of theirs is passed on.
 *
 * @since 0.1.0
 */
import { readFileSync, statSync } from "node:fs"
import { basename } from "node:path"
import * as Cause from "effect/Cause"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { parseDotEnv } from "./dotEnv.js"
import { parseIni } from "./ini.js"
import { invalid, toConfigError, unavailable } from "./problem.js"

/** @since 0.1.0 @category models */
export type Format = "env" | "yaml" | "json" | "ini" | "toml"

const endings: ReadonlyArray<readonly [RegExp, Format]> = [
  [/^\.env(\..+)?$|\.env$/, "env"],
  [/\.ya?ml$/, "yaml"],
  [/\.json$/, "json"],
  [/\.(ini|conf|cfg)$/, "ini"],
  [/\.toml$/, "toml"]
]

/** By the file's name, `undefined` where it is none we know. @since 0.1.0 @category accessors */
export const formatOf = (path: string): Format | undefined =>
  endings.find(([ending]) => ending.test(basename(path).toLowerCase()))?.[1]

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file; create it or give another path",
  ENOTDIR: "there is no such file; create it or give another path",
  EACCES: "this user may not read it; change its permissions or its owner",
  EPERM: "this user may not read it; change its permissions or its owner",
  EISDIR: "it is a folder; give the path of a file in it"
}

const mostBytes = 1_048_576

/** A short word on a failed file operation, by Node's code. @since 0.1.0 @category errors */
export const codeOf = (error: unknown): string | undefined => {
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : undefined
  return typeof code === "string" ? code : undefined
}

/**
 * The text of a file. Read in one go and synchronously, so that a configuration can be had under `Effect.runSync`.
 *
 * @since 0.1.0
 * @category reading
 */
export const readText = (path: string): Effect.Effect<string, ConfigError> =>
  Effect.suspend(() => {
    const fail = (message: string, cause: Cause.Cause<unknown> = Cause.empty) =>
      toConfigError([unavailable(path, `cannot read the configuration file: ${message}`, cause)])
    return Effect.flatMap(
      Effect.try({
        try: () => {
          const stat = statSync(path)
          if (stat.isDirectory()) return Either.left(fail(reasons.EISDIR ?? ""))
          if (!stat.isFile()) return Either.left(fail("it is no ordinary file; copy its text into one"))
          if (stat.size > mostBytes)
            return Either.left(fail("it is larger than 1 MiB; give the path of a configuration"))
          return Either.right(readFileSync(path, "utf8"))
        },
        catch: (error) => {
          const code = codeOf(error) ?? "unknown"
          return fail(reasons[code] ?? `the system says ${code}`, Cause.fail(error))
        }
      }),
      (either) => either
    )
  })

const malformed = (path: string, message: string): ConfigError =>
  toConfigError([invalid(path, `the configuration file is malformed: ${message}`)])

/** Where the TOML parser stopped: a grammar's error has a location, that of a meaning a line. Only places are ours to show. */
const tomlPlace = (error: unknown): string => {
  const { column, line, location } = error as {
    readonly line?: unknown
    readonly column?: unknown
    readonly location?: { readonly start?: { readonly line?: unknown; readonly column?: unknown } }
  }
  const at = location?.start ?? { line, column }
  return typeof at.line === "number"
    ? `line ${at.line}${typeof at.column === "number" ? `, column ${at.column}` : ""}: `
    : ""
}

const parsers: Readonly<Record<Format, (text: string) => Promise<Parsed>>> = {
  env: async (text) =>
    Either.mapBoth(parseDotEnv(text), {
      onLeft: ({ expected, line }) => `line ${line}: expected ${expected}`,
      onRight: (variables): unknown => Object.fromEntries(variables)
    }),
  ini: async (text) => Either.mapLeft(parseIni(text), ({ expected, line }) => `line ${line}: expected ${expected}`),
  json: async (text) => {
    try {
      return Either.right(JSON.parse(text) as unknown)
    } catch (error) {
      const at = /at position (\d+)/.exec(error instanceof Error ? error.message : "")?.[1]
      return Either.left(
        at === undefined ? "expected JSON" : `line ${text.slice(0, Number(at)).split("\n").length}: expected JSON`
      )
    }
  },
  toml: async (text) => {
    const { parse } = await import("toml")
    try {
      return Either.right(parse(text) as unknown)
    } catch (error) {
      return Either.left(`${tomlPlace(error)}expected TOML`)
    }
  },
  yaml: async (text) => {
    const { parseDocument } = await import("yaml")
    try {
      // Every scalar stays a text: a password of digits must not become a number that has lost its zeros.
      const document = parseDocument(text, { schema: "failsafe", merge: true, logLevel: "silent" })
      const error = document.errors[0]
      if (error === undefined) return Either.right(document.toJS() as unknown)
      const at = error.linePos?.[0]
      return Either.left(
        `${at === undefined ? "" : `line ${at.line}, column ${at.col}: `}expected YAML (${error.code})`
      )
    } catch {
      return Either.left("expected YAML whose aliases end")
    }
  }
}

/** What a file says, or the sentence that says where it stops making sense. */
type Parsed = Either.Either<unknown, string>

/**
 * The settings of a file as its format nests them.
 *
 * @since 0.1.0
 * @category reading
 */
export const readSettings = Effect.fnUntraced(function* (path: string) {
  const format = formatOf(path)
  if (format === undefined) {
    return yield* toFailure(
      path,
      "unknown kind of configuration file; expected .env, .yaml, .yml, .json, .ini, .conf, .cfg or .toml"
    )
  }
  const text = yield* readText(path)
  const parsed = yield* Effect.promise(() => parsers[format](text.replace(/^\uFEFF/, "")))
  if (Either.isLeft(parsed)) return yield* Effect.fail(malformed(path, parsed.left))
  const value = parsed.right ?? {}
  if (typeof value !== "object" || Array.isArray(value)) {
    return yield* Effect.fail(malformed(path, "expected settings by name"))
  }
  return { format, settings: value as Readonly<Record<string, unknown>> } // an object that is no list
})

const toFailure = (path: string, message: string): Effect.Effect<never, ConfigError> =>
  Effect.fail(toConfigError([invalid(path, message)]))
