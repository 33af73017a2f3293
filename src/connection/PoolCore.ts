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
import type * as Stream from "effect/Stream"
import { type DatabaseError, PoolClosed, type PoolSnapshot } from "../model/DatabaseError.js"
import { Closing } from "./Closing.js"
import { exhausted, overloaded, type Vain } from "./Exhausted.js"
import { Held } from "./Held.js"
import { Idle } from "./Idle.js"
import { Leaks } from "./Leaks.js"
import { Claim, type Desk, type Lease } from "./Lease.js"
import { within } from "./Limit.js"
import { millisOf, type Settings, sheddingOf } from "./Settings.js"
import type { Shedding } from "./Shedding.js"
import type { Care, Slot } from "./Slot.js"
import { Supply } from "./Supply.js"
import { mustNotSuspend } from "./Suspension.js"
import { type Answer, answer, Waiting } from "./Waiting.js"
import { Watchers } from "./Watchers.js"
import type { Workers } from "./Workers.js"

/** The machine. @since 0.1.0 @category models */
export class PoolCore<C> implements Desk<C> {
  private readonly idle: Idle<C>
  private readonly held = new Held<C>()
  private readonly waiting: Waiting<C>
  private readonly supply: Supply<C>
  private readonly shedding: Shedding | undefined
  private readonly leaks: Leaks<C> | undefined
  private readonly watchers = new Watchers()
  /** Slots being asked or cleaned: neither idle nor in anybody's hands. */
  private cared = 0
  /** Slots in use on somebody's stack. */
  private lent = 0
  private readonly closing: Closing<C>
  private generation = 0
  private closed = false
  private readonly allBack = Deferred.unsafeMake<void>(FiberId.none)
  private invalidated = 0
  private readonly totals = { acquired: 0, timeouts: 0, shed: 0 }
  private readonly idleMillis: number
  private readonly pingMillis: number

  constructor(
    private readonly settings: Settings,
    private readonly care: Care<C>,
    private readonly now: () => number,
    private readonly workers: Workers
  ) {
    this.idleMillis = Duration.toMillis(settings.idleTimeout)
    this.pingMillis = Duration.toMillis(settings.prePing)
    this.shedding = sheddingOf(settings)
    const leakMillis = millisOf(settings.leakThreshold)
    this.leaks = Number.isFinite(leakMillis) ? new Leaks(leakMillis, this.held, workers, now) : undefined
    const acquireMillis = Duration.toMillis(settings.acquireTimeout)
    this.waiting = new Waiting(workers, now, acquireMillis, this.shedding, (why) => this.inVain(why))
    this.idle = new Idle(
      {
        now,
        keepAliveMillis: millisOf(settings.keepAlive),
        endOf: (slot) => this.endOf(slot),
        expired: (slot) => this.evict(slot, slot.expiresAt <= now()),
        ask: (slot, done) => this.askIdle(slot, done)
      },
      workers
    )
    this.closing = new Closing(settings.careLimit, workers, () => {
      this.serve()
      this.fill()
    })
    this.supply = new Supply(
      {
        size: settings.size,
        limit: settings.size + settings.maxOverflow,
        lifetimeMillis: Duration.toMillis(settings.maxLifetime),
        now,
        open: () => this.alive + this.closing.underway,
        arrived: (slot) => this.arrived(slot),
        lost: (slot) => this.lost(slot),
        refused: (error) => this.refused(error)
      },
      care,
      workers
    )
  }

  private get alive(): number {
    return this.idle.length + this.out
  }

  /** Those that somebody may still bring back. */
  private get out(): number {
    return this.held.size + this.lent + this.cared
  }

  // --- callers

  lease(): Lease<C> {
    return new Claim<C>(this)
  }

  /** For what runs on the caller's stack, where nothing interrupts it: no claim is needed, and none has to wait. */
  lend<A>(use: (resource: C) => A): A | undefined {
    const slot = this.takeNow(this.now())
    if (slot === undefined) return undefined
    this.lent++
    this.totals.acquired++
    try {
      return use(slot.resource)
    } finally {
      this.lent--
      this.takeBack(slot)
    }
  }

  acquire(claim: Claim<C>): Effect.Effect<C, DatabaseError> {
    return Effect.withFiberRuntime<C, DatabaseError>((fiber) => {
      if (claim.state !== "new") return Effect.dieMessage("A lease is acquired once, and before it is closed")
      if (this.closed) return this.isClosed()
      claim.context = fiber.currentContext
      claim.fiber = fiber.id().id
      const now = this.now()
      const slot = this.takeNow(now)
      if (slot === undefined) return this.queue(claim, fiber)
      this.hold(claim, slot, now)
      return Effect.succeed(slot.resource)
    })
  }

  private queue(claim: Claim<C>, fiber: Fiber.RuntimeFiber<unknown, unknown>): Effect.Effect<C, DatabaseError> {
    this.waiting.join(claim)
    this.serve()
    if (claim.answer !== undefined) return claim.answer
    if (mustNotSuspend(fiber) && !this.workers.busyOn(fiber.currentScheduler)) {
      this.waiting.leave(claim)
      return this.inVain("now")
    }
    this.waiting.watch(claim)
    return Effect.async<C, DatabaseError>((resume) => {
      // The answer may have come between the two operations.
      if (claim.answer === undefined) claim.resume = resume
      else resume(claim.answer)
    })
  }

  giveBack(claim: Claim<C>): void {
    if (claim.state === "waiting") this.waiting.leave(claim)
    claim.state = "closed"
    const { slot } = claim
    claim.slot = undefined
    this.held.delete(claim)
    if (slot === undefined) this.watchers.tell()
    else this.takeBack(slot)
  }

  private takeBack(slot: Slot<C>) {
    this.supply.returned()
    const now = this.now()
    if (this.keepable(slot, now)) {
      const cleaning = this.care.clean(slot.resource)
      if (cleaning === undefined) this.place(slot, now)
      else this.tend(slot, cleaning)
    } else this.discard([slot])
    this.wakeDrain()
  }

  private hold(claim: Claim<C>, slot: Slot<C>, now: number) {
    claim.state = "held"
    claim.slot = slot
    claim.since = now
    this.held.add(claim)
    this.totals.acquired++
    this.leaks?.watch(claim)
    this.watchers.tell()
  }

  // --- from hand to hand

  /** The warmest idle connection, where it needs no question first and nobody waits. */
  private takeNow(now: number): Slot<C> | undefined {
    const slot = this.waiting.length === 0 ? this.idle.warmest : undefined
    if (slot === undefined || !this.keepable(slot, now) || !this.fresh(slot, now)) return undefined
    this.shedding?.waited(0, now)
    return this.idle.pop()
  }

  private fresh(slot: Slot<C>, now = this.now()): boolean {
    return now - slot.provedAt < this.pingMillis
  }

  private keepable(slot: Slot<C>, now = this.now()): boolean {
    return (
      !this.closed &&
      !slot.discarded &&
      !slot.lost &&
      slot.generation === this.generation &&
      now < slot.expiresAt &&
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
        else this.tend(slot, this.care.ping(slot.resource), { others: () => this.idle.takeStaler(slot) })
      } else if (this.supply.may(this.out > 0)) this.supply.start(this.generation)
      else break
    }
    this.watchers.tell()
  }

  /** With `prewarm`, what is missing up to `size` is opened before anybody asks, as long as that works. */
  private fill() {
    if (this.settings.prewarm !== true) return
    // An attempt may come to its end at once.
    while (
      !this.closed &&
      this.supply.obstacle === undefined &&
      this.alive + this.closing.underway + this.supply.opening < this.settings.size
    ) {
      this.supply.start(this.generation)
    }
    this.watchers.tell()
  }

  /** A good connection in nobody's hands: to the first who waits, else to the top of the idle stack. */
  private place(slot: Slot<C>, now = this.now(), idleSince = now) {
    slot.provedAt = now
    const claim = this.waiting.next()
    if (claim !== undefined) {
      this.hold(claim, slot, now)
      answer(claim, Exit.succeed(slot.resource))
      return
    }
    slot.idleSince = idleSince
    this.idle.put(slot)
    this.watchers.tell()
  }

  /** A ping or a cleaning; the connection stays only if that succeeds in time, else the `others` go with it. */
  private tend(
    slot: Slot<C>,
    work: Effect.Effect<unknown, DatabaseError>,
    also: { readonly idleSince?: number; readonly others?: () => ReadonlyArray<Slot<C>> } = {}
  ): Fiber.RuntimeFiber<void> {
    this.cared++
    const inTime = within(Effect.as(work, true), this.settings.careLimit, Effect.succeed(false))
    return this.workers.fork(
      Effect.map(Effect.exit(Effect.interruptible(inTime)), (exit) => {
        this.cared--
        const good = Exit.isSuccess(exit) && exit.value
        if (good && this.keepable(slot)) this.place(slot, this.now(), also.idleSince)
        else this.discard([slot, ...((good ? undefined : also.others?.()) ?? [])])
        this.wakeDrain()
      })
    )
  }

  /** An idle one that has been silent for long; it stays as old as it was. */
  private askIdle(slot: Slot<C>, done: () => void) {
    const { idleSince } = slot
    this.tend(slot, this.care.ping(slot.resource), { idleSince, others: () => this.idle.takeStaler(slot) }).addObserver(
      done
    )
  }

  private evict(slot: Slot<C>, invalid = true) {
    if (this.idle.remove(slot)) this.discard([slot], invalid)
  }

  /** Out of the pool for good; whoever waits gets others. */
  private discard(slots: ReadonlyArray<Slot<C>>, invalid = true): ReadonlyArray<Fiber.RuntimeFiber<void>> {
    const doomed = slots.filter(({ discarded }) => !discarded)
    for (const slot of doomed) slot.discarded = true
    if (invalid && !this.closed) this.invalidated += doomed.length
    const closers = this.closing.start(doomed)
    this.serve()
    return closers
  }

  // --- news from the supply

  private arrived(slot: Slot<C>) {
    if (this.closed || slot.generation !== this.generation) this.discard([slot], false)
    else if (this.care.usable(slot.resource)) this.place(slot)
    else {
      this.supply.stillborn()
      this.discard([slot])
    }
    this.serve()
    this.fill()
  }

  private lost(slot: Slot<C>) {
    slot.lost = true
    this.evict(slot)
  }

  /** Those who wait are told at once, unless somebody may still bring a connection. */
  private refused(error: DatabaseError) {
    if (this.supply.opening > 0) return
    if (this.out > 0) this.supply.rest(() => this.serve())
    else this.waiting.failAll(Exit.fail(error))
    this.watchers.tell()
  }

  // --- time

  /** When an idle one is to be closed: what is over `size` need not wait for its old age. */
  private endOf(slot: Slot<C>): number {
    return this.alive > this.settings.size ? Math.min(slot.expiresAt, slot.idleSince + this.idleMillis) : slot.expiresAt
  }

  // --- what is seen from outside

  private snapshot(): PoolSnapshot {
    const open = this.alive + this.closing.underway
    return {
      size: this.settings.size,
      checkedOut: this.out,
      checkedIn: this.idle.length,
      overflow: Math.max(0, open - this.settings.size),
      opening: this.supply.opening,
      waiting: this.waiting.length,
      invalidated: this.invalidated,
      ...(this.closed ? { draining: true } : {}),
      totals: {
        ...this.totals,
        closed: this.closing.done,
        leaks: this.leaks?.count ?? 0,
        opened: this.supply.opened,
        failures: this.supply.failures
      }
    }
  }

  readonly status = Effect.sync(() => this.snapshot())

  readonly changes: Stream.Stream<PoolSnapshot> = this.watchers.follow(this.status)

  readonly evictAll: Effect.Effect<void> = Effect.suspend(() => {
    this.generation++
    return Fiber.awaitAll(this.discard(this.idle.takeAll()))
  })

  drain(limit: Duration.DurationInput): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.closed = true
      this.waiting.failAll(this.isClosed())
      this.discard(this.idle.takeAll(), false)
      this.workers.stop()
      this.wakeDrain()
      return within(Deferred.await(this.allBack), limit, Effect.void)
    }).pipe(
      Effect.zipRight(
        Effect.suspend(() => {
          this.discard([...this.held].flatMap(({ slot }) => slot ?? []))
          // Nobody waits a second time for what did not come back within the limit.
          Deferred.unsafeDone(this.allBack, Exit.void)
          return this.workers.ended
        })
      ),
      Effect.zipRight(Effect.sync(() => this.watchers.end()))
    )
  }

  private wakeDrain() {
    if (this.closed && this.out === 0) Deferred.unsafeDone(this.allBack, Exit.void)
  }

  private isClosed(): Answer<C> {
    return Exit.fail(new PoolClosed({ operation: "acquire", reason: "the pool is closed" }))
  }

  private inVain(why: Vain): Answer<C> {
    this.totals[why === "shed" ? "shed" : "timeouts"]++
    const { settings, shedding } = this
    const { obstacle } = this.supply
    const held = this.held.byAge
    return Exit.fail(
      why === "shed" && shedding !== undefined
        ? overloaded(shedding, this.waiting.length)
        : exhausted({ settings, snapshot: this.snapshot(), obstacle, held, now: this.now(), patient: why !== "now" })
    )
  }
}
