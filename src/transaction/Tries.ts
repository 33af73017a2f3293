/**
 * The tries of one transaction: what has failed so far, whether and when there is a next one, and whose turn it then is. Made
 * for every transaction and used by few, so that what a first success never asks for is made when it is asked for.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Connections } from "../connection/Connections.js"
import { type DatabaseError, RetriesExhausted, type StatementTimeoutError } from "../model/DatabaseError.js"
import { type Budget, hint } from "./Budget.js"
import type { Contention, Loser } from "./Contention.js"
import type { Deadline } from "./Deadline.js"
import * as Retry from "./Retry.js"

/** Transactions run again after a transient failure. @since 0.1.0 @category metrics */
export const retries = Metric.counter("aquifer.transaction.retries", {
  description: "Transactions run again after a transient failure",
  incremental: true
})

/** @since 0.1.0 @category models */
export class Tries {
  private failures: Array<DatabaseError> | undefined
  private next: Retry.Next | undefined
  private loser: Loser | undefined

  constructor(
    private readonly connections: Connections,
    private readonly policy: Retry.Setting | undefined,
    private readonly deadline: Deadline,
    private readonly budget: Budget,
    /** None where it competes with nobody. */
    private readonly contention: Contention | undefined
  ) {}

  /** The number of the one that runs, or is to run next; counted from 1. */
  get number(): number {
    return (this.failures?.length ?? 0) + 1
  }

  /** Within the time all tries have together. */
  bounded<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | StatementTimeoutError, R> {
    return this.deadline.bounded(effect, this.failures?.at(-1))
  }

  /** After what it has to wait for. */
  inTurn<A, E, R>(attempt: Effect.Effect<A, E, R>): Effect.Effect<A, E | StatementTimeoutError, R> {
    return this.contention === undefined ? attempt : this.contention.inTurn(this.loser, this, attempt)
  }

  /** To be said when one begins to be at work, and when its connection is back. */
  begin(): void {
    this.contention?.begin()
  }

  /** @see begin */
  end(): void {
    this.contention?.end(this.loser)
  }

  /** Whether all of it is to be run again after this failure, the wait for that over; fails where trying has come to its end. */
  again(transient: DatabaseError): Effect.Effect<boolean, DatabaseError> {
    return Effect.flatMap(Retry.enclosing, (enclosing) => {
      this.failures ??= []
      const { budget, contention, failures } = this
      failures.push(transient)
      if (transient.recovery === "restart") this.loser = contention?.lost(this.loser)
      this.next ??= Retry.stepper(Retry.byClass(Retry.decide(this.policy ?? enclosing, this.connections.config.retry)))
      return failedTry(failures.length, transient).pipe(
        Effect.zipRight(this.next(transient)),
        Effect.flatMap((wait): Effect.Effect<boolean, DatabaseError> => {
          if (wait === undefined) {
            return failures.length > 1 ? Effect.fail(exhausted(failures, transient)) : Effect.succeed(false)
          }
          const affordable = Retry.isOfConnection(transient) ? budget.spend : Effect.succeed(true)
          return Effect.flatMap(
            affordable,
            (may): Effect.Effect<boolean, DatabaseError> =>
              may
                ? Effect.as(Effect.zipRight(this.deadline.wait(wait, transient), Metric.increment(retries)), true)
                : Effect.fail(exhausted(failures, transient, hint))
          )
        })
      )
    })
  }
}

const failedTry = (attempt: number, error: DatabaseError): Effect.Effect<void> =>
  Effect.logDebug(`transaction attempt ${attempt} failed: ${error.message}`).pipe(
    Effect.zipRight(Effect.zip(Effect.currentSpan, Clock.currentTimeNanos)),
    Effect.map(([span, now]) =>
      span.event("transaction attempt failed", now, { attempt, "error.type": error._tag, error: error.message })
    ),
    Effect.ignore
  )

const exhausted = (attempts: ReadonlyArray<DatabaseError>, last: DatabaseError, hint?: string) =>
  new RetriesExhausted({
    operation: last.operation,
    reason: `${attempts.length} ${attempts.length === 1 ? "attempt" : "attempts"} failed, the last with ${last._tag}: ${last.reason}`,
    hint,
    cause: last,
    attempts,
    last
  })
