/**
 * Read replicas: a pool for each, opened when it is first wanted, and what is known of them. Nobody asks them anything while
 * nobody reads there. Whoever does finds out as a rule without waiting: a replica known to be fresh enough is used, and asked
 * again beside that; only one never met, or too old when it was last asked, is waited for, for a moment.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import type { DriverConnection, Replication } from "../Dialect.js"
import type { Target } from "../model/DatabaseConfig.js"
import { ConnectionError, type DatabaseError, type PoolSnapshot, type ReplicaSnapshot } from "../model/DatabaseError.js"
import * as Freshness from "./Freshness.js"
import type { Lease } from "./Lease.js"
import { leased } from "./Leased.js"
import { within } from "./Limit.js"
import type { Pool } from "./Pool.js"
import type { SharedLane } from "./SharedLane.js"

/** What one is made of. @since 0.1.0 @category models */
export interface Parts {
  readonly name: string
  readonly target: Target
  readonly pool: Pool
  readonly lanes: SharedLane | undefined
  readonly lease: () => Lease<DriverConnection>
}

/** How long a reader waits for a replica that must say first how it stands. */
const patience = Duration.seconds(1)

/** A replica that does not answer is left alone for 1 s, doubling to 5 s; then it is asked beside a read, by nobody who waits. */
const restFor = (failures: number): number => Math.min(5_000, 1_000 * 2 ** (failures - 1))

/** What is known is asked anew when it is older, at the most. */
const interval = 1_000

/** The question itself. */
const limit = Duration.seconds(5)

/** Sessions of replicas, and where they are: who holds one in a transaction has nothing else of its replica. */
const homes = new WeakMap<DriverConnection, Target>()

/** Remembers of each session that `connect` opens that it is one at `target`. @since 0.1.0 @category combinators */
export const settled = <E, R>(connect: Effect.Effect<DriverConnection, E, R>, target: Target) =>
  Effect.map(connect, (connection) => {
    homes.set(connection, target)
    return connection
  })

/** The replica whose session it is; none: the primary's. @since 0.1.0 @category accessors */
export const home = (connection: DriverConnection): Target | undefined => homes.get(connection)

/** @since 0.1.0 @category models */
export class Replica {
  known: Freshness.Known | undefined
  problem: DatabaseError | undefined
  failures = 0
  restUntil = Number.NEGATIVE_INFINITY
  /** The question under way, and whether it has got a connection for itself. */
  asking: Deferred.Deferred<void> | undefined
  connected = false
  constructor(readonly parts: Parts) {}
}

/** @since 0.1.0 @category models */
export interface Replicas {
  /**
   * The least busy of those not `tried` whose data are at most `bound` milliseconds behind; `preferred`, if it is one of
   * them. None: it is the primary's turn.
   */
  readonly pick: (
    bound: number,
    tried: ReadonlySet<Replica>,
    preferred: Replica | undefined
  ) => Effect.Effect<Replica | undefined>
  /** It could not be reached. */
  readonly failed: (replica: Replica, error: DatabaseError) => Effect.Effect<void>
  /** A session was lost: the next reader asks first. */
  readonly suspect: (replica: Replica) => void
  /** Asks all of them how they stand. Waits 1 s at the longest. */
  readonly look: Effect.Effect<void>
  readonly status: Effect.Effect<ReadonlyArray<ReplicaSnapshot>>
  readonly evictAll: Effect.Effect<void>
  readonly drain: (limit: Duration.DurationInput) => Effect.Effect<void>
}

/**
 * `primary` is a claim on one of the primary's connections, which is asked how far it has come as long as somebody wants to
 * know how far behind a replica is.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (
  members: ReadonlyArray<Parts>,
  replication: Replication | undefined,
  primary: () => Lease<DriverConnection>
) {
  const runtime = yield* Effect.runtime<never>()
  const clock = yield* Effect.clock
  const scope = yield* Scope.make()
  const now = () => clock.unsafeCurrentTimeMillis()
  const replicas = members.map((parts) => new Replica(parts))
  const positions = new Freshness.Positions()
  let closed = false
  let turn = 0
  let sampling = false

  /** Beside whatever goes on: nobody waits for it. */
  const sample = () => {
    if (closed || sampling || replication === undefined || now() - positions.latest < interval / 2) return
    sampling = true
    const asked = Effect.suspend(() => {
      const at = now()
      return Effect.map(leased(primary, replication.position), (position) => {
        if (position !== undefined) positions.add({ at, position })
      })
    })
    Runtime.runFork(
      runtime,
      Effect.ensuring(
        Effect.catchAll(asked, (error) => Effect.logDebug("the primary did not say how far it has come", error)),
        Effect.sync(() => {
          sampling = false
        })
      ),
      { scope }
    )
  }

  const failed = (replica: Replica, error: DatabaseError): Effect.Effect<void> =>
    Effect.suspend(() => {
      const before = replica.problem
      // Several met the same outage.
      if (before !== undefined && now() < replica.restUntil) return Effect.void
      replica.problem = error
      replica.known = undefined
      replica.failures++
      replica.restUntil = now() + restFor(replica.failures)
      return before === undefined
        ? Effect.logWarning(`the replica ${replica.parts.name} does not answer (${error.reason}); reads go elsewhere`)
        : Effect.void
    })

  const answered = (replica: Replica, standing: Freshness.Known): Effect.Effect<void> =>
    Effect.suspend(() => {
      const before = replica.problem
      replica.known = standing
      replica.problem = undefined
      replica.failures = 0
      return before === undefined ? Effect.void : Effect.logInfo(`the replica ${replica.parts.name} answers again`)
    })

  const question = (replica: Replica): Effect.Effect<void> => {
    const late = Effect.fail(silence(limit))
    const asked = leased(replica.parts.lease, (connection) =>
      Effect.suspend(() => {
        replica.connected = true
        const standing =
          replication === undefined
            ? Effect.as(connection.ping, { position: undefined, age: 0 })
            : replication.standing(connection)
        return within(standing, limit, late)
      })
    )
    return Effect.matchEffect(asked, {
      onFailure: (error) =>
        // Its own pool has no connection for the question: so it is busy, which is no outage.
        error._tag === "PoolTimeout" || error._tag === "PoolOverloaded" || error._tag === "PoolClosed"
          ? Effect.void
          : failed(replica, error),
      onSuccess: (standing) =>
        Effect.suspend(() => {
          const at = now()
          return answered(replica, { at, staleness: positions.staleness(standing, at) })
        })
    })
  }

  /** One question at a time; whoever wants the answer too waits for the same. */
  const ask = (replica: Replica): Deferred.Deferred<void> => {
    if (replica.asking !== undefined) return replica.asking
    const done = Deferred.unsafeMake<void>(FiberId.none)
    replica.asking = done
    replica.connected = false
    Runtime.runFork(
      runtime,
      Effect.ensuring(
        question(replica),
        Effect.sync(() => {
          replica.asking = undefined
          Deferred.unsafeDone(done, Exit.void)
        })
      ),
      { scope }
    )
    return done
  }

  /** For as long as a reader may be kept waiting. */
  const answer = (replica: Replica): Effect.Effect<void> =>
    Effect.suspend(() => {
      const late = Effect.flatMap(replica.parts.pool.status, (pool) =>
        replica.problem === undefined && (replica.connected || pool.checkedOut === 0)
          ? failed(replica, silence(patience))
          : Effect.void
      )
      return within(Deferred.await(ask(replica)), patience, late)
    })

  /** What is known now; `undefined`: it must be asked first. */
  const judge = (replica: Replica, bound: number): boolean | undefined => {
    if (replica.problem !== undefined) {
      if (now() >= replica.restUntil) ask(replica)
      return false
    }
    const { known } = replica
    if (known === undefined) return undefined
    if (bound === Number.POSITIVE_INFINITY) return true
    const age = now() - known.at
    if (known.staleness + age <= bound) {
      if (age > interval) ask(replica)
      return true
    }
    return known.staleness > bound && age < Math.min(interval, bound / 2) ? false : undefined
  }

  const load = ({ checkedOut, waiting }: PoolSnapshot) => checkedOut + waiting

  /** The least busy first; those equally busy in turn. */
  const inOrder = (preferred: Replica | undefined): Effect.Effect<ReadonlyArray<Replica>> => {
    turn = (turn + 1) % Math.max(1, replicas.length)
    return Effect.map(
      Effect.forEach([...replicas.slice(turn), ...replicas.slice(0, turn)], (replica) =>
        Effect.map(replica.parts.pool.status, (status) => ({ replica, load: load(status) }))
      ),
      (loads) => {
        const sorted = loads.sort((a, b) => a.load - b.load).map(({ replica }) => replica)
        return preferred === undefined ? sorted : [preferred, ...sorted.filter((other) => other !== preferred)]
      }
    )
  }

  const only = replicas.length === 1 ? replicas[0] : undefined

  const pick: Replicas["pick"] = (bound, tried, preferred) =>
    Effect.suspend(() => {
      if (Number.isFinite(bound)) sample()
      const likely = preferred ?? only
      return likely !== undefined && !closed && !tried.has(likely) && judge(likely, bound) === true
        ? Effect.succeed(likely)
        : choose(bound, tried, preferred)
    })

  const choose: Replicas["pick"] = (bound, tried, preferred) =>
    Effect.gen(function* () {
      for (const replica of yield* inOrder(preferred)) {
        if (closed || tried.has(replica)) continue
        const known = judge(replica, bound)
        if (known === true) return replica
        if (known === false) continue
        yield* answer(replica)
        const { known: told, problem } = replica
        if (problem === undefined && told !== undefined && told.staleness + (now() - told.at) <= bound) return replica
      }
      return undefined
    })

  const status = Effect.forEach(replicas, (replica) =>
    Effect.map(replica.parts.pool.status, (pool): ReplicaSnapshot => {
      const { known, problem } = replica
      const staleness = known === undefined ? Number.POSITIVE_INFINITY : known.staleness + (now() - known.at)
      return {
        name: replica.parts.name,
        state: problem !== undefined ? "down" : known === undefined ? "unknown" : "up",
        ...(Number.isFinite(staleness) ? { staleness } : {}),
        ...(problem === undefined ? {} : { error: problem }),
        pool
      }
    })
  )

  const all = (what: (replica: Replica) => Effect.Effect<void>) =>
    Effect.forEach(replicas, what, { concurrency: "unbounded", discard: true })

  const drain = (limit: Duration.DurationInput) =>
    Effect.suspend(() => {
      closed = true
      return Effect.zipRight(
        Scope.close(scope, Exit.void),
        all(({ parts }) => parts.pool.drain(limit))
      )
    })
  yield* Effect.addFinalizer(() => drain(limit))

  const made: Replicas = {
    pick,
    failed,
    suspect: (replica) => {
      replica.known = undefined
    },
    look: Effect.suspend(() => (closed ? Effect.void : all(answer))),
    status,
    evictAll: all(({ parts }) => parts.pool.evictAll),
    drain
  }
  return made
})

const silence = (limit: Duration.Duration): ConnectionError =>
  new ConnectionError({
    operation: "connect",
    reason: `the replica has not answered within ${Duration.format(limit)}`,
    phase: "connect",
    sent: false
  })
