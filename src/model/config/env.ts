/**
 * The configuration from variables, through the current `ConfigProvider`: the process's environment unless told otherwise.
 * An empty variable counts as none. A URL wins over parts; a variable wins over what the URL says of the same thing.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { DatabaseConfig } from "../DatabaseConfig.js"
import { assemble } from "./assemble.js"
import { withDotEnv } from "./fromFile.js"
import { optional, place } from "./place.js"
import { toConfigError } from "./problem.js"
import { type Key, keys, settings } from "./settings.js"
import type { Source } from "./source.js"

const source = (values: ReadonlyMap<string, string | undefined>): Source => {
  const nameOf = (key: Key): string => settings[key].variable
  return {
    get: (key) => {
      const value = values.get(key)
      return value === undefined ? undefined : { name: nameOf(key as Key), value, unit: "seconds" } // only `Key`s are in it
    },
    nameOf
  }
}

const variables: Config.Config<ReadonlyMap<string, string | undefined>> = Config.map(
  Config.all(keys.map((key) => optional(settings[key].variable))),
  (values) => new Map(keys.map((key, index) => [key, values[index]]))
)

/**
 * Reads every variable of `settings`; fails with all problems at once, each under its variable.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromEnv: Config.Config<DatabaseConfig> = Config.mapOrFail(
  Config.all({ here: place, values: variables }),
  ({ here, values }) => Either.mapLeft(assemble(source(values), here), toConfigError)
)

/**
 * `fromEnv` with the `.env` file of the working folder behind the environment, if there is one. Synchronous.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromEnvironment: Effect.Effect<DatabaseConfig, ConfigError> = Effect.flatMap(withDotEnv(), (provider) =>
  Effect.withConfigProvider(fromEnv, provider)
)
