/**
 * Connections in nobody's hands, the warmest last. One fiber closes what has become too old, another asks, one at a time,
 * those that have been silent for long, so that nothing on the way forgets them and the dead are found before their next
 * holder. Being asked makes a connection neither younger nor warmer.
 *
 * @since 0.1.0
 */
import { Alarm } from "./Alarm.js"
import type { Slot } from "./Slot.js"
import type { Workers } from "./Workers.js"

/** @since 0.1.0 @category models */
export interface Rest<C> {
  readonly now: () => number
  /** How long a connection may be silent. */
  readonly keepAliveMillis: number
  /** When an idle one is to be closed. */
  readonly endOf: (slot: Slot<C>) => number
  readonly expired: (slot: Slot<C>) => void
  /** Asks one that was taken out, and says when it is done. */
  readonly ask: (slot: Slot<C>, done: () => void) => void
}

/** @since 0.1.0 @category models */
export class Idle<C> {
  private readonly slots: Array<Slot<C>> = []
  private readonly expiries: Alarm
  private readonly silences: Alarm
  private asking = false

  constructor(
    private readonly rest: Rest<C>,
    workers: Workers
  ) {
    this.expiries = new Alarm(workers, rest.now, (at) => this.endOld(at))
    this.silences = new Alarm(workers, rest.now, (at) => this.askSilent(at))
  }

  get length(): number {
    return this.slots.length
  }

  get warmest(): Slot<C> | undefined {
    return this.slots.at(-1)
  }

  /** Takes the warmest. */
  pop(): Slot<C> | undefined {
    return this.slots.pop()
  }

  /** To its place among those that have been idle for as long. */
  put(slot: Slot<C>) {
    const { warmest } = this
    if (warmest === undefined || warmest.idleSince <= slot.idleSince) this.slots.push(slot)
    else this.slots.splice(this.slots.findLastIndex(({ idleSince }) => idleSince <= slot.idleSince) + 1, 0, slot)
    this.expiries.set(this.rest.endOf(slot))
    if (!this.asking) this.silences.set(slot.provedAt + this.rest.keepAliveMillis)
  }

  /** Whether it was here. */
  remove(slot: Slot<C>): boolean {
    const index = this.slots.indexOf(slot)
    if (index >= 0) this.slots.splice(index, 1)
    return index >= 0
  }

  takeAll(): ReadonlyArray<Slot<C>> {
    return this.slots.splice(0)
  }

  /** When one died in silence, those silent for even longer are not worth the wait for their pings. */
  takeStaler(dead: Slot<C>): ReadonlyArray<Slot<C>> {
    return this.slots.filter(({ provedAt }) => provedAt <= dead.provedAt).filter((slot) => this.remove(slot))
  }

  private endOld(at: number): number {
    for (const slot of [...this.slots]) if (this.rest.endOf(slot) <= at) this.rest.expired(slot)
    return this.slots.reduce((soonest, slot) => Math.min(soonest, this.rest.endOf(slot)), Number.POSITIVE_INFINITY)
  }

  /** The one that has been silent for longest. */
  private get mostSilent(): Slot<C> | undefined {
    return this.slots.reduce<Slot<C> | undefined>(
      (most, slot) => (most === undefined || slot.provedAt < most.provedAt ? slot : most),
      undefined
    )
  }

  private askSilent(at: number): number {
    for (;;) {
      const slot = this.mostSilent
      if (slot === undefined || this.asking) return Number.POSITIVE_INFINITY
      const due = slot.provedAt + this.rest.keepAliveMillis
      if (due > at) return due
      this.remove(slot)
      this.asking = true
      this.rest.ask(slot, () => {
        this.asking = false
        // While the alarm itself rings it is asked afterwards, and this is nothing.
        const next = this.mostSilent
        if (next !== undefined) this.silences.set(next.provedAt + this.rest.keepAliveMillis)
      })
    }
  }
}
