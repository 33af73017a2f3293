/**
 * The migration lock: a leased row, because there are no advisory locks. The session that runs the revisions waits for its
 * schema changes as long as they take.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Dialect } from "../../Dialect.js"
import { UnsupportedError } from "../../model/DatabaseError.js"
import { leasedRow } from "../leasedRow.js"
import { connect } from "./connect.js"
import { ddl } from "./ddl.js"

const patient = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET lock_timeout = '5s'"
/** Since v23.1. */
const patientToo = "SET transaction_timeout = 0"

/** @since 0.1.0 @category dialect */
export const migrationLock: Dialect["migrationLock"] = (own, name, config) =>
  config === undefined
    ? Effect.fail(
        new UnsupportedError({
          operation: "lock",
          reason: "the migration lock is a lease that a session of its own renews, and nothing says how to open one",
          hint: "Give the configuration along"
        })
      )
    : Effect.zipRight(
        Effect.acquireRelease(Effect.zipRight(own.script(patient), Effect.ignore(own.script(patientToo))), () =>
          Effect.suspend(() => (own.status() === "idle" ? Effect.ignore(own.reset) : Effect.void))
        ),
        leasedRow({ connect, ddl, placeholder: (index) => `$${index}` }, config)(own, name)
      )
