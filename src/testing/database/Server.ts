/**
 * A test's way to the server: one session on the maintenance database, which holds an advisory lock for as long as the test
 * lives. By that lock others see that its database has an owner; no process id or host name could tell them.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { DriverConnection, Row } from "../../Dialect.js"
import * as Dialects from "../../dialect/index.js"
import * as Backend from "../../dialect/postgres/backend.js"
import { identifier } from "../../dialect/postgres/ddl.js"
import { productOf } from "../../dialect/relative.js"
import type { DatabaseConfig } from "../../model/DatabaseConfig.js"
import { AuthorizationError, classes, type DatabaseError, UnsupportedError } from "../../model/DatabaseError.js"

/** Where all locks lie: they are seen by those in the same database only. The one the URL names is never looked at. */
const maintenance = "postgres"

/** Longer than anything sent here takes; then the server ends it. @since 0.1.0 @category defaults */
export const statementLimit = Duration.minutes(1)

/** What of a server matters here. @since 0.1.0 @category models */
export interface Facts {
  /** `180004` is 18.4. */
  readonly version: number
  readonly fsync: boolean
  /** How many sessions it takes. */
  readonly sessions: number
  readonly role: string
}

/** @since 0.1.0 @category models */
export interface Server {
  readonly config: DatabaseConfig
  readonly facts: Facts
  readonly ask: (text: string, params?: ReadonlyArray<unknown>) => Effect.Effect<ReadonlyArray<Row>, DatabaseError>
  /** For what takes its time: interrupted, it is stopped there, too. */
  readonly tell: (text: string) => Effect.Effect<void, DatabaseError>
  /** Drops the database, whoever is connected; on a session of its own, so that it works whatever became of this one. */
  readonly drop: (name: string) => Effect.Effect<void, DatabaseError>
}

/** The lock of a database, by the 16 digits its name ends with. @since 0.1.0 @category rendering */
export const lockOf = (digits: string): string => `('x' || ${digits})::bit(64)::bigint`

/** Through a pooler another process answers than the one that let the session in: then no lock is taken. */
const hello = (key: string, backend: number | undefined) => `SELECT
  CASE WHEN pg_backend_pid() = ${backend ?? 0} THEN pg_try_advisory_lock(${lockOf(`'${key}'`)}) END AS held,
  current_setting('server_version_num')::int AS version, current_setting('fsync') = 'on' AS fsync,
  current_setting('max_connections')::int AS sessions, r.rolname AS role, r.rolcreatedb OR r.rolsuper AS able,
  CASE WHEN current_setting('idle_session_timeout', true) IS NOT NULL THEN set_config('idle_session_timeout', '0', false) END
FROM pg_catalog.pg_roles r WHERE r.rolname = current_user`

const instead = "DatabaseTest.pglite and DatabaseTest.sqlite need no server"

const remedies: Partial<Record<DatabaseError["_tag"], string>> = {
  ConnectionError: `Start that server, or name another one; ${instead}`,
  AuthenticationError: "Name a role with the right to create databases, and its password, in the URL",
  DatabaseNotFound: `Test databases are made from the database ${maintenance}: create it`,
  AuthorizationError: `Test databases are made from the database ${maintenance}: let this role connect to it`,
  TooManyConnections: "Other programs use this server, too: allow tests fewer with the option connections"
}

/** Whoever asked for a test database is told what to do about the server. */
const explained = (error: DatabaseError): DatabaseError => {
  if (productOf(error) !== undefined) return notPostgres(error)
  if (error.sqlState === refusedSettings) return throughPooler(error)
  const hint = remedies[error._tag]
  if (hint === undefined || error._tag === "PoolTimeout" || error._tag === "RetriesExhausted") return error
  const details = { operation: "test database", reason: error.reason, sqlState: error.sqlState, hint, cause: error }
  return error._tag === "ConnectionError"
    ? new classes.ConnectionError({ ...details, phase: error.phase, sent: error.sent })
    : new classes[error._tag](details)
}

const notPostgres = (cause?: unknown) =>
  new UnsupportedError({
    operation: "test database",
    reason: "only a PostgreSQL server can copy a database from a template",
    hint: "Name one: postgres://user:password@host/postgres",
    cause
  })

/** What poolers answer to a session that brings settings along. */
const refusedSettings = "08P01"

const throughPooler = (cause?: unknown) =>
  new UnsupportedError({
    operation: "test database",
    reason: "behind a pooler no session is one's own, and a session's lock is how others see whose database it is",
    hint: "Name the server itself",
    cause
  })

const unable = (role: string) =>
  new AuthorizationError({
    operation: "test database",
    reason: `the role ${role} may not create databases`,
    hint: `Give it that right (ALTER ROLE ${identifier(role)} CREATEDB), or name one that has it`
  })

const ask = (own: DriverConnection, text: string, params: ReadonlyArray<unknown> = []) =>
  Effect.map(own.run({ text, params, prepare: false, rows: "objects" }), ({ rows }) => rows)

/**
 * Lives until the scope ends; a session that is lost is opened again, and takes its lock again. Sweeping tests of the same
 * moment are kept away by the sessions of the database itself.
 *
 * @since 0.1.0
 * @category constructors
 */
export const open = (config: DatabaseConfig, key: string): Effect.Effect<Server, DatabaseError, Scope.Scope> =>
  Effect.gen(function* () {
    const { target } = config
    if (target.driver !== "postgres" || target.product !== undefined) return yield* notPostgres()
    if (config.pooler !== "none") return yield* throughPooler()
    const dialect = yield* Dialects.forTarget(target)
    const outside: DatabaseConfig = {
      ...config,
      target: { ...target, database: maintenance },
      statementTimeout: statementLimit,
      lockTimeout: undefined,
      transactionTimeout: undefined,
      replicas: []
    }
    // One that is opened again later must not be closed before what was made in the meantime.
    const sessions = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
    const connect = Scope.extend(dialect.connect(outside, "writer"), sessions)
    const enter = (session: DriverConnection) => ask(session, hello(key, Backend.of(session)))
    let own = yield* Effect.mapError(connect, explained)
    const [facts] = yield* enter(own)
    if (facts?.held !== true) return yield* throughPooler()
    if (facts.able !== true) return yield* unable(String(facts.role))
    const again = Effect.flatMap(connect, (fresh) =>
      Effect.as(
        Effect.repeat(enter(fresh), {
          until: ([row]) => row?.held === true,
          schedule: Schedule.spaced("100 millis")
        }),
        fresh
      )
    ).pipe(Effect.retry(Schedule.union(Schedule.exponential("50 millis"), Schedule.spaced("2 seconds"))))
    yield* Effect.forkScoped(
      Effect.forever(
        Effect.zipRight(
          Effect.suspend(() => own.lost),
          Effect.map(again, (fresh) => {
            own = fresh
          })
        )
      )
    )
    return {
      config: outside,
      facts,
      ask: (text, params) => Effect.suspend(() => ask(own, text, params)),
      tell: (text) =>
        Effect.suspend(() => {
          const busy = own
          return Effect.onInterrupt(Effect.asVoid(busy.script(text)), () => busy.cancel)
        }),
      drop: (name) =>
        Effect.scoped(
          Effect.flatMap(dialect.connect(outside, "writer"), (session) =>
            Effect.asVoid(session.script(`DROP DATABASE IF EXISTS ${identifier(name)} WITH (FORCE)`))
          )
        )
    }
  })
