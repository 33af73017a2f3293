/**
 * Which server process said it would serve a session when the session was opened. Behind a pooler another one answers.
 *
 * @since 0.1.0
 */
import type { DriverConnection } from "../../Dialect.js"

const processes = new WeakMap<DriverConnection, number>()

/** @since 0.1.0 @category combinators */
export const note = (session: DriverConnection, processId: number): void => {
  processes.set(session, processId)
}

/** @since 0.1.0 @category accessors */
export const of = (session: DriverConnection): number | undefined => processes.get(session)
