/**
 * A schema in numbered versions, each the complete structure of its time: what a database of the version before lacks is found
 * out by comparing, and no migration is written for it. For a program whose tables are declared in its code; where every
 * statement is to be read before it runs, and taken back, it is `Migrator`'s.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Connections from "../connection/Connections.js"
import * as Session from "../connection/Session.js"
import type { DriverConnection } from "../Dialect.js"
import type { Change } from "../model/Change.js"
import type { DatabaseError } from "../model/DatabaseError.js"
import type { Services } from "../model/Migration.js"
import type { MigrationError } from "../model/MigrationError.js"
import * as DatabaseSchema from "../schema/DatabaseSchema.js"
import { SchemaError } from "../schema/SchemaError.js"
import { outside } from "./Desk.js"
import * as Lock from "./Lock.js"
import { apply } from "./versions/apply.js"
import * as Register from "./versions/Register.js"
import { type Known, pending, sequence } from "./versions/sequence.js"

export type { Entry } from "./versions/Register.js"

/** What keeps a database from being brought to a version. @since 0.1.0 @category models */
export type Failure = SchemaError | DatabaseError

/** @since 0.1.0 @category models */
export interface Version {
  readonly number: number
  readonly schema: DatabaseSchema.DatabaseSchema
  readonly migrate: Settings["migrate"]
  readonly rebuild: boolean
}

/** @since 0.1.0 @category models */
export interface Settings extends DatabaseSchema.Options {
  /**
   * How data get from the structure before to this one: statements (one text for all products, or one for each), or an effect
   * with the `SqlClient` and `Operations`. It stands where both are there: new tables and columns are made, and a new column
   * without a default may still be NULL; constraints, indexes and computed columns that are no longer declared so are gone.
   * New ones, NOT NULL and other types come after it. What is to go for good it takes away itself. With `rebuild` it stands
   * between the old tables' end and the new ones' beginning.
   *
   * It may be run again when a lock or a conflict kept it from its end, and on CockroachDB when what comes after it failed: it
   * should do nothing outside of the database, and be repeatable there. Where references are deferrable, PostgreSQL alters no
   * table that was written to before `SET CONSTRAINTS ALL IMMEDIATE`.
   */
  readonly migrate?:
    | ReadonlyArray<string | Readonly<Record<string, string>>>
    | Effect.Effect<unknown, unknown, Services>
    | undefined
  /**
   * Drops every table and enum that this version and those before it declare, with all rows, and makes this one's anew. What
   * else stands on them (views, other tables' references) is not dropped along: where it is in the way, that is a failure.
   */
  readonly rebuild?: boolean | undefined
}

/** All have defaults. @since 0.1.0 @category models */
export interface Options {
  /** Where versions are kept; `schema_version` by default. */
  readonly table?: string | undefined
  /** That table's schema, where it is not the connection's own. */
  readonly schema?: string | undefined
  /** How long to wait for another process that applies versions; one minute by default. */
  readonly lockTimeout?: Duration.DurationInput | undefined
  /** When the database is at a later version than those given: `fail` (the default), or go on with a warning. */
  readonly whenAhead?: "fail" | "warn" | undefined
}

/** What was done. @since 0.1.0 @category models */
export interface Report {
  /** Where the database was, 0 where at none, and where it is. */
  readonly from: number
  readonly to: number
  readonly applied: ReadonlyArray<Applied>
}

/** @since 0.1.0 @category models */
export interface Applied {
  readonly version: number
  /** Without what its `migrate` did. */
  readonly changes: ReadonlyArray<Change>
}

/** @since 0.1.0 @category models */
export interface Status {
  /** 0 where the database is at none. */
  readonly current: number
  /** The last one given; the database may be ahead of it. */
  readonly latest: number
  /** As the database tells, in order. */
  readonly applied: ReadonlyArray<Register.Entry>
  readonly pending: ReadonlyArray<number>
}

/**
 * `Versions.make(2, { users, posts })`: all tables of that version. As with `DatabaseSchema.make`, a reference to what is not
 * among them does not compile. A table or column that an earlier version has by another name says `renamedFrom`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <const T extends DatabaseSchema.Tables>(
  number: number,
  tables: Parameters<typeof DatabaseSchema.make<T>>[0],
  settings: Settings = {}
): Version => ({
  number,
  schema: DatabaseSchema.make<T>(tables, settings),
  migrate: settings.migrate,
  rebuild: settings.rebuild ?? false
})

/** What every command begins with. */
const desk = Effect.fnUntraced(function* (versions: ReadonlyArray<Version>, options: Options) {
  const connections = yield* Connections.current
  const register = Register.make(connections.dialect, {
    table: options.table ?? "schema_version",
    schema: options.schema
  })
  return { all: yield* sequence(versions, register.table), connections, options, register }
})

type Desk = Effect.Effect.Success<ReturnType<typeof desk>>

/**
 * Applies the versions above the one the database is at, in order, each in one transaction with its row in `schema_version`
 * (PostgreSQL, PGlite, SQLite: a version that fails leaves nothing of itself; CockroachDB: change by change, and the next run
 * goes on). Tables that no version so far declares are left alone; what would lose data is refused. Where nothing is pending
 * that takes one SELECT and no lock; else many processes at once wait for the one that works. Not inside of a transaction.
 *
 * Where there is something to compare, that happens on a scratch database, as with `DatabaseSchema.diff`: on a server it needs
 * the right to create one. New words of an enum are committed in front of their version on PostgreSQL, which cannot use them before.
 *
 * Numbers follow each other without a gap, and the first may be any: old versions may be left out once every database is past
 * them. `schema_version` keeps no checksum, so a version that was changed after it was applied is noticed by `check` only.
 *
 * @since 0.1.0
 * @category running
 */
export const up = (
  versions: ReadonlyArray<Version>,
  options: Options = {}
): Effect.Effect<Report, Failure, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const at = yield* desk(versions, options)
    const { connections, register } = at
    yield* outside(connections, "versions are applied")
    const seen = yield* Effect.scoped(admitted(at, register.current(connections)))
    const todo = yield* due(at, seen)
    return todo.length === 0 ? { from: seen, to: seen, applied: [] } : yield* underLock(at)
  }).pipe(Effect.withSpan("Versions.up", { captureStackTrace: false }))

const due = ({ all, options }: Desk, current: number): Effect.Effect<ReadonlyArray<Known>, SchemaError> =>
  pending(all, current, options.whenAhead ?? "fail")

const patience = ({ connections, options }: Desk): Lock.Patience => ({
  limit: Duration.decode(options.lockTimeout ?? Duration.minutes(1)),
  config: connections.config
})

/** The lock is the migrator's, and so are its words. */
const waited = <A, R>(wait: Effect.Effect<A, MigrationError | DatabaseError, R>): Effect.Effect<A, Failure, R> =>
  Effect.catchTag(wait, "MigrationError", ({ cause, problem, remedy }) =>
    Effect.fail(new SchemaError({ reason: "locked", problem, remedy, cause }))
  )

const admitted = <A>(at: Desk, opening: Effect.Effect<A, DatabaseError, Scope.Scope>) =>
  waited(Lock.admitted(at.connections.dialect, opening, at.register.name, patience(at)))

/** On a session of its own; whoever held the lock meanwhile may have done it all. */
const underLock = (at: Desk): Effect.Effect<Report, Failure, SqlClient.SqlClient> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { connections, register } = at
      const own = yield* admitted(at, connections.own)
      const lock = yield* waited(Lock.hold(connections.dialect, own, register.name, patience(at)))
      const work = Effect.gen(function* () {
        yield* register.create
        const from = yield* register.currentHere
        const applied = yield* Effect.forEach(yield* due(at, from), (known) =>
          Effect.gen(function* () {
            const changes = yield* apply({ connections, lock, own, register }, known)
            yield* Effect.logInfo(`version ${known.version.number} of the schema is applied`)
            return { version: known.version.number, changes }
          })
        )
        return { from, to: applied.at(-1)?.version ?? from, applied }
      })
      return yield* inSession(connections, own, work)
    })
  )

/** Whatever statement of this client is made in there goes to that session; a transaction is one on it. */
const inSession = <A, E>(
  connections: Connections.Connections,
  connection: DriverConnection,
  work: Effect.Effect<A, E, SqlClient.SqlClient>
): Effect.Effect<A, E, SqlClient.SqlClient> =>
  Effect.contextWithEffect((context: Context.Context<SqlClient.SqlClient>) => {
    const session = new Session.Session({
      owner: connections,
      connection,
      begin: { _tag: "none" },
      outer: Session.entry(context),
      limit: connections.config.pool.acquireTimeout,
      prepare: false
    })
    return Effect.ensuring(Effect.provide(work, Session.provide(context, session)), session.end)
  })

/**
 * `up` while the layer is built, so that what is built on it finds its tables. An older program beside a newer database goes on
 * with a warning.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  versions: ReadonlyArray<Version>,
  options: Options = {}
): Layer.Layer<never, Failure, SqlClient.SqlClient> =>
  Layer.effectDiscard(up(versions, { whenAhead: "warn", ...options }))

/** The version the database is at; 0 where at none. Changes nothing. @since 0.1.0 @category looking */
export const current = (
  options: Pick<Options, "table" | "schema"> = {}
): Effect.Effect<number, Failure, SqlClient.SqlClient> =>
  Effect.flatMap(desk([], options), ({ connections, register }) => register.current(connections))

/** Where the database is, and what is pending; whatever that is, it is no failure. Changes nothing. @since 0.1.0 @category looking */
export const status = (
  versions: ReadonlyArray<Version>,
  options: Pick<Options, "table" | "schema"> = {}
): Effect.Effect<Status, Failure, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const { all, connections, register } = yield* desk(versions, options)
    const applied = yield* register.entries(connections)
    const current = applied.at(-1)?.version ?? 0
    const numbers = all.map(({ version }) => version.number)
    return { current, latest: numbers.at(-1) ?? 0, applied, pending: numbers.filter((number) => number > current) }
  })

/**
 * Fails as `DatabaseSchema.check` does where the database is not what the version it is at declares: because somebody changed
 * the one or the other. Tables that no version declares are not looked at.
 *
 * @since 0.1.0
 * @category looking
 */
export const check = (
  versions: ReadonlyArray<Version>,
  options: Pick<Options, "table" | "schema"> = {}
): Effect.Effect<void, Failure, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const { all, connections, register } = yield* desk(versions, options)
    const current = yield* register.current(connections)
    const found = all.find(({ version }) => version.number === current)
    if (found === undefined) {
      return yield* new SchemaError({
        reason: current > (all.at(-1)?.version.number ?? 0) ? "ahead" : "behind",
        problem: `the database is at version ${current}, which is not among those given`,
        remedy: "Apply them with Versions.up, or give the version it is at"
      })
    }
    const { names, version } = found
    yield* DatabaseSchema.check(version.schema, { ignore: (name) => !names.has(name) })
  })
