/**
 * What every command of the migrator begins with: the files' graph, the ledger's rows, and, when there is something to do,
 * a session of its own that holds the lock.
 *
 * @since 0.1.0
 */
import * as os from "node:os"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Connections from "../connection/Connections.js"
import type { DatabaseConfig } from "../model/DatabaseConfig.js"
import { type DatabaseError, UnsupportedError } from "../model/DatabaseError.js"
import * as LiveSchema from "../model/LiveSchema.js"
import type { MigrationError } from "../model/MigrationError.js"
import { aheadError, type Comparison, compare } from "./Compare.js"
import * as Graph from "./Graph.js"
import * as Ledger from "./Ledger.js"
import * as Loader from "./Loader.js"
import * as Lock from "./Lock.js"
import type { Run } from "./Runner.js"

/** All but the source have defaults. @since 0.1.0 @category models */
export interface Options {
  /** A folder of `.ts`, `.js`, `.mjs` and `.sql` files; `migrations` by default. */
  readonly directory?: string | URL | undefined
  /** Where revisions come from, if not from a folder. */
  readonly loader?: Loader.Loader | undefined
  /** The ledger's table; `aquifer_migrations`, or `{prefix}_aquifer_migrations` under a table prefix other than the usual. */
  readonly table?: string | undefined
  /** The ledger's schema, where it is not the connection's own. */
  readonly schema?: string | undefined
  /** Run what comes before an applied revision; an error otherwise. */
  readonly allowOutOfOrder?: boolean | undefined
  /** How long to wait for another runner; one minute by default. */
  readonly lockTimeout?: Duration.DurationInput | undefined
  /** When the ledger knows revisions the files do not: `fail` (the default), or go on with a warning. */
  readonly whenAhead?: "fail" | "warn" | undefined
}

/** What keeps a command from being done. @since 0.1.0 @category models */
export type Failure = MigrationError | DatabaseError

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

/** @since 0.1.0 @category constructors */
export const desk = Effect.fnUntraced(function* (options: Options) {
  const client = yield* SqlClient.SqlClient
  const connections = yield* Connections.of(client)
  const revisions = yield* options.loader ?? Loader.fromDirectory(options.directory ?? "migrations")
  const graph = yield* Graph.make(revisions)
  const ledger = Ledger.make(connections.dialect, {
    table: options.table ?? ledgerTable(connections.config.tablePrefix),
    schema: options.schema
  })
  const made: Desk = { client, connections, graph, ledger, options }
  return made
})

/** One SELECT; a database without a ledger has an empty one. @since 0.1.0 @category looking */
export const peek = (desk: Desk): Effect.Effect<ReadonlyArray<Ledger.Entry>, DatabaseError> =>
  Effect.catchTag(select(desk), "SqlSyntaxError", () =>
    // Refused: because there is no ledger, because it was made this very moment, or for a reason that has to be told.
    Effect.flatMap(isThere(desk), (there) => (there ? select(desk) : Effect.succeed([])))
  )

const select = ({ connections, ledger }: Desk): Effect.Effect<ReadonlyArray<Ledger.Entry>, DatabaseError> =>
  Effect.map(connections.run({ text: ledger.select, params: [], prepare: false, rows: "objects" }), (reply) =>
    ledger.decode(reply.rows)
  )

const isThere = ({ connections, ledger }: Desk): Effect.Effect<boolean, DatabaseError> =>
  Effect.map(
    Effect.scoped(Effect.flatMap(connections.reserve, connections.dialect.inspect)),
    // A schema of its own is not among what is inspected: making the ledger there is tried, and refused if it must be.
    (schema) => ledger.place.schema === undefined && LiveSchema.table(schema, ledger.place.table) !== undefined
  )

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

/** Applied by whom: enough for a person to find the process. */
const signature = (config: DatabaseConfig): string =>
  `${config.applicationName} on ${os.hostname()}, process ${process.pid}`

/** Two runners behind such a pooler may share one server session, and then both hold its lock. */
const throughPooler = new UnsupportedError({
  operation: "lock",
  reason: "the migration lock does not hold through a pooler in transaction mode",
  hint: "Run migrations with a URL that reaches the server itself, and without DB_POOLER"
})

/** The lock, the ledger, and a session of one's own for as long as it takes. @since 0.1.0 @category running */
export const underLock = <A>(
  desk: Desk,
  use: (run: Run, entries: ReadonlyArray<Ledger.Entry>) => Effect.Effect<A, Failure, Scope.Scope>
): Effect.Effect<A, Failure> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { client, connections, ledger } = desk
      if (connections.config.pooler === "transaction") return yield* throughPooler
      const own = yield* connections.own
      const limit = Duration.decode(desk.options.lockTimeout ?? Duration.minutes(1))
      const lock = yield* Lock.hold(connections.dialect, own, Ledger.lockName(ledger.place), limit)
      yield* ledger.create(own)
      const entries = yield* ledger.read(own)
      const run: Run = { client, connections, own, lock, ledger, appliedBy: signature(connections.config) }
      return yield* use(run, entries)
    })
  )
