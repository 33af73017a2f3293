/**
 * The life of one test's database on a server: in its turn, within the budget, copied from the template of its contents, gone
 * with the scope.
 *
 * @since 0.1.0
 */
import { randomBytes } from "node:crypto"
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as ConfigErrors from "effect/ConfigError"
import * as Console from "effect/Console"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { within } from "../../connection/Limit.js"
import * as Database from "../../Database.js"
import type * as Migrator from "../../migration/Migrator.js"
import * as DatabaseConfig from "../../model/DatabaseConfig.js"
import { type DatabaseError, isDatabaseError } from "../../model/DatabaseError.js"
import * as Budget from "./Budget.js"
import { type Contents, fill, fingerprint, settingsOf } from "./Contents.js"
import * as Names from "./Names.js"
import * as Server from "./Server.js"
import { sweep } from "./Sweep.js"
import * as Template from "./Template.js"
import { inTurn, onRealClock, Turns } from "./Waiting.js"

/** When the database stays after its test. @since 0.1.0 @category models */
export type Keep = "never" | "onFailure" | "always"

/** @since 0.1.0 @category models */
export interface Options<E> extends Contents<E> {
  readonly database: Partial<Database.Options>
  readonly version: string | undefined
  readonly keep: Keep
  readonly acquireTimeout: Duration.Duration
  readonly connections: number | undefined
}

/** Live databases of one worker: more are of no use to a process that does one thing at a time. */
const turns = new Turns(4)

/** Servers this process has swept. */
const clean = new Set<string>()

const variable = "TEST_DATABASE_URL"

const noServer = ConfigErrors.MissingData(
  [variable],
  `expected the postgres:// URL of a server for tests, where databases are made and dropped; DATABASE_URL is not looked at. DatabaseTest.pglite and DatabaseTest.sqlite need no server`
)

/** Never `DATABASE_URL`: that is the application's, and may be production's. */
const urlOf = (given: Partial<Database.Options>): Effect.Effect<DatabaseConfig.UrlInput, ConfigError> =>
  given.url !== undefined
    ? Effect.succeed(given.url)
    : Effect.flatMap(DatabaseConfig.withDotEnv(), (provider) =>
        Effect.flatMap(provider.load(Config.option(Config.nonEmptyString(variable))), (url) =>
          url._tag === "Some" ? Effect.succeed(url.value) : Effect.fail(noServer)
        )
      )

const at = (config: DatabaseConfig.DatabaseConfig, database: string): DatabaseConfig.DatabaseConfig => ({
  ...config,
  target: { ...config.target, database }
})

const filled = <E>(contents: Contents<E>, config: DatabaseConfig.DatabaseConfig) =>
  Effect.provide(fill(contents), Database.layerFrom(Effect.succeed(config)))

const swept = (server: Server.Server): Effect.Effect<void, DatabaseError> => {
  const place = DatabaseConfig.describeTarget(server.config)
  if (clean.has(place)) return Effect.void
  return Effect.map(sweep(server), (looked) => {
    if (looked) clean.add(place)
  })
}

const rename = (server: Server.Server, digits: string) => {
  const name = Names.kept(digits)
  return Effect.zipRight(
    server.tell(`ALTER DATABASE "${Names.clone(digits)}" RENAME TO "${name}"`),
    Console.warn(
      `The test's database is kept: ${DatabaseConfig.describeTarget(at(server.config, name))}. When you are done: DROP DATABASE "${name}"`
    )
  )
}

/**
 * Its sessions are closed by now. What cannot be dropped is left for somebody's sweep. A scope's end is not interrupted, so
 * that no limit inside would hold, not even that of connecting.
 */
const end = (server: Server.Server, digits: string, keeps: boolean): Effect.Effect<void> => {
  const left = (why: string) =>
    Effect.logWarning(`the test database ${Names.clone(digits)} was not ${keeps ? "kept" : "dropped"}: ${why}`)
  return within(
    Effect.catchAll(keeps ? rename(server, digits) : server.drop(Names.clone(digits)), ({ message }) => left(message)),
    Server.statementLimit,
    left("the server does not answer")
  )
}

/**
 * The configuration of a database that is nobody else's, with its contents; it goes with the scope, after everything that was
 * opened on it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const acquire = <E>(
  options: Options<E>
): Effect.Effect<DatabaseConfig.DatabaseConfig, Database.Failure | Migrator.Failure | E, Scope.Scope> =>
  Effect.gen(function* () {
    const { acquireTimeout: limit, connections, keep, version } = options
    const url = yield* urlOf(options.database)
    const made = yield* DatabaseConfig.make({ profile: "test", ...options.database, url })
    const config = { ...made, replicas: [] }
    yield* inTurn(turns, limit)
    const digits = randomBytes(8).toString("hex")
    const server = yield* Server.open(config, digits)
    yield* Budget.take(server, config.pool.size + config.pool.maxOverflow + 1, connections, limit)
    yield* swept(server)
    const name = Names.clone(digits)
    let ready = false
    yield* Effect.addFinalizer((exit) =>
      onRealClock(end(server, digits, ready && (keep === "always" || (keep === "onFailure" && Exit.isFailure(exit)))))
    )
    const print = yield* fingerprint(options, () => version, [
      server.facts.version,
      server.facts.role,
      version,
      ...settingsOf(config)
    ])
    if (print === undefined) {
      yield* Template.copy(server, "template0", name)
      yield* filled(options, at(config, name))
    } else {
      const template = Template.ensure(server, print, limit, (template) => filled(options, at(config, template)))
      // Somebody may take an old template away in between.
      yield* Effect.retry(
        Effect.flatMap(template, (template) => Template.copy(server, template, name)),
        { while: (error) => isDatabaseError(error) && error._tag === "DatabaseNotFound", times: 2 }
      )
    }
    ready = true
    return at(config, name)
  }).pipe(onRealClock)
