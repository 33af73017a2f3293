/**
 * One session as the seam has it, assembled over its line: cancelling, proving, bringing back and ending it. Each has its limit;
 * a session that does not keep one is given up, and says so through `lost`.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { DriverConnection } from "../../Dialect.js"
import type { DatabaseError } from "../../model/DatabaseError.js"
import { batch } from "./batch.js"
import { type CancelTarget, requestCancel } from "./cancel.js"
import { into, out } from "./copy.js"
import type { Line } from "./line.js"
import type { Setting } from "./request.js"
import { type Reports, residueOf } from "./residue.js"
import { run, script } from "./run.js"
import { streaming } from "./stream.js"
import type { Notification } from "./wire.js"

/** What a session is besides its line. @since 0.1.0 @category models */
export interface SessionOptions {
  /** Whom a cancel is sent to; none where the product cannot cancel. */
  readonly cancelTarget: () => CancelTarget | undefined
  /** Milliseconds a ping or reset may take. */
  readonly patience: number
  /** Whether DISCARD ALL means this very server session (it does not behind a transaction-mode pooler). */
  readonly discard: boolean
  /** Statements that bring back what DISCARD ALL takes away. */
  readonly settings: ReadonlyArray<string>
  /** Settings each transaction brings along, where the session may not keep any. */
  readonly local: ReadonlyArray<Setting>
  readonly listen: boolean
}

/** A cancel that has not been heard is sent again after so many milliseconds; a session that is still busy is destroyed. */
const cancelAgain = 250
const cancelLimit = 2_000

const cancel = (line: Line, options: SessionOptions): Effect.Effect<void> => {
  let running: Deferred.Deferred<void> | undefined
  return Effect.suspend(() => {
    line.abandon()
    if (running !== undefined) return Deferred.await(running)
    const target = options.cancelTarget()
    if (line.pending() === 0 || target === undefined) return Effect.void
    return Effect.async<void>((resume) => {
      const outcome = Deferred.unsafeMake<void>(FiberId.none)
      running = outcome
      let socketClosed = false
      let answered = false
      let over = false
      let again: ReturnType<typeof setTimeout> | undefined
      let stop = () => {}
      const finish = () => {
        if (over) return
        over = true
        clearTimeout(limit)
        clearTimeout(again)
        stop()
        running = undefined
        Deferred.unsafeDone(outcome, Effect.void)
        resume(Effect.void)
      }
      const limit = setTimeout(() => {
        line.lose(new Error("Connection error: a statement did not end within 2 s of its cancellation"))
        finish()
      }, cancelLimit)
      const send = () => {
        socketClosed = false
        stop = requestCancel(target, () => {
          socketClosed = true
          if (answered) finish()
          else if (!over) again = setTimeout(send, cancelAgain)
        })
      }
      send()
      line.whenQuiet(() => {
        answered = true
        if (socketClosed || line.status() === "broken") finish()
      })
    })
  }).pipe(Effect.uninterruptible)
}

/** Terminate, then the hard end. */
const politeness = 500
const destroyLimit = 900

const destroy = (line: Line): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    const { connection } = line.client
    const stream = connection.stream
    const hard = setTimeout(() => stream.destroy(), politeness)
    const done = () => {
      clearTimeout(hard)
      clearTimeout(last)
      resume(Effect.void)
    }
    const last = setTimeout(done, destroyLimit)
    if (stream.closed) done()
    else stream.once("close", done)
    line.close(() => connection.end())
  }).pipe(Effect.uninterruptible)

/** Bounds what must be answered: a session that does not answer is lost, and the effect fails with it. */
const within =
  (line: Line, millis: number, operation: string) =>
  <A>(effect: Effect.Effect<A, DatabaseError>): Effect.Effect<A, DatabaseError> =>
    Effect.acquireUseRelease(
      Effect.sync(() =>
        setTimeout(() => {
          line.lose(new Error(`Connection error: no answer to ${operation} within ${millis} ms`))
        }, millis)
      ),
      () => effect,
      (timer) => Effect.sync(() => clearTimeout(timer))
    )

const reset = (line: Line, options: SessionOptions): Effect.Effect<void, DatabaseError> => {
  const send = script(line)
  const bring = Effect.suspend(() => {
    const back = line.status() === "idle" ? Effect.void : send("ROLLBACK", "reset")
    const forward = options.discard
      ? Effect.zipRight(
          send("DISCARD ALL", "reset"),
          Effect.forEach(options.settings, (setting) => send(setting, "reset"), { discard: true })
        )
      : Effect.void
    return Effect.zipRight(back, forward)
  })
  return within(
    line,
    options.patience,
    "reset"
  )(bring).pipe(
    Effect.tap(() =>
      Effect.sync(() => {
        line.unlimited = false
      })
    )
  )
}

const notifications = (line: Line): NonNullable<Option.Option.Value<DriverConnection["notifications"]>> =>
  Stream.asyncPush<{ readonly channel: string; readonly payload: string }>(
    (emit) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const heard = (notification: Notification) => {
            emit.single({ channel: notification.channel, payload: notification.payload ?? "" })
          }
          line.client.on("notification", heard)
          const off = line.onGone(() => emit.end())
          return () => {
            line.client.off("notification", heard)
            off()
          }
        }),
        (off) => Effect.sync(off)
      ),
    { bufferSize: "unbounded" }
  )

/** The session over a line. @since 0.1.0 @category constructors */
export const session = (line: Line, options: SessionOptions, reports: Reports): DriverConnection => {
  const send = script(line)
  const residue = residueOf(line, reports)
  if (!options.discard) line.statements.share()
  return {
    run: run(line, options.local),
    batch: batch(line, options.local),
    script: (text) => send(text),
    stream: streaming(line, options.local),
    cancel: cancel(line, options),
    status: () => line.status(),
    pending: () => line.pending(),
    busySince: () => line.busySince(),
    lost: Deferred.await(line.lost),
    ping: within(line, options.patience, "ping")(Effect.asVoid(send("-- ping", "ping"))),
    residue,
    reset: Effect.tap(reset(line, options), () => Effect.sync(residue.accept)),
    destroy: destroy(line),
    notifications: options.listen ? Option.some(notifications(line)) : Option.none(),
    copy: Option.some({ into: into(line), out: out(line) })
  }
}
