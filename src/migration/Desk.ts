/**
 * What every command of the migrator begins with: the files' graph and the ledger's rows, side by side.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Connections from "../connection/Connections.js"
import * as Session from "../connection/Session.js"
import { type DatabaseError, UnsupportedError } from "../model/DatabaseError.js"
import * as LiveSchema from "../model/LiveSchema.js"
import type { MigrationError } from "../model/MigrationError.js"
import * as Adopt from "./Adopt.js"
import { aheadError, type Comparison, compare } from "./Compare.js"
import * as Graph from "./Graph.js"
import * as Ledger from "./Ledger.js"
import * as Loader from "./Loader.js"
import * as Lock from "./Lock.js"
import { type Event, type Failure, type Hooks, silent } from "./Task.js"

/** All but the source have defaults. @since 0.1.0 @category models */
export interface Options {
  /** A folder of `.ts`, `.js`, `.mjs` and `.sql` files, or several that make one history; `migrations` by default. */
  readonly directory?: string | URL | ReadonlyArray<string | URL> | undefined
  /** Where revisions come from, if not from a folder. */
  readonly loader?: Loader.Loader | undefined
  /** The ledger's table; `aquifer_migrations`, or `{prefix}_aquifer_migrations` under a table prefix other than the usual. */
  readonly table?: string | undefined
  /** The ledger's schema, where it is not the connection's own. */
  readonly schema?: string | undefined
  /** Run what comes before an applied revision; an error otherwise. */
  readonly allowOutOfOrder?: boolean | undefined
  /**
   * How long to wait for another runner; one minute by default. On PGlite also for the process that has the folder: there
   * with `connect: "lazy"`, because a layer that connects at once fails at once.
   */
  readonly lockTimeout?: Duration.DurationInput | undefined
  /** When the ledger knows revisions the files do not: `fail` (the default), or go on with a warning. */
  readonly whenAhead?: "fail" | "warn" | undefined
  /** Take over what `effect_sql_migrations` or `alembic_version` says, when the ledger is empty; `true` by default. */
  readonly adopt?: boolean | undefined
  /** What runs around the revisions. */
  readonly hooks?: Hooks | undefined
  /** Hears what happens while it happens: for progress bars, and to show who is waited for. */
  readonly onEvent?: ((event: Event) => Effect.Effect<void>) | undefined
}

/** The usual prefix shares the plain name; every other one has a history of its own. @since 0.1.0 @category accessors */
export const ledgerTable = (prefix: string): string =>
  prefix === "" || prefix === "app" ? "aquifer_migrations" : `${prefix}_aquifer_migrations`

/** @since 0.1.0 @category models */
export interface Desk {
  readonly client: SqlClient.SqlClient
  readonly connections: Connections.Connections
  readonly graph: Graph.Graph
  readonly ledger: Ledger.Ledger
  readonly options: Options
}

/** The history the files make; no database is needed for it. @since 0.1.0 @category constructors */
export const graphOf = (options: Options): Effect.Effect<Graph.Graph, MigrationError> =>
  Effect.flatMap(options.loader ?? Loader.fromDirectory(options.directory ?? "migrations"), Graph.make)

/** @since 0.1.0 @category constructors */
export const desk = Effect.fnUntraced(function* (options: Options) {
  const client = yield* SqlClient.SqlClient
  const connections = yield* Connections.of(client)
  const graph = yield* graphOf(options)
  return makeDesk(client, connections, graph, options)
})

/** @since 0.1.0 @category constructors */
export const makeDesk = (
  client: SqlClient.SqlClient,
  connections: Connections.Connections,
  graph: Graph.Graph,
  options: Options
): Desk => ({
  client,
  connections,
  graph,
  options,
  ledger: Ledger.make(connections.dialect, {
    table: options.table ?? ledgerTable(connections.config.tablePrefix),
    schema: options.schema
  })
})

/**
 * What changes a history has transactions and a session of its own: within somebody's transaction it would be committed beside
 * that, or wait for the one session there is. `what` is done so.
 *
 * @since 0.1.0
 * @category guards
 */
export const outside = (connections: Connections.Connections, what: string): Effect.Effect<void, DatabaseError> =>
  Effect.flatMap(Effect.context<never>(), (context) =>
    Session.current(connections, context) === undefined
      ? Effect.void
      : Effect.fail(
          new UnsupportedError({
            operation: "begin",
            reason: `${what} in transactions of their own, on a session of their own`,
            hint: "Do it outside of the transaction"
          })
        )
  )

/** The desk of somebody who changes the ledger whatever it says. @since 0.1.0 @category constructors */
export const changing = (options: Options): Effect.Effect<Desk, Failure, SqlClient.SqlClient> =>
  Effect.tap(desk(options), ({ connections }) => outside(connections, "ledgers are changed"))

/** What a look at the database found, without changing anything. @since 0.1.0 @category models */
export interface Seen {
  readonly entries: ReadonlyArray<Ledger.Entry>
  /** Another tool's ledger, which will be taken over. */
  readonly adopts: string | undefined
  /** Whether the ledger is at a glance what these nodes make it: all applied and unchanged. `false`: look closer. */
  readonly same: (nodes: ReadonlyArray<Graph.Node>) => boolean
}

/** A ledger with nothing in it. */
const nothing: Seen = { entries: [], adopts: undefined, same: () => false }

/**
 * One SELECT; a database without a ledger has an empty one, and so has one that is not there yet: it is not made by this.
 * `brief`: without what only people want to know.
 *
 * @since 0.1.0
 * @category looking
 */
export const look = (desk: Desk, what: "all" | "brief" = "brief"): Effect.Effect<Seen, DatabaseError> => {
  const { config, dialect } = desk.connections
  return dialect.unmade === undefined
    ? ask(desk, what)
    : Effect.flatMap(dialect.unmade(config), (unmade) => (unmade ? Effect.succeed(nothing) : ask(desk, what)))
}

const ask = (desk: Desk, what: "all" | "brief"): Effect.Effect<Seen, DatabaseError> =>
  Effect.catchTag(select(desk, what), "SqlSyntaxError", (refused) =>
    // Refused: because there is no ledger, because it was made this very moment, or for a reason that has to be told.
    Effect.flatMap(inspected(desk), (schema) => {
      const { place } = desk.ledger
      // A schema of its own is not among what is inspected: making the ledger there is tried, and refused if it must be.
      if (place.schema === undefined && LiveSchema.table(schema, place.table) !== undefined) return select(desk, what)
      if (otherwise.test(refused.sqlState ?? "")) return Effect.fail(refused)
      return Effect.succeed(desk.options.adopt === false ? nothing : { ...nothing, adopts: Adopt.adoptable(schema) })
    })
  )

/** Anything wrong with the statement but that there is no such table; without a SQLSTATE the schema's word is taken. */
const otherwise = /^42(?!P01)\w{3}$/

const select = ({ connections, ledger }: Desk, what: "all" | "brief"): Effect.Effect<Seen, DatabaseError> => {
  const { decode, select } = what === "all" ? ledger : ledger.brief
  return Effect.map(
    connections.run({
      text: select,
      params: [],
      prepare: connections.config.prepare,
      rows: what === "all" ? "objects" : "arrays"
    }),
    ({ rows }) => ({
      get entries() {
        return decode(rows)
      },
      adopts: undefined,
      same: (nodes) => what === "brief" && ledger.brief.same(rows, nodes)
    })
  )
}

const inspected = ({ connections }: Desk): Effect.Effect<LiveSchema.LiveSchema, DatabaseError> =>
  Effect.scoped(Effect.flatMap(connections.reserve, connections.dialect.inspect))

/**
 * Desk and look in one: where a server answers, the files are read while its answer is on the way.
 *
 * @since 0.1.0
 * @category looking
 */
export const opened = Effect.fnUntraced(function* (options: Options) {
  const client = yield* SqlClient.SqlClient
  const connections = yield* Connections.of(client)
  yield* outside(connections, "migrations are run")
  const blank = makeDesk(client, connections, Graph.empty, options)
  if (connections.dialect.sessions !== "many") {
    const at = { ...blank, graph: yield* graphOf(options) }
    return { at, seen: yield* looked(at) }
  }
  const asked = yield* Effect.fork(look(blank))
  const graph = yield* Effect.onExit(Effect.zipRight(afterwards, graphOf(options)), (exit) =>
    Exit.isSuccess(exit) ? Effect.void : Fiber.interrupt(asked)
  )
  return { at: { ...blank, graph }, seen: yield* Fiber.join(asked) }
})

/** `look` of somebody who is going to change something, and so waits for whoever has the database for himself. @since 0.1.0 @category looking */
export const looked = (desk: Desk): Effect.Effect<Seen, Failure> => Effect.scoped(admitted(desk, look(desk)))

/** Waits for whoever has the database for himself. @since 0.1.0 @category looking */
export const admitted = <A>(desk: Desk, opening: Effect.Effect<A, DatabaseError, Scope.Scope>) =>
  Lock.admitted(desk.connections.dialect, opening, Ledger.lockName(desk.ledger.place), patience(desk))

/** @since 0.1.0 @category accessors */
export const patience = ({ connections, options }: Desk): Lock.Patience => ({
  limit: Duration.decode(options.lockTimeout ?? Duration.minutes(1)),
  onWait: (waiting) => (options.onEvent ?? silent)({ _tag: "waiting", ...waiting }),
  config: connections.config
})

/** What was asked in this turn of the event loop has left. */
const afterwards = Effect.async<void>((resume) => {
  const waiting = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(waiting))
})

/** @since 0.1.0 @category looking */
export const sideBySide = (desk: Desk, entries: ReadonlyArray<Ledger.Entry>): Comparison =>
  compare(desk.graph, entries, { allowOutOfOrder: desk.options.allowOutOfOrder ?? false })

/**
 * The first disagreement between files and ledger ends it. Without the lock, what looks interrupted may be running.
 *
 * @since 0.1.0
 * @category looking
 */
export const agreed = Effect.fnUntraced(function* (
  desk: Desk,
  entries: ReadonlyArray<Ledger.Entry>,
  locked: "locked" | "unlocked"
) {
  const found = sideBySide(desk, entries)
  const first = found.problems.find((problem) => locked === "locked" || problem.reason !== "interrupted")
  if (first !== undefined) return yield* first
  if (found.ahead.length > 0) {
    const error = aheadError(found.ahead)
    if (desk.options.whenAhead !== "warn") return yield* error
    yield* Effect.logWarning(error.message)
  }
  return found
})
