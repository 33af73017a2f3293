/**
 * The state of one session: groups sent and unanswered, the transaction's status, whether and why the session is lost. All
 * writes of a tick leave together. A session whose head is overdue is destroyed; whatever was pending is told then, with
 * whether it had been sent.
 *
 * @since 0.1.0
 */
import { performance } from "node:perf_hooks"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import type { SessionStatus } from "../../Dialect.js"
import * as DatabaseError from "../../model/DatabaseError.js"
import { classify, endsSession } from "./classify.js"
import { leaves } from "./leaves.js"
import * as Prepared from "./prepared.js"
import type { Group, Reading } from "./query.js"
import type { WireClient } from "./wire.js"

/** Prepared statements one session keeps: their plans are the server's memory. */
const preparedLimit = 256

/** A failure of the session itself, told to one request. */
const told = (
  reason: DatabaseError.DatabaseError,
  operation: string,
  phase: DatabaseError.ConnectionError["phase"],
  sent: boolean
): DatabaseError.DatabaseError => {
  const { cause, detail, hint, reason: sentence, sqlState } = reason
  const fields = { operation, reason: sentence, cause, detail, hint, sqlState }
  switch (reason._tag) {
    case "TransactionClosed":
      return new DatabaseError.TransactionClosed(fields)
    case "StatementTimeoutError":
      return new DatabaseError.StatementTimeoutError(fields)
    default:
      return new DatabaseError.ConnectionError({ ...fields, phase, sent })
  }
}

/** @since 0.1.0 @category models */
export class Line {
  readonly statements = Prepared.make(preparedLimit)
  readonly lost = Deferred.unsafeMake<DatabaseError.DatabaseError>(FiberId.none)
  /** A stream outside a transaction has one of its own open: nobody else's statement may end up in it. */
  streaming = false
  /** COPY has the wire to itself: nothing sent behind it is answered before its end. */
  copying = false
  /** What the head waits for is the caller's to give or take: it is not overdue. */
  patient = false
  /** A text was sent that leaves something on the session. */
  left = false
  /** Somebody set `statement_timeout` himself: the watchdog no longer knows what is overdue. */
  unlimited = false

  private readonly groups: Array<Group> = []
  private transaction = "I"
  private beginning = 0
  private headSince = 0
  private corked: Array<Group> | undefined
  private watch: ReturnType<typeof setTimeout> | undefined
  private reason: DatabaseError.DatabaseError | undefined
  private waiters: Array<() => void> = []
  private readonly goneListeners = new Set<() => void>()

  constructor(
    readonly client: WireClient,
    readonly reading: Reading,
    /** Milliseconds after which a head is overdue. */
    private readonly overdue: number | undefined
  ) {
    client.on("error", (cause) => this.lose(cause))
    client.on("end", () => this.lose(new Error("Connection terminated unexpectedly")))
    client.connection.on("readyForQuery", (message) => this.ready(message.status))
  }

  status(): SessionStatus {
    if (this.reason !== undefined) return "broken"
    if (this.transaction === "E") return "failed"
    return this.transaction === "T" || this.beginning > 0 ? "open" : "idle"
  }

  /** Whether a transaction is being opened by something not yet answered. */
  opening(): boolean {
    return this.beginning > 0
  }

  pending(): number {
    return this.groups.length
  }

  busySince(): number {
    return this.headSince
  }

  /** Why nothing can be sent now, if so. */
  refusal(operation: string): DatabaseError.DatabaseError | undefined {
    if (this.reason !== undefined) return told(this.reason, operation, "statement", false)
    if (this.copying) {
      return new DatabaseError.UnsupportedError({
        operation,
        reason: "a COPY is under way on this session",
        hint: "Let it end first, or take its rows on another connection: outside this transaction"
      })
    }
    if (this.streaming) {
      return new DatabaseError.UnsupportedError({
        operation,
        reason: "a stream outside a transaction is open on this session",
        hint: "Read the stream to its end first, or inside a transaction, where statements may go between its chunks"
      })
    }
    return undefined
  }

  /** What a group that was lost with the session is told. */
  failure(operation: string, phase: DatabaseError.ConnectionError["phase"], sent: boolean) {
    return told(this.reason ?? classify(new Error("Connection terminated"), operation), operation, phase, sent)
  }

  submit(group: Group): void {
    if (this.reason !== undefined) {
      group.settled = true
      group.onLost(false)
      return
    }
    group.onError = (error) => {
      if (endsSession(error)) this.lose(error)
    }
    if (group.begins) this.beginning++
    this.groups.push(group)
    this.cork().push(group)
    if (this.groups.length === 1) this.touch()
    this.client.query(group)
  }

  /** Nobody waits for what is under way. */
  abandon(): void {
    for (const group of this.groups) group.abandoned = true
  }

  /** The head is the server's from now on. */
  touch(): void {
    this.headSince = performance.now()
    this.arm()
  }

  /** Writes made until the end of this tick leave in one call. */
  cork(): Array<Group> {
    if (this.corked !== undefined) return this.corked
    const corked: Array<Group> = []
    this.corked = corked
    const stream = this.client.connection.stream
    stream.cork()
    process.nextTick(() => {
      this.corked = undefined
      for (const group of corked) group.sent = true
      stream.uncork()
    })
    return corked
  }

  /** Looks at a text before it is sent for the first time. */
  notice(text: string): void {
    if (text.includes("statement_timeout")) this.unlimited = true
    if (!this.left) this.left = leaves(text)
  }

  /** Calls back when everything sent has been answered, or the session is lost. */
  whenQuiet(callback: () => void): void {
    if (this.pending() === 0 || this.reason !== undefined) callback()
    else this.waiters.push(callback)
  }

  /** Calls back when the session is lost or ended. */
  onGone(callback: () => void): () => void {
    if (this.reason !== undefined) callback()
    else this.goneListeners.add(callback)
    return () => this.goneListeners.delete(callback)
  }

  /** The session is lost; the first reason stays. */
  lose(cause: unknown): void {
    if (this.reason !== undefined) return
    const head = this.groups[0]
    const how =
      head === undefined ? ({ phase: "idle", sent: false } as const) : ({ phase: head.phase, sent: head.sent } as const)
    const reason = classify(cause, head?.operation() ?? "idle", how)
    this.end(reason, endsSession(cause))
    this.client.connection.stream.destroy()
    Deferred.unsafeDone(this.lost, Effect.succeed(reason))
  }

  /** Ends the session in order: `polite` is called when nothing is pending, else the socket goes at once. */
  close(polite: () => void): void {
    const quiet = this.reason === undefined && this.groups.length === 0
    this.end(
      new DatabaseError.ConnectionError({
        operation: "close",
        reason: "the session is closed",
        phase: "idle",
        sent: false
      }),
      false
    )
    if (quiet) polite()
    else this.client.connection.stream.destroy()
  }

  /** `headOnly`: the server answered the head and ran nothing behind it (FACTS: 57P01). */
  private end(reason: DatabaseError.DatabaseError, headOnly: boolean): void {
    if (this.reason !== undefined) return
    this.reason = reason
    clearTimeout(this.watch)
    this.watch = undefined
    this.groups.splice(0).forEach((group, index) => {
      if (group.settled) return
      group.settled = true
      if (group.error !== undefined && !endsSession(group.error)) group.onEnd({ status: "E", error: group.error })
      else group.onLost(group.sent && !(headOnly && index > 0))
    })
    this.quiet()
    for (const listener of this.goneListeners) listener()
    this.goneListeners.clear()
  }

  private quiet(): void {
    const waiters = this.waiters
    this.waiters = []
    for (const waiter of waiters) waiter()
  }

  private ready(status: string): void {
    this.transaction = status
    const head = this.groups[0]
    if (head === undefined) return
    if (!head.complete()) {
      this.lose(new Error("Connection error: the server's answers do not match what was sent"))
      return
    }
    this.groups.shift()
    if (head.begins) this.beginning--
    if (this.groups.length > 0) this.touch()
    head.settled = true
    for (const { tag } of head.steps) {
      if (tag === "DISCARD ALL" || tag.startsWith("DEALLOCATE")) this.statements.clear()
    }
    head.onEnd({ status, error: head.error })
    if (this.groups.length === 0) this.quiet()
  }

  private arm(after = this.overdue): void {
    if (this.watch !== undefined || after === undefined || this.reason !== undefined) return
    this.watch = setTimeout(() => this.look(), after)
    this.watch.unref()
  }

  private look(): void {
    this.watch = undefined
    if (this.overdue === undefined || this.unlimited || this.pending() === 0) return
    if (this.patient) {
      this.arm()
      return
    }
    const left = this.overdue - (performance.now() - this.headSince)
    if (left > 0) this.arm(Math.ceil(left))
    else this.lose(new Error("Connection error: the server did not end a statement although its time was long over"))
  }
}
