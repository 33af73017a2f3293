/**
 * A session, or the pool itself, as upstream's `Connection`: what `Statement`, `SqlResolver` and every library built on
 * `@effect/sql` calls. Failures stay `SqlError`; its `cause` is the classified error, its message the server's own.
 *
 * @since 0.1.0
 */
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { Reply, Request, Row } from "../Dialect.js"
import type { DatabaseError } from "../model/DatabaseError.js"

/** What a statement needs of whatever carries it. @since 0.1.0 @category models */
export interface Carrier {
  readonly run: (request: Request) => Effect.Effect<Reply, DatabaseError>
  /** `run`, begun on the fiber's own stack: an `Exit` when it is done already. Absent where every answer is waited for. */
  readonly runNow?:
    | ((request: Request, fiber: Fiber.RuntimeFiber<unknown, unknown>) => Effect.Effect<Reply, DatabaseError>)
    | undefined
  readonly stream: (request: Request) => Stream.Stream<ReadonlyArray<Row>, DatabaseError>
}

/** @since 0.1.0 @category conversions */
export const sqlError = (error: DatabaseError): SqlError => new SqlError({ cause: error, message: error.reason })

/** @since 0.1.0 @category constructors */
export const make = (carrier: Carrier, prepare: boolean): Connection => {
  const run = <A>(request: Request, read: (reply: Reply) => A): Effect.Effect<A, SqlError> =>
    Effect.mapBoth(carrier.run(request), { onFailure: sqlError, onSuccess: read })
  const objects = (text: string, params: ReadonlyArray<unknown>, prepare: boolean): Request => ({
    text,
    params,
    prepare,
    rows: "objects"
  })
  return {
    execute: (text, params, transform) =>
      run(objects(text, params, prepare), ({ rows }) => (transform === undefined ? rows : transform(rows))),
    executeRaw: (text, params) => run(objects(text, params, prepare), ({ raw }) => raw),
    executeValues: (text, params) => run({ text, params, prepare, rows: "arrays" }, ({ rows }) => rows),
    executeUnprepared: (text, params, transform) =>
      run(objects(text, params, false), ({ rows }) => (transform === undefined ? rows : transform(rows))),
    executeStream: (text, params, transform) =>
      carrier.stream(objects(text, params, prepare)).pipe(
        Stream.mapError(sqlError),
        Stream.mapConcatChunk((rows) => Chunk.unsafeFromArray(transform === undefined ? rows : transform(rows)))
      )
  }
}
