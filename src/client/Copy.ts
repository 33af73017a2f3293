/**
 * COPY as streams: the fastest way in and out, in constant memory, with back-pressure on both sides. Inside a transaction it
 * belongs to that transaction; outside, it takes a connection of the pool for as long as it lasts. The bytes are the
 * server's COPY formats (text, csv, binary) as they are. The statement timeout counts all of it, the stream's own time too:
 * where that is too short, `SET LOCAL statement_timeout` in a transaction. Refused where the product has no COPY.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Connections from "../connection/Connections.js"
import * as Session from "../connection/Session.js"
import type { DriverConnection } from "../Dialect.js"
import { type DatabaseError, DataError, TransactionClosed, UnsupportedError } from "../model/DatabaseError.js"
import { withConnection } from "./withConnection.js"

/**
 * A table to copy into or out of. Names are quoted as they are; `schema.table` is written as two fields.
 *
 * @since 0.1.0
 * @category models
 */
export interface Place {
  readonly schema?: string | undefined
  readonly table: string
  /** In this order; not said: all, in the table's own. */
  readonly columns?: ReadonlyArray<string> | undefined
  /** `text` is the server's default: tabs between columns, `\N` for NULL. */
  readonly format?: "text" | "csv" | "binary" | undefined
  /** Whether the first line of a csv names the columns. */
  readonly header?: boolean | undefined
}

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`

const clause = (place: Place, direction: "FROM STDIN" | "TO STDOUT"): string => {
  const name = [place.schema, place.table].flatMap((part) => (part === undefined ? [] : [quote(part)])).join(".")
  const columns = place.columns === undefined ? "" : ` (${place.columns.map(quote).join(", ")})`
  const options = [
    ...(place.format === undefined ? [] : [`FORMAT ${place.format}`]),
    ...(place.header === undefined ? [] : [`HEADER ${place.header}`])
  ]
  return `COPY ${name}${columns} ${direction}${options.length === 0 ? "" : ` WITH (${options.join(", ")})`}`
}

const textOf = (what: string | Place, direction: "FROM STDIN" | "TO STDOUT"): Effect.Effect<string, DataError> => {
  const text = typeof what === "string" ? what : clause(what, direction)
  // Anything else would be sent, and its rows would be lost or wait for a conversation that never comes.
  const fits = direction === "FROM STDIN" ? /^\s*copy\b[\s\S]*\bfrom\s+stdin\b/i : /^\s*copy\b[\s\S]*\bto\s+stdout\b/i
  return fits.test(text)
    ? Effect.succeed(text)
    : Effect.fail(
        new DataError({
          operation: "copy",
          reason: `the text is not a COPY … ${direction}`,
          hint: `Write the statement with ${direction}, or name the table: { table: "…" }`
        })
      )
}

type Ability = Option.Option.Value<DriverConnection["copy"]>

const ability = (connection: DriverConnection): Effect.Effect<Ability, UnsupportedError> =>
  Effect.mapError(
    connection.copy,
    () => new UnsupportedError({ operation: "copy", reason: "this database has no COPY", hint: "Use sql.insert" })
  )

const encoder = new TextEncoder()

/**
 * Copies a stream of bytes (or of texts, sent as UTF-8) into a table; the number of rows it made. All or nothing: a failure
 * of the stream, of the server (`detail` names the line) or an interruption leaves no row.
 *
 * @since 0.1.0
 * @category combinators
 */
export const into = <E, R>(
  what: string | Place,
  rows: Stream.Stream<Uint8Array | string, E, R>
): Effect.Effect<number, E | DatabaseError, R | SqlClient.SqlClient> =>
  Effect.flatMap(textOf(what, "FROM STDIN"), (text) => {
    const bytes = Stream.map(rows, (row) => (typeof row === "string" ? encoder.encode(row) : row))
    const copied = (connection: DriverConnection): Effect.Effect<number, E | DatabaseError, R> =>
      Effect.flatMap(ability(connection), (copy) => Effect.map(copy.into(text, bytes), (reply) => reply.count ?? 0))
    return withConnection(copied)
  })

/**
 * Copies out of a table or query (`COPY (SELECT …) TO STDOUT`), in pieces of up to 64 KiB that end between rows. While it
 * is read inside a transaction, the transaction's other statements are refused: nothing could answer them.
 *
 * @since 0.1.0
 * @category combinators
 */
export const out = (what: string | Place): Stream.Stream<Uint8Array, DatabaseError, SqlClient.SqlClient> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const text = yield* textOf(what, "TO STDOUT")
      const connections = yield* Effect.flatMap(SqlClient.SqlClient, Connections.of)
      const session = Session.current(connections, yield* Effect.context<never>())
      if (session !== undefined) {
        // In its turn and behind BEGIN; from there on the wire is its own.
        const copy = yield* session.use(ability)
        return Stream.suspend(() =>
          session.closing ? Stream.fail(closed()) : read(session.connection, copy, text, () => session.over)
        )
      }
      const claim = connections.lease("write")
      yield* Effect.addFinalizer(() => claim.close)
      const connection = yield* claim.acquire
      return read(connection, yield* ability(connection), text, () => false)
    })
  )

const closed = () =>
  new TransactionClosed({ operation: "copy", reason: "the transaction this stream belongs to has ended" })

/** Left early, it is stopped on the server, unless the connection is somebody else's by then. */
const read = (connection: DriverConnection, copy: Ability, text: string, over: () => boolean) =>
  Stream.ensuring(
    copy.out(text),
    Effect.suspend(() => (!over() && connection.pending() > 0 ? connection.cancel : Effect.void))
  )
