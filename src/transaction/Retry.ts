/**
 * Whether, how often and after what wait something is run again. Each class of failure has its own policy and its own
 * count: a lost server wants seconds, a lost race milliseconds. Only transient failures are ever repeated.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Decision from "effect/ScheduleDecision"
import * as Interval from "effect/ScheduleInterval"
import * as Intervals from "effect/ScheduleIntervals"
import { type DatabaseError, find, isTransient, safeToRetry } from "../model/DatabaseError.js"
import * as RetryPolicy from "../model/RetryPolicy.js"

/**
 * One policy for every transient failure, one for each class, or none.
 *
 * @since 0.1.0
 * @category models
 */
export type Setting =
  | RetryPolicy.RetryPolicy
  | { readonly connection?: RetryPolicy.RetryPolicy; readonly conflict?: RetryPolicy.RetryPolicy }
  | "never"

const none: RetryPolicy.Decided = { ...RetryPolicy.conflict, maxRetries: 0 }

const perClass = (
  setting: Exclude<Setting, "never">
): setting is { readonly connection?: RetryPolicy.RetryPolicy; readonly conflict?: RetryPolicy.RetryPolicy } =>
  "connection" in setting || "conflict" in setting

/** A setting on top of what the configuration says. @since 0.1.0 @category combinators */
export const decide = (setting: Setting | undefined, base: RetryPolicy.Policies): RetryPolicy.Policies => {
  if (setting === undefined) return base
  if (setting === "never") return { connection: none, conflict: none }
  const { connection, conflict } = perClass(setting) ? setting : { connection: setting, conflict: setting }
  return {
    connection: RetryPolicy.decide(connection, base.connection),
    conflict: RetryPolicy.decide(conflict, base.conflict)
  }
}

const local = FiberRef.unsafeMake<Setting | undefined>(undefined)

/** The setting of the enclosing `withPolicy` or `layer`. @since 0.1.0 @category accessors */
export const enclosing: Effect.Effect<Setting | undefined> = FiberRef.get(local)

/**
 * Everything inside uses this policy, unless a call names its own.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withPolicy: {
  (policy: Setting): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(effect: Effect.Effect<A, E, R>, policy: Setting): Effect.Effect<A, E, R>
} = dual(2, <A, E, R>(effect: Effect.Effect<A, E, R>, policy: Setting) => Effect.locally(effect, local, policy))

/** `withPolicy` as a layer. @since 0.1.0 @category layers */
export const layer = (policy: Setting): Layer.Layer<never> => Layer.locallyScoped(local, policy)

/** One policy as a `Schedule`, to be used with `Effect.retry`. @since 0.1.0 @category conversions */
export const schedule = (policy?: RetryPolicy.RetryPolicy): Schedule.Schedule<number> =>
  RetryPolicy.schedule(RetryPolicy.decide(policy, RetryPolicy.connection))

/**
 * Both policies as one `Schedule` over failures: each class counts for itself, and the first failure that is not
 * transient ends it. Outputs the number of the retry, counted from 1.
 *
 * @since 0.1.0
 * @category conversions
 */
export const byClass = (policies: RetryPolicy.Policies): Schedule.Schedule<number, unknown> =>
  Schedule.makeWithState({ connection: 0, conflict: 0 }, (now, failure, counts) => {
    const kind = isTransient(failure) ? classOf(find(failure)) : undefined
    if (kind === undefined || counts[kind] >= policies[kind].maxRetries) {
      return Effect.succeed([counts, counts.connection + counts.conflict, Decision.done] as const)
    }
    const after = { ...counts, [kind]: counts[kind] + 1 }
    return Effect.map(RetryPolicy.delay(policies[kind], counts[kind]), (wait) => [
      after,
      after.connection + after.conflict,
      Decision.continueWith(Interval.after(now + Duration.toMillis(wait)))
    ])
  })

/** When to go on after a failure, in ms from now; `undefined`: not at all. Unlike a driver's `next` it does not wait. @since 0.1.0 @category models */
export type Next = (failure: unknown) => Effect.Effect<number | undefined>

/** One run through a schedule over failures. @since 0.1.0 @category conversions */
export const stepper = (schedule: Schedule.Schedule<number, unknown>): Next => {
  let state = schedule.initial
  return (failure) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.map(schedule.step(now, failure, state), ([after, , decision]) => {
        state = after
        return Decision.isContinue(decision) ? Math.max(0, Intervals.start(decision.intervals) - now) : undefined
      })
    )
}

/** Whether it is a matter of connections: the pool's budget counts those. @since 0.1.0 @category guards */
export const isOfConnection = (error: DatabaseError): boolean => classOf(error) === "connection"

/** Each recovery's class; `undefined`: never repeated. */
const classes: Record<DatabaseError["recovery"], "connection" | "conflict" | undefined> = {
  restart: "conflict",
  reprepare: "conflict",
  reconnect: "connection",
  caller: undefined,
  ask: undefined,
  never: undefined
}

const classOf = (error: DatabaseError | undefined) => (error === undefined ? undefined : classes[error.recovery])

/**
 * Runs the effect again while it fails before anything was sent: for a single statement outside a transaction, which may
 * have been carried out once it was sent. What was, is not repeated; its failure is the one it had.
 *
 * @since 0.1.0
 * @category combinators
 */
export const unsent = <A, E, R>(effect: Effect.Effect<A, E, R>, policy?: Setting): Effect.Effect<A, E, R> =>
  repeating(effect, policy, safeToRetry)

/**
 * Runs the effect again while it fails with a transient database error, however deeply wrapped. The effect must be safe to
 * repeat as a whole: a transaction is, a single write outside one is not when its connection was lost after it was sent: see
 * `unsent`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const transient = <A, E, R>(effect: Effect.Effect<A, E, R>, policy?: Setting): Effect.Effect<A, E, R> =>
  repeating(effect, policy, isTransient)

const repeating = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  policy: Setting | undefined,
  when: (failure: unknown) => boolean
): Effect.Effect<A, E, R> =>
  Effect.flatMap(enclosing, (around) =>
    Effect.retry(effect, {
      schedule: byClass(
        decide(policy ?? around, { connection: RetryPolicy.connection, conflict: RetryPolicy.conflict })
      ),
      while: when
    })
  )
