/**
 * Which of several hosts it will be: each in turn, encrypted and in the clear as `sslmode` has it, until one is what was asked for
 * (libpq's `target_session_attrs`). A wrong password or database name is wrong everywhere and ends the search.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { DriverConnection } from "../../Dialect.js"
import type { DatabaseConfig, Host, TargetSession } from "../../model/DatabaseConfig.js"
import * as DatabaseError from "../../model/DatabaseError.js"
import { isCertificate } from "./classify.js"
import { attempts, type Encryption } from "./tls.js"

/** What was opened, and what it is to be told first. @since 0.1.0 @category models */
export interface Opened {
  readonly session: DriverConnection
  readonly settings: ReadonlyArray<string>
}

/** What is open at this moment: the finaliser ends it, whatever it is by then. @since 0.1.0 @category models */
export interface Slot {
  session?: DriverConnection | undefined
  abort?: (() => void) | undefined
}

/** One attempt. @since 0.1.0 @category models */
export type Dial = (host: Host, encryption: Encryption) => Effect.Effect<Opened, DatabaseError.DatabaseError>

/** What is asked of one server in one round. */
type Wanted = Exclude<TargetSession, "prefer-primary">

/** Each round goes through all hosts. A preference is a second round that takes any. */
const roundsOf: Readonly<Record<TargetSession, ReadonlyArray<Wanted>>> = {
  any: ["any"],
  "read-write": ["read-write"],
  "read-only": ["read-only"],
  primary: ["primary"],
  standby: ["standby"],
  "prefer-standby": ["prefer-standby", "any"],
  // One that writes; one that would if this role's default were another; failing both, reading is better than nothing.
  "prefer-primary": ["read-write", "primary", "any"]
}

/** Why a server will not do, or nothing. */
const unfit = (
  wanted: Wanted,
  role: "writer" | "reader",
  opened: DriverConnection
): Effect.Effect<string | undefined, DatabaseError.DatabaseError> =>
  wanted === "any"
    ? Effect.succeed(undefined)
    : Effect.map(
        opened.run({
          text: "select pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'",
          params: [],
          prepare: false,
          rows: "arrays"
        }),
        ({ rows }) => {
          const [standby, readOnly] = rows[0] as readonly [boolean, boolean]
          // A reader's own session is always read-only: there the server decides.
          const closed = role === "reader" ? standby : readOnly
          const reasons: Readonly<Record<Exclude<Wanted, "any">, string | undefined>> = {
            standby: standby ? undefined : "the server is not a standby",
            primary: standby ? "the server is a standby" : undefined,
            "prefer-standby": standby ? undefined : "the server is not a standby",
            "read-only": readOnly ? undefined : "the server is not read-only",
            "read-write": closed ? "the server is read-only" : undefined
          }
          return reasons[wanted]
        }
      )

/** Whether the other way of travelling (with or without TLS) may do better after this failure. */
const otherWay = (error: DatabaseError.DatabaseError): boolean => {
  if (error._tag === "AuthenticationError") return error.sqlState === "28000" || isCertificate(error.cause)
  if (error._tag !== "ConnectionError" || error.sqlState !== undefined) return false
  const code = (error.cause as { readonly code?: unknown } | undefined)?.code
  return !["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ENOENT"].includes(
    String(code)
  )
}

/** Whether another host may do better: not for what is wrong with the role, the password or the database's name (libpq too). */
const otherHost = (error: DatabaseError.DatabaseError): boolean =>
  error.recovery === "reconnect" || error._tag === "ReadOnlyError" || isCertificate(error.cause)

/** A host as people write it. @since 0.1.0 @category conversions */
export const name = ({ host, port }: Host): string => (host.startsWith("/") ? host : `${host}:${port}`)

/** Ends what the slot holds. @since 0.1.0 @category resources */
export const give = (slot: Slot): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { abort, session } = slot
    slot.session = undefined
    slot.abort = undefined
    return session?.destroy ?? Effect.sync(() => abort?.())
  })

const reach = Effect.fnUntraced(function* (
  config: DatabaseConfig,
  role: "writer" | "reader",
  host: Host,
  wanted: Wanted,
  slot: Slot,
  dial: Dial
): Effect.fn.Return<DriverConnection, DatabaseError.DatabaseError> {
  const [first, ...others] = yield* attempts(config.target.tls, host.host)
  const { session, settings } = yield* others.reduce(
    (dialled, encryption) => Effect.catchIf(dialled, otherWay, () => dial(host, encryption)),
    dial(host, first)
  )
  yield* Effect.forEach(settings, session.script, { discard: true })
  const reason = yield* unfit(wanted, role, session)
  if (reason === undefined) return session
  yield* give(slot)
  return yield* new DatabaseError.ConnectionError({
    operation: "connect",
    reason: `${name(host)}: ${reason}, and target_session_attrs asks for ${wanted}`,
    phase: "connect",
    sent: false
  })
})

/** Hosts in order, in as many rounds as it takes. @since 0.1.0 @category constructors */
export const search = Effect.fnUntraced(function* (
  config: DatabaseConfig,
  role: "writer" | "reader",
  slot: Slot,
  dial: Dial
): Effect.fn.Return<DriverConnection, DatabaseError.DatabaseError> {
  const { hosts, targetSession } = config.target
  const rounds = roundsOf[targetSession].flatMap((wanted) => hosts.map((host) => [host, wanted] as const))
  const failures: Array<DatabaseError.DatabaseError> = []
  for (const [host, wanted] of rounds) {
    const outcome = yield* Effect.either(reach(config, role, host, wanted, slot, dial))
    if (outcome._tag === "Right") return outcome.right
    yield* give(slot)
    failures.push(outcome.left)
    if (!otherHost(outcome.left)) return yield* outcome.left
  }
  const [only, ...more] = failures
  if (only !== undefined && more.length === 0) return yield* only
  return yield* new DatabaseError.ConnectionError({
    operation: "connect",
    reason:
      failures.length === 0
        ? "the configuration names no host"
        : `none of the servers will do: ${failures.map((failure) => failure.reason).join("; ")}`,
    cause: new AggregateError(failures),
    phase: "connect",
    sent: false
  })
})
