/**
 * LISTEN and NOTIFY. All channels of a client share one connection beside the pool, open only while somebody listens. When
 * it is lost it is opened again and every channel listened to again; each stream is then told of the `Gap`, because what was
 * notified meanwhile is lost: read again what the notifications were about. Refused where the product has no LISTEN.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Connections from "../connection/Connections.js"
import { ConnectionError, type DatabaseError, DataError, PoolClosed, refine } from "../model/DatabaseError.js"
import { Hub, unsupported } from "./ListenHub.js"
import { type Heard, Subscriber } from "./ListenSubscriber.js"

export type { Gap, Heard, Notification } from "./ListenSubscriber.js"

/** By client: each has one listening connection at most. */
const hubs = new WeakMap<Connections.Connections, Hub>()

const hubOf = (connections: Connections.Connections): Hub => {
  const found = hubs.get(connections)
  if (found !== undefined && !found.over) return found
  const made = new Hub(connections)
  hubs.set(connections, made)
  return made
}

/** The server cuts longer names (and then notifies under another name than the one listened to). */
const mostBytes = 63

const checked = (name: string): Effect.Effect<string, DataError> =>
  name !== "" && !name.includes("\0") && Buffer.byteLength(name) <= mostBytes
    ? Effect.succeed(name)
    : Effect.fail(
        new DataError({
          operation: "listen",
          reason: `a channel's name has 1 to ${mostBytes} bytes and no NUL; this one has ${Buffer.byteLength(name)}`
        })
      )

/**
 * Listens until the scope ends. Done when the server has confirmed it: whatever is notified from then on is in the stream,
 * so read the state first thing afterwards and nothing falls between the two. Fails when the database cannot be
 * reached at first; a connection lost later is replaced, with the connection's retry policy but without an end.
 *
 * @since 0.1.0
 * @category constructors
 */
export const subscribe = (
  name: string
): Effect.Effect<Stream.Stream<Heard, DatabaseError>, DatabaseError, SqlClient.SqlClient | Scope.Scope> =>
  Effect.gen(function* () {
    const connections = yield* Effect.flatMap(SqlClient.SqlClient, Connections.of)
    if (!connections.dialect.can.has("listen")) return yield* unsupported
    yield* checked(name)
    const hub = hubOf(connections)
    const subscriber = new Subscriber()
    const ready = yield* Effect.acquireRelease(
      Effect.suspend(() => {
        const ready = hub.join(name, subscriber)
        return Effect.as(hub.start, ready)
      }),
      () => hub.leave(name, subscriber)
    )
    const { acquireTimeout } = connections.config.pool
    yield* Effect.timeoutFail(Deferred.await(ready), {
      duration: acquireTimeout,
      onTimeout: () =>
        new ConnectionError({
          operation: "listen",
          reason: `nobody confirmed LISTEN within ${Duration.format(acquireTimeout)}`,
          cause: hub.obstacle,
          phase: "connect",
          sent: false
        })
    })
    return Stream.repeatEffectChunkOption(subscriber.take)
  })

/**
 * What is notified on a channel, in order, from the moment the server has confirmed the LISTEN.
 *
 * @since 0.1.0
 * @category constructors
 */
export const channel = (name: string): Stream.Stream<Heard, DatabaseError, SqlClient.SqlClient> =>
  Stream.unwrapScoped(subscribe(name))

/**
 * Notifies a channel; inside a transaction when that is committed. A payload has less than 8,000 bytes.
 *
 * @since 0.1.0
 * @category combinators
 */
export const notify = (name: string, payload = ""): Effect.Effect<void, DatabaseError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { dialect } = yield* Connections.of(sql)
    if (!dialect.can.has("listen")) return yield* unsupported
    yield* checked(name)
    const text = `SELECT pg_notify(${dialect.placeholder(1)}, ${dialect.placeholder(2)})`
    yield* refine(sql.unsafe(text, [name, payload]))
  })

/** Ends every stream of a client that is being closed, and its listening connection. @since 0.1.0 @category resources */
export const close = (connections: Connections.Connections): Effect.Effect<void> =>
  Effect.suspend(() => {
    const hub = hubs.get(connections)
    return hub === undefined || hub.over
      ? Effect.void
      : hub.end(new PoolClosed({ operation: "listen", reason: "the database has been closed" }))
  })
