/**
 * Those who wait for a connection: first come, first served, each with a deadline, which one fiber watches for all. Where
 * the pool may shed load, that fiber also sends away whom the pool cannot serve in time.
 *
 * @since 0.1.0
 */
import type * as Exit from "effect/Exit"
import type { DatabaseError } from "../model/DatabaseError.js"
import { Alarm } from "./Alarm.js"
import type { Claim } from "./Lease.js"
import type { Shedding } from "./Shedding.js"
import type { Workers } from "./Workers.js"

/** What came of a wait. @since 0.1.0 @category models */
export type Answer<C> = Exit.Exit<C, DatabaseError>

/** @since 0.1.0 @category constructors */
export const answer = <C>(claim: Claim<C>, answer: Answer<C>) => {
  if (claim.state === "waiting") claim.state = "closed"
  claim.answer = answer
  claim.resume?.(answer)
}

/** @since 0.1.0 @category models */
export class Waiting<C> {
  /** The first to come first. */
  private readonly claims: Array<Claim<C>> = []
  private readonly deadlines: Alarm

  constructor(
    workers: Workers,
    private readonly now: () => number,
    private readonly acquireMillis: number,
    private readonly shedding: Shedding | undefined,
    /** What is told to one whose deadline passed, or who was sent away before. */
    private readonly inVain: (why: "late" | "shed") => Answer<C>
  ) {
    this.deadlines = new Alarm(workers, now, (at) => this.end(at))
  }

  get length(): number {
    return this.claims.length
  }

  join(claim: Claim<C>) {
    claim.state = "waiting"
    claim.deadline = this.now() + this.acquireMillis
    this.claims.push(claim)
  }

  /** From here on the wait ends at its deadline; what is served at once needs no clock. */
  watch(claim: Claim<C>) {
    const asked = this.asked(claim)
    this.shedding?.turn(asked, 0)
    this.deadlines.set(this.nextLook(claim))
  }

  leave(claim: Claim<C>) {
    claim.state = "closed"
    const index = this.claims.indexOf(claim)
    if (index >= 0) this.claims.splice(index, 1)
  }

  /** Whose turn it is. */
  next(): Claim<C> | undefined {
    const claim = this.claims.shift()
    if (this.shedding !== undefined) {
      const now = this.now()
      this.shedding.waited(claim === undefined ? 0 : now - this.asked(claim), now)
    }
    return claim
  }

  failAll(failure: Answer<C>) {
    for (const claim of this.claims.splice(0)) answer(claim, failure)
  }

  private asked(claim: Claim<C>): number {
    return claim.deadline - this.acquireMillis
  }

  private nextLook(claim: Claim<C>): number {
    return Math.min(claim.deadline, this.shedding?.next(this.asked(claim)) ?? Number.POSITIVE_INFINITY)
  }

  private end(at: number): number {
    const oldest = this.claims[0]
    if (oldest !== undefined) this.shedding?.turn(at, at - this.asked(oldest))
    for (;;) {
      const claim = this.claims[0]
      if (claim === undefined) return Number.POSITIVE_INFINITY
      const late = claim.deadline <= at
      if (!late && this.shedding?.sheds(at - this.asked(claim)) !== true) return this.nextLook(claim)
      this.claims.shift()
      answer(claim, this.inVain(late ? "late" : "shed"))
    }
  }
}
