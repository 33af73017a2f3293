/**
 * The way of reads that a replica may answer, for one block of a program: one replica as long as that is fit, the next one
 * when it is not, the primary when none is. Read-only wherever it leads: a session of a replica is opened so, and on the
 * primary everything runs in a read-only transaction. So what was cut off, or stood in the way of the replica's own replay,
 * has changed nothing and is asked again elsewhere.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Stream from "effect/Stream"
import type { Dialect, DriverConnection, Kind, Reply, Request, Row } from "../Dialect.js"
import type { DatabaseError } from "../model/DatabaseError.js"
import { touch } from "./Care.js"
import * as Facade from "./Facade.js"
import type { Lease } from "./Lease.js"
import { leased } from "./Leased.js"
import type { Replica, Replicas } from "./Replicas.js"
import type { Held, Route, Tell } from "./Route.js"
import type { SharedLane } from "./SharedLane.js"
import type { Text } from "./Texts.js"

/** Reads meant for a replica that the primary answered, because no replica was fit. @since 0.1.0 @category metrics */
export const fallbacks = Metric.counter("aquifer.replica.fallbacks", {
  description: "Reads meant for a replica that the primary answered",
  incremental: true
})

/** What a client's routes have in common. @since 0.1.0 @category models */
export interface Parts {
  readonly owner: object
  readonly dialect: Dialect
  readonly prepare: boolean
  readonly textOf: (text: string) => Text
  /** A claim on one of the primary's connections, and its lanes. */
  readonly lease: (kind: Kind) => Lease<DriverConnection>
  readonly lanes: SharedLane | undefined
  /** One statement by itself, by which its text earns the lane. */
  readonly earning: (
    known: Text,
    claims: () => Lease<DriverConnection>,
    use: (connection: DriverConnection) => Effect.Effect<Reply, DatabaseError>
  ) => Effect.Effect<Reply, DatabaseError>
  readonly streamOn: (
    claim: Lease<DriverConnection>,
    request: Request
  ) => Stream.Stream<ReadonlyArray<Row>, DatabaseError>
  readonly replicas: Replicas | undefined
  /** Sessions of replicas cannot be opened read-only (a pooler refuses that): there, too, a transaction must hold them to it. */
  readonly guards: boolean
}

/** Why a replica's pool brought nothing although the replica may be well: another one is no better for it. */
const crowded = new Set<DatabaseError["_tag"]>(["PoolTimeout", "PoolOverloaded", "PoolClosed"])

/** What a statement may meet on a standby because others go on writing at the primary (it is "in conflict with recovery"). */
const inTheWay = new Set<DatabaseError["_tag"]>(["SerializationError", "DeadlockError"])

const none: ReadonlySet<Replica> = new Set()

/** Which replica a route has kept to so far. */
interface Course {
  current: Replica | undefined
}

/** `bound`: milliseconds a replica's data may be behind. @since 0.1.0 @category constructors */
export const make = (parts: Parts, bound: number, outer: Held | undefined): Route =>
  along(parts, bound, outer, { current: undefined })

const along = (parts: Parts, bound: number, outer: Held | undefined, course: Course, tell?: Tell): Route => {
  const { dialect, lanes, replicas } = parts
  const begin = dialect.transaction.begin({ access: "read only" })

  const choose = (tried: ReadonlySet<Replica>): Effect.Effect<Replica | undefined> =>
    replicas === undefined
      ? Effect.succeed(undefined)
      : Effect.flatMap(replicas.pick(bound, tried, course.current), (replica) => {
          course.current = replica
          return replica === undefined ? Effect.as(Metric.increment(fallbacks), undefined) : Effect.succeed(replica)
        })

  const pick: typeof choose =
    tell === undefined
      ? choose
      : (tried) => Effect.tap(choose(tried), (replica) => Effect.sync(() => tell(replica?.parts.target)))

  const lease: Route["lease"] = (kind, begins) => {
    let claim: Lease<DriverConnection> | undefined
    const on = (next: Lease<DriverConnection>, guard: boolean) =>
      Effect.suspend(() => {
        claim = next
        return guard ? Effect.tap(next.acquire, (connection) => connection.script(begin)) : next.acquire
      })
    const acquire = (tried: ReadonlySet<Replica>): Effect.Effect<DriverConnection, DatabaseError> =>
      Effect.flatMap(pick(tried), (replica) => {
        if (replica === undefined) return on(parts.lease(kind), !begins)
        const own = replica.parts.lease()
        return Effect.catchAll(on(own, parts.guards && !begins), (error) =>
          crowded.has(error._tag)
            ? Effect.fail(error)
            : Effect.zipRight(Effect.zipRight(own.close, failed(replica, error)), acquire(new Set([...tried, replica])))
        )
      })
    const end = () => claim?.end()
    return {
      acquire: Effect.suspend(() => acquire(none)),
      end,
      close: Effect.sync(end)
    }
  }

  const failed = (replica: Replica, error: DatabaseError) => replicas?.failed(replica, error) ?? Effect.void

  /** Nothing of it stays open, and nothing it did: for what is only read, ROLLBACK is as good as COMMIT. */
  const guarded = (request: Request) => (connection: DriverConnection) =>
    Effect.tap(connection.run({ ...request, begin }), () =>
      Effect.ignore(connection.script(dialect.transaction.rollback))
    )

  const plainly = (request: Request, known: Text) => (connection: DriverConnection) =>
    Effect.ensuring(
      connection.run(request),
      Effect.sync(() => {
        if (known.leaves) touch(connection)
      })
    )

  const onPrimary = (request: Request, known: Text): Effect.Effect<Reply, DatabaseError> => {
    const use = guarded(request)
    if (known.kind !== "read") return leased(() => parts.lease("write"), use)
    if (lanes !== undefined)
      return lanes.run(
        request,
        known,
        parts.earning(known, () => parts.lease("read"), use)
      )
    const read = leased(() => parts.lease("read"), use)
    // What a reader of one file cannot see (a temporary table) its writer can.
    return dialect.sessions === "one writer"
      ? Effect.catchTag(read, "SqlSyntaxError", () => leased(() => parts.lease("write"), use))
      : read
  }

  const onReplica = (replica: Replica, request: Request, known: Text, tried: ReadonlySet<Replica>) =>
    Effect.suspend(() => {
      let connected = false
      const send = parts.guards ? guarded(request) : plainly(request, known)
      const alone = parts.earning(known, replica.parts.lease, (connection) => {
        connected = true
        return send(connection)
      })
      const carried =
        replica.parts.lanes === undefined || known.kind !== "read"
          ? alone
          : replica.parts.lanes.run(request, known, alone)
      const elsewhere = Effect.suspend(() => attempt(request, known, new Set([...tried, replica])))
      return Effect.catchAll(carried, (error): Effect.Effect<Reply, DatabaseError> => {
        if (inTheWay.has(error._tag)) return elsewhere
        if (!connected)
          return crowded.has(error._tag) ? Effect.fail(error) : Effect.zipRight(failed(replica, error), elsewhere)
        if (error._tag !== "ConnectionError") return Effect.fail(error)
        replicas?.suspect(replica)
        return elsewhere
      })
    })

  const attempt = (request: Request, known: Text, tried: ReadonlySet<Replica>): Effect.Effect<Reply, DatabaseError> =>
    Effect.flatMap(pick(tried), (replica) =>
      replica === undefined ? onPrimary(request, known) : onReplica(replica, request, known, tried)
    )

  const carrier: Facade.Carrier = {
    run: (request) => Effect.suspend(() => attempt(request, parts.textOf(request.text), none)),
    stream: (request) => Stream.suspend(() => parts.streamOn(lease(parts.textOf(request.text).kind, false), request))
  }
  return {
    ...carrier,
    owner: parts.owner,
    outer,
    facade: new Facade.Facade(carrier, parts.prepare),
    script: (text) =>
      leased(
        () => lease(parts.textOf(text).kind, false),
        (connection) =>
          Effect.ensuring(
            connection.script(text),
            Effect.sync(() => {
              if (parts.textOf(text).leaves) touch(connection)
            })
          )
      ),
    told: (tell) => along(parts, bound, outer, course, tell),
    lease
  }
}
