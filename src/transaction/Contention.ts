/**
 * Order among the writing transactions of one pool that have lost a race. Left to back-off alone, a crowd around one row
 * loses most of its tries: each commit fails everybody else who was at work, and whoever waits longest loses to whoever comes
 * new. So a conflict is run again in turn, one at a time, the one that lost first before the others; and one that has lost
 * several times is run alone: newcomers are held back a moment, and those at work may end first. Where nobody loses, nothing
 * waits. Every wait has a limit, after which the attempt is made all the same: order helps, correctness never depends on it.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Connections } from "../connection/Connections.js"
import type { StatementTimeoutError } from "../model/DatabaseError.js"
import type { Bounded } from "./Deadline.js"

/** A turn is as long as its attempt, but nobody waits longer for each of those before him. */
const turnLimit = Duration.seconds(1)

/** However many there are. */
const queueLimit = Duration.seconds(10)

/** Who has lost so often is run alone: by chance alone, one of two contenders loses so often once in eight times. */
const patience = 3

/** How long newcomers are held back at most, and those at work are waited for: a short transaction's time many times over. */
const calmLimit = Duration.millis(100)

/** Attempts before which the pool's other writers were held back. @since 0.1.0 @category metrics */
export const alone = Metric.counter("aquifer.transaction.alone", {
  description: "Attempts made alone, because their transactions had lost several races",
  incremental: true
})

/** Whoever waits for the same thing. */
class Signal {
  private readonly waiting = new Set<() => void>()

  wait(limit: Duration.Duration): Effect.Effect<void> {
    const given = Effect.async<void>((resume) => {
      const go = () => resume(Effect.void)
      this.waiting.add(go)
      return Effect.sync(() => this.waiting.delete(go))
    })
    return Effect.asVoid(Effect.timeoutOption(given, limit))
  }

  give(): void {
    for (const go of this.waiting) {
      this.waiting.delete(go)
      go()
    }
  }
}

/** One transaction that has lost, in the order of their first losses. @since 0.1.0 @category models */
export interface Loser {
  readonly age: number
  losses: number
}

/** @since 0.1.0 @category models */
export class Contention {
  private ages = 0
  private writers = 0
  /** Whose turn it is, who waits for his, and for whom newcomers are held back. */
  private turn: Loser | undefined
  private readonly queue: Array<{ readonly loser: Loser; readonly come: Signal }> = []
  private alone: Loser | undefined
  private readonly calm = new Signal()
  private readonly open = new Signal()

  /** A transaction has lost, `before` or for the first time. */
  lost(before: Loser | undefined): Loser {
    if (before === undefined) return { age: this.ages++, losses: 1 }
    before.losses++
    return before
  }

  /** The attempt, after what it has to wait for: its turn, or who is alone now. `within` ends the wait. */
  inTurn<A, E, R>(
    loser: Loser | undefined,
    within: { readonly bounded: Bounded },
    attempt: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | StatementTimeoutError, R> {
    if (loser !== undefined) {
      return Effect.ensuring(
        Effect.zipRight(within.bounded(this.enter(loser)), attempt),
        Effect.sync(() => this.leave(loser))
      )
    }
    return this.alone === undefined ? attempt : Effect.zipRight(within.bounded(this.open.wait(calmLimit)), attempt)
  }

  private enter(loser: Loser): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.turn === undefined) this.turn = loser
      return Effect.zipRight(
        this.turn === loser ? Effect.void : this.queued(loser),
        loser.losses < patience ? Effect.void : this.quiet(loser)
      )
    })
  }

  /** Its attempt has ended. May be said again. */
  private leave(loser: Loser): void {
    if (this.alone === loser) {
      this.alone = undefined
      this.open.give()
    }
    if (this.turn !== loser) return
    const next = this.queue.shift()
    this.turn = next?.loser
    next?.come.give()
  }

  /** A writing transaction is at work, until its connection is back. */
  begin(): void {
    this.writers++
  }

  /** It no longer is. */
  end(loser: Loser | undefined): void {
    this.writers--
    if (this.writers === 0) this.calm.give()
    if (loser !== undefined) this.leave(loser)
  }

  private queued(loser: Loser): Effect.Effect<void> {
    return Effect.suspend(() => {
      const place = { loser, come: new Signal() }
      const younger = this.queue.findIndex(({ loser: { age } }) => age > loser.age)
      const before = younger < 0 ? this.queue.length : younger
      this.queue.splice(before, 0, place)
      return Effect.ensuring(
        place.come.wait(Duration.min(Duration.times(turnLimit, before + 1), queueLimit)),
        Effect.sync(() => {
          const index = this.queue.indexOf(place)
          if (index >= 0) this.queue.splice(index, 1)
        })
      )
    })
  }

  private quiet(loser: Loser): Effect.Effect<void> {
    return Effect.suspend(() => {
      // Another one is alone already, and this one's wait for its turn has run out.
      if (this.alone !== undefined) return Effect.void
      this.alone = loser
      return Effect.zipRight(Metric.increment(alone), this.writers === 0 ? Effect.void : this.calm.wait(calmLimit))
    })
  }
}

const contentions = new WeakMap<Connections, Contention>()

/** Among the transactions of these connections; `undefined` where there is one writer at a time anyway, or the server itself keeps a loser's place. @since 0.1.0 @category accessors */
export const of = (connections: Connections): Contention | undefined => {
  const { sessions, transaction } = connections.dialect
  if (sessions !== "many" || transaction.restart._tag === "Some") return undefined
  const known = contentions.get(connections)
  if (known !== undefined) return known
  const made = new Contention()
  contentions.set(connections, made)
  return made
}
