/**
 * The one listening connection of a client and those who listen on it. A fiber keeps it: it listens to what is wanted, stops
 * listening to what is not, asks an idle connection whether it is still there, and opens another one, after a wait, when it
 * is lost. A database of one session lends its only one for as long as a LISTEN takes.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Connections } from "../connection/Connections.js"
import { first } from "../connection/Limit.js"
import type { DriverConnection } from "../Dialect.js"
import { ConnectionError, type DatabaseError, from, UnsupportedError } from "../model/DatabaseError.js"
import * as RetryPolicy from "../model/RetryPolicy.js"
import type { Heard, Subscriber } from "./ListenSubscriber.js"

/** A channel somebody wants. */
interface Channel {
  readonly subscribers: Set<Subscriber>
  /** Done when the server has confirmed the first LISTEN. */
  readonly ready: Deferred.Deferred<void, DatabaseError>
  confirmed: boolean
}

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** A lost session says why, if it does, by then. */
const reasonLate = Duration.millis(100)

const closed = Effect.fail(
  new ConnectionError({
    operation: "listen",
    reason: "the session that was listening has been closed",
    phase: "idle",
    sent: false
  })
)

/** @since 0.1.0 @category models */
export class Hub {
  private readonly channels = new Map<string, Channel>()
  private readonly changed = Effect.unsafeMakeLatch(false)
  private keeper: Fiber.RuntimeFiber<void> | undefined
  /** Why the connection was lost that has not been replaced yet. */
  private loss: DatabaseError | undefined
  /** Nobody may join any more: it has failed, or its last listener has left. */
  over = false

  constructor(private readonly connections: Connections) {}

  /** Why there is no connection now, if there was one. */
  get obstacle(): DatabaseError | undefined {
    return this.loss
  }

  /** From here on the channel is wanted; `ready` is done when the server listens. */
  join(name: string, subscriber: Subscriber): Deferred.Deferred<void, DatabaseError> {
    let channel = this.channels.get(name)
    if (channel === undefined) {
      channel = { subscribers: new Set(), ready: Deferred.unsafeMake(FiberId.none), confirmed: false }
      this.channels.set(name, channel)
      this.changed.unsafeOpen()
    }
    channel.subscribers.add(subscriber)
    return channel.ready
  }

  /** Opens the connection with the first who joins. */
  readonly start: Effect.Effect<void> = Effect.suspend(() =>
    this.keeper !== undefined || this.over
      ? Effect.void
      : Effect.map(Effect.forkDaemon(Effect.interruptible(this.keep)), (fiber) => {
          this.keeper = fiber
        })
  )

  /** Closes it with the last who leaves. */
  leave(name: string, subscriber: Subscriber): Effect.Effect<void> {
    return Effect.suspend(() => {
      const channel = this.channels.get(name)
      channel?.subscribers.delete(subscriber)
      if (channel?.subscribers.size === 0) {
        this.channels.delete(name)
        this.changed.unsafeOpen()
      }
      if (this.channels.size > 0) return Effect.void
      this.over = true
      return this.stop
    })
  }

  /** Ends every stream with `error`, and the connection. */
  end(error: DatabaseError): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.fail(error)
      return this.stop
    })
  }

  private readonly stop: Effect.Effect<void> = Effect.suspend(() =>
    this.keeper === undefined ? Effect.void : Effect.asVoid(Fiber.interrupt(this.keeper))
  )

  private fail(error: DatabaseError): void {
    this.over = true
    for (const { ready, subscribers } of this.channels.values()) {
      Deferred.unsafeDone(ready, Effect.fail(error))
      for (const subscriber of subscribers) subscriber.fail(error)
    }
    this.channels.clear()
  }

  private tell(name: string, item: Heard): void {
    for (const subscriber of this.channels.get(name)?.subscribers ?? []) subscriber.offer(item)
  }

  /** One connection after the other. A failure that another attempt would meet again ends every stream. */
  private readonly keep: Effect.Effect<void> = Effect.suspend(() => {
    const policy = this.connections.config.retry.connection
    let attempts = 0
    const life = Effect.gen(this, function* () {
      const start = yield* Clock.currentTimeMillis
      const error = yield* Effect.flip(
        // Whatever goes wrong here, those who listen hear of it.
        Effect.catchAllDefect(Effect.scoped(this.serve), (defect) => Effect.fail(from(defect, "listen")))
      )
      const known = this.loss !== undefined || [...this.channels.values()].some((channel) => channel.confirmed)
      if (error.recovery !== "reconnect" || !known) return this.fail(error)
      this.loss = error
      // A connection that held for a while was a good one: the next is tried at once.
      if ((yield* Clock.currentTimeMillis) - start >= Duration.toMillis(policy.baseDelay)) attempts = 0
      if (attempts > 0) yield* Effect.flatMap(RetryPolicy.delay(policy, attempts - 1), Effect.sleep)
      attempts++
    })
    return Effect.repeat(life, { until: () => this.over }).pipe(Effect.asVoid)
  })

  /** The life of one connection; it ends with its loss. */
  private readonly serve: Effect.Effect<never, DatabaseError, Scope.Scope> = Effect.gen(this, function* () {
    const { config, dialect, own, reserve } = this.connections
    const lent = dialect.sessions === "one"
    const connection = yield* lent ? Effect.scoped(reserve) : own
    const notifications = yield* Effect.mapError(connection.notifications, () => unsupported)
    const listening = yield* Effect.forkScoped(
      Stream.runForEach(notifications, ({ channel, payload }) =>
        Effect.sync(() => this.tell(channel, { _tag: "Notification", channel, payload }))
      )
    )
    // It hears from its first step on, and makes that before this fiber goes on.
    yield* Effect.yieldNow()
    const use = (send: (connection: DriverConnection) => Effect.Effect<void, DatabaseError>) =>
      lent ? Effect.scoped(Effect.flatMap(reserve, send)) : send(connection)
    const proof = lent ? Effect.never : Effect.zipRight(Effect.sleep(config.pool.keepAlive), connection.ping)
    const heard = new Set<string>()
    const work = Effect.suspend(() => {
      this.changed.unsafeClose()
      const missing = [...this.channels.keys()].filter((name) => !heard.has(name))
      // Left by its last listener and joined by another before anything was sent.
      for (const name of this.channels.keys()) if (heard.has(name)) this.confirm(name, heard)
      const surplus = [...heard].filter((name) => !this.channels.has(name))
      const settled =
        missing.length + surplus.length === 0
          ? Effect.void
          : use((connection) => this.settle(connection, missing, surplus, heard))
      return Effect.zipRight(settled, first(this.changed.await, proof))
    })
    // A session that is ended in order is not lost, but nothing is heard on it any more.
    const ended = Fiber.join(listening).pipe(Effect.zipRight(Effect.sleep(reasonLate)), Effect.zipRight(closed))
    return yield* first(first(Effect.forever(work), ended), Effect.flatMap(connection.lost, Effect.fail))
  })

  /** LISTEN and UNLISTEN, all sent at once. A channel the server refuses ends its own streams only. */
  private settle(
    connection: DriverConnection,
    missing: ReadonlyArray<string>,
    surplus: ReadonlyArray<string>,
    heard: Set<string>
  ): Effect.Effect<void, DatabaseError> {
    const listen = (name: string) =>
      Effect.matchEffect(connection.script(`LISTEN ${quote(name)}`), {
        onSuccess: () => Effect.sync(() => this.confirm(name, heard)),
        onFailure: (error) =>
          connection.status() === "broken" ? Effect.fail(error) : Effect.sync(() => this.refuse(name, error))
      })
    const unlisten = (name: string) =>
      Effect.map(connection.script(`UNLISTEN ${quote(name)}`), () => {
        heard.delete(name)
      })
    // By hand: `Effect.all` with a concurrency never ends when it is interrupted before it has started its fibers.
    return Effect.forEach([...missing.map(listen), ...surplus.map(unlisten)], Effect.fork).pipe(
      Effect.flatMap((sent) => Effect.forEach(sent, Fiber.join, { discard: true })),
      Effect.tap(() =>
        Effect.sync(() => {
          this.loss = undefined
        })
      )
    )
  }

  private confirm(name: string, heard: Set<string>): void {
    heard.add(name)
    const channel = this.channels.get(name)
    if (channel === undefined) return
    if (channel.confirmed && this.loss !== undefined) this.tell(name, { _tag: "Gap", channel: name, cause: this.loss })
    channel.confirmed = true
    Deferred.unsafeDone(channel.ready, Effect.void)
  }

  private refuse(name: string, error: DatabaseError): void {
    const channel = this.channels.get(name)
    this.channels.delete(name)
    if (channel === undefined) return
    Deferred.unsafeDone(channel.ready, Effect.fail(error))
    for (const subscriber of channel.subscribers) subscriber.fail(error)
  }
}

/** What a product, or a pooler in between, does not have. @since 0.1.0 @category errors */
export const unsupported = new UnsupportedError({
  operation: "listen",
  reason: "this database, or the pooler in front of it, has no LISTEN",
  hint: "Listen on a direct connection to PostgreSQL, or ask the table itself at intervals"
})
