/**
 * The seam: what one database product must be able to say. Everything above it speaks of sessions, statements and
 * transactions and never of a product; everything below it may differ. A difference in wording is a field, one in codes
 * a row of a table, something missing an absent capability.
 *
 * @since 0.1.0
 */
import type * as Statement from "@effect/sql/Statement"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Change } from "./model/Change.js"
import type { DatabaseConfig } from "./model/DatabaseConfig.js"
import type { DatabaseError } from "./model/DatabaseError.js"
import type { LiveObject, LiveSchema } from "./model/LiveSchema.js"
import type { TransactionMode } from "./model/TransactionMode.js"

/** A row as the driver gives it: an object, or an array where arrays were asked for. @since 0.1.0 @category models */
// biome-ignore lint/suspicious/noExplicitAny: what a row holds is known only to the statement's author, as upstream has it
export type Row = any

/**
 * One statement as it goes to the server. `begin` and `askId` travel in the same message: if `begin` fails, nothing else runs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request {
  readonly text: string
  readonly params: ReadonlyArray<unknown>
  /** Prepare it by name and keep it for the next time. */
  readonly prepare: boolean
  readonly rows: "objects" | "arrays"
  /** The BEGIN that travels in front of the first statement of a transaction. */
  readonly begin?: string | undefined
  /** Ask for the transaction's id behind the statement (only where the product has a `fate`). */
  readonly askId?: boolean | undefined
}

/** What the server answered. @since 0.1.0 @category models */
export interface Reply {
  readonly rows: ReadonlyArray<Row>
  /** The command's tag: `SELECT`, `INSERT`, `COMMIT`, `ROLLBACK` … Without the count. */
  readonly tag: string
  readonly count: number | null
  /** What the driver itself would have returned; `sql.raw` hands it out. */
  readonly raw: unknown
  readonly transactionId?: string | undefined
}

/** How a session stands: no transaction, an open one, one that can only be rolled back, or unusable. @since 0.1.0 @category models */
export type SessionStatus = "idle" | "open" | "failed" | "broken"

/**
 * One session with a server. Never retries, never waits for another session; every failure is classified.
 *
 * Interrupting `run`, `script` or a stream abandons the answer and nothing else: whoever holds the session then calls
 * `cancel`, and may use the session again when that is done, unless `status()` is `broken`.
 *
 * @since 0.1.0
 * @category models
 */
export interface DriverConnection {
  readonly run: (request: Request) => Effect.Effect<Reply, DatabaseError>
  /**
   * `run` without BEGIN, where the answer is there when the call returns; on the stack of the fiber, which cannot be
   * interrupted there. `undefined`: nothing was done, and `run` would wait. Absent where every answer is waited for.
   */
  readonly runNow?:
    | ((request: Request, fiber: Fiber.RuntimeFiber<unknown, unknown>) => Exit.Exit<Reply, DatabaseError> | undefined)
    | undefined
  /**
   * Several statements as one message, where the product pipelines: when one fails, nothing behind it runs. The first may
   * bring BEGIN, the last may ask for the id or be COMMIT.
   */
  readonly batch?:
    | ((requests: ReadonlyArray<Request>) => Effect.Effect<ReadonlyArray<Reply>, DatabaseError>)
    | undefined
  /** Several statements in one text (migrations, COMMIT, ROLLBACK): never prepared, one reply each. */
  readonly script: (text: string) => Effect.Effect<ReadonlyArray<Reply>, DatabaseError>
  /** Chunks of rows, read as they are asked for. */
  readonly stream: (request: Request) => Stream.Stream<ReadonlyArray<Row>, DatabaseError>
  /** Stops what runs, if anything. Done (within 2 s) only when no later statement can be hit; else the session is `broken`. */
  readonly cancel: Effect.Effect<void>
  readonly status: () => SessionStatus
  /** Statements sent and unanswered, and since when (ms on the monotonic clock) the first of them has been the server's. */
  readonly pending: () => number
  readonly busySince: () => number
  /** Completes when the session is lost, idle or not, with the reason. Never completes after an orderly `destroy`. */
  readonly lost: Effect.Effect<DatabaseError>
  /** Proves that the server still answers; bounded by the connect timeout. */
  readonly ping: Effect.Effect<void, DatabaseError>
  /**
   * What statements have left of themselves on the session (settings, locks, temporary tables), as far as their texts and the
   * server's own reports tell. Not said: nothing that is known.
   */
  readonly residue?: Residue | undefined
  /** Brings the session back to how it was opened (`ROLLBACK`, `DISCARD ALL`). */
  readonly reset: Effect.Effect<void, DatabaseError>
  /** Ends the session; never fails, never takes longer than 1 s, may be called twice. */
  readonly destroy: Effect.Effect<void>
  readonly notifications: Option.Option<Stream.Stream<{ readonly channel: string; readonly payload: string }>>
  readonly copy: Option.Option<{
    readonly into: <E, R>(
      text: string,
      rows: Stream.Stream<Uint8Array, E, R>
    ) => Effect.Effect<Reply, DatabaseError | E, R>
    readonly out: (text: string) => Stream.Stream<Uint8Array, DatabaseError>
  }>
}

/** @since 0.1.0 @category models */
export interface Residue {
  /** Whether there is any since `accept` or `reset`. */
  readonly any: () => boolean
  /** What is there now is how the session is meant to be. */
  readonly accept: () => void
}

/** What a statement may do to its session: only `read` may travel a shared lane or a reader. @since 0.1.0 @category models */
export type Kind = "read" | "write" | "session" | "script"

/** What became of a transaction. @since 0.1.0 @category models */
export type Fate = "committed" | "aborted" | "running"

/** What a product may or may not be able to do. @since 0.1.0 @category models */
export type Capability =
  | "transactionalDdl"
  | "advisoryLocks"
  | "pipelining"
  | "listen"
  | "copy"
  | "cancel"
  | "statementTimeout"
  | "returning"

/**
 * What one product must be able to say.
 *
 * @since 0.1.0
 * @category models
 */
export interface Dialect {
  readonly name: "postgresql" | "cockroachdb" | "pglite" | "sqlite"
  /** The session ends with the scope. Never waits longer than the connect timeout. */
  readonly connect: (
    config: DatabaseConfig,
    role: "writer" | "reader"
  ) => Effect.Effect<DriverConnection, DatabaseError, Scope.Scope>
  readonly classify: (cause: unknown, operation: string) => DatabaseError
  readonly compiler: (options: {
    readonly names?: ((name: string) => string) | undefined
    readonly json?: boolean | undefined
  }) => Statement.Compiler
  /** The n-th placeholder, counted from 1. */
  readonly placeholder: (index: number) => string
  /** A value as the driver takes it; throws nothing: what cannot be sent is the `run`'s `DataError`. */
  readonly encode: (value: unknown) => unknown
  readonly kind: (text: string) => Kind
  /** Whether a `session` or `script` text leaves something behind on its session; not said: nothing that is known. */
  readonly leaves?: ((text: string) => boolean) | undefined
  readonly transaction: {
    readonly begin: (mode: TransactionMode) => string
    readonly commit: string
    readonly rollback: string
    readonly savepoint: (name: string) => string
    readonly release: (name: string) => string
    readonly rollbackTo: (name: string) => string
    /** Waits for the lock of this number and holds it to the transaction's end; absent where there are no such locks. */
    readonly lock?: ((key: bigint) => string) | undefined
    /** Sets a parameter of the session for this transaction alone; absent where sessions have none. */
    readonly setting?: ((name: string, value: string) => string) | undefined
    /**
     * The savepoint all of a transaction stands behind, so that a conflict is begun again on the same connection: back to it,
     * and in the end released in front of COMMIT (CockroachDB). None: roll back and begin.
     */
    readonly restart: Option.Option<string>
  }
  /** What became of a transaction whose COMMIT was never answered; `lost` is the session it ran on. */
  readonly fate: Option.Option<
    (fresh: DriverConnection, transactionId: string, lost: DriverConnection) => Effect.Effect<Fate, DatabaseError>
  >
  /**
   * Holds the one lock of the ledger `name` on the session `own` until the scope ends. Fails with `LockTimeoutError` at
   * once when another holds it (the caller polls); its `detail` names the holder. With `config`, a pooler in between is
   * minded.
   */
  readonly migrationLock: (
    own: DriverConnection,
    name: string,
    config?: DatabaseConfig
  ) => Effect.Effect<MigrationLock, DatabaseError, Scope.Scope>
  /**
   * Whether the first session to be opened would make the database, because it is not there yet: whoever only looks finds it
   * empty then, and opens none. Absent where no session makes one.
   */
  readonly unmade?: ((config: DatabaseConfig) => Effect.Effect<boolean, DatabaseError>) | undefined
  /**
   * Which other process has a database that only one may have, where a session could not be opened because of that: it is
   * given back when that process ends, so migrations wait for it. Absent where processes share.
   */
  readonly occupant?: ((error: DatabaseError) => string | undefined) | undefined
  readonly inspect: (connection: DriverConnection) => Effect.Effect<LiveSchema, DatabaseError>
  /** What an expression or a type says, where its text is kept as it was written; not said: the product prints its own. */
  readonly normal?: ((text: string) => string) | undefined
  /** Whose words are used of SQL that is given by product; not said: its own. */
  readonly speaks?: Dialect["name"] | undefined
  /** What the database holds besides, to tell two states apart; absent where `inspect` sees everything. */
  readonly others?:
    | ((connection: DriverConnection) => Effect.Effect<ReadonlyArray<LiveObject>, DatabaseError>)
    | undefined
  /**
   * The statements that make, on an empty database, what the tables stand on and no table makes (extensions, types, functions,
   * sequences); absent where they stand on nothing.
   */
  readonly requires?:
    | ((connection: DriverConnection) => Effect.Effect<ReadonlyArray<string>, DatabaseError>)
    | undefined
  /** The statements that make one change; `before` is the schema they meet (SQLite rebuilds tables from it). */
  readonly ddl: (change: Change, before: LiveSchema) => ReadonlyArray<string>
  /** Whether `ddl` looks at `before` for this change; not said: it always does. Spares an `inspect` for each change. */
  readonly rebuilds?: ((change: Change) => boolean) | undefined
  /** How a statement that runs outside of transactions only, and was cut short, is told from one that is done. */
  readonly resumption?: Resumption | undefined
  /** An empty database of the same product, gone with the scope: where migrations are tried and written down. */
  readonly scratch?: ((config: DatabaseConfig) => Effect.Effect<Scratch, DatabaseError, Scope.Scope>) | undefined
  /** What stands around a text that the product's own program runs, so that it runs as under the migration lock. */
  readonly sheet?: { readonly first: ReadonlyArray<string>; readonly last: ReadonlyArray<string> } | undefined
  /** How copies of the database are told from it, and how old they are; absent where there are none that can be behind. */
  readonly replication?: Replication | undefined
  /** What an administrator asks from outside; absent where nobody can. */
  readonly admin?: Admin | undefined
  /** What the server says of itself; `version` is always there. */
  readonly vitals: (connection: DriverConnection) => Effect.Effect<Vitals, DatabaseError>
  /** Sessions one database allows: `one writer` and `one` mean that whoever holds a session must not starve the rest. */
  readonly sessions: "many" | "one writer" | "one"
  /** Its sessions have `runNow`. */
  readonly immediate?: boolean | undefined
  readonly can: ReadonlySet<Capability>
}

/** How a replica stands. @since 0.1.0 @category models */
export interface Standing {
  /** How far it has come, comparable with a primary's position; none where it is no copy of anything. */
  readonly position: bigint | undefined
  /** Milliseconds its data are behind by its own account; none where it cannot say. */
  readonly age: number | undefined
}

/** @since 0.1.0 @category models */
export interface Replication {
  /**
   * Whether the server of a session that was refused a write takes none at all, while another one may: it is a standby, or
   * fenced off. Not where somebody wanted it so: who connected, or the role's or the database's own settings.
   */
  readonly demoted: (connection: DriverConnection, config: DatabaseConfig) => Effect.Effect<boolean, DatabaseError>
  /** How far a primary has come; none where it is no primary. */
  readonly position: (primary: DriverConnection) => Effect.Effect<bigint | undefined, DatabaseError>
  readonly standing: (replica: DriverConnection) => Effect.Effect<Standing, DatabaseError>
}

/** The lock on a ledger, held. @since 0.1.0 @category models */
export interface MigrationLock {
  /** Fails when the lock has been lost; asked before each write to the ledger, in its transaction. */
  readonly fence: Effect.Effect<void, DatabaseError>
  /** Fails when what a revision leaves behind must not be committed. */
  readonly settled?: Effect.Effect<void, DatabaseError> | undefined
  /** `fence` sends nothing, so that a revision, its row and COMMIT may travel in one message. */
  readonly quiet?: boolean | undefined
  /** Statements each transaction begins with, where the session may not keep settings. */
  readonly locals?: ReadonlyArray<string> | undefined
}

/** An index as statements name it. @since 0.1.0 @category models */
export interface IndexName {
  readonly schema?: string | undefined
  readonly name: string
}

/** @since 0.1.0 @category models */
export interface Resumption {
  /** `invalid` is what a concurrent build that did not come to its end leaves behind. */
  readonly index: (
    own: DriverConnection,
    index: IndexName
  ) => Effect.Effect<"absent" | "invalid" | "valid", DatabaseError>
  /** The statement that takes such an index away without stopping anybody. */
  readonly dropIndex: (index: IndexName) => string
}

/** @since 0.1.0 @category models */
export interface Scratch {
  readonly config: DatabaseConfig
  readonly dialect: Dialect
}

/** @since 0.1.0 @category models */
export interface Admin {
  /** Makes the configured database, empty; false where it was there. */
  readonly create: (config: DatabaseConfig) => Effect.Effect<boolean, DatabaseError>
  /** Removes it and all that is in it, whoever is connected; false where it was not there. */
  readonly drop: (config: DatabaseConfig) => Effect.Effect<boolean, DatabaseError>
  /** The sessions on this database whose application name begins with this one. */
  readonly activity: (
    connection: DriverConnection,
    applicationName: string
  ) => Effect.Effect<ReadonlyArray<Activity>, DatabaseError>
  /** What may be wrong with this session's server, and what to do about it. */
  readonly checkup: (
    connection: DriverConnection,
    config: DatabaseConfig
  ) => Effect.Effect<ReadonlyArray<Check>, DatabaseError>
}

/** One session as its server sees it; seconds since the last change of state and since its transaction began. @since 0.1.0 @category models */
export interface Activity {
  readonly id: string
  readonly applicationName: string
  readonly user: string
  readonly client: string
  readonly state: string
  readonly waitsFor: string | undefined
  readonly stateSeconds: number | undefined
  readonly transactionSeconds: number | undefined
}

/** @since 0.1.0 @category models */
export interface Check {
  readonly name: string
  readonly verdict: "fine" | "note" | "wrong"
  readonly finding: string
  /** What to do; where it is fine, nothing. */
  readonly remedy?: string | undefined
}

/** Facts a health report shows. @since 0.1.0 @category models */
export interface Vitals {
  readonly version: string
  readonly [fact: string]: unknown
}

/** The product in use. @since 0.1.0 @category tags */
export const Dialect = Context.GenericTag<Dialect>("effect-aquifer/Dialect")
