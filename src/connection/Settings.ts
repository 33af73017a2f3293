/**
 * What a pool is made of: the settings of a database that concern it, and the limit of its own chores.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type { PoolSettings } from "../model/DatabaseConfig.js"
import { Shedding } from "./Shedding.js"

/** @since 0.1.0 @category models */
export type Settings = Pick<
  PoolSettings,
  "size" | "maxOverflow" | "acquireTimeout" | "maxLifetime" | "idleTimeout" | "prePing"
> &
  Partial<Pick<PoolSettings, "keepAlive" | "queueTarget" | "leakThreshold" | "prewarm">> & {
    /** How long every wait must have been longer than `queueTarget` before load is shed: 20 times that unless told otherwise. */
    readonly queueInterval?: Duration.Duration | undefined
    /** A cleaning or a ping that takes longer costs the connection its place; so long is the end of one waited for. */
    readonly careLimit: Duration.Duration
  }

/** How many times `queueTarget` its interval is. */
const intervalTargets = 20

/** Milliseconds of what may be off. @since 0.1.0 @category accessors */
export const millisOf = (duration: Duration.Duration | undefined): number =>
  duration === undefined ? Number.POSITIVE_INFINITY : Duration.toMillis(duration)

/** The judge of overload, where one is asked for. @since 0.1.0 @category constructors */
export const sheddingOf = ({ queueInterval, queueTarget }: Settings): Shedding | undefined => {
  const target = millisOf(queueTarget)
  if (target === Number.POSITIVE_INFINITY) return undefined
  return new Shedding(target, queueInterval === undefined ? intervalTargets * target : millisOf(queueInterval))
}
