/**
 * Plain statements as one transaction, in as few round trips as keep a transaction's promises.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import type { Statement } from "@effect/sql/Statement"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Connections from "../connection/Connections.js"
import * as Session from "../connection/Session.js"
import type { DatabaseError } from "../model/DatabaseError.js"
import { type Options, runOn } from "./Run.js"

/** What each statement brings. @since 0.1.0 @category models */
export type Rows<S extends ReadonlyArray<Statement<object>>> = {
  readonly [K in keyof S]: S[K] extends Statement<infer A> ? ReadonlyArray<A> : never
}

type Plain = ReadonlyArray<Statement<object>>

/**
 * Runs the statements in a transaction, in order, all of them or none, and gives the rows of each. Where the product
 * pipelines it takes three round trips however many there are: BEGIN with the first statement, all the others, COMMIT. It
 * could be one; but a statement sent before BEGIN is known to hold might run outside of the transaction, and a COMMIT sent
 * before the transaction's id is known could not be asked about when its answer is lost. Elsewhere, and where one of them is
 * no plain query (SET, LOCK, several in one text), they go one by one. After a failure none of the rest has any effect; the
 * first failure is the one told. No statement can depend on another's rows: that is what `run` is for.
 *
 * @since 0.1.0
 * @category combinators
 */
export const batch = <const S extends Plain>(
  statements: S,
  options?: Options
): Effect.Effect<Rows<S>, SqlError | DatabaseError, SqlClient.SqlClient> =>
  Effect.flatMap(Connections.current, (connections) =>
    // One answer for each statement, in their order.
    Effect.map(runOn(connections, all(connections, statements), options), (rows) => rows as Rows<S>)
  )

const all = (
  connections: Connections.Connections,
  statements: Plain
): Effect.Effect<ReadonlyArray<ReadonlyArray<object>>, SqlError | DatabaseError> =>
  Effect.withFiberRuntime((fiber) => {
    const [first, ...others] = statements
    const session = Session.current(connections, fiber.currentContext)
    if (first === undefined || session === undefined || others.length < 2 || !pipelines(connections, statements)) {
      return Effect.forEach(statements, (statement) => statement)
    }
    // With its answer BEGIN is known to hold: a failure among the others now fails whatever comes behind it.
    return Effect.flatMap(first, (rows) =>
      Effect.map(together(connections, session, others), (rest) => [rows, ...rest])
    )
  })

/** Whether none of them could end the transaction, or is more than one. */
const pipelines = ({ dialect }: Connections.Connections, statements: Plain): boolean =>
  dialect.can.has("pipelining") &&
  statements.every((statement) => {
    const kind = dialect.kind(statement.compile()[0])
    return kind === "read" || kind === "write"
  })

/** Each is sent without waiting for the one before; all answers are waited for. */
const together = (
  connections: Connections.Connections,
  session: Session.Session,
  statements: Plain
): Effect.Effect<ReadonlyArray<ReadonlyArray<object>>, SqlError | DatabaseError> =>
  session.alone(
    Effect.contextWithEffect((context: Context.Context<never>) => {
      const side = new Session.Session({
        owner: connections,
        connection: session.connection,
        begin: { _tag: "begun", text: "" },
        parent: session,
        outer: Session.entry(context),
        limit: connections.config.pool.acquireTimeout,
        prepare: connections.config.prepare,
        freely: true
      })
      return Effect.forEach(statements, Effect.exit, { concurrency: "unbounded" }).pipe(
        Effect.mapInputContext((context: Context.Context<never>) => Session.provide(context, side)),
        Effect.onInterrupt(() => (session.over ? Effect.void : session.connection.cancel)),
        Effect.flatMap((exits) => {
          session.firstError ??= side.firstError
          return Effect.forEach(exits, (exit) => exit)
        })
      )
    })
  )
