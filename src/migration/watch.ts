/**
 * A session that remembers the first statement the server refused, because an error on its way through a migration's own
 * code loses the text it belongs to.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { DriverConnection } from "../Dialect.js"
import type { DatabaseError } from "../model/DatabaseError.js"

/** @since 0.1.0 @category models */
export interface Watched {
  readonly connection: DriverConnection
  readonly refused: () => string | undefined
}

/** How statements reach the session, where not simply by themselves. @since 0.1.0 @category models */
export type Sending = Pick<DriverConnection, "run" | "script">

/** @since 0.1.0 @category constructors */
export const watch = (own: DriverConnection, sending: Sending = own): Watched => {
  let refused: string | undefined
  const noted = <A>(text: string, effect: Effect.Effect<A, DatabaseError>): Effect.Effect<A, DatabaseError> =>
    Effect.mapError(effect, (error) => {
      refused ??= text
      return error
    })
  return {
    refused: () => refused,
    // Written out: a session may keep its state where a copy of its fields cannot see it.
    connection: {
      run: (request) => noted(request.text, sending.run(request)),
      script: (text) => noted(text, sending.script(text)),
      stream: (request) => own.stream(request),
      cancel: own.cancel,
      status: () => own.status(),
      pending: () => own.pending(),
      busySince: () => own.busySince(),
      lost: own.lost,
      ping: own.ping,
      reset: own.reset,
      destroy: own.destroy,
      notifications: own.notifications,
      copy: own.copy
    }
  }
}
