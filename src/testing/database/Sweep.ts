/**
 * Takes away what tests that ended without a word have left: databases whose lock nobody holds. Never one that somebody
 * uses: the lock is this sweep's own while it drops, anybody's session keeps a database, and shortly after a start of the
 * server, when owners are still coming back, nothing is dropped at all.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { DatabaseError } from "../../model/DatabaseError.js"
import * as Names from "./Names.js"
import { lockOf, type Server } from "./Server.js"

/** Owners have that long to come back after the server started, orderly or from a crash (which resets its statistics). */
const settled = "5 seconds"

/** A template that is older is built anew: nobody tells which ones are still asked for. */
const lifetime = "14 days"

/** No template: a test's own, or one half built. A template's comment is when it was built. */
const leftovers = `WITH found AS MATERIALIZED (
  SELECT d.datname AS name, ${lockOf("right(d.datname, 16)")} AS lock
  FROM pg_catalog.pg_database d
  WHERE d.datname ~ '${Names.swept}' AND pg_has_role(d.datdba, 'USAGE')
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid)
    AND (NOT d.datistemplate OR
      (CASE WHEN shobj_description(d.oid, 'pg_database') ~ '^\\d{4}-\\d\\d-\\d\\d'
        THEN shobj_description(d.oid, 'pg_database')::timestamptz END) < clock_timestamp() - interval '${lifetime}')
)
SELECT name, lock::text AS lock FROM found WHERE pg_try_advisory_lock(lock)`

const isSettled = `SELECT greatest(pg_postmaster_start_time(), pg_stat_get_bgwriter_stat_reset_time())
  < clock_timestamp() - interval '${settled}' AS settled`

/** Not WITH (FORCE): whoever came in the meantime stays. */
const drop = (server: Server, name: string, lock: string) =>
  Effect.gen(function* () {
    yield* server.tell(`ALTER DATABASE "${name}" IS_TEMPLATE false`)
    yield* server.tell(`DROP DATABASE IF EXISTS "${name}"`)
  }).pipe(
    Effect.catchAll((error) => Effect.logDebug(`the test database ${name} was left: ${error.message}`)),
    Effect.ensuring(Effect.ignore(server.ask(`SELECT pg_advisory_unlock(${lock})`)))
  )

/** False where it was too early to look. @since 0.1.0 @category combinators */
export const sweep = (server: Server): Effect.Effect<boolean, DatabaseError> =>
  Effect.gen(function* () {
    const [row] = yield* server.ask(isSettled)
    if (row?.settled !== true) return false
    for (const { lock, name } of yield* server.ask(leftovers)) yield* drop(server, name, lock)
    return true
  })
