/**
 * What is no statement but needs a connection as one does: COPY, or several statements that belong together. In a transaction
 * it has that one's session to itself, else a connection of the pool; interrupted, what still runs is stopped first.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Connections from "../connection/Connections.js"
import * as Session from "../connection/Session.js"
import type { DriverConnection } from "../Dialect.js"
import { type DatabaseError, isDatabaseError } from "../model/DatabaseError.js"

/** @since 0.1.0 @category combinators */
export const withConnection = <A, E, R>(
  use: (connection: DriverConnection) => Effect.Effect<A, E | DatabaseError, R>
): Effect.Effect<A, E | DatabaseError, R | SqlClient.SqlClient> =>
  Effect.flatMap(Connections.current, (connections) =>
    Effect.withFiberRuntime<A, E | DatabaseError, R>((fiber) => {
      const session = Session.current(connections, fiber.currentContext)
      if (session !== undefined) return session.use(use)
      const claim = connections.lease("write")
      return Effect.ensuring(
        Effect.flatMap(claim.acquire, (connection) =>
          Effect.onInterrupt(use(connection), () => connection.cancel).pipe(
            Effect.tapError((error) => connections.moved(connection, isDatabaseError(error) ? error : undefined))
          )
        ),
        claim.close
      )
    })
  )
