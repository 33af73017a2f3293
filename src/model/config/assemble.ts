/**
 * From a source of settings to the one decoded configuration: what is said wins over what the URL says, that over the
 * profile's defaults. Either everything is right, or every problem is told.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import type { DatabaseConfig, PoolSettings, Profile, SqliteFunction } from "../DatabaseConfig.js"
import * as RetryPolicy from "../RetryPolicy.js"
import * as Decoder from "./decoder.js"
import { defaultName, nameBytes, nodeProfile, type Place, profile as profileDecoder } from "./place.js"
import { found, invalid, type Problem } from "./problem.js"
import { protect } from "./redacted.js"
import { settings } from "./settings.js"
import { type Entry, type Reader, reader as readerOf, type Source } from "./source.js"
import { readTargets, type Targets } from "./targets.js"

const readProfile = (reader: Reader, place: Place): Profile =>
  reader.read(
    "profile",
    profileDecoder,
    place.dbEnv === undefined ? undefined : { name: "DB_ENV", value: place.dbEnv, unit: "seconds" }
  ) ??
  nodeProfile(place) ??
  settings.profile.default

/** Size and overflow; `db_min_connections` and `db_max_connections` say the same as `size` and `size + maxOverflow`. */
const readSizes = (reader: Reader, profile: Profile): { readonly size: number; readonly maxOverflow: number } => {
  const least = reader.read("old.minConnections", Decoder.wholeNumber(0))
  const most = reader.read("old.maxConnections", Decoder.wholeNumber(1))
  if (least !== undefined && most !== undefined && least > most) {
    const name = reader.source.get("old.minConnections")?.name ?? ""
    reader.problems.push(invalid(name, `expected at most the ${most} of the maximum; found ${least}`))
  }
  const fallback = settings["pool.size"].default[profile]
  const size =
    reader.read("pool.size", Decoder.wholeNumber(1)) ??
    (least === undefined ? Math.min(fallback, most ?? fallback) : Math.max(1, least))
  const maxOverflow =
    reader.read("pool.maxOverflow", Decoder.wholeNumber(0)) ??
    (most === undefined ? settings["pool.maxOverflow"].default[profile] : Math.max(0, most - size))
  return { size, maxOverflow }
}

const statements: Decoder.Decoder<ReadonlyArray<string>> = {
  expected: "a list of statements",
  decode: (value) => (Array.isArray(value) && value.every((one) => typeof one === "string") ? value : undefined)
}

/** The value, or the setting's own default; infinity stays. */
const durations = (reader: Reader) => (key: DurationKey, decoder: Decoder.Decoder<Duration.Duration>, lower?: Entry) =>
  reader.read(key, decoder, lower) ?? settings[key].default

type DurationKey = {
  [K in keyof typeof settings]: (typeof settings)[K]["default"] extends Duration.Duration ? K : never
}[keyof typeof settings]

/** Where "off" is the absence of a value. */
const unlessOff = (duration: Duration.Duration): Duration.Duration | undefined =>
  Duration.isFinite(duration) ? duration : undefined

const readPool = (reader: Reader, profile: Profile): PoolSettings => {
  const duration = durations(reader)
  return {
    ...readSizes(reader, profile),
    acquireTimeout: duration("pool.acquireTimeout", Decoder.limit),
    maxLifetime: duration("pool.maxLifetime", Decoder.limitOrOff),
    idleTimeout: duration("pool.idleTimeout", Decoder.limitOrOff),
    prePing: duration("pool.prePing", Decoder.prePing(settings["pool.prePing"].default)),
    keepAlive: duration("pool.keepAlive", Decoder.limitOrOff),
    queueTarget: unlessOff(duration("pool.queueTarget", Decoder.limitOrOff)),
    leakThreshold: unlessOff(duration("pool.leakThreshold", Decoder.limitOrOff)),
    prewarm: reader.read("pool.prewarm", Decoder.flag) ?? settings["pool.prewarm"].default,
    resetOnReturn:
      reader.read("pool.resetOnReturn", Decoder.oneOf({ rollback: ["commit"], discard: ["discard all"] })) ??
      settings["pool.resetOnReturn"].default[profile],
    onConnect: reader.read("pool.onConnect", statements) ?? []
  }
}

const policies: RetryPolicy.Policies = { connection: RetryPolicy.connection, conflict: RetryPolicy.conflict }

const readPolicy = (reader: Reader, name: "connection" | "conflict"): RetryPolicy.Decided => {
  const base = policies[name]
  const baseDelay = reader.read(`retry.${name}.baseDelay`, Decoder.delay) ?? base.baseDelay
  const maxDelay = reader.read(`retry.${name}.maxDelay`, Decoder.delay)
  if (maxDelay !== undefined && Duration.lessThan(maxDelay, baseDelay)) {
    const at = reader.source.get(`retry.${name}.maxDelay`)?.name ?? `retry.${name}.maxDelay`
    reader.problems.push(
      invalid(at, `expected at least the first delay, ${Duration.format(baseDelay)}; ${found(maxDelay)}`)
    )
  }
  return {
    maxRetries: reader.read(`retry.${name}.maxRetries`, Decoder.wholeNumber(0)) ?? base.maxRetries,
    baseDelay,
    factor: reader.read(`retry.${name}.factor`, Decoder.numberFrom(1)) ?? base.factor,
    maxDelay: maxDelay ?? Duration.max(base.maxDelay, baseDelay),
    jitter: reader.read(`retry.${name}.jitter`, Decoder.oneOf({ full: [], equal: [], none: [] })) ?? base.jitter
  }
}

/** A parameter of the URL, also one given to the server by `options=-c name=value`. */
const parameter = (
  reader: Reader,
  targets: Targets | undefined,
  name: string,
  unit: Entry["unit"]
): Entry | undefined => {
  const parameters = targets?.target.parameters ?? {}
  const option = new RegExp(`(?:^|\\s)(?:-c\\s*|--)${name}=(\\S+)`).exec(parameters.options ?? "")
  const value = parameters[name] ?? option?.[1]
  const url = reader.source.get("url")?.name ?? reader.source.nameOf("url")
  return value === undefined ? undefined : { name: `${url} (${name})`, value, unit }
}

const applicationName = Decoder.text(
  `a name of at most ${nameBytes} bytes, because the server cuts a longer one`,
  (text) => new TextEncoder().encode(text).length <= nameBytes
)
const tablePrefix = Decoder.text(
  "a word of letters, digits and _ that begins with no digit, at most 30 characters",
  (text) => /^[A-Za-z_][A-Za-z0-9_]{0,29}$/.test(text)
)

const aFunction = <F>(): Decoder.Decoder<F> => ({
  expected: "a function",
  // What a function takes and gives cannot be seen; the options' type has checked it.
  decode: (value) => (typeof value === "function" ? (value as F) : undefined)
})
const aRecord = <R extends object>(expected: string, accepts: (value: unknown) => boolean): Decoder.Decoder<R> => ({
  expected,
  decode: (value) =>
    typeof value === "object" && value !== null && Object.values(value).every(accepts) ? (value as R) : undefined
})
const sqliteFunctions = aRecord<Readonly<Record<string, SqliteFunction>>>(
  "functions by name",
  (value) => typeof value === "function"
)
const attributes = aRecord<Readonly<Record<string, unknown>>>("attributes by name", () => true)

/** What one product has no use for is told, not ignored. */
const checkProduct = (reader: Reader, config: DatabaseConfig): void => {
  const { driver } = config.target
  const say = (key: "functions" | "pooler", message: string) =>
    reader.problems.push(invalid(reader.source.get(key)?.name ?? key, message))
  if (driver !== "sqlite" && Object.keys(config.functions).length > 0) {
    say("functions", "functions can only be added to SQLite; this is a database of the PostgreSQL family")
  }
  if (driver !== "postgres" && config.pooler !== "none") {
    say("pooler", `nothing stands between us and a ${driver} database; expected none; found "${config.pooler}"`)
  }
}

/**
 * @since 0.1.0
 * @category decoding
 */
export const assemble = (
  source: Source,
  place: Place
): Either.Either<DatabaseConfig, Arr.NonEmptyReadonlyArray<Problem>> => {
  const reader = readerOf(source)
  const targets = readTargets(reader)
  const profile = readProfile(reader, place)
  const duration = durations(reader)
  const server = (key: DurationKey, name: string) =>
    unlessOff(duration(key, Decoder.limitOrOff, parameter(reader, targets, name, "millis")))
  const pool = readPool(reader, profile)
  const rest = {
    profile,
    pool,
    retry: { connection: readPolicy(reader, "connection"), conflict: readPolicy(reader, "conflict") },
    maxStaleness: unlessOff(duration("maxStaleness", Decoder.limitOrOff)),
    connectTimeout: duration("connectTimeout", Decoder.limit, parameter(reader, targets, "connect_timeout", "seconds")),
    statementTimeout: server("statementTimeout", "statement_timeout"),
    lockTimeout: server("lockTimeout", "lock_timeout"),
    idleInTransactionTimeout: server("idleInTransactionTimeout", "idle_in_transaction_session_timeout"),
    transactionTimeout: server("transactionTimeout", "transaction_timeout"),
    applicationName:
      reader.read("applicationName", applicationName, parameter(reader, targets, "application_name", "seconds")) ??
      defaultName(settings.applicationName.default, place),
    tablePrefix: reader.read("tablePrefix", tablePrefix) ?? settings.tablePrefix.default,
    pooler:
      reader.read("pooler", Decoder.oneOf({ none: ["off", "false"], transaction: [] })) ?? settings.pooler.default,
    prepare: reader.read("prepare", Decoder.flag) ?? settings.prepare.default,
    connect: reader.read("connect", Decoder.oneOf({ eager: [], lazy: [] })) ?? settings.connect.default,
    functions: reader.read("functions", sqliteFunctions) ?? {},
    transformQueryNames: reader.read("transformQueryNames", aFunction<(name: string) => string>()),
    transformResultNames: reader.read("transformResultNames", aFunction<(name: string) => string>()),
    transformJson: reader.read("transformJson", Decoder.flag) ?? true,
    spanAttributes: reader.read("spanAttributes", attributes) ?? {}
  }
  const config = targets === undefined ? undefined : { ...targets, ...rest }
  if (config !== undefined) checkProduct(reader, config)
  if (Arr.isNonEmptyReadonlyArray(reader.problems)) return Either.left(reader.problems)
  // No problem was noted, so that a target is there; the compiler cannot see it.
  return config === undefined
    ? Either.left([invalid(source.nameOf("url"), "expected a URL")])
    : Either.right(protect(config))
}
