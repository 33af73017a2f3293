/**
 * The configuration from a file, by the variables' names or shorter ones in a section `database` (or `db`), and by older
 * spellings. The file alone says where the database is and how to use it: an environment variable must not lead a migration
 * to another database. Only the profile (`DB_ENV`, `NODE_ENV`), unless the file names it, and the worker come from outside.
 *
 * @since 0.1.0
 */

import * as Arr from "effect/Array"
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type { DatabaseConfig } from "../DatabaseConfig.js"
import { assemble } from "./assemble.js"
import { parseDotEnv, provider } from "./dotEnv.js"
import { type Format, readSettings, readText } from "./files.js"
import { optional, place } from "./place.js"
import { invalid, toConfigError } from "./problem.js"
import { type Key, settings } from "./settings.js"
import type { Entry, Source } from "./source.js"

/** Names beside the variable itself; those in `section` count only inside `database:`. The first that is there counts. */
const aliases: Readonly<
  Record<string, { readonly anywhere?: ReadonlyArray<string>; readonly section?: ReadonlyArray<string> }>
> = {
  url: { anywhere: ["db_url"] },
  "parts.type": { section: ["driver"] },
  "parts.name": { section: ["database", "dbname"] },
  "parts.user": { section: ["username"] },
  "parts.ssl": { section: ["sslmode"] },
  "tls.rootCert": { section: ["sslrootcert"] },
  "tls.cert": { section: ["sslcert"] },
  "tls.key": { section: ["sslkey"] },
  "tls.passphrase": { section: ["sslpassword"] },
  profile: { anywhere: ["environment"], section: ["env"] },
  connectTimeout: { anywhere: ["db_connection_timeout"], section: ["connection_timeout"] },
  "old.minConnections": { anywhere: ["db_min_connections"], section: ["min_connections"] },
  "old.maxConnections": { anywhere: ["db_max_connections"], section: ["max_connections"] }
}

/** `DB_POOL_SIZE`, `db_pool_size`, `dbPoolSize` and `db-pool-size` are one name. */
const normal = (name: string): string => name.toLowerCase().replace(/[_-]/g, "")

type Found = ReadonlyMap<string, { readonly name: string; readonly value: unknown }>

/** Texts by normalised path; `[DEFAULT]` (INI) is the root, `db` is `database`. */
const flatten = (root: Readonly<Record<string, unknown>>): Found => {
  const found = new Map<string, { readonly name: string; readonly value: unknown }>()
  const walk = (value: unknown, path: ReadonlyArray<string>): void => {
    if (typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)) {
      for (const [name, inner] of Object.entries(value)) {
        walk(inner, path.length === 0 && normal(name) === "default" ? [] : [...path, name])
      }
      return
    }
    if (value === null || value === undefined || (typeof value === "string" && value.trim() === "")) return
    const names = path.map(normal)
    if (names.length > 1 && names[0] === "db") names[0] = "database"
    found.set(names.join("."), { name: path.join("."), value })
  }
  walk(root, [])
  return found
}

const namesOf = (key: string, rootIsSection: boolean): ReadonlyArray<string> => {
  const variable = Object.hasOwn(settings, key) ? settings[key as Key].variable : undefined // just asked
  const more = aliases[key] ?? {}
  const anywhere = [...(variable === undefined ? [] : [variable]), ...(more.anywhere ?? [])]
  const short = variable === undefined ? [] : [variable.replace(/^(DB|DATABASE)_/, "")]
  const path = key.startsWith("parts.") ? [] : [key.replace(/^tls\./, "ssl.")]
  const section = [...short, ...path, ...(more.section ?? [])]
  return [
    ...anywhere,
    ...[...anywhere, ...section].map((name) => `database.${name}`),
    ...(rootIsSection ? section : [])
  ].map(normal)
}

const source = (root: Readonly<Record<string, unknown>>, format: Format): Source => {
  const found = flatten(root)
  // A YAML, JSON or TOML file without such a section is about nothing else. A root of `.env` or INI is shared with others.
  const sections = Object.entries(root).filter(
    ([name, value]) => (normal(name) === "database" || normal(name) === "db") && typeof value === "object"
  )
  const rootIsSection = sections.length === 0 && format !== "env" && format !== "ini"
  return {
    get: (key): Entry | undefined => {
      for (const name of namesOf(key, rootIsSection)) {
        const entry = found.get(name)
        if (entry !== undefined) return { ...entry, value: plain(entry.value, key), unit: "seconds" }
      }
      return undefined
    },
    nameOf: (key) => settings[key].variable
  }
}

/** Secrets that a format reads as numbers are texts again. */
const plain = (value: unknown, key: string): unknown =>
  typeof value === "number" && (key === "parts.password" || key === "tls.passphrase") ? String(value) : value

/**
 * Reads `.env`, YAML, JSON, INI (`.ini`, `.conf`, `.cfg`) and TOML, by the file's ending. Every problem at once, each under
 * the name it has in the file; what cannot be read or parsed is told without quoting the file.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromFile = Effect.fnUntraced(function* (path: string): Effect.fn.Return<DatabaseConfig, ConfigError> {
  const { format, settings: root } = yield* readSettings(path)
  const here = yield* place
  return yield* Either.mapLeft(assemble(source(root, format), here), (problems) =>
    toConfigError(Arr.map(problems, (problem) => ({ ...problem, message: `${problem.message} (in ${path})` })))
  )
})

/**
 * The text of a `.env` file as a `ConfigProvider`; `path` is only named in problems.
 *
 * @since 0.1.0
 * @category providers
 */
export const dotEnvProvider = (
  text: string,
  path = ".env"
): Either.Either<ConfigProvider.ConfigProvider, ConfigError> => Either.map(variablesOf(text, path), provider)

const variablesOf = (text: string, path: string): Either.Either<ReadonlyMap<string, string>, ConfigError> =>
  Either.mapLeft(parseDotEnv(text), ({ expected, line }) =>
    toConfigError([invalid(path, `the configuration file is malformed: line ${line}: expected ${expected}`)])
  )

const whereabouts = ["DATABASE_TYPE", "DATABASE_NAME", "DATABASE_HOST"]

/**
 * The current provider with a `.env` file behind it: what the environment says wins. A missing file is none; where the
 * environment names parts, the file's URL does not count. Synchronous: may run under `Effect.runSync`.
 *
 * @since 0.1.0
 * @category providers
 */
export const withDotEnv = Effect.fnUntraced(function* (
  path = ".env"
): Effect.fn.Return<ConfigProvider.ConfigProvider, ConfigError> {
  const real = yield* Effect.configProviderWith(Effect.succeed)
  const text = yield* Effect.catchIf(
    Effect.map(readText(path), (text): string | undefined => text),
    isMissing,
    () => Effect.succeed(undefined)
  )
  if (text === undefined) return real
  const variables = new Map(yield* variablesOf(text, path))
  const parts = yield* real.load(Config.all(whereabouts.map(optional)))
  if (parts.some((part) => part !== undefined)) variables.delete("DATABASE_URL")
  return ConfigProvider.orElse(real, () => provider(variables))
})

const isMissing = (error: ConfigError): boolean =>
  error._op === "SourceUnavailable" && error.message.includes("there is no such file")

/**
 * `withDotEnv` as a layer: whatever is built with it reads the environment first, then the file.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerDotEnv = (path = ".env"): Layer.Layer<never, ConfigError> =>
  Layer.unwrapEffect(Effect.map(withDotEnv(path), Layer.setConfigProvider))
