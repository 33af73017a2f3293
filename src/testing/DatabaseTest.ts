/**
 * Databases for tests: layers to put in the place of `DatabaseLive`, each build of which is a database of its own, empty or
 * with contents, and a sandbox that undoes whatever ran in it. The same program runs on all of them. Everything is gone
 * when the layer's scope ends.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Database from "../Database.js"
import type * as Migrator from "../migration/Migrator.js"
import type { DatabaseError } from "../model/DatabaseError.js"
import * as Sandbox from "../transaction/Sandbox.js"
import * as Transaction from "../transaction/Transaction.js"
import { fill } from "./database/Contents.js"
import * as Pglite from "./database/Pglite.js"
import * as Postgres from "./database/Postgres.js"

/**
 * What a test database may be told. `migrations` are applied while the layer is built, and `seed` runs behind them.
 *
 * @since 0.1.0
 * @category models
 */
export type Options<E = never> = Partial<Database.Options> & {
  readonly migrations?: Migrator.Options | undefined
  readonly seed?: Effect.Effect<unknown, E, Database.Services> | undefined
}

/** What can keep a test database from being there; `E` is its seed's. @since 0.1.0 @category models */
export type Failure<E = never> = Database.Failure | Migrator.Failure | E

/** What is migrated and seeded here is never a server's database. @since 0.1.0 @category models */
export type SqliteOptions<E = never> = Omit<Options<E>, "url"> & {
  /** In memory when nothing is said; a file stays where it is. */
  readonly url?: `sqlite:${string}` | undefined
}

/**
 * SQLite in memory: a database of its own for each build of the layer, in about a millisecond. It is one session, so
 * fibers take turns.
 *
 * @since 0.1.0
 * @category layers
 */
export const sqlite = <E = never>({
  migrations,
  seed,
  url = "sqlite::memory:",
  ...options
}: SqliteOptions<E> = {}): Layer.Layer<Database.Services, Failure<E>> => {
  const database = Database.layer({ url, profile: "test", ...options })
  return migrations === undefined && seed === undefined
    ? database
    : Layer.provideMerge(Layer.effectDiscard(fill({ migrations, seed })), database)
}

/** Of those that may have to be waited for. @since 0.1.0 @category models */
interface Waiting {
  /** How long each wait may take: for a turn in this process, for what other processes hold. One minute by default. */
  readonly acquireTimeout?: Duration.DurationInput | undefined
}

/** @since 0.1.0 @category models */
export type PgliteOptions<E = never> = Omit<Options<E>, Elsewhere | "url"> & Waiting

/** What a single server that nothing stands in front of has no use for. */
type Elsewhere = "replicaUrls" | "maxStaleness" | "pooler" | "functions"

const patience = (limit: Duration.DurationInput = "1 minute") => Duration.decode(limit)

/**
 * PostgreSQL inside this process, in memory: needs the package `@electric-sql/pglite` and nothing else. The first build in a
 * process takes about two seconds, later ones half of one: they begin as a copy of the first with the same contents. One
 * session each; at most four at once, the others wait.
 *
 * @since 0.1.0
 * @category layers
 */
export const pglite = <E = never>({
  acquireTimeout,
  migrations,
  seed,
  ...database
}: PgliteOptions<E> = {}): Layer.Layer<Database.Services, Failure<E>> =>
  Layer.scopedContext(
    Pglite.using({ migrations, seed, database, acquireTimeout: patience(acquireTimeout) }, (config) =>
      Layer.build(Database.layerFrom(Effect.succeed(config)))
    )
  )

/** @since 0.1.0 @category models */
export interface PostgresOptions<E = never> extends Omit<Options<E>, Elsewhere>, Waiting {
  /**
   * Changed whenever contents do that have no text to be compared: `fromRecord`, `fromGlob`, hooks, a `seed`, and what a
   * migration's file imports. Without it, such contents are made for each database from nothing.
   */
  readonly version?: string | undefined
  /**
   * Whether the database stays when the layer's scope ends: `"never"` (the default), `"onFailure"` of what the layer is provided
   * to (an interruption, as by a test's time limit, is one), or `"always"`. Its name and place are then printed.
   */
  readonly keep?: Postgres.Keep | undefined
  /** How many connections all processes' test databases may have together; two thirds of what the server takes by default. */
  readonly connections?: number | undefined
}

/**
 * A real PostgreSQL database for each build of the layer, copied from a template in some ten milliseconds. The template is
 * built once on a server, for all processes, and anew when the migrations' texts, the server or this library change.
 *
 * `url`, else the variable `TEST_DATABASE_URL`, names the server and a role that may create databases. `DATABASE_URL` is never
 * looked at, and nothing but databases called `aquifer_test_…` and `aquifer_template_…` is ever dropped. At most four in one
 * process at once, the others wait. What a killed process leaves is dropped by the next one that starts; a database whose
 * owner lives never is.
 *
 * @since 0.1.0
 * @category layers
 */
export const postgres = <E = never>({
  acquireTimeout,
  connections,
  keep = "never",
  migrations,
  seed,
  version,
  ...database
}: PostgresOptions<E> = {}): Layer.Layer<Database.Services, Failure<E>> =>
  Layer.scopedContext(
    Effect.flatMap(
      Postgres.acquire({
        migrations,
        seed,
        version,
        keep,
        connections,
        database,
        acquireTimeout: patience(acquireTimeout)
      }),
      (config) => Layer.build(Database.layerFrom(Effect.succeed(config)))
    )
  )

/** How a sandbox's transaction is told to roll back. */
class Undo<A, E> {
  constructor(readonly exit: Exit.Exit<A, E>) {}
}

/** A sandbox's own transaction; it is never repeated. @since 0.1.0 @category models */
export type SandboxOptions = Omit<Transaction.Options, "retry" | "confirm">

/**
 * Runs the effect in a transaction that is always rolled back; its result, or its failure, is kept. Transactions inside,
 * separate ones too, are savepoints. They may say `isolation`, `access` and `deferrable`, which do not hold: the sandbox has
 * one of each, the options'. A `read only` one can write there, no conflict with anybody shows, and nothing is repeated.
 * Their `settings` do hold, to the sandbox's end. What `afterCommit` was given never runs, because nothing is committed.
 *
 * @since 0.1.0
 * @category combinators
 */
export const sandbox = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  options: SandboxOptions = {}
): Effect.Effect<A, E | DatabaseError, R | SqlClient.SqlClient> => {
  const undone = Effect.flatMap(Effect.exit(effect), (exit) => Effect.fail(new Undo(exit)))
  return Effect.catchAll(
    Transaction.run(Effect.zipRight(Sandbox.enter, undone), { ...options, retry: "never" }),
    (failure): Effect.Effect<A, E | DatabaseError> => (failure instanceof Undo ? failure.exit : Effect.fail(failure))
  )
}
