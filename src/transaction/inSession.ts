/**
 * The body of a transaction, with the session in its context.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Session from "../connection/Session.js"

/**
 * The body, then `end`, which is outside of the session again. To be called where nothing interrupts; `restore` is the body's.
 * The context is set and set back by hand: nothing can come in between here, and `mapInputContext` costs five times as much.
 *
 * @since 0.1.0
 * @category combinators
 */
export const inSession = <A, E, R, B>(
  session: Session.Session,
  body: Effect.Effect<A, E, R>,
  restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>,
  end: (exit: Exit.Exit<A, E>) => Effect.Effect<B>
): Effect.Effect<B, never, R> =>
  Effect.withFiberRuntime((fiber) => {
    const context = fiber.currentContext
    setContext(fiber, Session.provide(context, session))
    const back = (exit: Exit.Exit<A, E>) => {
      setContext(fiber, context)
      return end(exit)
    }
    return Effect.matchCauseEffect(restore(body), {
      onSuccess: (value) => back(Exit.succeed(value)),
      onFailure: (cause) => back(Exit.failCause(cause))
    })
  })

/** What `FiberRef.set` of the context does, without three operations of the fiber. */
const setContext = (fiber: Fiber.RuntimeFiber<unknown, unknown>, context: Context.Context<never>): void => {
  // The fiber's own class has it; the interface handed to users has not (effect 3.22, internal/fiberRuntime.ts).
  const own = fiber as unknown as { setFiberRef: <A>(ref: FiberRef.FiberRef<A>, value: A) => void }
  own.setFiberRef(FiberRef.currentContext, context)
}
