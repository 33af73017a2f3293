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

type Answer<A> = Effect.Effect<A, SqlError>
type Transform = Parameters<Connection["execute"]>[2]

const transformed = (rows: ReadonlyArray<Row>, transform: Transform) =>
  transform === undefined ? rows : transform(rows)

/** @since 0.1.0 @category conversions */
export const sqlError = (error: DatabaseError): SqlError => new SqlError({ cause: error, message: error.reason })

/** A class: each transaction has one, see `Bag`. @since 0.1.0 @category models */
export class Facade implements Connection {
  constructor(
    private readonly carrier: Carrier,
    /** Whether its statements are prepared by name. */
    private readonly prepare: boolean
  ) {}

  execute(text: string, params: ReadonlyArray<unknown>, transform: Transform): Answer<ReadonlyArray<Row>> {
    return this.run(this.objects(text, params), ({ rows }) => transformed(rows, transform))
  }

  executeRaw(text: string, params: ReadonlyArray<unknown>): Answer<unknown> {
    return this.run(this.objects(text, params), ({ raw }) => raw)
  }

  executeValues(text: string, params: ReadonlyArray<unknown>): Answer<ReadonlyArray<ReadonlyArray<unknown>>> {
    return this.run({ text, params, prepare: this.prepare, rows: "arrays" }, ({ rows }) => rows)
  }

  executeUnprepared(text: string, params: ReadonlyArray<unknown>, transform: Transform): Answer<ReadonlyArray<Row>> {
    return this.run(this.objects(text, params, false), ({ rows }) => transformed(rows, transform))
  }

  executeStream(text: string, params: ReadonlyArray<unknown>, transform: Transform): Stream.Stream<Row, SqlError> {
    return this.carrier.stream(this.objects(text, params)).pipe(
      Stream.mapError(sqlError),
      Stream.mapConcatChunk((rows) => Chunk.unsafeFromArray(transformed(rows, transform)))
    )
  }

  private objects(text: string, params: ReadonlyArray<unknown>, prepare = this.prepare): Request {
    return { text, params, prepare, rows: "objects" }
  }

  private run<A>(request: Request, read: (reply: Reply) => A): Answer<A> {
    return Effect.mapBoth(this.carrier.run(request), { onFailure: sqlError, onSuccess: read })
  }
}
