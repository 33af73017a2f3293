/**
 * One connection in one fiber's hands: the client it belongs to, and the session around it. On an ended session every
 * statement fails as `TransactionClosed`; it can never land in somebody else's transaction.
 *
 * @since 0.1.0
 */
import type { Connection } from "@effect/sql/SqlConnection"
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { DriverConnection, Reply, Request, Row } from "../Dialect.js"
import { type DatabaseError, isDatabaseError, TransactionAborted, TransactionClosed } from "../model/DatabaseError.js"
import { type Begin, Begun, mayBeRefused, type Pending } from "./Begin.js"
import * as Facade from "./Facade.js"
import { Identity } from "./Identity.js"
import { within } from "./Limit.js"
import type { Entry } from "./SessionTag.js"
import type { Text } from "./Texts.js"
import { Turns } from "./Turn.js"

export { type Begin, Begun, Pending } from "./Begin.js"
export { attempt, carrier, current, entry, isRouted, outside, provide } from "./SessionTag.js"

/** What a session is made of. @since 0.1.0 @category models */
export interface Parts {
  /** The client it belongs to. */
  readonly owner: object
  readonly connection: DriverConnection
  readonly begin: Begin
  /** The session this one is a savepoint of. */
  readonly parent?: Session | undefined
  /** What the tag held before: perhaps another client's session. */
  readonly outer?: Entry | undefined
  /** The longest wait for another statement of the same session. */
  readonly limit: Duration.Duration
  /** Whether its statements are prepared by name. */
  readonly prepare: boolean
  /** Ask the server for the transaction's id behind statements until it has one; given is what is known of their texts. */
  readonly asksId?: ((text: string) => Text) | undefined
  /** Which try of its transaction it is, counted from 1. */
  readonly attempt?: number | undefined
  /** Its statements do not wait for each other, and whoever made it stops them: several in one message. */
  readonly freely?: boolean | undefined
}

/** @since 0.1.0 @category models */
export class Session {
  readonly owner: object
  readonly connection: DriverConnection
  readonly parent: Session | undefined
  readonly outer: Entry | undefined
  begin: Begin
  /** The failure the transaction or savepoint could not survive; before there is one, the last it did. It decides about a retry. */
  firstError: DatabaseError | undefined
  /** What COMMIT was answered, where it travelled with the body. */
  commitAnswer: Exit.Exit<ReadonlyArray<Reply>, DatabaseError> | undefined
  /** The id the server gave the transaction, once it wrote; a savepoint's is that of all around it. */
  readonly identity: Identity
  /** What is to run once the transaction has really been committed; an undone savepoint takes its own along. */
  readonly afterCommit: Array<Effect.Effect<void>> = []
  /** How deep inside savepoints: 0 is the transaction itself. */
  readonly depth: number
  /** Which try of the transaction it is; 0 where it is none. */
  readonly attempt: number
  private savepoints = 0
  /** Takes no statement any more; then, once nothing of it can be at work: its connection is somebody else's. */
  private ended = false
  private gone = false
  /** Whether the transaction lived on after `firstError`. */
  private survived = false
  /** Sent and not yet answered: BEGIN and savepoints nobody knows to hold. */
  private unproved: ReadonlyArray<Beginner> = none
  /** None where its statements do not wait for each other. */
  private readonly turns: Turns | undefined
  private readonly limit: Duration.Duration
  /** The session as upstream's statements see it. */
  readonly facade: Connection

  constructor(parts: Parts) {
    this.owner = parts.owner
    this.connection = parts.connection
    this.parent = parts.parent
    this.outer = parts.outer
    this.begin = parts.begin
    this.depth = parts.parent === undefined ? 0 : parts.parent.depth + 1
    this.attempt = parts.attempt ?? 0
    this.identity = parts.parent?.identity ?? new Identity(parts.asksId)
    this.limit = parts.limit
    this.facade = new Facade.Facade(this, parts.prepare)
    this.turns = parts.freely === true ? undefined : new Turns(parts.limit)
  }

  /** The session that holds the transaction itself. */
  get root(): Session {
    return this.parent === undefined ? this : this.parent.root
  }

  /** A name no other savepoint of this transaction has had. */
  nextSavepoint(): string {
    this.root.savepoints++
    return `aquifer_${this.root.savepoints}`
  }

  /** Whether the session, or one around it, takes no statement any more. */
  get closing(): boolean {
    return this.ended || (this.parent?.closing ?? false)
  }

  /** Whether the connection may be somebody else's by now. */
  get over(): boolean {
    return this.gone || (this.parent?.over ?? false)
  }

  run(request: Request): Effect.Effect<Reply, DatabaseError> {
    return this.statement(() => {
      const pending = this.pending()
      const first = pending[0]
      if (first === undefined) return this.send(request)
      // A single BEGIN or SAVEPOINT travels in front of the statement; several go ahead as one script.
      if (pending.length > 1 || first.begin.script || (first.session.depth > 0 && mayBeRefused(request))) {
        return Effect.zipRight(this.open, this.send(request))
      }
      this.begins(pending)
      return this.send({ ...request, begin: first.begin.text })
    })
  }

  /** Several in one message, BEGIN in front and the transaction's id behind them; nothing behind one that fails is run. */
  batch(
    requests: ReadonlyArray<Request>,
    send: NonNullable<DriverConnection["batch"]>
  ): Effect.Effect<ReadonlyArray<Reply>, DatabaseError> {
    return this.statement(() => {
      const pending = this.pending()
      const first = pending[0]
      const sent = (begin?: string) => this.sendAll(requests, send, begin)
      if (first === undefined) return sent()
      if (pending.length > 1 || first.begin.script || (first.session.depth > 0 && requests.some(mayBeRefused))) {
        return Effect.flatMap(this.open, () => sent())
      }
      this.begins(pending)
      return sent(first.begin.text)
    })
  }

  script(text: string): Effect.Effect<ReadonlyArray<Reply>, DatabaseError> {
    return this.use((connection) => connection.script(text))
  }

  stream(request: Request): Stream.Stream<ReadonlyArray<Row>, DatabaseError> {
    const rows = Stream.suspend(() => {
      this.identity.mayHaveCome()
      return this.connection.stream(request)
    }).pipe(
      Stream.tapError((error) => Effect.sync(() => this.note(error))),
      Stream.ensuring(Effect.suspend(() => (this.connection.pending() > 0 ? this.stop : Effect.void)))
    )
    // Each chunk is asked for anew, perhaps when the session has long ended.
    const guarded = Stream.fromPull(
      Effect.map(Stream.toPull(rows), (pull) =>
        Effect.suspend(() => {
          const trouble = this.trouble()
          return trouble === undefined ? pull : Effect.fail(Option.some(trouble))
        })
      )
    )
    return Stream.unwrap(
      Effect.as(
        this.statement(() => this.open),
        guarded
      )
    )
  }

  /** Runs `effect`, say a savepoint's whole life, while no statement and no other savepoint of this session runs. */
  alone<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | DatabaseError, R> {
    return this.inTurn(() => effect)
  }

  /**
   * Takes no statement from now on and waits for the one that still runs; where that does not end in time, it is stopped.
   * Runs to its end although its fiber was interrupted. `false`: something was still at work when the time was up.
   */
  get end(): Effect.Effect<boolean> {
    return Effect.suspend(() => (this.endNow() ? Effect.succeed(true) : this.endLater()))
  }

  /** `end`, where nothing of it runs. */
  endNow(): boolean {
    this.ended = true
    this.gone ||= this.turns === undefined || this.turns.free
    return this.gone
  }

  private endLater(): Effect.Effect<boolean> {
    if (this.turns === undefined) return Effect.succeed(true)
    const last = Effect.isSuccess(this.turns.alone(Effect.void))
    return Effect.flatMap(within(last, this.limit, Effect.succeed(false)), (orderly) =>
      Effect.as(
        Effect.ensuring(
          orderly ? Effect.void : this.stop,
          Effect.sync(() => {
            this.gone = true
          })
        ),
        orderly
      )
    )
  }

  /** Learns the transaction's id where the answers have not brought it: streams, scripts and abandoned statements. */
  identify(): Effect.Effect<void, DatabaseError> | undefined {
    return this.identity.missing() && this.connection.status() === "open"
      ? Effect.asVoid(this.send({ text: "SELECT 1", params: [], prepare: false, rows: "arrays" }))
      : undefined
  }

  /** Sends what BEGIN and savepoints are still pending, the outermost first, as one script. */
  private get open(): Effect.Effect<void, DatabaseError> {
    return Effect.suspend(() => {
      const pending = this.pending()
      if (pending.length === 0) return Effect.void
      this.begins(pending)
      return Effect.map(this.connection.script(pending.map(({ begin }) => begin.text).join("; ")), () => {
        this.unproved = none
      })
    })
  }

  private pending(): ReadonlyArray<Beginner> {
    const outer = this.parent === undefined ? none : this.parent.pending()
    return this.begin._tag === "pending" ? [...outer, { session: this, begin: this.begin }] : outer
  }

  /** Whatever becomes of the answer, the texts may have reached the server; back to pending only where it says they did not hold. */
  private begins(pending: ReadonlyArray<Beginner>): void {
    for (const { session, begin } of pending) session.begin = new Begun(begin.text)
    this.unproved = pending
  }

  /** Those that turn out not to have begun may begin again. */
  private unbegin(): ReadonlyArray<Session> {
    const unproved = this.unproved
    this.unproved = none
    if (this.connection.status() !== "idle") return []
    for (const { session, begin } of unproved) session.begin = begin
    return unproved.map(({ session }) => session)
  }

  private send(request: Request): Effect.Effect<Reply, DatabaseError> {
    const mark = this.identity.asksBehind(request.text)
    return Effect.map(this.connection.run(mark > 0 ? { ...request, askId: true } : request), (reply) => {
      this.unproved = none
      if (mark > 0) this.identity.learn(reply.transactionId, mark)
      return reply
    })
  }

  private sendAll(
    requests: ReadonlyArray<Request>,
    send: NonNullable<DriverConnection["batch"]>,
    begin: string | undefined
  ): Effect.Effect<ReadonlyArray<Reply>, DatabaseError> {
    const asks = this.identity.asks
    const mark = this.identity.mayHaveCome()
    const last = requests.length - 1
    const sent = requests.map((request, index) => ({
      ...request,
      begin: index === 0 ? begin : undefined,
      askId: asks && index === last
    }))
    return Effect.map(send(sent), (replies) => {
      this.unproved = none
      if (asks) this.identity.learn(replies[last]?.transactionId, mark)
      return replies
    })
  }

  /** What is no statement but takes one's place (COPY): `use` has the connection to itself, behind BEGIN. */
  use<A, E, R>(
    use: (connection: DriverConnection) => Effect.Effect<A, E | DatabaseError, R>
  ): Effect.Effect<A, E | DatabaseError, R> {
    return this.statement(() =>
      Effect.zipRight(
        this.open,
        Effect.suspend(() => {
          this.identity.mayHaveCome()
          return use(this.connection)
        })
      )
    )
  }

  /** In turn, only while the session lives; then `failed`, where it did not succeed. */
  private statement<A, E, R>(
    work: () => Effect.Effect<A, E | DatabaseError, R>
  ): Effect.Effect<A, E | DatabaseError, R> {
    let begun = false
    return this.inTurn(
      () => {
        begun = true
        return work()
      },
      (cause) => (begun ? this.failed(cause) : undefined)
    )
  }

  private inTurn<A, E, R>(
    work: () => Effect.Effect<A, E | DatabaseError, R>,
    settle?: (cause: Cause.Cause<E | DatabaseError>) => Effect.Effect<void> | undefined
  ): Effect.Effect<A, E | DatabaseError, R> {
    const living = Effect.suspend(() => {
      const trouble = this.trouble()
      return trouble === undefined ? work() : Effect.fail(trouble)
    })
    if (this.turns !== undefined) return this.turns.alone(living, settle)
    return settle === undefined
      ? living
      : Effect.onExit(living, (exit) => (Exit.isFailure(exit) && settle(exit.cause)) || Effect.void)
  }

  /** Notes the failure; what an interrupt leaves running is to be stopped. */
  private failed(cause: Cause.Cause<unknown>): Effect.Effect<void> | undefined {
    const failure = Cause.failureOption(cause)
    if (failure._tag === "Some" && isDatabaseError(failure.value)) {
      for (const session of this.unbegin()) session.firstError ??= failure.value
      this.note(failure.value)
    }
    if (!Cause.isInterruptedOnly(cause)) return undefined
    return Effect.map(this.stop, () => {
      this.unbegin()
    })
  }

  /** Stops what runs, unless that may be somebody else's. */
  private get stop(): Effect.Effect<void> {
    return Effect.suspend(() => (this.over || this.turns === undefined ? Effect.void : this.connection.cancel))
  }

  private note(error: DatabaseError): void {
    if (this.firstError !== undefined && !this.survived) return
    const status = this.connection.status()
    this.firstError = error
    this.survived = status === "open" || status === "idle"
  }

  /** Why nothing of it may run now, if so. */
  private trouble(): DatabaseError | undefined {
    if (this.closing) {
      return new TransactionClosed({
        operation: "execute",
        reason: "the transaction this statement belongs to has ended",
        hint: "A fiber that outlives its transaction must not use its statements: join it, or fork it outside"
      })
    }
    const status = this.connection.status()
    if (this.root.begin._tag === "begun" && status === "idle") {
      return this.aborted("execute", "the transaction was ended before its body was: nothing may run outside of it")
    }
    // A savepoint cannot be made in a transaction that can only be rolled back.
    if (this.parent !== undefined && this.begin._tag === "pending" && status === "failed") {
      return this.aborted("savepoint", "an earlier statement of this transaction failed")
    }
    return undefined
  }

  private aborted(operation: string, reason: string): TransactionAborted {
    return new TransactionAborted({ operation, reason, cause: this.root.firstError })
  }
}

const none: ReadonlyArray<never> = []

interface Beginner {
  readonly session: Session
  readonly begin: Pending
}
