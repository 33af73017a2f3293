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
import * as Stream from "effect/Stream"
import type { DriverConnection, Reply, Request, Row } from "../Dialect.js"
import { type DatabaseError, TransactionAborted, TransactionClosed } from "../model/DatabaseError.js"
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
  | { readonly _tag: "pending"; readonly text: string }
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
}

/** @since 0.1.0 @category models */
export class Session {
  readonly owner: object
  readonly connection: DriverConnection
  readonly parent: Session | undefined
  readonly outer: Entry | undefined
  begin: Begin
  /** The first classified failure since the transaction or savepoint began: what decides about a retry. */
  firstError: DatabaseError | undefined
  /** The id the server gave the transaction, once it wrote. */
  transactionId: string | undefined
  /** What is to run once the transaction has really been committed; an undone savepoint takes its own along. */
  readonly afterCommit: Array<Effect.Effect<void>> = []
  /** How deep inside savepoints: 0 is the transaction itself. */
  readonly depth: number
  private savepoints = 0
  private ended = false
  private readonly turns: Turns
  private readonly limit: Duration.Duration
  private readonly asksId: boolean
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

  run(request: Request): Effect.Effect<Reply, DatabaseError> {
    return this.statement(
      Effect.suspend(() => {
        const root = this.root
        const asking = root.asksId && root.transactionId === undefined ? { ...request, askId: true } : request
        const pending = this.pending()
        const first = pending[0]
        if (first === undefined) return this.send(asking)
        // A single BEGIN or SAVEPOINT travels in front of the statement; several go ahead as one script.
        if (pending.length > 1) return Effect.zipRight(this.open, this.send(asking))
        return this.beginning(pending, this.send({ ...asking, begin: first.begin.text }))
      })
    )
  }

  script(text: string): Effect.Effect<ReadonlyArray<Reply>, DatabaseError> {
    return this.statement(
      Effect.zipRight(
        this.open,
        Effect.suspend(() => this.connection.script(text))
      )
    )
  }

  stream(request: Request): Stream.Stream<ReadonlyArray<Row>, DatabaseError> {
    const rows = Stream.suspend(() => this.connection.stream(request)).pipe(
      Stream.tapError((error) => this.note(error)),
      Stream.ensuring(Effect.suspend(() => (this.connection.pending() > 0 ? this.connection.cancel : Effect.void)))
    )
    return Stream.unwrap(Effect.as(this.statement(this.open), rows))
  }

  /** Runs `effect`, say a savepoint's whole life, while no statement and no other savepoint of this session runs. */
  alone<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | DatabaseError, R> {
    return this.turns.alone(Effect.zipRight(this.alive, effect))
  }

  /**
   * Takes no statement from now on and waits for the one that still runs; where that does not end in time, it is stopped.
   * Runs to its end although its fiber was interrupted.
   */
  readonly end: Effect.Effect<void> = Effect.suspend(() => {
    this.ended = true
    if (this.turns.free) return Effect.void
    return within(Effect.ignore(this.turns.alone(Effect.void)), this.limit, this.connection.cancel)
  })

  /** Sends what BEGIN and savepoints are still pending, the outermost first, as one script. */
  readonly open: Effect.Effect<void, DatabaseError> = Effect.suspend(() => {
    const pending = this.pending()
    if (pending.length === 0) return Effect.void
    const text = pending.map(({ begin }) => begin.text).join("; ")
    return Effect.asVoid(this.beginning(pending, this.connection.script(text)))
  })

  private pending(): ReadonlyArray<{
    readonly session: Session
    readonly begin: Begin & { readonly _tag: "pending" }
  }> {
    const outer = this.parent === undefined ? [] : this.parent.pending()
    return this.begin._tag === "pending" ? [...outer, { session: this, begin: this.begin }] : outer
  }

  /** Whatever becomes of the answer, the texts may have reached the server; back to pending only where it says they did not hold. */
  private beginning<A>(
    pending: ReturnType<Session["pending"]>,
    effect: Effect.Effect<A, DatabaseError>
  ): Effect.Effect<A, DatabaseError> {
    for (const { session, begin } of pending) session.begin = { _tag: "begun", text: begin.text }
    return Effect.tapError(effect, () =>
      Effect.sync(() => {
        if (this.connection.status() !== "idle") return
        for (const { session, begin } of pending) session.begin = begin
      })
    )
  }

  private send(request: Request): Effect.Effect<Reply, DatabaseError> {
    return Effect.map(this.connection.run(request), (reply) => {
      if (reply.transactionId !== undefined) this.root.transactionId = reply.transactionId
      return reply
    })
  }

  /** In turn, only while the session lives, its first failure noted, stopped on the server when it is interrupted. */
  private statement<A>(effect: Effect.Effect<A, DatabaseError>): Effect.Effect<A, DatabaseError> {
    return this.alone(
      Effect.onInterrupt(
        Effect.tapError(effect, (error) => this.note(error)),
        () => this.connection.cancel
      )
    )
  }

  private note(error: DatabaseError): Effect.Effect<void> {
    return Effect.sync(() => {
      this.firstError ??= error
    })
  }

  private readonly alive = Effect.suspend((): Effect.Effect<void, DatabaseError> => {
    if (this.ended) {
      return Effect.fail(
        new TransactionClosed({
          operation: "execute",
          reason: "the transaction this statement belongs to has ended",
          hint: "A fiber that outlives its transaction must not use its statements: join it, or fork it outside"
        })
      )
    }
    // A savepoint cannot be made in a transaction that can only be rolled back.
    if (this.parent !== undefined && this.begin._tag === "pending" && this.connection.status() === "failed") {
      return Effect.fail(
        new TransactionAborted({
          operation: "savepoint",
          reason: "an earlier statement of this transaction failed",
          cause: this.root.firstError
        })
      )
    }
    return Effect.void
  })
}

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

/** What the tag holds now, ours or not. @since 0.1.0 @category accessors */
export const entry = (context: Context.Context<never>): Entry | undefined =>
  context.unsafeMap.get(SqlClient.TransactionConnection.key) as Entry | undefined

/** The context in which `session` is the current one. @since 0.1.0 @category combinators */
export const provide = <R>(context: Context.Context<R>, session: Session): Context.Context<R> => {
  const entry: Entry = Object.assign([session.facade, session.depth] as const, { [SessionId]: session })
  // The tag is upstream's; that it stands in the context besides R is its business alone.
  return Context.add(context, SqlClient.TransactionConnection, entry) as Context.Context<R>
}
