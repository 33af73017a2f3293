/**
 * Connections that somebody holds for suspiciously long: each is reported once, in a warning that names its holder. One
 * fiber watches them all. Nothing is taken from anybody.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Alarm } from "./Alarm.js"
import type { Held } from "./Held.js"
import type { Claim } from "./Lease.js"
import type { Workers } from "./Workers.js"

/** @since 0.1.0 @category models */
export class Leaks<C> {
  /** Reported since the start. */
  count = 0
  private readonly alarm: Alarm

  constructor(
    private readonly thresholdMillis: number,
    private readonly held: Held<C>,
    private readonly workers: Workers,
    now: () => number
  ) {
    this.alarm = new Alarm(workers, now, (at) => this.report(at))
  }

  watch(claim: Claim<C>) {
    this.alarm.set(claim.since + this.thresholdMillis)
  }

  private report(at: number): number {
    for (const claim of this.held.byAge) {
      if (claim.reported) continue
      const due = claim.since + this.thresholdMillis
      if (due > at) return due
      claim.reported = true
      this.count++
      this.workers.rest(warning(claim, at - claim.since))
    }
    return Number.POSITIVE_INFINITY
  }
}

const warning = <C>(claim: Claim<C>, heldMillis: number): Effect.Effect<void> => {
  const where = claim.callSites
  const held = Duration.format(Duration.millis(Math.round(heldMillis)))
  return Effect.logWarning(
    `a connection has been held for ${held} by ${claim.holder} and is not back yet${where === "" ? "" : `\n${where}`}`
  ).pipe(Effect.annotateLogs({ holder: claim.holder, fiber: claim.fiber, heldMillis }))
}
