/**
 * Transactions that are always undone, as tests use them. What runs inside one is a part of it, so it cannot have the
 * isolation or access it asks for; it runs all the same, because it must not be written otherwise to be tested.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Connections from "../connection/Connections.js"
import * as Session from "../connection/Session.js"
import type { UnsupportedError } from "../model/DatabaseError.js"

const sandboxes = new WeakSet<Session.Session>()

/** Makes a sandbox of the transaction around it. @since 0.1.0 @category combinators */
export const enter: Effect.Effect<void, UnsupportedError, SqlClient.SqlClient> = Effect.flatMap(
  Connections.current,
  (connections) =>
    Effect.withFiberRuntime<void>((fiber) => {
      const session = Session.current(connections, fiber.currentContext)
      if (session !== undefined) sandboxes.add(session)
      return Effect.void
    })
)

/** Whether the session is inside a sandbox. @since 0.1.0 @category guards */
export const covers = (session: Session.Session): boolean =>
  sandboxes.has(session) || (session.parent !== undefined && covers(session.parent))
