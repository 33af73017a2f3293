/**
 * The pool's machine: who waits, what is idle, what is being opened, asked, cleaned or closed. Callers never run any of
 * that work; `fork` gives it to fibers of the pool.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Scheduler from "effect/Scheduler"
import * as Scope from "effect/Scope"
import type { PoolSettings } from "../model/DatabaseConfig.js"
import type { DatabaseError, PoolSnapshot } from "../model/DatabaseError.js"
import { from, PoolClosed } from "../model/DatabaseError.js"
import { exhausted } from "./Exhausted.js"
import { Claim, type Lease } from "./Lease.js"
import { type Care, Slot } from "./Slot.js"

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
  /** A cleaning or a ping that takes longer costs the connection its place. */
  readonly careLimit: Duration.Duration
}

/** How long the pool waits before it tries again to open a connection that somebody waits for: 50 ms, doubling to 1 s. */
const reopenAfter = (failures: number) => Math.min(1000, 25 * 2 ** failures)

/**
 * The machine. Every method that is not an effect runs to its end without giving way, so the counts always agree.
 *
 * @since 0.1.0
 * @category models
 */
export class PoolCore<C> {
  private readonly idle: Array<Slot<C>> = []
  private readonly held = new Set<Claim<C>>()
  private waiting: Array<Claim<C>> = []
  /** Slots out of the idle stack and in nobody's hands: being asked, cleaned. */
  private cared = 0
  private closing = 0
  /** Openers at work, and those of them that rest after a failure. */
  private opening = 0
  private resting = 0
  private failuresInARow = 0
  private generation = 0
  private closed = false
  private watching = false
  private sweeping = false
  private invalidated = 0
  private readonly totals = { acquired: 0, opened: 0, closed: 0, timeouts: 0, failures: 0 }
  private readonly limit: number
  private readonly acquireMillis: number
  private readonly lifetimeMillis: number
  private readonly idleMillis: number
  private readonly pingMillis: number
  /** The scheduler of the caller being served, when it is one that cannot suspend. */
  private scheduler: Scheduler.Scheduler | undefined
  private empty: Deferred.Deferred<void> | undefined

  constructor(
    private readonly settings: Settings,
    private readonly care: Care<C>,
    private readonly now: () => number,
    private readonly start: (effect: Effect.Effect<void>, scheduler?: Scheduler.Scheduler) => void
  ) {
    this.limit = settings.size + settings.maxOverflow
    this.acquireMillis = Duration.toMillis(settings.acquireTimeout)
    this.lifetimeMillis = Duration.toMillis(settings.maxLifetime)
    this.idleMillis = Duration.toMillis(settings.idleTimeout)
    this.pingMillis = Duration.toMillis(settings.prePing)
  }

  /** Connections the server has of us, those being closed included. */
  private get open(): number {
    return this.idle.length + this.held.size + this.cared + this.closing
  }

  private fork(effect: Effect.Effect<void>) {
    this.start(effect, this.scheduler)
  }

  // --- callers

  lease(): Lease<C> {
    const claim = new Claim<C>()
    return { acquire: this.acquire(claim), close: this.close(claim) }
  }

  private acquire(claim: Claim<C>): Effect.Effect<C, DatabaseError> {
    return Effect.withFiberRuntime<C, DatabaseError>((fiber) => {
      if (this.closed) return Effect.fail(this.isClosed())
      claim.context = fiber.currentContext as Context.Context<never>
      const slot = this.waiting.length === 0 ? this.takeReady() : undefined
      if (slot !== undefined) {
        this.hold(claim, slot)
        return Effect.succeed(slot.resource)
      }
      claim.state = "waiting"
      claim.deadline = this.now() + this.acquireMillis
      this.waiting.push(claim)
      const sync = fiber.currentScheduler instanceof Scheduler.SyncScheduler
      const before = this.opening + this.cared
      this.scheduler = sync ? fiber.currentScheduler : undefined
      this.serve()
      this.scheduler = undefined
      if (claim.result !== undefined) return claim.result
      // A fiber that must not suspend (`Effect.runSync`) can wait for its own opener, not for another holder.
      if (sync && this.opening + this.cared <= before) {
        this.leave(claim)
        return Effect.fail(this.timedOut(claim))
      }
      this.watch()
      return Effect.async<C, DatabaseError>((resume) => {
        claim.resume = resume
      })
    })
  }

  private close(claim: Claim<C>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const slot = claim.slot
      if (claim.state === "waiting") this.leave(claim)
      claim.state = "closed"
      if (slot === undefined) return Effect.void
      claim.slot = undefined
      this.held.delete(claim)
      if (!this.keepable(slot)) return this.discard(slot)
      const cleaning = this.care.clean(slot.resource)
      if (cleaning === undefined) {
        this.settle(slot)
        return Effect.void
      }
      this.cared++
      this.fork(this.careFor(slot, cleaning))
      return Effect.void
    }).pipe(Effect.uninterruptible)
  }

  private hold(claim: Claim<C>, slot: Slot<C>) {
    claim.state = "held"
    claim.slot = slot
    claim.since = this.now()
    this.held.add(claim)
    this.totals.acquired++
  }

  private leave(claim: Claim<C>) {
    const index = this.waiting.indexOf(claim)
    if (index >= 0) this.waiting.splice(index, 1)
    claim.state = "closed"
  }

  // --- supply

  /** The warmest idle connection that needs no question first. */
  private takeReady(): Slot<C> | undefined {
    const slot = this.idle.at(-1)
    if (slot === undefined || !this.keepable(slot) || this.now() - slot.idleSince >= this.pingMillis) return undefined
    this.idle.pop()
    return slot
  }

  /** Starts as much as is needed, and no more, to bring every waiting claim a connection. */
  private serve() {
    while (this.waiting.length > this.opening + this.cared && this.idle.length > 0) {
      const slot = this.idle.pop() as Slot<C>
      this.cared++
      if (!this.keepable(slot)) this.fork(this.uncare(Effect.suspend(() => this.discard(slot))))
      else if (this.now() - slot.idleSince < this.pingMillis) {
        this.cared--
        this.settle(slot)
      } else this.fork(this.careFor(slot, this.care.ping(slot.resource)))
    }
    while (this.waiting.length > this.opening + this.cared && this.mayOpen()) {
      this.opening++
      this.fork(this.openOne)
    }
  }

  /** Up to `size` at once; beyond it one at a time, because those already open usually come back sooner. */
  private mayOpen(): boolean {
    const total = this.open + this.opening
    if (this.closed || total >= this.limit) return false
    return total < this.settings.size || this.opening === 0
  }

  private readonly openOne: Effect.Effect<void> = Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Scope.make(), (scope) =>
      Effect.flatMap(Effect.exit(restore(Scope.extend(this.care.open, scope))), (exit) =>
        Exit.isSuccess(exit)
          ? Effect.flatMap(Random.next, (random) => this.adopt(exit.value, scope, random))
          : Effect.flatMap(Scope.close(scope, exit), () => this.refused(from(exit.cause, "connect"), restore))
      )
    )
  )

  private adopt(resource: C, scope: Scope.CloseableScope, random: number): Effect.Effect<void> {
    this.opening--
    this.failuresInARow = 0
    this.totals.opened++
    const at = this.now()
    // 10 % jitter: connections opened together must not all end together.
    const slot = new Slot(resource, scope, at + this.lifetimeMillis * (1 - random / 10), this.generation)
    const watcher = Effect.map(this.care.lost(resource), () => this.fork(this.died(slot)))
    return Effect.flatMap(Effect.forkIn(Effect.interruptible(watcher), scope), () =>
      Effect.sync(() => this.settle(slot))
    )
  }

  /** An open failed. Those who wait are told at once unless somebody may still bring a connection back. */
  private refused(error: DatabaseError, restore: <A>(rest: Effect.Effect<A>) => Effect.Effect<A>): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.totals.failures++
      this.failuresInARow++
      const hopeless = this.held.size + this.cared === 0 && this.opening - this.resting === 1
      if (hopeless || error.recovery === "never" || this.closed) {
        this.opening--
        for (const claim of this.waiting.splice(0)) this.answer(claim, Effect.fail(error))
        return Effect.void
      }
      for (const claim of this.waiting) claim.obstacle = error
      this.resting++
      return Effect.map(restore(Effect.sleep(reopenAfter(this.failuresInARow))), () => {
        this.resting--
        this.opening--
        this.serve()
      })
    })
  }

  /** A connection nobody holds: to the first who waits, else to the top of the idle stack. */
  private settle(slot: Slot<C>) {
    if (!this.keepable(slot)) {
      this.fork(this.discard(slot))
      return
    }
    const claim = this.waiting.shift()
    if (claim !== undefined) {
      this.hold(claim, slot)
      this.answer(claim, Effect.succeed(slot.resource))
      return
    }
    slot.idleSince = this.now()
    this.idle.push(slot)
    this.sweep()
    this.wakeDrain()
  }

  private answer(claim: Claim<C>, result: Effect.Effect<C, DatabaseError>) {
    if (claim.state === "waiting") claim.state = "closed"
    if (claim.resume === undefined) claim.result = result
    else claim.resume(result)
  }

  private keepable(slot: Slot<C>): boolean {
    return (
      !this.closed &&
      !slot.discarded &&
      slot.generation === this.generation &&
      this.now() < slot.expiresAt &&
      this.care.usable(slot.resource)
    )
  }

  private careFor(slot: Slot<C>, work: Effect.Effect<void, DatabaseError>): Effect.Effect<void> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.exit(restore(Effect.timeoutOption(work, this.settings.careLimit))), (exit) =>
        this.uncare(
          Effect.suspend(() => {
            if (Exit.isFailure(exit) || exit.value._tag === "None") return this.discard(slot)
            this.settle(slot)
            return Effect.void
          })
        )
      )
    )
  }

  private uncare(effect: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.cared--
      return effect
    })
  }

  /** Out of the pool for good; whoever waits gets another one. */
  private discard(slot: Slot<C>): Effect.Effect<void> {
    if (slot.discarded) return Effect.void
    slot.discarded = true
    this.invalidated++
    this.totals.closed++
    this.closing++
    return Effect.flatMap(Effect.exit(Scope.close(slot.scope, Exit.void)), () =>
      Effect.sync(() => {
        this.closing--
        this.serve()
        this.wakeDrain()
      })
    )
  }

  private died(slot: Slot<C>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const index = this.idle.indexOf(slot)
      if (index < 0) return Effect.void
      this.idle.splice(index, 1)
      return this.discard(slot)
    })
  }

  // --- time

  /** One fiber for all who wait: deadlines are in the order of the queue. */
  private watch() {
    if (this.watching) return
    this.watching = true
    const step: Effect.Effect<void> = Effect.suspend(() => {
      const at = this.now()
      while (this.waiting[0] !== undefined && this.waiting[0].deadline <= at) {
        const claim = this.waiting.shift() as Claim<C>
        this.answer(claim, Effect.fail(this.timedOut(claim)))
      }
      const next = this.waiting[0]
      if (next === undefined) {
        this.watching = false
        return Effect.void
      }
      return Effect.flatMap(Effect.sleep(next.deadline - at), () => step)
    })
    this.fork(step)
  }

  /** Closes what has been idle for too long beyond `size`, and what is too old. */
  private sweep() {
    if (this.sweeping) return
    const due = (slot: Slot<C>) =>
      this.open > this.settings.size ? Math.min(slot.expiresAt, slot.idleSince + this.idleMillis) : slot.expiresAt
    const step: Effect.Effect<void> = Effect.suspend(() => {
      const at = this.now()
      const next = this.idle.reduce((soonest, slot) => Math.min(soonest, due(slot)), Number.POSITIVE_INFINITY)
      if (next === Number.POSITIVE_INFINITY || this.closed) {
        this.sweeping = false
        return Effect.void
      }
      if (next > at) return Effect.flatMap(Effect.sleep(Math.min(next - at, 60_000)), () => step)
      const index = this.idle.findIndex((slot) => due(slot) <= at)
      const slot = this.idle.splice(index, 1)[0]
      return slot === undefined ? step : Effect.flatMap(this.discard(slot), () => step)
    })
    if (this.idle.some((slot) => due(slot) !== Number.POSITIVE_INFINITY)) {
      this.sweeping = true
      this.fork(step)
    }
  }

  // --- what is seen from outside

  private snapshot(): PoolSnapshot {
    return {
      size: this.settings.size,
      checkedOut: this.held.size + this.cared,
      checkedIn: this.idle.length,
      overflow: Math.max(0, this.open - this.settings.size),
      opening: this.opening,
      waiting: this.waiting.length,
      invalidated: this.invalidated,
      totals: { ...this.totals }
    }
  }

  readonly status = Effect.sync(() => this.snapshot())

  readonly evictAll = Effect.suspend(() => {
    this.generation++
    return Effect.forEach(this.idle.splice(0), (slot) => this.discard(slot), { discard: true })
  })

  drain(limit: Duration.DurationInput): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.closed = true
      for (const claim of this.waiting.splice(0)) this.answer(claim, Effect.fail(this.isClosed()))
      const back = Effect.suspend(() => {
        if (this.held.size + this.cared === 0) return Effect.void
        return Effect.flatMap(Deferred.make<void>(), (empty) => {
          this.empty = empty
          return Effect.timeoutOption(Deferred.await(empty), limit)
        })
      })
      const shut = (slots: Iterable<Slot<C>>) =>
        Effect.forEach(slots, (slot) => this.discard(slot), { discard: true, concurrency: "unbounded" })
      return shut(this.idle.splice(0)).pipe(
        Effect.zipRight(back),
        Effect.zipRight(Effect.suspend(() => shut([...this.held].flatMap((claim) => claim.slot ?? []))))
      )
    })
  }

  private wakeDrain() {
    if (this.empty !== undefined && this.held.size + this.cared === 0) Deferred.unsafeDone(this.empty, Exit.void)
  }

  private isClosed() {
    return new PoolClosed({ operation: "acquire", reason: "the pool is closed" })
  }

  private timedOut(claim: Claim<C>): DatabaseError {
    this.totals.timeouts++
    return exhausted(this.settings, this.snapshot(), claim, this.held, this.now())
  }
}
