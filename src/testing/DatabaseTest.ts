/**
 * Databases for tests: a layer to put in the place of `DatabaseLive`, empty or migrated, and a sandbox that undoes
 * whatever ran in it. Everything is gone when the layer's scope ends.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Database from "../Database.js"
import * as Migrator from "../migration/Migrator.js"
import type { DatabaseError } from "../model/DatabaseError.js"
import * as Sandbox from "../transaction/Sandbox.js"
import * as Transaction from "../transaction/Transaction.js"

/** What a test database may be told; `migrations` are applied while the layer is built. @since 0.1.0 @category models */
export type Options = Partial<Database.Options> & { readonly migrations?: Migrator.Options | undefined }

/**
 * SQLite in memory: a database of its own for each build of the layer, in about a millisecond. It is one session, so
 * fibers take turns.
 *
 * @since 0.1.0
 * @category layers
 */
export const sqlite = ({
  migrations,
  ...options
}: Options = {}): Layer.Layer<Database.Services, Database.Failure | Migrator.Failure> => {
  const database = Database.layer({ url: "sqlite::memory:", profile: "test", ...options })
  return migrations === undefined ? database : Layer.provideMerge(Migrator.layer(migrations), database)
}

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
