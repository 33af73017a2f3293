/**
 * Opens a session: each host in turn, TLS as `sslmode` has it, one limit over all of it. What a relative says otherwise is a
 * `Manner`.
 * Whatever is open belongs to one finaliser from before the first packet, so an interruption at any point leaks nothing; the
 * client's `error` event has a listener from its first moment.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { DriverConnection } from "../../Dialect.js"
import type { DatabaseConfig, Host } from "../../model/DatabaseConfig.js"
import * as DatabaseError from "../../model/DatabaseError.js"
import { relative } from "../relative.js"
import * as Backend from "./backend.js"
import type { CancelTarget } from "./cancel.js"
import { type Driver, type Introduced, openClient } from "./connectClient.js"
import { give, name, type Opened, type Slot, search } from "./hosts.js"
import * as Origin from "./origin.js"
import { limits, millis, startup, transactionLimit } from "./startup.js"
import type { Encryption } from "./tls.js"

/** Milliseconds without traffic after which the system asks whether the peer is still there. */
const keepAliveAfter = 30_000

/** A head is overdue that much after the statement timeout should have ended it. */
const overdueAfter = 5_000

/** How a product of this family begins a session. @since 0.1.0 @category models */
export interface Manner {
  readonly startup: typeof startup
  /** Whether LISTEN is to be had. */
  readonly listen: boolean
  /** Why this server is not this product's, if so. */
  readonly foreign: (server: Introduced) => DatabaseError.DatabaseError | undefined
  /** What is asked of a session that will do. */
  readonly settle: (session: DriverConnection, role: "writer" | "reader") => Effect.Effect<void>
}

const dial = (
  manner: Manner,
  config: DatabaseConfig,
  role: "writer" | "reader",
  { host, port }: Host,
  encryption: Encryption,
  slot: Slot
): Effect.Effect<Opened, DatabaseError.DatabaseError> => {
  const { database, password, user } = config.target
  const pooled = config.pooler === "transaction"
  const statementLimit = config.statementTimeout === undefined ? 0 : millis(config.statementTimeout)
  return Effect.flatMap(
    openClient(
      {
        options: {
          host,
          port,
          database,
          ...(user === undefined ? {} : { user }),
          // A function, so that the driver asks for it when the server does and neither keeps nor reads one from elsewhere.
          password: () => (password === undefined ? "" : Redacted.value(password)),
          ssl: encryption,
          keepAlive: true,
          keepAliveInitialDelayMillis: keepAliveAfter
        },
        startup: (driver) => manner.startup(config, role, driver),
        overdue: statementLimit === 0 ? undefined : statementLimit + overdueAfter,
        session: (driver, major) => ({
          cancelTarget: () => cancelTarget(driver, host, port, encryption),
          patience: millis(config.connectTimeout) || 10_000,
          discard: !pooled,
          settings: pooled ? [] : transactionLimit(config, major).map(([name, value]) => `SET ${name} = ${value}`),
          local: pooled ? [...limits(config), ...transactionLimit(config, major)] : [],
          listen: manner.listen && !pooled
        })
      },
      slot
    ),
    (opened): Effect.Effect<Opened, DatabaseError.DatabaseError> => {
      const { driver, session } = opened
      if (driver.processID !== null) Backend.note(session, driver.processID)
      const foreign = manner.foreign(opened)
      return foreign === undefined ? Effect.succeed(opened) : Effect.fail(foreign)
    }
  )
}

/** The very peer of the session's socket: behind one name there may be several servers. */
const cancelTarget = (client: Driver, host: string, port: number, encryption: Encryption): CancelTarget | undefined => {
  const { processID, secretKey } = client
  if (processID === null || secretKey === null) return undefined
  const { remoteAddress, remotePort } = client.connection.stream
  const peer = host.startsWith("/")
    ? { path: `${host}/.s.PGSQL.${port}` }
    : { host: remoteAddress ?? host, port: remotePort ?? port }
  return { peer, encryption, host, processID, secretKey }
}

/** A `connect` that opens sessions ending with their scope. @since 0.1.0 @category constructors */
export const connectWith =
  (manner: Manner) =>
  (
    config: DatabaseConfig,
    role: "writer" | "reader"
  ): Effect.Effect<DriverConnection, DatabaseError.DatabaseError, Scope.Scope> =>
    Effect.suspend(() => {
      const slot: Slot = {}
      return Effect.addFinalizer(() => give(slot)).pipe(
        Effect.zipRight(
          search(config, role, slot, (host, encryption) => dial(manner, config, role, host, encryption, slot)).pipe(
            Effect.tap((session) => manner.settle(session, role)),
            Effect.timeoutFail({
              duration: config.connectTimeout,
              onTimeout: () =>
                new DatabaseError.ConnectionError({
                  operation: "connect",
                  reason: `no answer from ${config.target.hosts.map(name).join(", ")} within ${Duration.format(config.connectTimeout)}`,
                  hint: "Is the host right, does a firewall drop the packets, is the server overloaded?",
                  phase: "connect",
                  sent: false
                })
            }),
            Effect.onError(() => give(slot))
          )
        )
      )
    })

/** @since 0.1.0 @category dialect */
export const connect = connectWith({
  startup,
  listen: true,
  foreign: ({ cockroach }) => (cockroach === undefined ? undefined : relative("cockroachdb", cockroach)),
  settle: (session, role) => (role === "writer" ? Origin.note(session) : Effect.void)
})
