/**
 * Opens connections for a pool: how many at a time, and what a failure means for the next attempt. Up to `size` they are
 * opened at once. Beyond it one at a time, because those already open usually come back sooner; two, four … when none
 * came back meanwhile. After a failure a single one tries for all.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import { ConnectionError, type DatabaseError, from } from "../model/DatabaseError.js"
import { type Care, Slot } from "./Slot.js"
import type { Workers } from "./Workers.js"

/** How long nobody tries again while a connection in use may still come back: 50 ms, doubling to 1 s. */
const restFor = (failuresInARow: number) => Math.min(1000, 25 * 2 ** failuresInARow)

/** @since 0.1.0 @category models */
export interface Orders<C> {
  readonly size: number
  /** Connections there may be in all. */
  readonly limit: number
  readonly lifetimeMillis: number
  readonly now: () => number
  /** Connections the server has of us now. */
  readonly open: () => number
  readonly arrived: (slot: Slot<C>) => void
  /** The server, or the way to it, ended one. */
  readonly lost: (slot: Slot<C>) => void
  readonly refused: (error: DatabaseError) => void
}

/** @since 0.1.0 @category models */
export class Supply<C> {
  /** Openers at work. */
  opening = 0
  opened = 0
  failures = 0
  /** Why the last attempt failed; nothing once one has succeeded. */
  obstacle: DatabaseError | undefined
  private failuresInARow = 0
  private resting = false
  /** How many may be opened at the same time beyond `size`. */
  private stride = 1

  constructor(
    private readonly orders: Orders<C>,
    private readonly care: Care<C>,
    private readonly workers: Workers
  ) {}

  /** Whether one more may be opened now; `hope` is that of getting one back from whoever has it. */
  may(hope: boolean): boolean {
    const total = this.orders.open() + this.opening
    if (total >= this.orders.limit) return false
    if (this.obstacle !== undefined) return this.opening === 0 && !(this.resting && hope)
    return total < this.orders.size || this.opening < this.stride
  }

  /** A holder gave one back: no need to hurry. */
  returned() {
    this.stride = 1
  }

  start(generation: number) {
    this.opening++
    this.workers.fork(
      Effect.flatMap(Scope.make(), (scope) =>
        Effect.flatMap(Effect.exit(Effect.interruptible(Scope.extend(this.care.open, scope))), (exit) =>
          Exit.isSuccess(exit)
            ? Effect.flatMap(Random.next, (random) => this.succeed(exit.value, scope, generation, random))
            : Effect.map(Effect.exit(Scope.close(scope, exit)), () => {
                this.opening--
                this.fail(from(exit.cause, "connect"))
              })
        )
      )
    )
  }

  private succeed(resource: C, scope: Scope.CloseableScope, generation: number, random: number): Effect.Effect<void> {
    // 10 % jitter: connections opened together must not all end together.
    const expiresAt = this.orders.now() + this.orders.lifetimeMillis * (1 - random / 10)
    const slot = new Slot(resource, scope, expiresAt, generation)
    const lost = this.care.lost(resource)
    // What is never lost needs no watcher, and a scope without a fiber in it can be closed without waiting for one.
    const watched =
      lost === Effect.never
        ? Effect.void
        : Effect.forkIn(Effect.interruptible(Effect.map(lost, () => this.orders.lost(slot))), scope)
    return Effect.map(watched, () => {
      this.opening--
      this.opened++
      this.failuresInARow = 0
      this.obstacle = undefined
      if (this.orders.open() >= this.orders.size) this.stride++
      this.orders.arrived(slot)
    })
  }

  /** An attempt came to nothing. */
  fail(error: DatabaseError) {
    this.failures++
    this.failuresInARow++
    this.obstacle = error
    this.orders.refused(error)
  }

  /** One that came was dead already. */
  stillborn() {
    this.fail(
      new ConnectionError({
        operation: "connect",
        reason: "the connection was lost as soon as it was opened",
        phase: "connect",
        sent: false
      })
    )
  }

  /** Leaves the database alone for a while; `then` is to ask again. */
  rest(then: () => void) {
    if (this.resting) return
    this.resting = true
    this.workers.rest(
      Effect.map(Effect.interruptible(Effect.sleep(restFor(this.failuresInARow))), () => {
        this.resting = false
        then()
      })
    )
  }
}
