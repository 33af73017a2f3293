/**
 * One revision about to be run in one direction, with what all of a run share.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Connections } from "../connection/Connections.js"
import type { DriverConnection } from "../Dialect.js"
import { type DatabaseError, find } from "../model/DatabaseError.js"
import type { LiveSchema } from "../model/LiveSchema.js"
import type { Services } from "../model/Migration.js"
import type { MigrationError } from "../model/MigrationError.js"
import type * as RetryPolicy from "../model/RetryPolicy.js"
import type { Node } from "./Graph.js"
import { type Entry, entryOf, type Ledger } from "./Ledger.js"
import type { Lock, Waiting } from "./Lock.js"
import type { Body } from "./Revision.js"

/** @since 0.1.0 @category models */
export type Direction = "up" | "down"

/** What keeps a revision from being run. @since 0.1.0 @category models */
export type Failure = MigrationError | DatabaseError

/** A revision as hooks and listeners know it. @since 0.1.0 @category models */
export interface Subject {
  readonly id: string
  readonly name: string
  readonly direction: Direction
}

/**
 * What runs around the revisions, on the session that runs them. `before` and `after` run in the revision's own
 * transaction, where it has one, and fail it when they fail; `first` and `last` once, under the lock, when there is
 * anything to do.
 *
 * @since 0.1.0
 * @category models
 */
export interface Hooks {
  readonly first?: Effect.Effect<unknown, unknown, Services> | undefined
  readonly before?: ((revision: Subject) => Effect.Effect<unknown, unknown, Services>) | undefined
  readonly after?: ((revision: Subject) => Effect.Effect<unknown, unknown, Services>) | undefined
  readonly last?: Effect.Effect<unknown, unknown, Services> | undefined
}

/** What a person who waits would like to see. @since 0.1.0 @category models */
export type Event =
  | ({ readonly _tag: "waiting" } & Waiting)
  /** `index` of `total`, counted from 1. */
  | ({ readonly _tag: "started"; readonly index: number; readonly total: number } & Subject)
  /** Statements done of a revision without a transaction. */
  | ({ readonly _tag: "statement"; readonly done: number; readonly of: number } & Subject)
  | ({ readonly _tag: "done"; readonly index: number; readonly total: number; readonly millis: number } & Subject)

/** What every revision of one run shares. @since 0.1.0 @category models */
export interface Run {
  readonly client: SqlClient.SqlClient
  readonly connections: Connections
  readonly own: DriverConnection
  readonly lock: Lock
  readonly ledger: Ledger
  readonly appliedBy: string
  readonly hooks: Hooks
  readonly tell: (event: Event) => Effect.Effect<void>
  /** Whether somebody waits to hear each event when it happens. */
  readonly heard: boolean
  /** Overhears what a body sends. */
  readonly tap?: ((connection: DriverConnection) => DriverConnection) | undefined
  /** What operations take for the schema, where there is none to look at. */
  readonly schema?: LiveSchema | undefined
}

/** Nobody listens. @since 0.1.0 @category defaults */
export const silent: Run["tell"] = () => Effect.void

/** @since 0.1.0 @category models */
export interface Task {
  readonly run: Run
  readonly node: Node
  readonly direction: Direction
  readonly body: Body
  readonly entry: Entry | undefined
  readonly sequence: number
  readonly start: number
  /** Which of how many, where there is no transaction around all of it. */
  readonly step?: { readonly at: number; readonly of: number } | undefined
}

/** @since 0.1.0 @category conversions */
export const subject = (task: Task): Subject => ({
  id: task.node.id,
  name: task.node.name,
  direction: task.direction
})

/** Its row, as it is to be written first. @since 0.1.0 @category constructors */
export const row = (task: Task, state: Entry["state"], finishedAt: Date | undefined): Entry =>
  entryOf(task.node, {
    state,
    origin: "run",
    step: 0,
    sequence: task.sequence,
    startedAt: new Date(task.start),
    finishedAt,
    appliedBy: task.run.appliedBy,
    error: undefined
  })

/** A lock somebody else's query holds, or a lost race: nothing was done, so the whole is tried again. @since 0.1.0 @category defaults */
export const patience: RetryPolicy.Decided = {
  maxRetries: 5,
  baseDelay: Duration.millis(200),
  factor: 2,
  maxDelay: Duration.seconds(5),
  jitter: "equal"
}

/** @since 0.1.0 @category guards */
export const retriable = (error: Failure): boolean => {
  const inner = find(error)
  return inner?._tag === "LockTimeoutError" || inner?.recovery === "restart"
}

/** Whatever still runs is stopped first. The session is this run's own and ends with it, whatever ROLLBACK says. @since 0.1.0 @category running */
export const undo = (own: DriverConnection, rollback: string): Effect.Effect<void> =>
  Effect.suspend(() => (own.pending() > 0 ? own.cancel : Effect.void)).pipe(
    Effect.zipRight(
      Effect.suspend(() =>
        own.status() === "open" || own.status() === "failed" ? Effect.ignore(own.script(rollback)) : Effect.void
      )
    )
  )

/** BEGIN, and the settings a transaction brings along. @since 0.1.0 @category running */
export const begin = ({ connections, lock, own }: Run): Effect.Effect<void, DatabaseError> =>
  Effect.zipRight(
    own.script(connections.dialect.transaction.begin({})),
    Effect.forEach(lock.locals ?? [], (text) => own.script(text), { discard: true })
  )

/** All of it in one transaction that still holds the lock when it ends, or nothing. @since 0.1.0 @category running */
export const atomically = <A, E>(run: Run, work: Effect.Effect<A, E>): Effect.Effect<A, E | DatabaseError> => {
  const { transaction } = run.connections.dialect
  return begin(run).pipe(
    Effect.zipRight(work),
    Effect.zipLeft(run.lock.fence),
    Effect.zipLeft(Effect.uninterruptible(run.own.script(transaction.commit))),
    Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : undo(run.own, transaction.rollback)))
  )
}

/** One write to the ledger, by nobody who has lost the lock. @since 0.1.0 @category running */
export const written = (run: Run, write: Effect.Effect<void, DatabaseError>): Effect.Effect<void, DatabaseError> =>
  run.lock.quiet === true ? Effect.zipRight(run.lock.fence, write) : atomically(run, write)

/** Now, as a ledger keeps it. @since 0.1.0 @category accessors */
export const now: Effect.Effect<Date> = Effect.map(Clock.currentTimeMillis, (millis) => new Date(millis))
