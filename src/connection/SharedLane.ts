/**
 * Quick reads of many fibers, pipelined over a few read-only sessions beside the pool. What keeps it safe: nothing that can
 * write rides a lane, so whatever a cut took from it is simply done again, once; only texts that have proved to be quick
 * ride it, so nobody waits long for somebody else's statement; and a lane that is stuck takes no more. A rider that is
 * interrupted abandons its answer and cancels nothing. Whoever finds no place travels exclusively.
 *
 * @since 0.1.0
 */
import { performance } from "node:perf_hooks"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Random from "effect/Random"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import type { DriverConnection, Reply, Request } from "../Dialect.js"
import type { PoolSettings } from "../model/DatabaseConfig.js"
import type { DatabaseError, LaneSnapshot } from "../model/DatabaseError.js"
import { first, within } from "./Limit.js"
import type { Merit, Text } from "./Texts.js"

/** The rules of the lanes. Times in ms. @since 0.1.0 @category models */
export interface Rules extends Merit {
  readonly lanes: number
  /** A lane whose first unanswered statement is older takes no more. */
  readonly stuck: number
  /** A lane holds no more than so many. */
  readonly most: number
  /** Parameters together larger than this (bytes, roughly) travel exclusively. */
  readonly largest: number
  /** Milliseconds on a monotonic clock, that of `DriverConnection.busySince`. */
  readonly now: () => number
}

/** Each figure measured on a mixed load: naive lanes had a p99 of 113 ms there, lanes by these rules one of 4.3 ms. @since 0.1.0 @category constants */
export const rules: Rules = {
  lanes: 2,
  runs: 2,
  quick: 10,
  credit: 64,
  cost: 16,
  bar: 250,
  longestBar: 30_000,
  forgiven: 1_000,
  stuck: 5,
  most: 64,
  largest: 65_536,
  now: () => performance.now()
}

/** @since 0.1.0 @category models */
export interface SharedLane {
  /** Carries the request on a lane, or `otherwise` where it has not earned that or finds no place. */
  readonly run: (
    request: Request,
    text: Text,
    otherwise: Effect.Effect<Reply, DatabaseError>
  ) => Effect.Effect<Reply, DatabaseError>
  readonly status: () => LaneSnapshot
  /** Every lane is closed as soon as it is empty; new ones take their place. */
  readonly evictAll: Effect.Effect<void>
  /** Takes no more riders, waits for those under way, at the longest for `limit`, and closes the lanes. */
  readonly drain: (limit: Duration.DurationInput) => Effect.Effect<void>
}

/** One lane. */
class Lane {
  /** Takes no more riders. */
  closed = false
  /** Since when nothing has ridden it. */
  lastUsed: number
  /** When it last answered to being asked whether it lives: before a ride after a long rest, and now and then. */
  provedAt = Number.NEGATIVE_INFINITY
  asking = false
  /** Texts in the order they were sent; the last `pending()` of them are unanswered. */
  private readonly sent: Array<Text> = []
  readonly over = Deferred.unsafeMake<void>(FiberId.none)

  constructor(
    readonly connection: DriverConnection,
    readonly expiresAt: number,
    now: number
  ) {
    this.lastUsed = now
  }

  /** For how long it has given no sign of life, unless somebody waits for one. */
  silent(now: number): number {
    return now - Math.max(this.lastUsed, this.provedAt)
  }

  /** The text of the first unanswered statement. */
  get head(): Text | undefined {
    return this.sent[this.sent.length - this.connection.pending()]
  }

  sends(text: Text, most: number) {
    if (this.sent.length > 4 * most) this.sent.splice(0, this.sent.length - this.connection.pending())
    this.sent.push(text)
  }

  retire() {
    this.closed = true
    Deferred.unsafeDone(this.over, Exit.void)
  }
}

/** How long nobody tries to open a lane after that has failed, doubling. */
const restAfterFailure = 1_000
const longestRest = 60_000

/** JavaScript's timers go wrong beyond 24 days. */
const longestNap = 3_600_000

/** How often an ending lane is looked at. */
const look = Duration.millis(20)

/**
 * Lanes that end with the scope. `open` opens a read-only session.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (
  settings: PoolSettings,
  open: Effect.Effect<DriverConnection, DatabaseError, Scope.Scope>,
  drainLimit: Duration.Duration,
  rules: Rules
) {
  const runtime = yield* Effect.runtime<never>()
  const scope = yield* Scope.make()
  const lanes: Array<Lane> = []
  const totals = { carried: 0, resent: 0, refused: 0, barred: 0, opened: 0, lost: 0 }
  const lifetime = Duration.toMillis(settings.maxLifetime)
  const idle = Duration.toMillis(settings.idleTimeout)
  const trust = Duration.toMillis(settings.prePing)
  const silence = Duration.toMillis(settings.keepAlive)
  let opening = 0
  let closed = false
  let failures = 0
  let restUntil = Number.NEGATIVE_INFINITY

  const remove = (lane: Lane) => {
    const index = lanes.indexOf(lane)
    if (index >= 0) lanes.splice(index, 1)
  }

  /** A lane's whole life: opened, in use until it is lost or retired, emptied, closed. */
  const life = Effect.fnUntraced(function* (opened: () => void) {
    const connection = yield* open
    const jitter = yield* Random.next
    const now = rules.now()
    // As in the pool, 10 % jitter: what was opened together must not end together.
    const lane = new Lane(connection, now + lifetime * (1 - jitter / 10), now)
    yield* Effect.addFinalizer(() => Effect.sync(() => remove(lane)))
    opened()
    failures = 0
    totals.opened++
    lanes.push(lane)
    yield* Effect.forkScoped(keep(lane))
    const retired = Effect.as(Deferred.await(lane.over), true)
    if (yield* first(Effect.as(connection.lost, false), retired)) return yield* empty(lane)
    totals.lost++
    lane.closed = true
  })

  const empty = (lane: Lane): Effect.Effect<void> =>
    Effect.suspend(() => {
      remove(lane)
      const waits: Effect.Effect<void> = Effect.suspend(() =>
        lane.connection.pending() === 0 ? Effect.void : Effect.zipRight(Effect.sleep(look), waits)
      )
      return within(waits, drainLimit, Effect.void)
    })

  const failed = Effect.sync(() => {
    failures++
    restUntil = rules.now() + Math.min(longestRest, restAfterFailure * 2 ** (failures - 1))
  })

  const add = (now: number) => {
    if (closed || opening > 0 || lanes.length >= rules.lanes || now < restUntil) return
    opening++
    let counted = true
    const uncount = () => {
      if (counted) opening--
      counted = false
    }
    const lived = Effect.scoped(life(uncount)).pipe(
      Effect.ensuring(Effect.sync(uncount)),
      Effect.tapErrorCause((cause) => Effect.zipRight(failed, Effect.logDebug("no shared lane could be opened", cause)))
    )
    Runtime.runFork(runtime, Effect.ignore(lived), { scope })
  }

  /** It may be dead, in silence: a statement must not be the one to find out. */
  const asked = (lane: Lane): Effect.Effect<void> =>
    Effect.suspend(() => {
      lane.asking = true
      return Effect.matchEffect(lane.connection.ping, {
        onSuccess: () =>
          Effect.sync(() => {
            lane.asking = false
            lane.provedAt = rules.now()
          }),
        onFailure: () => Effect.sync(() => lane.retire())
      })
    })

  const ask = (lane: Lane) => {
    if (!lane.asking) Runtime.runFork(runtime, asked(lane), { scope })
  }

  /** As the pool keeps its idle connections: asked when they have been silent for long, closed when too old or unused. */
  const keep = (lane: Lane): Effect.Effect<void> =>
    Effect.suspend(() => {
      const now = rules.now()
      const busy = lane.asking || lane.connection.pending() > 0
      const unused = busy ? 0 : now - lane.lastUsed
      if (now >= lane.expiresAt || unused >= idle) return Effect.sync(() => lane.retire())
      const due = Math.min(lane.expiresAt - now, idle - unused, busy ? silence : silence - lane.silent(now))
      const then = due > 0 ? Effect.sleep(Math.ceil(Math.min(due, longestNap))) : asked(lane)
      return Effect.zipRight(
        then,
        Effect.suspend(() => (lane.closed ? Effect.void : keep(lane)))
      )
    })

  /** The first statement of a lane keeps the others waiting: unless it is answered in this very turn, its text is barred. */
  const suspect = (lane: Lane, head: Text | undefined) => {
    if (head === undefined) return
    setImmediate(() => {
      if (lane.connection.pending() === 0 || lane.head !== head) return
      const now = rules.now()
      if (head.took(lane.connection.busySince(), now, rules)) totals.barred++
    })
  }

  const takes = (lane: Lane, now: number): boolean => {
    if (lane.closed || lane.asking) return false
    const { connection } = lane
    const pending = connection.pending()
    if (connection.status() !== "idle") {
      if (pending === 0) lane.retire()
      return false
    }
    // A function of the user's own may have changed what all riders share.
    if (now >= lane.expiresAt || connection.residue?.any() === true) {
      lane.retire()
      return false
    }
    if (pending === 0) {
      if (lane.silent(now) < trust) return true
      if (now - lane.lastUsed < idle) ask(lane)
      else lane.retire()
      return false
    }
    const age = now - connection.busySince()
    if (age <= rules.stuck) return pending < rules.most
    if (age >= rules.quick) suspect(lane, lane.head)
    return false
  }

  /** The fullest lane that takes one more: one write carries them all. */
  const place = (now: number): Lane | undefined => {
    let best: Lane | undefined
    for (const lane of lanes) {
      if (takes(lane, now) && (best === undefined || lane.connection.pending() > best.connection.pending())) best = lane
    }
    return best
  }

  const carry = (
    lane: Lane,
    request: Request,
    text: Text,
    now: number,
    otherwise: Effect.Effect<Reply, DatabaseError>
  ): Effect.Effect<Reply, DatabaseError> => {
    const alone = lane.connection.pending() === 0
    lane.sends(text, rules.most)
    lane.lastUsed = now
    totals.carried++
    return Effect.matchEffect(lane.connection.run(request), {
      onSuccess: (reply) => {
        // With others in front, how long it took says nothing about it.
        const then = alone ? rules.now() : now
        if (text.took(now, then, rules)) totals.barred++
        return Effect.succeed(reply)
      },
      onFailure: (error) => {
        switch (error._tag) {
          case "ReadOnlyError":
            text.writes = true
            totals.refused++
            return otherwise
          case "ConnectionError":
            totals.resent++
            return otherwise
          default:
            return Effect.fail(error)
        }
      }
    })
  }

  const drain = (limit: Duration.DurationInput): Effect.Effect<void> =>
    Effect.suspend(() => {
      closed = true
      return Effect.zipRight(
        within(Effect.forEach([...lanes], empty, { concurrency: "unbounded", discard: true }), limit, Effect.void),
        Scope.close(scope, Exit.void)
      )
    })
  yield* Effect.addFinalizer(() => drain(drainLimit))

  const shared: SharedLane = {
    run: (request, text, otherwise) =>
      Effect.suspend(() => {
        const now = rules.now()
        if (closed || !text.hasEarned(rules, now) || isLarge(request.params, rules.largest)) return otherwise
        const lane = place(now)
        if (lane !== undefined) return carry(lane, request, text, now, otherwise)
        add(now)
        return otherwise
      }),
    status: () => ({
      open: lanes.length,
      opening,
      pending: lanes.reduce((sum, lane) => sum + lane.connection.pending(), 0),
      totals: { ...totals }
    }),
    evictAll: Effect.sync(() => {
      for (const lane of [...lanes]) {
        remove(lane)
        lane.retire()
      }
    }),
    drain
  }
  return shared
})

/** Whether parameters weigh more than `largest`. */
const isLarge = (params: ReadonlyArray<unknown>, largest: number): boolean => {
  let left = largest
  for (const param of params) {
    left -= typeof param === "string" ? param.length : weight(param, left)
    if (left < 0) return true
  }
  return false
}

const weight = (value: unknown, left: number): number => {
  if (typeof value === "string") return value.length
  if (typeof value !== "object" || value === null || value instanceof Date) return 8
  if (ArrayBuffer.isView(value)) return value.byteLength
  let sum = 2
  for (const inner of Array.isArray(value) ? value : Object.values(value)) {
    sum += weight(inner, left - sum)
    if (sum > left) break
  }
  return sum
}
