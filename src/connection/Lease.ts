/**
 * A claim on one connection of a pool. The lease exists before the wait and owns whatever reaches it, so one
 * step (`end`) gives back everything, at whatever moment an interrupt strikes: a place in the queue, a
 * connection just handed over, or one in use. Ownership never travels as an effect's value.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Tracer from "effect/Tracer"
import type { DatabaseError } from "../model/DatabaseError.js"
import type { Slot } from "./Slot.js"

const spanAnnotation = Symbol.for("effect/SpanAnnotation")

/** Where a lease stands. @since 0.1.0 @category models */
export type LeaseState = "new" | "waiting" | "held" | "closed"

/**
 * What the pool writes into a lease; only the pool does.
 *
 * @since 0.1.0
 * @category models
 */
export class Claim<C> {
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
  readonly end: () => void
  /** `end` as an effect, to be run where nothing interrupts. */
  readonly close: Effect.Effect<void>
}
