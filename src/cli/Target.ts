/**
 * Which database a command speaks to: `--url`, else `--config FILE`, else the environment with `--env-file` or `.env` behind
 * it. Only the demo has a database of its own for a person who has said nothing yet.
 *
 * @since 0.1.0
 */

import { stat } from "node:fs/promises"
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as DatabaseConfig from "../model/DatabaseConfig.js"
import { type UsageError, usageError } from "./Guard.js"
import type { Options } from "./Options.js"

/** Where the demo lives when nobody says otherwise: a file in the working folder. @since 0.1.0 @category defaults */
export const embedded = "sqlite:aquifer-demo.db"

const whereabouts = ["DATABASE_URL", "DATABASE_TYPE", "DATABASE_NAME", "DATABASE_HOST"]

/** An empty variable counts as none. */
const isSaid = (provider: ConfigProvider.ConfigProvider): Effect.Effect<boolean, ConfigError> =>
  Effect.exists(whereabouts, (name) =>
    Effect.map(provider.load(Config.withDefault(Config.string(name), "")), (value) => value.trim() !== "")
  )

const withUrl = (provider: ConfigProvider.ConfigProvider, url: string) =>
  ConfigProvider.orElse(ConfigProvider.fromMap(new Map([["DATABASE_URL", url]]), { pathDelim: "_" }), () => provider)

/** Without `.env` nothing is missing; a file that was named must be there. */
const named = (file: string): Effect.Effect<string, UsageError> =>
  Effect.mapError(
    Effect.as(
      Effect.tryPromise(() => stat(file)),
      file
    ),
    () => usageError(`--env-file ${file}: there is no such file. Correct the path`)
  )

/** @since 0.1.0 @category constructors */
export const resolve = (
  options: Pick<Options, "url" | "config" | "env-file">,
  fallback?: string | undefined
): Effect.Effect<DatabaseConfig.DatabaseConfig, ConfigError | UsageError> =>
  Effect.gen(function* () {
    if (options.config !== undefined) return yield* DatabaseConfig.fromFile(options.config)
    const file = options["env-file"]
    const provider = yield* file === undefined
      ? DatabaseConfig.withDotEnv()
      : Effect.flatMap(named(file), DatabaseConfig.withDotEnv)
    const url = options.url ?? (fallback === undefined || (yield* isSaid(provider)) ? undefined : fallback)
    return yield* Effect.withConfigProvider(
      DatabaseConfig.fromEnv,
      url === undefined ? provider : withUrl(provider, url)
    )
  })
