/**
 * One immutable, decoded description of a database and how to reach it. Made from options (`make`, `fromConfig`), variables
 * (`fromEnv`) or a file (`fromFile`); every problem is reported at once, by name. What is said wins over what the URL says,
 * that over the profile's default; the environment wins over a `.env` file. Secrets are `Redacted` and never printed.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Redacted from "effect/Redacted"
import type { Policies } from "./RetryPolicy.js"

/** Which driver speaks to it; the URL's scheme says so. @since 0.1.0 @category models */
export type Driver = "postgres" | "sqlite" | "pglite"

/** @since 0.1.0 @category models */
export type Profile = "production" | "development" | "test"

/** libpq's meanings of `sslmode`. @since 0.1.0 @category models */
export type SslMode = "disable" | "allow" | "prefer" | "require" | "verify-ca" | "verify-full"

/** Certificates are paths, as in libpq. @since 0.1.0 @category models */
export interface Tls {
  readonly mode: SslMode
  readonly rootCert?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** Of an encrypted key. */
  readonly passphrase?: Redacted.Redacted<string> | undefined
}

/** @since 0.1.0 @category models */
export interface Host {
  readonly host: string
  readonly port: number
}

/**
 * Which of several hosts will do (libpq's `target_session_attrs`). `prefer-primary` cannot be asked for: it is what `any` means
 * from the moment a write was refused by a standby.
 *
 * @since 0.1.0
 * @category models
 */
export type TargetSession =
  | "any"
  | "read-write"
  | "read-only"
  | "primary"
  | "standby"
  | "prefer-standby"
  | "prefer-primary"

/** Where the database is. A SQLite or PGlite database is a `database` path (or `:memory:`) without hosts. @since 0.1.0 @category models */
export interface Target {
  readonly driver: Driver
  /** Who is to speak behind the driver, where that is not its own product: the URL's scheme said so, or the server did. */
  readonly product?: "cockroachdb" | undefined
  readonly hosts: ReadonlyArray<Host>
  readonly database: string
  readonly user?: string | undefined
  readonly password?: Redacted.Redacted<string> | undefined
  readonly tls: Tls
  readonly targetSession: TargetSession
  /** What the URL said besides (`options`, `application_name` …), as given. */
  readonly parameters: Readonly<Record<string, string>>
}

/** @since 0.1.0 @category models */
export interface PoolSettings {
  readonly size: number
  readonly maxOverflow: number
  readonly acquireTimeout: Duration.Duration
  readonly maxLifetime: Duration.Duration
  readonly idleTimeout: Duration.Duration
  /** A connection idle for longer is asked before it is handed out; `Duration.infinity`: never asked. */
  readonly prePing: Duration.Duration
  readonly keepAlive: Duration.Duration
  readonly queueTarget?: Duration.Duration | undefined
  readonly leakThreshold?: Duration.Duration | undefined
  /** Whether connections are opened up to `size` as soon as one has been, and kept at that. */
  readonly prewarm?: boolean | undefined
  readonly resetOnReturn: "rollback" | "discard"
  /** Statements run once on each new connection. */
  readonly onConnect: ReadonlyArray<string>
}

/** A function that SQL on SQLite may call. @since 0.1.0 @category models */
// biome-ignore lint/suspicious/noExplicitAny: SQLite hands over whatever the statement holds
export type SqliteFunction = (...args: ReadonlyArray<any>) => unknown

/** @since 0.1.0 @category models */
export interface DatabaseConfig {
  readonly target: Target
  readonly replicas: ReadonlyArray<Target>
  /** The most a replica's data may be behind; none: however old. */
  readonly maxStaleness?: Duration.Duration | undefined
  readonly profile: Profile
  readonly pool: PoolSettings
  readonly retry: Policies
  readonly connectTimeout: Duration.Duration
  readonly statementTimeout?: Duration.Duration | undefined
  readonly lockTimeout?: Duration.Duration | undefined
  readonly idleInTransactionTimeout?: Duration.Duration | undefined
  readonly transactionTimeout?: Duration.Duration | undefined
  readonly applicationName: string
  readonly tablePrefix: string
  readonly pooler: "none" | "transaction"
  /** Whether statements are prepared by name. */
  readonly prepare: boolean
  readonly connect: "eager" | "lazy"
  readonly functions: Readonly<Record<string, SqliteFunction>>
  readonly transformQueryNames?: ((name: string) => string) | undefined
  readonly transformResultNames?: ((name: string) => string) | undefined
  readonly transformJson: boolean
  readonly spanAttributes: Readonly<Record<string, unknown>>
}

/** The configuration in use. @since 0.1.0 @category tags */
export const DatabaseConfig = Context.GenericTag<DatabaseConfig>("effect-aquifer/DatabaseConfig")

export { fromEnv, fromEnvironment } from "./config/env.js"
export { dotEnvProvider, fromFile, layerDotEnv, withDotEnv } from "./config/fromFile.js"
export {
  fromConfig,
  type LimitInput,
  make,
  type Options,
  type PoolOptions,
  type SslOptions,
  type UrlInput
} from "./config/options.js"
export { explain } from "./config/problem.js"
export { describeTarget, redacted } from "./config/redacted.js"
export { type Setting, settings, settingsTable } from "./config/settings.js"
export { parseUrl } from "./config/url.js"
