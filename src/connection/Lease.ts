/**
 * A claim on one connection of a pool. The lease exists before the wait and owns whatever reaches it, so one
 * step (`end`) gives back everything, at whatever moment an interrupt strikes: a place in the queue, a
 * connection just handed over, or one in use. Ownership never travels as an effect's value.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Tracer from "effect/Tracer"
import type { DatabaseError } from "../model/DatabaseError.js"
import type { Member } from "./Bag.js"
import type { Slot } from "./Slot.js"

const spanAnnotation = Symbol.for("effect/SpanAnnotation")

/** Where a lease stands. @since 0.1.0 @category models */
export type LeaseState = "new" | "waiting" | "held" | "closed"

/** Where claims are made and given back: a pool. @since 0.1.0 @category models */
export interface Desk<C> {
  acquire(claim: Claim<C>): Effect.Effect<C, DatabaseError>
  giveBack(claim: Claim<C>): void
}

/**
 * A lease, and what its pool writes into it; only the pool does.
 *
 * @since 0.1.0
 * @category models
 */
export class Claim<C> implements Lease<C>, Member {
  place = -1
  /** Which of its pool's holders it was, counted from 1. */
  number = 0
  state: LeaseState = "new"
  slot: Slot<C> | undefined
  resume: ((answer: Exit.Exit<C, DatabaseError>) => void) | undefined
  /** What came of the wait; it may come before anybody listens. */
  answer: Exit.Exit<C, DatabaseError> | undefined
  /** When waiting must end, and when holding began, in ms on the pool's clock. */
  deadline = 0
  since = 0
  /** Whether it has been reported as held for too long. */
  reported = false
  /** The number of the holder's fiber. */
  fiber = -1
  /** What the holder was doing, kept as a reference: its name is looked up only when somebody asks. */
  context: Context.Context<never> = Context.empty()

  constructor(private readonly desk: Desk<C>) {}

  get acquire(): Effect.Effect<C, DatabaseError> {
    return this.desk.acquire(this)
  }

  end(): void {
    this.desk.giveBack(this)
  }

  get close(): Effect.Effect<void> {
    return Effect.sync(() => this.end())
  }

  /** The holder's span, for "who keeps the connections?". */
  get holder(): string {
    const span = Context.getOption(this.context, Tracer.ParentSpan)
    if (span._tag === "None") return "(no span)"
    return span.value._tag === "Span" ? span.value.name : span.value.spanId
  }

  /** Where the holder's spans were made, as lines of a stack; empty where there are none. */
  get callSites(): string {
    const span = Context.getOption(this.context, Tracer.ParentSpan)
    if (span._tag === "None" || span.value._tag === "ExternalSpan") return ""
    // Where a span was made is known to `Cause.pretty` only, which looks for the span beside the error.
    const error = Object.assign(new Error(""), { stack: "Error", [spanAnnotation]: span.value })
    return Cause.pretty(Cause.fail(error)).split("\n").slice(1).join("\n")
  }
}

/**
 * A claim as its holder sees it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lease<C> {
  /** Waits for a connection, never longer than the pool's acquire timeout. To be run once, before `close`. */
  readonly acquire: Effect.Effect<C, DatabaseError>
  /** Gives everything back; may be called twice. */
  end(): void
  /** `end` as an effect, to be run where nothing interrupts. */
  readonly close: Effect.Effect<void>
}

/** A lease of what only its acquisition tells. @since 0.1.0 @category models */
export class Late<C> implements Lease<C> {
  private lease: Lease<C> | undefined

  constructor(private readonly find: (fiber: Fiber.RuntimeFiber<unknown, unknown>) => Lease<C>) {}

  get acquire(): Effect.Effect<C, DatabaseError> {
    return Effect.withFiberRuntime((fiber) => {
      this.lease = this.find(fiber)
      return this.lease.acquire
    })
  }

  end(): void {
    this.lease?.end()
  }

  get close(): Effect.Effect<void> {
    return Effect.sync(() => this.end())
  }
}
