/**
 * A database for code without Effect: statements and transactions are Promises. A Promise is rejected with the error
 * itself (a `DatabaseError`, or whatever the code inside a transaction threw), never with a wrapper around it. What it does
 * not do: a Promise cannot be interrupted; use Effect where that matters.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Cause from "effect/Cause"
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import { onReplica, type ReplicaOptions } from "./client/onReplica.js"
import type { Services } from "./Database.js"
import { explain } from "./model/DatabaseConfig.js"
import { type DatabaseError, refine } from "./model/DatabaseError.js"
import * as Transaction from "./transaction/Transaction.js"

/** What can be done on a database and inside a transaction alike. @since 0.1.0 @category models */
export interface Queries {
  /**
   * One statement with bound values: `` db.query<User>`SELECT * FROM users WHERE id = ${id}` ``. Values are never spliced
   * into the text; `db.sql("users")` is a quoted name, `db.sql.insert(rows)` and `db.sql.in(values)` are lists.
   */
  readonly query: <Row extends object = Record<string, unknown>>(
    strings: TemplateStringsArray,
    ...values: ReadonlyArray<unknown>
  ) => Promise<ReadonlyArray<Row>>
  /** The client behind `query`: names, lists and fragments. */
  readonly sql: SqlClient.SqlClient
  /**
   * COMMIT when `body` resolves, ROLLBACK when it rejects, and then rejected with the very same error. A lost race or
   * connection runs `body` again from its first line, so let it change nothing but the database. Inside a transaction it is
   * a savepoint.
   */
  readonly transaction: <A>(body: (tx: Queries) => Promise<A>, options?: Transaction.Options) => Promise<A>
  /**
   * What `body` reads comes from a replica no older than `maxStaleness`, else from the primary; a write in there rejects with
   * a `ReadOnlyError`. Inside a transaction it belongs to that.
   */
  readonly onReplica: <A>(body: (there: Queries) => Promise<A>, options?: ReplicaOptions) => Promise<A>
  /** Any Effect that needs nothing but the database; inside a transaction it belongs to it. */
  readonly run: <A, E>(effect: Effect.Effect<A, E, Services>) => Promise<A>
}

/** @since 0.1.0 @category models */
export interface PromiseClient extends Queries {
  /** Waits for what still runs, closes every connection and leaves no handle open. May be called twice. */
  readonly close: () => Promise<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/** The configuration cannot be used; the message names every problem. @since 0.1.0 @category errors */
export class ConfigurationError extends Data.TaggedError("ConfigurationError")<{ readonly cause: ConfigError }> {
  override get message(): string {
    return explain(this.cause)
  }
}

/**
 * Opens the database of a layer.
 *
 * @since 0.1.0
 * @category constructors
 */
export const open = async (layer: Layer.Layer<Services, ConfigError | DatabaseError>): Promise<PromiseClient> => {
  const scope = Effect.runSync(Scope.make())
  const built = Layer.toRuntime(layer).pipe(
    Scope.extend(scope),
    Effect.mapError((error) => (error._tag === "ConfigError" ? new ConfigurationError({ cause: error }) : error)),
    Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
  )
  const runtime = unwrap(await Effect.runPromiseExit(built))
  let closed: Promise<void> | undefined
  const close = () => {
    closed ??= Effect.runPromise(Scope.close(scope, Exit.void))
    return closed
  }
  return { ...queries(runtime), close, [Symbol.asyncDispose]: close }
}

const queries = (runtime: Runtime.Runtime<Services>): Queries => {
  const sql = Context.get(runtime.context, SqlClient.SqlClient)
  const run: Queries["run"] = async (effect) => unwrap(await Runtime.runPromiseExit(runtime)(refine(effect)))
  return {
    sql,
    run,
    query: <Row extends object>(strings: TemplateStringsArray, ...values: ReadonlyArray<unknown>) =>
      run(sql<Row>(strings, ...values)),
    transaction: (body, options) => run(Transaction.run(within(body), options)).catch(unwrapOwn),
    onReplica: (body, options) => run(onReplica(within(body), options)).catch(unwrapOwn)
  }
}

/** The body, its statements in the context it is run in: the transaction's, or where reads go to a replica. */
const within = <A>(body: (queries: Queries) => Promise<A>): Effect.Effect<A, Own, Services> =>
  Effect.flatMap(Effect.runtime<Services>(), (runtime) =>
    Effect.tryPromise({ try: () => body(queries(runtime)), catch: (error) => new Own(error) })
  )

/** What the body threw, on its way through what is around it; under `error`, where a transient failure is looked for. */
class Own {
  constructor(readonly error: unknown) {}
}

const unwrapOwn = (error: unknown): never => {
  throw error instanceof Own ? error.error : error
}

/** The value, or the failure itself thrown: not a `FiberFailure` around it. */
const unwrap = <A, E>(exit: Exit.Exit<A, E>): A => {
  if (Exit.isSuccess(exit)) return exit.value
  throw Cause.squash(exit.cause)
}
