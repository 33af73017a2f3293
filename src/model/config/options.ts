/**
 * The public options: what a program writes down instead of variables. Durations are `DurationInput`s, so a bare number
 * means milliseconds here, as everywhere in Effect (in variables and files it means seconds).
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import type { DurationInput } from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Redacted from "effect/Redacted"
import type { DatabaseConfig, Profile, SqliteFunction, SslMode } from "../DatabaseConfig.js"
import type { RetryPolicy } from "../RetryPolicy.js"
import { assemble } from "./assemble.js"
import { place } from "./place.js"
import { toConfigError } from "./problem.js"
import type { Entry, Source } from "./source.js"

/** A limit, or none: zero and `Duration.infinity` are off too. @since 0.1.0 @category models */
export type LimitInput = DurationInput | "off"

/** A URL, secret or not: it is kept as a secret in any case. @since 0.1.0 @category models */
export type UrlInput = string | Redacted.Redacted<string>

/** @since 0.1.0 @category models */
export interface PoolOptions {
  readonly size?: number | undefined
  readonly maxOverflow?: number | undefined
  /** Cannot be off: every wait has a limit. */
  readonly acquireTimeout?: DurationInput | undefined
  readonly maxLifetime?: LimitInput | undefined
  readonly idleTimeout?: LimitInput | undefined
  /** Idle for longer: asked before it is handed out. `true`: the default; `false`: never; `"always"`: each time. */
  readonly prePing?: LimitInput | boolean | "always" | undefined
  readonly keepAlive?: LimitInput | undefined
  readonly queueTarget?: LimitInput | undefined
  readonly leakThreshold?: LimitInput | undefined
  readonly prewarm?: boolean | undefined
  /** Statements run once on each new connection. */
  readonly onConnect?: ReadonlyArray<string> | undefined
  readonly resetOnReturn?: "rollback" | "discard" | undefined
}

/** Certificates are paths, as in libpq. @since 0.1.0 @category models */
export interface SslOptions {
  readonly mode?: SslMode | undefined
  readonly rootCert?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
  readonly passphrase?: UrlInput | undefined
}

/**
 * Everything but `url` is optional; what is left out is what the URL says, else the profile's default.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly url: UrlInput
  /** Read replicas; `Database.onReplica` reads there. */
  readonly replicaUrls?: ReadonlyArray<UrlInput> | undefined
  /** The most a replica's data may be behind the primary's. */
  readonly maxStaleness?: LimitInput | undefined
  readonly profile?: Profile | undefined
  readonly pool?: PoolOptions | undefined
  readonly retry?:
    | { readonly connection?: RetryPolicy | undefined; readonly conflict?: RetryPolicy | undefined }
    | undefined
  /** Cannot be off: every wait has a limit. */
  readonly connectTimeout?: DurationInput | undefined
  readonly statementTimeout?: LimitInput | undefined
  readonly lockTimeout?: LimitInput | undefined
  readonly idleInTransactionTimeout?: LimitInput | undefined
  readonly transactionTimeout?: LimitInput | undefined
  readonly applicationName?: string | undefined
  readonly tablePrefix?: string | undefined
  readonly pooler?: "none" | "transaction" | undefined
  readonly prepare?: boolean | undefined
  readonly connect?: "eager" | "lazy" | undefined
  /** `true` is `require`, `false` is `disable`, as in libpq. */
  readonly ssl?: SslMode | boolean | SslOptions | undefined
  /** Functions that SQL on SQLite may call. */
  readonly functions?: Readonly<Record<string, SqliteFunction>> | undefined
  readonly transformQueryNames?: ((name: string) => string) | undefined
  readonly transformResultNames?: ((name: string) => string) | undefined
  readonly transformJson?: boolean | undefined
  readonly spanAttributes?: Readonly<Record<string, unknown>> | undefined
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

/** `tls.mode` is written `ssl.mode`, or `ssl` alone. */
const nameOf = (key: string, options: Options): string =>
  key === "tls.mode" && !isObject(options.ssl) ? "ssl" : key.replace(/^tls\./, "ssl.")

const source = (options: Options): Source => {
  const at = (path: ReadonlyArray<string>): unknown =>
    path.reduce<unknown>((inner, name) => (isObject(inner) ? inner[name] : undefined), options)
  return {
    get: (key): Entry | undefined => {
      const name = nameOf(key, options)
      const value = at(name.split("."))
      return value === undefined ? undefined : { name, value, unit: "millis" }
    },
    nameOf: (key) => nameOf(key, options)
  }
}

/**
 * Options decoded and checked, all problems at once. The profile comes from `DB_ENV`, then `NODE_ENV`, unless it is an
 * option; nothing else is read from the environment. Synchronous: may run under `Effect.runSync`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<DatabaseConfig, ConfigError> =>
  Effect.flatMap(place, (here) => Either.mapLeft(assemble(source(options), here), toConfigError))

/**
 * The same for options whose fields are `Config`s: `fromConfig({ url: Config.redacted("MY_URL") })`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromConfig = (options: Config.Config.Wrap<Options>): Effect.Effect<DatabaseConfig, ConfigError> =>
  Effect.flatMap(Config.unwrap(options), make)
