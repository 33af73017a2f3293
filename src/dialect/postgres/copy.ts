/**
 * COPY as a conversation of its own on the session: rows go in as they come and out as they are asked for, and neither side
 * is ever ahead of the other by more than a page. Whoever leaves in the middle tells the server so at once (CopyFail on the
 * way in, reading on without keeping anything on the way out), so that the session can be used again.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { DriverConnection, Reply } from "../../Dialect.js"
import { type DatabaseError, DataError } from "../../model/DatabaseError.js"
import type { Line } from "./line.js"
import { Group, type GroupOptions, reply } from "./query.js"
import { failed, serialise } from "./request.js"

type Copy = NonNullable<Option.Option.Value<DriverConnection["copy"]>>

/** Bytes of one message and of one page (FACTS section 9: by the row it takes ten times as long). */
const pageBytes = 65_536

/** Pages read ahead of their reader before the socket is left alone. */
const pagesAhead = 4

/** How long the server may take to end a COPY that was given up. */
const endLimit = 2_000

const refused = (line: Line, text: string): DatabaseError | undefined => {
  const values = serialise(text, [], "copy")
  return values instanceof DataError ? values : line.refusal("copy")
}

/** COPY as a simple query; `settle` hears of its end once. */
const group = (
  line: Line,
  text: string,
  handlers: Pick<GroupOptions, "onCopyData" | "onCopyIn">,
  settle: (answer: Effect.Effect<Reply, DatabaseError>) => void
): Group => {
  const over = (answer: Effect.Effect<Reply, DatabaseError>) => {
    line.copying = false
    line.patient = false
    settle(answer)
  }
  const made: Group = new Group({
    phase: "statement",
    script: true,
    steps: [],
    operation: "copy",
    begins: false,
    reading: line.reading,
    send: (wire) => {
      for (const close of line.statements.takeCloses()) wire.close(close)
      wire.query(text)
    },
    ...handlers,
    onEnd: ({ error }) => {
      const last = made.steps.at(-1) ?? made.current()
      over(error === undefined ? Effect.succeed(reply(last, line.reading)) : Effect.fail(failed(line, made, error)))
    },
    onLost: (sent) => over(Effect.fail(line.failure("copy", "statement", sent)))
  })
  line.copying = true
  line.notice(text)
  line.submit(made)
  return made
}

/** What is written is sent; done when there is room for more, or nobody left to send it to. */
const room = (line: Line): Effect.Effect<void> =>
  Effect.async((resume) => {
    const { stream } = line.client.connection
    if (!stream.writableNeedDrain || line.status() === "broken") return resume(Effect.void)
    const done = () => {
      stream.off("drain", done)
      off()
      resume(Effect.void)
    }
    stream.on("drain", done)
    const off = line.onGone(done)
    return Effect.sync(() => {
      stream.off("drain", done)
      off()
    })
  })

/** CopyData: its length counts itself and the bytes behind it. */
const data = (bytes: Uint8Array): ReadonlyArray<Uint8Array> => {
  const head = Buffer.allocUnsafe(5)
  head[0] = 0x64
  head.writeInt32BE(4 + bytes.length, 1)
  return [head, bytes]
}

/** Rows in. The reply's count is the number of rows copied. @since 0.1.0 @category constructors */
export const into =
  (line: Line): Copy["into"] =>
  <E, R>(text: string, rows: Stream.Stream<Uint8Array, E, R>) =>
    Effect.suspend((): Effect.Effect<Reply, DatabaseError | E, R> => {
      const refusal = refused(line, text)
      if (refusal !== undefined) return Effect.fail(refusal)
      const { connection } = line.client
      const opened = Deferred.unsafeMake<void>(FiberId.none)
      const answer = Deferred.unsafeMake<Reply, DatabaseError>(FiberId.none)
      // The same, but never what the server says to being told that no more rows come.
      let ended: Effect.Effect<Reply, DatabaseError> | undefined
      let tellEnded = () => {}
      let state: "asked" | "open" | "over" = "asked"
      let unwanted = false
      let waiting: Array<Uint8Array> = []
      let size = 0

      const giveUp = () => {
        unwanted = true
        if (state !== "open") return
        state = "over"
        line.patient = false
        line.touch()
        connection.sendCopyFail("the rows ended before their end")
      }
      group(
        line,
        text,
        {
          onCopyIn: () => {
            state = "open"
            line.patient = true
            if (unwanted) giveUp()
            else Deferred.unsafeDone(opened, Effect.void)
          }
        },
        (reply) => {
          state = "over"
          Deferred.unsafeDone(answer, reply)
          if (unwanted) return
          ended = reply
          tellEnded()
        }
      )

      const flush = Effect.suspend(() => {
        if (size === 0 || state !== "open") return Effect.void
        const all = waiting.length === 1 ? waiting[0] : undefined
        const bytes = all ?? Buffer.concat(waiting, size)
        waiting = []
        size = 0
        line.cork()
        for (let from = 0; from < bytes.length; from += pageBytes * 16) {
          for (const part of data(bytes.subarray(from, from + pageBytes * 16))) connection.stream.write(part)
        }
        return room(line)
      })
      const feed = Stream.runForEachChunk(rows, (chunk) => {
        for (const bytes of chunk) {
          waiting.push(bytes)
          size += bytes.length
        }
        return size < pageBytes ? Effect.void : flush
      })
      const done = Effect.zipRight(
        flush,
        Effect.sync(() => {
          if (state !== "open") return
          state = "over"
          line.patient = false
          line.touch()
          connection.endCopyFrom()
        })
      )
      const given = Deferred.await(opened).pipe(
        Effect.zipRight(feed),
        Effect.zipRight(done),
        // The rows' own failure is what is told; the server's answer to CopyFail says no more.
        Effect.tapErrorCause(() =>
          Effect.zipRight(
            Effect.sync(giveUp),
            Deferred.await(answer).pipe(
              Effect.ignore,
              Effect.timeoutFail({ duration: endLimit, onTimeout: () => undefined }),
              Effect.catchAll(() =>
                Effect.sync(() => line.lose(new Error("Connection error: a COPY that was given up did not end")))
              )
            )
          )
        ),
        Effect.zipRight(Deferred.await(answer))
      )
      // The server may end it before the rows do. By hand: `raceFirst` (effect 3.22) never ends when it is interrupted
      // between having made its fibers and starting them.
      return Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(Effect.forkDaemon(Effect.interruptible(given)), (giving) =>
          Effect.async<Reply, DatabaseError | E>((resume) => {
            giving.addObserver(() => resume(Fiber.join(giving)))
            tellEnded = () => {
              if (ended !== undefined) resume(ended)
            }
            tellEnded()
          }).pipe(
            restore,
            Effect.onInterrupt(() => Effect.sync(giveUp)),
            Effect.ensuring(Fiber.interrupt(giving))
          )
        )
      )
    })

/** Rows out, in pages. @since 0.1.0 @category constructors */
export const out =
  (line: Line): Copy["out"] =>
  (text) =>
    Stream.fromPull(
      Effect.gen(function* () {
        const { stream } = line.client.connection
        let pages: Array<Uint8Array> = []
        let page = Buffer.alloc(0)
        let filled = 0
        let asked = false
        let left = false
        let paused = false
        let end: Effect.Effect<never, Option.Option<DatabaseError>> | undefined
        let wake: (() => void) | undefined

        const turn = () => {
          if (filled > 0) pages.push(page.subarray(0, filled))
          page = page.subarray(filled)
          filled = 0
        }
        const keep = (chunk: Buffer) => {
          if (left) return
          // The driver uses its buffer again: what is kept is copied, many rows into one page.
          if (page.length - filled < chunk.length) {
            turn()
            page = Buffer.allocUnsafeSlow(Math.max(pageBytes, chunk.length))
          }
          filled += chunk.copy(page, filled)
          line.touch()
          if (pages.length >= pagesAhead && !paused) {
            paused = true
            line.patient = true
            stream.pause()
          }
          wake?.()
        }
        const goOn = () => {
          if (!paused) return
          paused = false
          line.patient = false
          line.touch()
          stream.resume()
        }
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            if (!asked || end !== undefined) return
            // The rest is read and thrown away, unless whoever holds the session cancels.
            left = true
            pages = []
            line.copying = false
            goOn()
          })
        )
        const next: Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<DatabaseError>> = Effect.async((resume) => {
          if (!asked) {
            const refusal = refused(line, text)
            if (refusal !== undefined) return resume(Effect.fail(Option.some(refusal)))
            asked = true
            group(line, text, { onCopyData: keep }, (answer) => {
              end = Effect.matchEffect(answer, {
                onFailure: (error) => Effect.fail(Option.some(error)),
                onSuccess: () => Effect.fail(Option.none())
              })
              goOn()
              wake?.()
            })
          }
          let wanted = true
          const look = () => {
            if (!wanted) return
            if (pages.length === 0) turn()
            if (pages.length > 0) {
              const read = pages
              pages = []
              goOn()
              resume(Effect.succeed(Chunk.unsafeFromArray(read)))
            } else if (end !== undefined) resume(end)
            else
              wake = () => {
                wake = undefined
                // Behind the rest of what has arrived together.
                queueMicrotask(look)
              }
          }
          look()
          return Effect.sync(() => {
            wanted = false
          })
        })
        return next
      })
    )
