/**
 * What became of a transaction whose COMMIT was never answered, asked of the server itself (`pg_xact_status`, PostgreSQL manual
 * 9.27.8, names this use). One that sits idle never got its COMMIT: its backend is ended, and asked again. One at work is
 * still committing: the caller polls. After a crash or a failover the id may be somebody else's by now: then only what
 * cannot be so is believed.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { DriverConnection, Fate } from "../../Dialect.js"
import * as DatabaseError from "../../model/DatabaseError.js"
import * as Origin from "./origin.js"

type Answer<A> = Effect.Effect<A, DatabaseError.DatabaseError>

const ask = (connection: DriverConnection, text: string, id: string) =>
  connection.run({ text, params: [id], prepare: false, rows: "arrays" })

const unknown = (reason: string, cause?: unknown) =>
  new DatabaseError.CommitUnknown({ operation: "commit", reason, cause })

/** `future`: the server has yet to give out the id (22023). */
const status = (connection: DriverConnection, id: string): Answer<Fate | "future"> =>
  ask(connection, "select pg_xact_status($1::xid8)", id).pipe(
    Effect.flatMap(({ rows }) => {
      switch (rows[0]?.[0]) {
        case "committed":
          return Effect.succeed("committed" as const)
        case "aborted":
          return Effect.succeed("aborted" as const)
        case "in progress":
          return Effect.succeed("running" as const)
        default:
          return Effect.fail(unknown("the server has forgotten the transaction: it is too old"))
      }
    }),
    Effect.catchIf(
      (error) => error.sqlState === "22023",
      () => Effect.succeed("future" as const)
    )
  )

/** `backend_xid` is the low half of the id. A role may end its own backends. */
const endHolder =
  "select pg_terminate_backend(pid) from pg_stat_activity " +
  "where backend_xid = $1::xid8::xid and state like 'idle in transaction%' and pid <> pg_backend_pid()"

/** A terminated backend has rolled back within milliseconds (measured: 1 to 4). */
const settle = (connection: DriverConnection, id: string, tries: number): Answer<Fate> =>
  Effect.flatMap(known(connection, id), (found) =>
    found === "running" && tries > 0
      ? Effect.delay(settle(connection, id, tries - 1), "10 millis")
      : Effect.succeed(found)
  )

const known = (connection: DriverConnection, id: string): Answer<Fate> =>
  Effect.flatMap(status(connection, id), (found) =>
    found === "future"
      ? Effect.fail(unknown("the server does not know the transaction's id: it is not the one that gave it"))
      : Effect.succeed(found)
  )

const inSameLife = (fresh: DriverConnection, id: string): Answer<Fate> =>
  Effect.flatMap(known(fresh, id), (found) =>
    found !== "running"
      ? Effect.succeed(found)
      : ask(fresh, endHolder, id).pipe(
          // Not ours to end: then it is running, as far as can be said.
          Effect.catchTag("AuthorizationError", () => Effect.succeed({ rows: [] })),
          Effect.flatMap(({ rows }) => (rows.length === 0 ? Effect.succeed(found) : settle(fresh, id, 20)))
        )
  )

/**
 * The checkpoint that ends a recovery stands at its own redo point and names the first id given out afterwards. A later
 * one, taken in passing, does not stand there.
 */
const boundary =
  "select redo_lsn = checkpoint_lsn, split_part(next_xid, ':', 1)::numeric * 4294967296" +
  " + split_part(next_xid, ':', 2)::numeric > $1::numeric from pg_control_checkpoint()"

/**
 * Nothing that was open outlived the crash, and a commit that was kept keeps its id from being given out again. Only a
 * commit under an id that may have been given out again needs a closer look.
 */
const inLaterLife = (fresh: DriverConnection, id: string, crashed: boolean): Answer<Fate> =>
  Effect.flatMap(status(fresh, id), (found): Answer<Fate> => {
    if (found !== "committed") return Effect.succeed("aborted")
    return ask(fresh, boundary, id).pipe(
      // Hosted servers may refuse it; a line that was lost meanwhile is no refusal.
      Effect.catchIf(
        (error) => error.recovery !== "reconnect",
        () => Effect.succeed({ rows: [[false, true]] })
      ),
      Effect.flatMap(({ rows }): Answer<Fate> => {
        const [recovered, before] = rows[0] as readonly [boolean, boolean]
        if (recovered && before) return Effect.succeed("committed")
        // After a promotion the control file lags, and tells nothing of later ids.
        if (crashed && !before) return Effect.succeed("aborted")
        return Effect.fail(
          unknown("the server has been through a recovery and may have given the id to another transaction")
        )
      })
    )
  })

/** `lost`: the session the transaction ran on. @since 0.1.0 @category dialect */
export const fate = (fresh: DriverConnection, transactionId: string, lost?: DriverConnection): Answer<Fate> => {
  const then = Origin.of(lost)
  const now = Origin.of(fresh)
  const later = (reason: string) =>
    Effect.fail(new DatabaseError.ConnectionError({ operation: "commit", reason, phase: "statement", sent: false }))
  if (now?.standby === true) return later("the server is a standby: what it has yet to replay it does not know")
  if (then === undefined) return inSameLife(fresh, transactionId)
  if (now === undefined) return later("the server did not say whether it has been through a crash")
  if (Origin.strangers(then, now)) return Effect.fail(unknown("another database cluster answers at this address"))
  return Origin.sameLife(then, now)
    ? inSameLife(fresh, transactionId)
    : inLaterLife(fresh, transactionId, !Origin.promoted(then, now))
}
