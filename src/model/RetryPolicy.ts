/**
 * How often and how patiently a failed transaction or connection attempt is run again. Two policies are kept apart,
 * because a lost server wants seconds and a lost race wants milliseconds.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"

/**
 * Every field is optional; what is left out keeps its default.
 *
 * @since 0.1.0
 * @category models
 */
export interface RetryPolicy {
  /** Attempts after the first one. */
  readonly maxRetries?: number | undefined
  /** The wait before the first retry, without jitter. */
  readonly baseDelay?: Duration.DurationInput | undefined
  /** Each wait is the one before it times this. */
  readonly factor?: number | undefined
  /** No wait is longer. */
  readonly maxDelay?: Duration.DurationInput | undefined
  /** `full`: a random wait between zero and the exponential one (what spreads a herd best). `none`: exactly that one. */
  readonly jitter?: "full" | "equal" | "none" | undefined
}

/** A policy with every field decided. @since 0.1.0 @category models */
export interface Decided {
  readonly maxRetries: number
  readonly baseDelay: Duration.Duration
  readonly factor: number
  readonly maxDelay: Duration.Duration
  readonly jitter: "full" | "equal" | "none"
}

/** Both policies of one database. @since 0.1.0 @category models */
export interface Policies {
  readonly connection: Decided
  readonly conflict: Decided
}

/** 1 s, 2 s, 4 s: a server that restarts needs seconds. @since 0.1.0 @category defaults */
export const connection: Decided = {
  maxRetries: 3,
  baseDelay: Duration.seconds(1),
  factor: 2,
  maxDelay: Duration.seconds(30),
  jitter: "equal"
}

/** 10 ms doubling to 1 s, ten times: the winner of a race is gone in milliseconds, a crowd needs spreading. @since 0.1.0 @category defaults */
export const conflict: Decided = {
  maxRetries: 10,
  baseDelay: Duration.millis(10),
  factor: 2,
  maxDelay: Duration.seconds(1),
  jitter: "full"
}

/** `policy` where it says something, `base` elsewhere. @since 0.1.0 @category combinators */
export const decide = (policy: RetryPolicy | undefined, base: Decided): Decided => ({
  maxRetries: policy?.maxRetries ?? base.maxRetries,
  baseDelay: policy?.baseDelay === undefined ? base.baseDelay : Duration.decode(policy.baseDelay),
  factor: policy?.factor ?? base.factor,
  maxDelay: policy?.maxDelay === undefined ? base.maxDelay : Duration.decode(policy.maxDelay),
  jitter: policy?.jitter ?? base.jitter
})

/** The wait before retry `attempt` (counted from 0) without jitter. @since 0.1.0 @category accessors */
export const ceiling = (policy: Decided, attempt: number): Duration.Duration =>
  Duration.min(policy.maxDelay, Duration.millis(Duration.toMillis(policy.baseDelay) * policy.factor ** attempt))

/** The wait before retry `attempt` (counted from 0), jitter drawn from `Random`. @since 0.1.0 @category accessors */
export const delay = (policy: Decided, attempt: number): Effect.Effect<Duration.Duration> => {
  const most = ceiling(policy, attempt)
  switch (policy.jitter) {
    case "none":
      return Effect.succeed(most)
    case "equal":
      return Effect.map(Random.next, (random) => Duration.times(most, 0.5 + random / 2))
    case "full":
      return Effect.map(Random.next, (random) => Duration.times(most, random))
  }
}

/**
 * The policy as a `Schedule`: recurs `maxRetries` times and outputs the number of the retry, counted from 0.
 *
 * @since 0.1.0
 * @category conversions
 */
export const schedule = (policy: Decided): Schedule.Schedule<number> =>
  Schedule.recurs(policy.maxRetries).pipe(Schedule.modifyDelayEffect((attempt) => delay(policy, attempt)))
