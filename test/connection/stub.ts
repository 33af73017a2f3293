/** A server and its connections that exist in memory only, and that count whatever is done to them. */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Pool from "../../src/connection/Pool.js"
import type { Settings } from "../../src/connection/Settings.js"
import type { Care } from "../../src/connection/Slot.js"
import { ConnectionError, type DatabaseError } from "../../src/model/DatabaseError.js"

export const down = new ConnectionError({
  operation: "connect",
  reason: "connect ECONNREFUSED",
  phase: "connect",
  sent: false
})

export class Stub {
  /** `silent`: dead, and nobody noticed; `broken`: dead, and its driver knows. */
  state: "good" | "silent" | "broken" | "closed" = "good"
  dirty = false
  holders = 0
  pings = 0
  readonly death = Deferred.unsafeMake<void>(FiberId.none)
  constructor(readonly id: number) {}
}

const pause = (millis: number) => (millis > 0 ? Effect.sleep(millis) : Effect.void)

export class Server {
  readonly all: Array<Stub> = []
  /** Connections open or being opened, as the server sees them, and the most there ever were. */
  open = 0
  peak = 0
  attempts = 0
  failure: DatabaseError | undefined
  connectMillis = 0
  pingMillis = 0
  cleanMillis = 0
  closeMillis = 0
  cleanable = true

  private begin() {
    this.attempts++
    this.open++
    this.peak = Math.max(this.peak, this.open)
    const stub = new Stub(this.all.length)
    return stub
  }

  readonly care: Care<Stub> = {
    open: Effect.suspend(() =>
      Effect.acquireRelease(
        Effect.sync(() => this.begin()),
        (stub) =>
          Effect.zipRight(
            pause(stub.state === "good" ? this.closeMillis : 0),
            Effect.sync(() => {
              if (stub.state === "closed") throw new Error(`connection ${stub.id} is closed twice`)
              stub.state = "closed"
              this.open--
            })
          )
      )
    ).pipe(
      Effect.tap(() => pause(this.connectMillis)),
      Effect.tap((stub) =>
        Effect.suspend(() => {
          if (this.failure !== undefined) return Effect.fail(this.failure)
          this.all.push(stub)
          return Effect.void
        })
      )
    ),
    usable: (stub) => stub.state !== "broken" && stub.state !== "closed",
    ping: (stub) =>
      Effect.suspend(() => {
        stub.pings++
        return Effect.zipRight(
          pause(this.pingMillis),
          Effect.suspend(() => (stub.state === "good" ? Effect.void : Effect.fail(down)))
        )
      }),
    clean: (stub) =>
      stub.dirty
        ? Effect.zipRight(
            pause(this.cleanMillis),
            Effect.suspend(() => {
              if (!this.cleanable) return Effect.fail(down)
              stub.dirty = false
              return Effect.void
            })
          )
        : undefined,
    lost: (stub) => Deferred.await(stub.death)
  }

  /** Ends a connection from outside, its driver told (`broken`), told by the event alone (`lost`), or nobody (`silent`). */
  kill(stub: Stub, how: "broken" | "lost" | "silent") {
    if (stub.state === "closed") return
    if (how !== "silent") Deferred.unsafeDone(stub.death, Effect.void)
    if (how !== "lost") stub.state = how
  }

  get alive(): ReadonlyArray<Stub> {
    return this.all.filter((stub) => stub.state !== "closed")
  }
}

export const settings = (some: Partial<Settings & { readonly drainLimit: Duration.Duration }> = {}) => ({
  size: 2,
  maxOverflow: 1,
  acquireTimeout: Duration.seconds(30),
  maxLifetime: Duration.infinity,
  idleTimeout: Duration.minutes(10),
  prePing: Duration.infinity,
  careLimit: Duration.seconds(5),
  drainLimit: Duration.seconds(10),
  ...some
})

export const make = (server: Server, some: Parameters<typeof settings>[0] = {}) =>
  Pool.make(settings(some), server.care)

/** As the room next door does it: a lease before the wait, one `close` for whatever it holds by then. */
export const use = <A, E, R>(
  pool: Pool.Leasing<Stub>,
  body: (stub: Stub) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | DatabaseError, R> =>
  Effect.suspend(() => {
    const lease = pool.lease()
    return Effect.ensuring(
      Effect.flatMap(lease.acquire, (stub) => exclusively(stub, body(stub))),
      lease.close
    )
  })

/** A connection in two hands at once is the end of the test. */
export const exclusively = <A, E, R>(stub: Stub, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      stub.holders++
      if (stub.holders > 1) throw new Error(`connection ${stub.id} was handed to two`)
      if (stub.dirty) throw new Error(`connection ${stub.id} was handed out dirty`)
      if (stub.state === "closed") throw new Error(`connection ${stub.id} was handed out closed`)
    }),
    () => effect,
    () =>
      Effect.sync(() => {
        stub.holders--
      })
  )

/** Lets every fiber do what it can without time passing. */
export const settle = Effect.promise(() => new Promise<void>((resume) => setTimeout(resume, 0)))
