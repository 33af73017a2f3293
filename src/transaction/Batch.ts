/**
 * Plain statements as one transaction, in as few round trips as keep a transaction's promises.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import { currentTransformer, type Statement } from "@effect/sql/Statement"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Connections from "../connection/Connections.js"
import * as Session from "../connection/Session.js"
import type { DriverConnection, Reply, Request } from "../Dialect.js"
import { CommitUnknown, type DatabaseError, UnsupportedError } from "../model/DatabaseError.js"
import { type Options, runOn } from "./Run.js"

/** What each statement brings. @since 0.1.0 @category models */
export type Rows<S extends ReadonlyArray<Statement<object>>> = {
  readonly [K in keyof S]: S[K] extends Statement<infer A> ? ReadonlyArray<A> : never
}

type Plain = ReadonlyArray<Statement<object>>
type Answers = ReadonlyArray<ReadonlyArray<object>>

/**
 * Runs the statements in a transaction, in order, all of them or none, and gives the rows of each. Where the product
 * pipelines it takes two round trips however many there are: BEGIN, all statements and the question for the transaction's id
 * in one message; COMMIT, once that id is known, because without it nobody could be asked what became of a COMMIT whose
 * answer is lost. Where that question is not asked (`access: "read only"`, whose loss is simply run again, or
 * `confirm: "off"`, whose loss is `CommitUnknown`) COMMIT travels along and it takes one, unless there is a `timeout`,
 * which must not cut it, or no `statementTimeout`, which ends a wait for it. `settings` take one more.
 *
 * Elsewhere, and where one of them is no plain query (SET, LOCK, several in one text) or a statement transformer is in use,
 * they go one by one. After a failure none of the rest has any effect; the first failure is the one told. No statement can
 * depend on another's rows: that is what `run` is for.
 *
 * @since 0.1.0
 * @category combinators
 */
export const batch = <const S extends Plain>(
  statements: S,
  options: Options = {}
): Effect.Effect<Rows<S>, SqlError | DatabaseError, SqlClient.SqlClient> =>
  Effect.flatMap(Connections.current, (connections) =>
    // One answer for each statement, in their order.
    Effect.map(runOn(connections, all(connections, statements, options), options), (rows) => rows as Rows<S>)
  )

const all = (
  connections: Connections.Connections,
  statements: Plain,
  options: Options
): Effect.Effect<Answers, SqlError | DatabaseError> =>
  Effect.withFiberRuntime((fiber) => {
    const session = Session.current(connections, fiber.currentContext)
    const send = session?.connection.batch
    const plain = fiber.getFiberRef(currentTransformer)._tag === "None"
    if (session === undefined || send === undefined || !plain || !pipelines(connections, statements)) {
      return Effect.forEach(statements, (statement) => statement)
    }
    const ending = commitAlong(connections, session, options)
    if (statements.length < (ending === "no" ? 2 : 1)) return Effect.forEach(statements, (statement) => statement)
    return together(connections, session, send, statements, ending)
  })

/** Whether none of them could end the transaction, or is more than one. */
const pipelines = ({ dialect }: Connections.Connections, statements: Plain): boolean =>
  dialect.can.has("pipelining") &&
  statements.every((statement) => {
    const kind = dialect.kind(statement.compile()[0])
    return kind === "read" || kind === "write"
  })

/** Whether COMMIT may leave before anything is known: where its loss is harmless, or nobody would be asked about it. */
type Along = "no" | "harmless" | "unconfirmed"

/** What waits for it must have an end, and no timeout may cut it. */
const commitAlong = ({ config }: Connections.Connections, session: Session.Session, options: Options): Along => {
  const first = session.depth === 0 && session.begin._tag === "pending"
  if (!first || options.timeout !== undefined || config.statementTimeout === undefined) return "no"
  return options.access === "read only" ? "harmless" : options.confirm === "off" ? "unconfirmed" : "no"
}

/** What each statement is about to send, kept until all of them have said so. */
class Desk {
  /** Completes when every statement has come, or has ended without coming: another client's. */
  readonly complete = Deferred.unsafeMake<void, SqlError>(FiberId.none)
  private readonly kept = new Map<
    number,
    { readonly request: Request; readonly reply: Deferred.Deferred<Reply, DatabaseError> }
  >()

  constructor(private missing: number) {}

  keep(index: number, request: Request): Effect.Effect<Reply, DatabaseError> {
    return Effect.suspend(() => {
      if (this.kept.has(index)) return Effect.fail(twice)
      const reply = Deferred.unsafeMake<Reply, DatabaseError>(FiberId.none)
      this.kept.set(index, { request, reply })
      this.settled()
      return Deferred.await(reply)
    })
  }

  /** A statement has succeeded. */
  left(index: number) {
    if (!this.kept.has(index)) this.settled()
  }

  private settled() {
    this.missing--
    if (this.missing === 0) Deferred.unsafeDone(this.complete, Effect.void)
  }

  private get inOrder() {
    return [...this.kept].sort(([a], [b]) => a - b).map(([, kept]) => kept)
  }

  get requests(): ReadonlyArray<Request> {
    return this.inOrder.map(({ request: { params, prepare, rows, text } }) => ({ text, params, prepare, rows }))
  }

  /** One reply for each request, in their order. */
  answer(exit: Exit.Exit<ReadonlyArray<Reply>, DatabaseError>) {
    this.inOrder.forEach(({ reply }, index) => {
      Deferred.unsafeDone(
        reply,
        Exit.map(exit, (replies) => replies[index] as Reply)
      )
    })
  }
}

const twice = new UnsupportedError({
  operation: "execute",
  reason: "a statement of a batch sent a second request, which the others cannot wait for"
})

/** All in one message, COMMIT too where it may; each statement is told its own answer. */
const together = (
  connections: Connections.Connections,
  session: Session.Session,
  send: NonNullable<DriverConnection["batch"]>,
  statements: Plain,
  ending: Along
): Effect.Effect<Answers, SqlError | DatabaseError> =>
  Effect.gen(function* () {
    const desk = new Desk(statements.length)
    const outer = Session.entry(yield* Effect.context<never>())
    const on = (index: number) =>
      new Session.Session({
        owner: connections,
        connection: { ...session.connection, run: (request) => desk.keep(index, request) },
        // What goes in front of them is the message's business.
        begin: { _tag: "none" },
        outer,
        limit: connections.config.pool.acquireTimeout,
        prepare: connections.config.prepare,
        freely: true
      })
    const asked = (statement: Statement<object>, index: number) =>
      Effect.mapInputContext(statement, (context: Context.Context<never>) => Session.provide(context, on(index))).pipe(
        Effect.tap(() => desk.left(index)),
        Effect.tapErrorCause((cause) => Deferred.failCause(desk.complete, cause)),
        Effect.fork
      )
    // Forked by hand, and ended by hand where the others need not wait any more.
    const fibers = yield* Effect.forEach(statements, asked)
    return yield* Effect.onExit(
      conversation(session, desk, fibers, send, connections.dialect.transaction.commit, ending),
      () => Fiber.interruptAll(fibers)
    )
  })

/** Waits until it is known what is to be sent, sends it, and gives what each statement made of its answer. */
const conversation = (
  session: Session.Session,
  desk: Desk,
  fibers: ReadonlyArray<Fiber.Fiber<ReadonlyArray<object>, SqlError>>,
  send: NonNullable<DriverConnection["batch"]>,
  text: string,
  ending: Along
): Effect.Effect<Answers, SqlError | DatabaseError> =>
  Effect.gen(function* () {
    // One that fails before it has come ends it here, and nothing is sent.
    yield* Deferred.await(desk.complete)
    const { requests } = desk
    if (requests.length > 0) {
      const commit = { text, params: [], prepare: false, rows: "arrays" } as const
      const answer = yield* Effect.exit(session.batch(ending === "no" ? requests : [...requests, commit], send))
      if (ending !== "no" && isOfCommit(answer)) session.commitAnswer = answer
      if (ending === "unconfirmed" && isUnread(answer)) session.commitAnswer = Exit.fail(unread(answer.cause))
      desk.answer(answer)
    }
    const exits = yield* Effect.forEach(fibers, Fiber.await)
    const failed = exits.find(Exit.isFailure)
    const told: Exit.Exit<Answers, SqlError> =
      failed === undefined
        ? Exit.succeed(exits.flatMap((exit) => (Exit.isSuccess(exit) ? [exit.value] : [])))
        : Exit.failCause(failed.cause)
    if (ending === "unconfirmed" && Exit.isFailure(told) && committed(session)) {
      session.commitAnswer = Exit.fail(unread(told.cause))
    }
    return yield* told
  })

/** All was committed, but what was made of the rows here failed. */
const committed = ({ commitAnswer }: Session.Session): boolean =>
  commitAnswer !== undefined && Exit.isSuccess(commitAnswer) && commitAnswer.value.at(-1)?.tag === "COMMIT"

const unread = (cause: Cause.Cause<unknown>) =>
  new CommitUnknown({
    operation: "commit",
    reason: "it was committed, but what a statement answered could not be read",
    cause: Cause.squash(cause)
  })

type Answer = Exit.Exit<ReadonlyArray<Reply>, DatabaseError>

const failureOf = (answer: Answer): DatabaseError | undefined =>
  Exit.isFailure(answer) ? Option.getOrUndefined(Cause.failureOption(answer.cause)) : undefined

/** All was carried out, COMMIT included, but a row cannot be read. */
const isUnread = (answer: Answer): answer is Exit.Failure<never, DatabaseError> => {
  const failure = failureOf(answer)
  return failure?._tag === "DataError" && failure.operation === "commit"
}

/** Not so where the failure is a statement's, COMMIT being skipped behind it. */
const isOfCommit = (answer: Answer): boolean =>
  Exit.isSuccess(answer) || (failureOf(answer)?.operation === "commit" && !isUnread(answer))
