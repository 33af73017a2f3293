/**
 * The pool's machine: who waits, who holds what, what is idle, asked, cleaned or closed. Callers never run any of that
 * work; fibers of the pool do. Whatever is not an effect here runs to its end without giving way, so the counts agree.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Scope from "effect/Scope"
import type { PoolSettings } from "../model/DatabaseConfig.js"
import { ConnectionError, type DatabaseError, PoolClosed, type PoolSnapshot } from "../model/DatabaseError.js"
import { Alarm } from "./Alarm.js"
import { exhausted } from "./Exhausted.js"
import { Claim, type Lease } from "./Lease.js"
import { within } from "./Limit.js"
import type { Care, Slot } from "./Slot.js"
import { Supply } from "./Supply.js"
import { mustNotSuspend } from "./Suspension.js"
import type { Workers } from "./Workers.js"

/**
 * What a pool is made of.
 *
 * @since 0.1.0
 * @category models
 */
export type Settings = Pick<
  PoolSettings,
  "size" | "maxOverflow" | "acquireTimeout" | "maxLifetime" | "idleTimeout" | "prePing"
> & {
  /** A cleaning or a ping that takes longer costs the connection its place; so long is the end of one waited for. */
  readonly careLimit: Duration.Duration
}

type Answer<C> = Exit.Exit<C, DatabaseError>

/** The machine. @since 0.1.0 @category models */
export class PoolCore<C> {
  /** The warmest last. */
  private readonly idle: Array<Slot<C>> = []
  /** The oldest holder first. */
  private readonly held = new Set<Claim<C>>()
  private readonly waiting: Array<Claim<C>> = []
  private readonly supply: Supply<C>
  private readonly deadlines: Alarm
  private readonly expiries: Alarm
  /** Slots being asked or cleaned: neither idle nor in anybody's hands. */
  private cared = 0
  private closing = 0
  private generation = 0
  private closed = false
  private readonly allBack = Deferred.unsafeMake<void>(FiberId.none)
  private invalidated = 0
  private readonly totals = { acquired: 0, closed: 0, timeouts: 0 }
  private readonly acquireMillis: number
  private readonly idleMillis: number
  private readonly pingMillis: number

  constructor(
    private readonly settings: Settings,
    private readonly care: Care<C>,
    private readonly now: () => number,
    private readonly workers: Workers
  ) {
    this.acquireMillis = Duration.toMillis(settings.acquireTimeout)
    this.idleMillis = Duration.toMillis(settings.idleTimeout)
    this.pingMillis = Duration.toMillis(settings.prePing)
    this.deadlines = new Alarm(workers, now, (at) => this.endWaits(at))
    this.expiries = new Alarm(workers, now, (at) => this.endOld(at))
    this.supply = new Supply(
      {
        size: settings.size,
        limit: settings.size + settings.maxOverflow,
        lifetimeMillis: Duration.toMillis(settings.maxLifetime),
        now,
        open: () => this.alive + this.closing,
        arrived: (slot) => this.arrived(slot),
        lost: (slot) => this.lost(slot),
        refused: (error) => this.refused(error)
      },
      care,
      workers
    )
  }

  private get alive(): number {
    return this.idle.length + this.held.size + this.cared
  }

  /** Whether somebody may still bring a connection back. */
  private get hope(): boolean {
    return this.held.size + this.cared > 0
  }

  // --- callers

  lease(): Lease<C> {
    const claim = new Claim<C>()
    return { acquire: this.acquire(claim), close: this.close(claim) }
  }

  private acquire(claim: Claim<C>): Effect.Effect<C, DatabaseError> {
    return Effect.withFiberRuntime<C, DatabaseError>((fiber) => {
      if (claim.state !== "new") return Effect.dieMessage("A lease is acquired once, and before it is closed")
      if (this.closed) return this.isClosed()
      claim.context = fiber.currentContext
      const slot = this.waiting.length === 0 ? this.takeReady() : undefined
      if (slot === undefined) return this.queue(claim, fiber)
      this.hold(claim, slot)
      return Effect.succeed(slot.resource)
    })
  }

  private queue(claim: Claim<C>, fiber: Fiber.RuntimeFiber<unknown, unknown>): Effect.Effect<C, DatabaseError> {
    claim.state = "waiting"
    claim.deadline = this.now() + this.acquireMillis
    this.waiting.push(claim)
    this.serve()
    if (claim.answer !== undefined) return claim.answer
    if (mustNotSuspend(fiber) && !this.workers.busyOn(fiber.currentScheduler)) {
      this.leave(claim)
      return this.inVain(false)
    }
    this.deadlines.set(claim.deadline)
    return Effect.async<C, DatabaseError>((resume) => {
      // The answer may have come between the two operations.
      if (claim.answer === undefined) claim.resume = resume
      else resume(claim.answer)
    })
  }

  private close(claim: Claim<C>): Effect.Effect<void> {
    return Effect.uninterruptible(Effect.sync(() => this.giveBack(claim)))
  }

  private giveBack(claim: Claim<C>) {
    if (claim.state === "waiting") this.leave(claim)
    claim.state = "closed"
    const slot = claim.slot
    if (slot === undefined) return
    claim.slot = undefined
    this.held.delete(claim)
    this.supply.returned()
    if (this.keepable(slot)) {
      const cleaning = this.care.clean(slot.resource)
      if (cleaning === undefined) this.place(slot)
      else this.tend(slot, cleaning)
    } else this.discard([slot])
    this.wakeDrain()
  }

  private hold(claim: Claim<C>, slot: Slot<C>) {
    claim.state = "held"
    claim.slot = slot
    claim.since = this.now()
    this.held.add(claim)
    this.totals.acquired++
  }

  private leave(claim: Claim<C>) {
    claim.state = "closed"
    const index = this.waiting.indexOf(claim)
    if (index >= 0) this.waiting.splice(index, 1)
  }

  private answer(claim: Claim<C>, answer: Answer<C>) {
    if (claim.state === "waiting") claim.state = "closed"
    claim.answer = answer
    claim.resume?.(answer)
  }

  private failAll(failure: Answer<C>) {
    for (const claim of this.waiting.splice(0)) this.answer(claim, failure)
  }

  // --- from hand to hand

  /** The warmest idle connection that needs no question first. */
  private takeReady(): Slot<C> | undefined {
    const slot = this.idle.at(-1)
    return slot !== undefined && this.keepable(slot) && this.fresh(slot) ? this.idle.pop() : undefined
  }

  private fresh(slot: Slot<C>): boolean {
    return this.now() - slot.idleSince < this.pingMillis
  }

  private keepable(slot: Slot<C>): boolean {
    return (
      !this.closed &&
      !slot.discarded &&
      !slot.lost &&
      slot.generation === this.generation &&
      this.now() < slot.expiresAt &&
      this.care.usable(slot.resource)
    )
  }

  /** Starts as much as is needed, and no more, to bring every waiting claim a connection. */
  private serve() {
    while (this.waiting.length > this.supply.opening + this.cared) {
      const slot = this.idle.pop()
      if (slot !== undefined) {
        if (!this.keepable(slot)) this.discard([slot])
        else if (this.fresh(slot)) this.place(slot)
        else this.tend(slot, this.care.ping(slot.resource), () => this.staler(slot))
      } else if (this.supply.may(this.hope)) this.supply.start(this.generation)
      else return
    }
  }

  /** A good connection in nobody's hands: to the first who waits, else to the top of the idle stack. */
  private place(slot: Slot<C>) {
    const claim = this.waiting.shift()
    if (claim !== undefined) {
      this.hold(claim, slot)
      this.answer(claim, Exit.succeed(slot.resource))
      return
    }
    slot.idleSince = this.now()
    this.idle.push(slot)
    this.expiries.set(this.endOf(slot))
  }

  /** A ping or a cleaning; the connection stays only if that succeeds in time, else `others` go with it. */
  private tend(slot: Slot<C>, work: Effect.Effect<unknown, DatabaseError>, others?: () => ReadonlyArray<Slot<C>>) {
    this.cared++
    const inTime = within(Effect.as(work, true), this.settings.careLimit, Effect.succeed(false))
    this.workers.fork(
      Effect.map(Effect.exit(Effect.interruptible(inTime)), (exit) => {
        this.cared--
        const good = Exit.isSuccess(exit) && exit.value
        if (good && this.keepable(slot)) this.place(slot)
        else this.discard([slot, ...((good ? undefined : others?.()) ?? [])])
        this.wakeDrain()
      })
    )
  }

  /** When one died in silence, those idle for even longer are not worth the wait for their pings. */
  private staler(dead: Slot<C>): ReadonlyArray<Slot<C>> {
    const warmer = this.idle.findIndex(({ idleSince }) => idleSince > dead.idleSince)
    return this.idle.splice(0, warmer < 0 ? this.idle.length : warmer)
  }

  private evict(slot: Slot<C>, invalid = true) {
    const index = this.idle.indexOf(slot)
    if (index < 0) return
    this.idle.splice(index, 1)
    this.discard([slot], invalid)
  }

  /**
   * Out of the pool for good; whoever waits gets others. All are counted as closing before anything else happens: one
   * that is in no count makes room for one too many.
   */
  private discard(slots: ReadonlyArray<Slot<C>>, invalid = true): ReadonlyArray<Fiber.RuntimeFiber<void>> {
    const doomed = slots.filter(({ discarded }) => !discarded)
    for (const slot of doomed) slot.discarded = true
    if (invalid && !this.closed) this.invalidated += doomed.length
    this.closing += doomed.length
    const closers = doomed.map((slot) =>
      this.workers.fork(
        Effect.map(
          Effect.exit(within(Scope.close(slot.scope, Exit.void), this.settings.careLimit, Effect.void)),
          () => {
            this.closing--
            this.totals.closed++
            this.serve()
          }
        )
      )
    )
    this.serve()
    return closers
  }

  // --- news from the supply

  private arrived(slot: Slot<C>) {
    if (this.closed || slot.generation !== this.generation) this.discard([slot], false)
    else if (this.care.usable(slot.resource)) this.place(slot)
    else {
      this.supply.fail(
        new ConnectionError({
          operation: "connect",
          reason: "the connection was lost as soon as it was opened",
          phase: "connect",
          sent: false
        })
      )
      this.discard([slot])
    }
    this.serve()
  }

  private lost(slot: Slot<C>) {
    slot.lost = true
    this.evict(slot)
  }

  /** Those who wait are told at once, unless somebody may still bring a connection. */
  private refused(error: DatabaseError) {
    if (this.supply.opening > 0) return
    if (this.hope) this.supply.rest(() => this.serve())
    else this.failAll(Exit.fail(error))
  }

  // --- time

  private endWaits(at: number): number {
    for (;;) {
      const claim = this.waiting[0]
      if (claim === undefined) return Number.POSITIVE_INFINITY
      if (claim.deadline > at) return claim.deadline
      this.waiting.shift()
      this.answer(claim, this.inVain(true))
    }
  }

  /** When an idle one is to be closed: what is over `size` need not wait for its old age. */
  private endOf(slot: Slot<C>): number {
    return this.alive > this.settings.size ? Math.min(slot.expiresAt, slot.idleSince + this.idleMillis) : slot.expiresAt
  }

  private endOld(at: number): number {
    for (const slot of [...this.idle]) if (this.endOf(slot) <= at) this.evict(slot, slot.expiresAt <= at)
    return this.idle.reduce((soonest, slot) => Math.min(soonest, this.endOf(slot)), Number.POSITIVE_INFINITY)
  }

  // --- what is seen from outside

  private snapshot(): PoolSnapshot {
    const open = this.alive + this.closing
    return {
      size: this.settings.size,
      checkedOut: this.held.size + this.cared,
      checkedIn: this.idle.length,
      overflow: Math.max(0, open - this.settings.size),
      opening: this.supply.opening,
      waiting: this.waiting.length,
      invalidated: this.invalidated,
      totals: { ...this.totals, opened: this.supply.opened, failures: this.supply.failures }
    }
  }

  readonly status = Effect.sync(() => this.snapshot())

  readonly evictAll: Effect.Effect<void> = Effect.suspend(() => {
    this.generation++
    return Fiber.awaitAll(this.discard(this.idle.splice(0)))
  })

  drain(limit: Duration.DurationInput): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.closed = true
      this.failAll(this.isClosed())
      this.discard(this.idle.splice(0), false)
      this.workers.stop()
      this.wakeDrain()
      return within(Deferred.await(this.allBack), limit, Effect.void)
    }).pipe(
      Effect.zipRight(
        Effect.suspend(() => {
          this.discard([...this.held].flatMap(({ slot }) => slot ?? []))
          return this.workers.ended
        })
      )
    )
  }

  private wakeDrain() {
    if (this.closed && !this.hope) Deferred.unsafeDone(this.allBack, Exit.void)
  }

  private isClosed(): Answer<C> {
    return Exit.fail(new PoolClosed({ operation: "acquire", reason: "the pool is closed" }))
  }

  private inVain(patient: boolean): Answer<C> {
    this.totals.timeouts++
    const { settings, held } = this
    const { obstacle } = this.supply
    return Exit.fail(exhausted({ settings, snapshot: this.snapshot(), obstacle, held, now: this.now(), patient }))
  }
}
