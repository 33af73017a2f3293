/**
 * A lock by name that lasts as long as the transaction that takes it.
 *
 * @since 0.1.0
 */
import { createHash } from "node:crypto"
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Connections from "../connection/Connections.js"
import * as Session from "../connection/Session.js"
import { type DatabaseError, UnsupportedError } from "../model/DatabaseError.js"

/**
 * Waits until no other transaction holds the lock of this name, and holds it to the end of the transaction around it
 * (PostgreSQL: `pg_advisory_xact_lock` with the first 8 bytes of the name's SHA-256; the wait ends with `lockTimeout` or
 * `statementTimeout`). On a product with one writer it takes the write lock, which keeps all other writers out. Fails with
 * `UnsupportedError` outside of a transaction: it would be given back at once; and on CockroachDB, whose advisory functions
 * lock nothing: there a row is locked with SELECT … FOR UPDATE.
 *
 * @since 0.1.0
 * @category combinators
 */
export const lock = (key: string): Effect.Effect<void, DatabaseError, SqlClient.SqlClient> =>
  Effect.flatMap(Connections.current, (connections) =>
    Effect.withFiberRuntime<void, DatabaseError>((fiber) => {
      const session = Session.current(connections, fiber.currentContext)
      if (session === undefined || session.begin._tag === "none") {
        return refused("outside of a transaction a lock would be given back at once", "Take it inside Transaction.run")
      }
      const text = connections.dialect.transaction.lock?.(number(key))
      if (text !== undefined) {
        return Effect.asVoid(session.run({ text, params: [], prepare: false, rows: "arrays" }))
      }
      // Where one writes at a time, whoever has begun is alone; the script makes sure that it has begun.
      if (connections.dialect.sessions !== "many") return Effect.asVoid(session.script("SELECT 1"))
      return refused(`${connections.dialect.name} has no advisory locks`, "Lock a row with SELECT … FOR UPDATE instead")
    })
  )

const refused = (reason: string, hint: string) => Effect.fail(new UnsupportedError({ operation: "lock", reason, hint }))

const number = (key: string): bigint => createHash("sha256").update(key).digest().readBigInt64BE(0)
