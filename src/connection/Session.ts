/**
 * What `TransactionConnection`, the tag upstream shares between all clients, holds here: one connection in one fiber's
 * hands, the client it belongs to, and the session around it. A look-up walks outwards to its own client's session, so two
 * clients in one program never use each other's transaction. On an ended session every statement fails as
 * `TransactionClosed`; it can never land in somebody else's transaction.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { DriverConnection, Reply, Request, Row } from "../Dialect.js"
import { type DatabaseError, isDatabaseError, TransactionAborted, TransactionClosed } from "../model/DatabaseError.js"
import * as Facade from "./Facade.js"
import { within } from "./Limit.js"
import { Turns } from "./Turn.js"

const SessionId: unique symbol = Symbol.for("effect-aquifer/Session")

/** What stands in the tag: upstream's pair, branded. @since 0.1.0 @category models */
type Entry = readonly [connection: Connection, depth: number] & { readonly [SessionId]?: Session }

/**
 * How a session's transaction or savepoint begins: not at all, with a text that goes in front of its first statement, or
 * it has begun.
 *
 * @since 0.1.0
 * @category models
 */
export type Begin =
  | { readonly _tag: "none" }
  /** `script`: several statements (settings behind BEGIN), which go ahead by themselves. */
  | { readonly _tag: "pending"; readonly text: string; readonly script?: boolean | undefined }
  | { readonly _tag: "begun"; readonly text: string }

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
  /** Ask the server for the transaction's id behind each statement until it has one. */
  readonly asksId?: boolean | undefined
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
  /** The id the server gave the transaction, once it wrote. */
  transactionId: string | undefined
  /** What is to run once the transaction has really been committed; an undone savepoint takes its own along. */
  readonly afterCommit: Array<Effect.Effect<void>> = []
  /** How deep inside savepoints: 0 is the transaction itself. */
  readonly depth: number
  private savepoints = 0
  /** Takes no statement any more; then, once nothing of it can be at work: its connection is somebody else's. */
  private ended = false
  private gone = false
  /** Whether the transaction lived on after `firstError`. */
  private survived = false
  /** Sent and not yet answered: BEGIN and savepoints nobody knows to hold. */
  private unproved: ReadonlyArray<Pending> = []
  /** Something was sent that may have written, and no answer has brought the transaction's id since. */
  private unidentified = false
  private readonly turns: Turns
  private readonly limit: Duration.Duration
  private readonly asksId: boolean
  private readonly freely: boolean
  /** The session as upstream's statements see it. */
  readonly facade: Connection

  constructor(parts: Parts) {
    this.owner = parts.owner
    this.connection = parts.connection
    this.parent = parts.parent
    this.outer = parts.outer
    this.begin = parts.begin
    this.depth = parts.parent === undefined ? 0 : parts.parent.depth + 1
    this.asksId = parts.asksId ?? false
    this.freely = parts.freely ?? false
    this.limit = parts.limit
    this.facade = Facade.make(this, parts.prepare)
    this.turns = new Turns(parts.limit)
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
    return this.statement(
      Effect.suspend(() => {
        const pending = this.pending()
        const first = pending[0]
        if (first === undefined) return this.send(request)
        // A single BEGIN or SAVEPOINT travels in front of the statement; several go ahead as one script.
        if (pending.length > 1 || first.begin.script === true || (first.session.depth > 0 && mayBeRefused(request))) {
          return Effect.zipRight(this.open, this.send(request))
        }
        return this.beginning(pending, this.send({ ...request, begin: first.begin.text }))
      })
    )
  }

  script(text: string): Effect.Effect<ReadonlyArray<Reply>, DatabaseError> {
    return this.statement(
      Effect.zipRight(
        this.open,
        Effect.suspend(() => {
          this.root.unidentified = true
          return this.connection.script(text)
        })
      )
    )
  }

  stream(request: Request): Stream.Stream<ReadonlyArray<Row>, DatabaseError> {
    const rows = Stream.suspend(() => {
      this.root.unidentified = true
      return this.connection.stream(request)
    }).pipe(
      Stream.tapError((error) => this.note(error)),
      Stream.ensuring(Effect.suspend(() => (this.connection.pending() > 0 ? this.stop : Effect.void)))
    )
    // Each chunk is asked for anew, perhaps when the session has long ended.
    const guarded = Stream.fromPull(
      Effect.map(Stream.toPull(rows), (pull) => Effect.zipRight(Effect.mapError(this.alive, Option.some), pull))
    )
    return Stream.unwrap(Effect.as(this.statement(this.open), guarded))
  }

  /** Runs `effect`, say a savepoint's whole life, while no statement and no other savepoint of this session runs. */
  alone<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | DatabaseError, R> {
    const living = Effect.zipRight(this.alive, effect)
    return this.freely ? living : this.turns.alone(living)
  }

  /**
   * Takes no statement from now on and waits for the one that still runs; where that does not end in time, it is stopped.
   * Runs to its end although its fiber was interrupted. `false`: something was still at work when the time was up.
   */
  readonly end: Effect.Effect<boolean> = Effect.suspend(() => {
    this.ended = true
    if (this.turns.free) {
      this.gone = true
      return Effect.succeed(true)
    }
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
  })

  /** Learns the transaction's id where the answers have not brought it: streams, scripts and abandoned statements. */
  readonly identify: Effect.Effect<void, DatabaseError> = Effect.suspend(() =>
    this.unidentified && this.asks && this.connection.status() === "open"
      ? Effect.asVoid(this.send({ text: "SELECT 1", params: [], prepare: false, rows: "arrays" }))
      : Effect.void
  )

  /** Sends what BEGIN and savepoints are still pending, the outermost first, as one script. */
  readonly open: Effect.Effect<void, DatabaseError> = Effect.suspend(() => {
    const pending = this.pending()
    if (pending.length === 0) return Effect.void
    const text = pending.map(({ begin }) => begin.text).join("; ")
    return Effect.asVoid(this.beginning(pending, this.connection.script(text)))
  })

  private pending(): ReadonlyArray<Pending> {
    const outer = this.parent === undefined ? [] : this.parent.pending()
    return this.begin._tag === "pending" ? [...outer, { session: this, begin: this.begin }] : outer
  }

  /** Whatever becomes of the answer, the texts may have reached the server; back to pending only where it says they did not hold. */
  private beginning<A>(
    pending: ReadonlyArray<Pending>,
    effect: Effect.Effect<A, DatabaseError>
  ): Effect.Effect<A, DatabaseError> {
    for (const { session, begin } of pending) session.begin = { _tag: "begun", text: begin.text }
    this.unproved = pending
    return effect.pipe(
      Effect.tapError((error) =>
        Effect.sync(() => {
          for (const session of this.unbegin()) session.firstError ??= error
        })
      ),
      Effect.map((answer) => {
        this.unproved = []
        return answer
      })
    )
  }

  /** Those that turn out not to have begun may begin again. */
  private unbegin(): ReadonlyArray<Session> {
    const unproved = this.unproved
    this.unproved = []
    if (this.connection.status() !== "idle") return []
    for (const { session, begin } of unproved) session.begin = begin
    return unproved.map(({ session }) => session)
  }

  private get asks(): boolean {
    return this.root.asksId && this.root.transactionId === undefined
  }

  private send(request: Request): Effect.Effect<Reply, DatabaseError> {
    if (!this.asks) return this.connection.run(request)
    this.root.unidentified = true
    return Effect.map(this.connection.run({ ...request, askId: true }), (reply) => {
      this.root.unidentified = false
      this.root.transactionId ??= reply.transactionId
      return reply
    })
  }

  /** What is no statement but takes one's place (COPY): `use` has the connection to itself, behind BEGIN. */
  use<A, E, R>(
    use: (connection: DriverConnection) => Effect.Effect<A, E | DatabaseError, R>
  ): Effect.Effect<A, E | DatabaseError, R> {
    return this.statement(
      Effect.zipRight(
        this.open,
        Effect.suspend(() => {
          this.root.unidentified = true
          return use(this.connection)
        })
      )
    )
  }

  /** In turn, only while the session lives, its first failure noted, stopped on the server when it is interrupted. */
  private statement<A, E, R>(effect: Effect.Effect<A, E | DatabaseError, R>): Effect.Effect<A, E | DatabaseError, R> {
    return this.alone(
      Effect.onInterrupt(
        Effect.tapError(effect, (error) => (isDatabaseError(error) ? this.note(error) : Effect.void)),
        () =>
          Effect.zipRight(
            this.stop,
            Effect.sync(() => this.unbegin())
          )
      )
    )
  }

  /** Stops what runs, unless that may be somebody else's. */
  private readonly stop: Effect.Effect<void> = Effect.suspend(() =>
    this.over || this.freely ? Effect.void : this.connection.cancel
  )

  private note(error: DatabaseError): Effect.Effect<void> {
    return Effect.sync(() => {
      if (this.firstError !== undefined && !this.survived) return
      const status = this.connection.status()
      this.firstError = error
      this.survived = status === "open" || status === "idle"
    })
  }

  private readonly alive = Effect.suspend((): Effect.Effect<void, DatabaseError> => {
    if (this.closing) {
      return Effect.fail(
        new TransactionClosed({
          operation: "execute",
          reason: "the transaction this statement belongs to has ended",
          hint: "A fiber that outlives its transaction must not use its statements: join it, or fork it outside"
        })
      )
    }
    const status = this.connection.status()
    if (this.root.begin._tag === "begun" && status === "idle") {
      return this.aborted("execute", "the transaction was ended before its body was: nothing may run outside of it")
    }
    // A savepoint cannot be made in a transaction that can only be rolled back.
    if (this.parent !== undefined && this.begin._tag === "pending" && status === "failed") {
      return this.aborted("savepoint", "an earlier statement of this transaction failed")
    }
    return Effect.void
  })

  private aborted(operation: string, reason: string): Effect.Effect<never, TransactionAborted> {
    return Effect.fail(new TransactionAborted({ operation, reason, cause: this.root.firstError }))
  }
}

interface Pending {
  readonly session: Session
  readonly begin: Begin & { readonly _tag: "pending" }
}

/**
 * Whether a driver may refuse to send it. With a savepoint in front nobody could tell afterwards whether that is there, so
 * the savepoint then goes ahead alone.
 */
const mayBeRefused = ({ params, text }: Request): boolean =>
  text.includes("\0") || params.some((param) => typeof param === "object" && param !== null)

/** The innermost session of `owner` that the fiber's context holds. @since 0.1.0 @category accessors */
export const current = (owner: object, context: Context.Context<never>): Session | undefined => {
  let entry = context.unsafeMap.get(SqlClient.TransactionConnection.key) as Entry | undefined
  while (entry !== undefined) {
    const session: Session | undefined = entry[SessionId]
    if (session === undefined || session.owner === owner) return session
    entry = session.outer
  }
  return undefined
}

/** `context` as it was around the whole transaction that `session` belongs to. @since 0.1.0 @category accessors */
export const outside = <R>(context: Context.Context<R>, session: Session): Context.Context<R> => {
  let outer = session.root.outer
  // A reserved connection lends itself to the transaction alone.
  while (outer?.[SessionId]?.owner === session.owner) outer = outer[SessionId].outer
  // As below: the tag's part in R is upstream's business.
  return (
    outer === undefined
      ? Context.omit(SqlClient.TransactionConnection)(context)
      : Context.add(context, SqlClient.TransactionConnection, outer)
  ) as Context.Context<R>
}

/** What the tag holds now, ours or not. @since 0.1.0 @category accessors */
export const entry = (context: Context.Context<never>): Entry | undefined =>
  context.unsafeMap.get(SqlClient.TransactionConnection.key) as Entry | undefined

/** The context in which `session` is the current one. @since 0.1.0 @category combinators */
export const provide = <R>(context: Context.Context<R>, session: Session): Context.Context<R> => {
  const entry: Entry = Object.assign([session.facade, session.depth] as const, { [SessionId]: session })
  // The tag is upstream's; that it stands in the context besides R is its business alone.
  return Context.add(context, SqlClient.TransactionConnection, entry) as Context.Context<R>
}
