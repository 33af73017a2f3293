/**
 * Rows in chunks, read from a named portal as they are asked for. Each chunk is a group of its own, so inside a transaction other
 * statements may go between two chunks, and a slow reader costs no statement timeout. Outside a transaction the stream opens
 * one for itself, ended with it: there the session carries nothing else until the stream ends.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Request, Row } from "../../Dialect.js"
import * as DatabaseError from "../../model/DatabaseError.js"
import type { Wire as Value } from "./encode.js"
import type { Line } from "./line.js"
import { Group, type Step, step, write } from "./query.js"
import { beginning, failed, type Setting, serialise } from "./request.js"
import { script, sendScript } from "./run.js"

/**
 * A chunk's size is one of memory, not of rows: as many rows as fill it on the wire, by those of the chunk before. The first
 * is small, so that the first rows come soon and wide ones do not come by the thousand. 1,000 narrow rows a chunk took a
 * fifth longer than 10,000.
 */
const chunkBytes = 256 * 1024
const firstRows = 100
const mostRows = 10_000
const mostGrowth = 10

/** How many rows the next chunk has, where `rows` came in `bytes`; what travels inside this process counts none. */
const nextRows = (rows: number, bytes: number): number => {
  if (!(bytes > 0)) return 1_000
  const fitting = Math.floor((rows * chunkBytes) / bytes)
  return Math.max(1, Math.min(fitting, rows * mostGrowth, mostRows))
}

/** How long the end of a stream that is left early may take before the session is given up. */
const closeLimit = 2_000

interface Page {
  readonly rows: ReadonlyArray<Row>
  readonly more: boolean
}

/** How one stream asks for its next rows, and how it is left. */
interface Reader {
  readonly next: Effect.Effect<Page, DatabaseError.DatabaseError>
  readonly close: Effect.Effect<void>
}

let portals = 0

/** The portal of one statement; `begin` opens the transaction it lives in. */
const portalReader = (
  line: Line,
  request: Request,
  values: ReadonlyArray<Value>,
  local: ReadonlyArray<Setting>
): Reader => {
  const portal = `aquifer_${++portals}`
  let opened = false
  let columns: Step["columns"]
  let rows = firstRows
  return {
    next: Effect.async((resume) => {
      const first = !opened
      opened = true
      const { stream } = line.client.connection
      const bytesBefore = stream.bytesRead
      const main = step("stream", request.rows)
      main.columns = columns
      const before = first ? beginning(request.begin, local, () => undefined) : []
      if (first) line.notice(request.text)
      const group: Group = new Group({
        phase: "statement",
        script: false,
        steps: [...before.map(([step]) => step), main],
        begins: before.length > 0,
        reading: line.reading,
        send: (wire) => {
          for (const close of line.statements.takeCloses()) wire.close(close)
          for (const command of before) write(wire, ...command)
          if (first) write(wire, main, request.text, values, portal, rows)
          else wire.execute({ portal, rows })
          wire.sync()
        },
        onEnd: ({ error }) => {
          columns = main.columns
          rows = nextRows(rows, stream.bytesRead - bytesBefore)
          resume(
            error === undefined
              ? Effect.succeed({ rows: main.rows, more: main.suspended })
              : Effect.fail(gone(failed(line, group, error)))
          )
        },
        onLost: (sent) => resume(Effect.fail(line.failure("stream", "statement", sent)))
      })
      line.submit(group)
    }),
    // Closed in front of whatever is sent next; the transaction's end would close it anyway.
    close: Effect.sync(() => {
      if (opened) line.statements.close({ type: "P", name: portal })
    })
  }
}

/** A portal that vanished did so with its transaction or savepoint. */
const gone = (error: DatabaseError.DatabaseError): DatabaseError.DatabaseError =>
  error._tag === "SqlSyntaxError" && error.sqlState === "34000"
    ? new DatabaseError.TransactionClosed({
        operation: "stream",
        reason: "the transaction or savepoint the stream was opened in has ended",
        cause: error.cause,
        sqlState: error.sqlState
      })
    : error

/** Inside a transaction the line is shared with its other statements. */
const inTransaction = (line: Line, reader: Reader): Reader => ({
  ...reader,
  next: Effect.suspend(() => {
    const refusal = line.refusal("stream")
    return refusal === undefined ? reader.next : Effect.fail(refusal)
  })
})

/** A transaction of the stream's own: committed behind the last row (its failure is the stream's) and when nobody wants more. */
const alone = (line: Line, reader: Reader): Reader => {
  let state: "new" | "open" | "over" = "new"
  const over = () => {
    state = "over"
    line.streaming = false
  }
  const next = Effect.suspend(() => {
    if (state === "new") {
      const refusal = line.refusal("stream")
      if (refusal !== undefined) return Effect.fail(refusal)
      state = "open"
      line.streaming = true
    }
    return reader.next
  })
  /** From here on the line is anybody's; what is sent next goes behind this. */
  const end = (text: "COMMIT" | "ROLLBACK") =>
    Effect.suspend(() => {
      over()
      return script(line)(text, "stream")
    })
  return {
    next: next.pipe(
      Effect.tapError(() =>
        Effect.suspend(() => {
          if (state !== "open") return Effect.void
          if (line.status() === "open" || line.status() === "failed") return Effect.ignore(end("ROLLBACK"))
          return Effect.sync(over)
        })
      ),
      Effect.tap(({ more }) => (more ? Effect.void : end("COMMIT")))
    ),
    close: Effect.async((resume) => {
      if (state !== "open") return resume(Effect.void)
      const atWork = line.pending() > 0
      over()
      // While the server still works on a chunk nobody waits here: whoever holds the session cancels.
      if (atWork) resume(Effect.void)
      const limit = setTimeout(() => {
        if (!atWork) line.lose(new Error("Connection error: a stream that was left did not end within 2 s"))
      }, closeLimit)
      sendScript(line, "COMMIT", "stream", () => {
        clearTimeout(limit)
        if (!atWork) resume(Effect.void)
      })
    })
  }
}

/** The stream of a session. @since 0.1.0 @category constructors */
export const streaming =
  (line: Line, local: ReadonlyArray<Setting>) =>
  (request: Request): Stream.Stream<ReadonlyArray<Row>, DatabaseError.DatabaseError> =>
    Stream.fromPull(
      Effect.gen(function* () {
        const values = serialise(request.text, request.params, "stream")
        if (values instanceof DatabaseError.DataError) return Effect.fail(Option.some(values))
        let reader: Reader | undefined
        let ended = false
        yield* Effect.addFinalizer(() => Effect.suspend(() => reader?.close ?? Effect.void))
        const open = (): Reader =>
          request.begin === undefined && line.status() === "idle"
            ? alone(line, portalReader(line, { ...request, begin: "BEGIN" }, values, local))
            : inTransaction(line, portalReader(line, request, values, local))
        const pull: Effect.Effect<
          Chunk.Chunk<ReadonlyArray<Row>>,
          Option.Option<DatabaseError.DatabaseError>
        > = Effect.suspend(() => {
          if (ended) return Effect.fail(Option.none())
          reader ??= open()
          return Effect.flatMap(Effect.mapError(reader.next, Option.some), ({ more, rows }) => {
            ended = !more
            return rows.length > 0 ? Effect.succeed(Chunk.of(rows)) : pull
          })
        })
        return pull
      })
    )
