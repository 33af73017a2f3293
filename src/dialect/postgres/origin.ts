/**
 * Which life of which server a session belongs to. A crash takes back every transaction id that no flushed record names, and
 * gives it out again; a promoted standby does the same. So an id means something only to the life that gave it. Asked once
 * for each session, when it is opened.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { DriverConnection, Row } from "../../Dialect.js"

/** @since 0.1.0 @category models */
export interface Origin {
  readonly standby: boolean
  /** When the server's statistics began: kept over an orderly restart, which keeps the ids, too; reset by a crash, but also by hand. */
  readonly since: string
  readonly started: string
  /** The server's own processes: none of them outlives a crash. */
  readonly processes: ReadonlyArray<number>
  /** The cluster's identifier and the timeline it writes, where the server tells them (hosted ones may refuse). */
  readonly system: string | undefined
  readonly timeline: string | undefined
}

const life =
  "select pg_is_in_recovery(), extract(epoch from pg_stat_get_bgwriter_stat_reset_time())::text," +
  " extract(epoch from pg_postmaster_start_time())::text," +
  " array(select pid from pg_stat_get_activity(null) where usesysid is null and datid is null)"

const cluster =
  "select system_identifier::text, case when pg_is_in_recovery() then null" +
  " else left(pg_walfile_name(pg_current_wal_lsn()), 8) end from pg_control_system()"

const origins = new WeakMap<DriverConnection, Origin>()

const ask = (session: DriverConnection, text: string): Effect.Effect<Option.Option<Row>> =>
  Effect.option(
    Effect.map(session.run({ text, params: [], prepare: false, rows: "arrays" }), ({ rows }) => rows[0] as Row)
  )

/** Asks a new session for its origin; a server that does not tell leaves it unsaid. One round trip. @since 0.1.0 @category combinators */
export const note = (session: DriverConnection): Effect.Effect<void> =>
  Effect.map(Effect.all([ask(session, life), ask(session, cluster)], { concurrency: 2 }), ([first, second]) => {
    if (Option.isNone(first) || first.value[1] === null) return
    const [standby, since, started, processes] = first.value
    const [system, timeline] = Option.getOrElse(second, () => [])
    origins.set(session, { standby, since, started, processes, system, timeline: timeline ?? undefined })
  })

/** What is known of a session's origin. @since 0.1.0 @category accessors */
export const of = (session: DriverConnection | undefined): Origin | undefined =>
  session === undefined ? undefined : origins.get(session)

/** Where one side is unsaid, nothing speaks against the other. */
const differ = (then: string | undefined, now: string | undefined): boolean =>
  then !== undefined && now !== undefined && then !== now

/** Whether two sessions belong to different clusters. @since 0.1.0 @category guards */
export const strangers = (then: Origin, now: Origin): boolean => differ(then.system, now.system)

/** Whether a promotion lies between two sessions of one cluster. @since 0.1.0 @category guards */
export const promoted = (then: Origin, now: Origin): boolean => differ(then.timeline, now.timeline)

/** Whether neither a crash nor a promotion lies between two sessions of one cluster. @since 0.1.0 @category guards */
export const sameLife = (then: Origin, now: Origin): boolean =>
  !promoted(then, now) &&
  (then.since === now.since ||
    (then.started === now.started && then.processes.some((process) => now.processes.includes(process))))
