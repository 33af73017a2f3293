/**
 * Opens a session: each host in turn, TLS as `sslmode` has it, one limit over all of it. The only file that loads the driver.
 * Whatever is open belongs to one finaliser from before the first packet, so an interruption at any point leaks nothing; the
 * client's `error` event has a listener from its first moment.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { Client, Query, Result, types } from "pg"
import type { DriverConnection } from "../../Dialect.js"
import type { DatabaseConfig, Host } from "../../model/DatabaseConfig.js"
import * as DatabaseError from "../../model/DatabaseError.js"
import type { CancelTarget } from "./cancel.js"
import { classify } from "./classify.js"
import { give, name, type Opened, type Slot, search } from "./hosts.js"
import { Line } from "./line.js"
import * as Origin from "./origin.js"
import { Group, type Reading } from "./query.js"
import { type SessionOptions, session } from "./session.js"
import { limits, millis, startup, transactionLimit } from "./startup.js"
import type { Encryption } from "./tls.js"
import type { RawResult, WireClient } from "./wire.js"

// On a pipelined client the driver takes only queries with its own Query in their prototype chain.
Object.setPrototypeOf(Group.prototype, Query.prototype)

const reading: Reading = {
  types: (oid) => types.getTypeParser(oid, "text"),
  // The declared class lacks what it has: `addFields` and nullable fields (pg 8.23, lib/result.js).
  raw: (mode) => new Result(mode === "arrays" ? "array" : "object", types) as unknown as RawResult
}

/** The driver's client as it is beyond its declared type (pg 8.23, lib/client.js). */
interface Driver extends Omit<WireClient, "connection"> {
  readonly connection: WireClient["connection"] & {
    on(
      event: "parameterStatus",
      listener: (message: { readonly parameterName: string; readonly parameterValue: string }) => void
    ): unknown
  }
  readonly user: string
  readonly database: string
  getStartupConf: () => Record<string, string>
  readonly connect: (callback: (error: unknown) => void) => void
}

/** Milliseconds without traffic after which the system asks whether the peer is still there. */
const keepAliveAfter = 30_000

/** A head is overdue that much after the statement timeout should have ended it. */
const overdueAfter = 5_000

const dial = (
  config: DatabaseConfig,
  role: "writer" | "reader",
  { host, port }: Host,
  encryption: Encryption,
  slot: Slot
): Effect.Effect<Opened, DatabaseError.DatabaseError> =>
  Effect.async((resume) => {
    const { database, password, user } = config.target
    const refuse = (cause: unknown) => resume(Effect.fail(classify(cause, "connect")))
    let driver: Driver
    try {
      driver = new Client({
        host,
        port,
        database,
        ...(user === undefined ? {} : { user }),
        // A function, so that the driver asks for it when the server does and neither keeps nor reads one from elsewhere.
        password: () => (password === undefined ? "" : Redacted.value(password)),
        ssl: encryption,
        keepAlive: true,
        keepAliveInitialDelayMillis: keepAliveAfter,
        pipeline: true
        // `pipeline` and the rest of `Driver` are not declared in @types/pg.
      } as ConstructorParameters<typeof Client>[0]) as unknown as Driver
    } catch (cause) {
      refuse(cause)
      return Effect.void
    }
    const client = driver
    const abort = () => {
      client.connection.stream.destroy()
    }
    slot.abort = abort
    let major = 0
    client.getStartupConf = () => startup(config, role, client)
    client.on("error", () => {})
    client.connection.on("parameterStatus", ({ parameterName, parameterValue }) => {
      if (parameterName === "server_version") major = Number.parseInt(parameterValue, 10)
    })
    try {
      client.connect((error) => {
        if (error) {
          abort()
          refuse(error)
          return
        }
        const pooled = config.pooler === "transaction"
        const settings = pooled ? [] : transactionLimit(config, major).map(([name, value]) => `SET ${name} = ${value}`)
        const statementLimit = config.statementTimeout === undefined ? 0 : millis(config.statementTimeout)
        const line = new Line(client, reading, statementLimit === 0 ? undefined : statementLimit + overdueAfter)
        slot.session = session(line, {
          cancelTarget: () => cancelTarget(client, host, port, encryption),
          patience: millis(config.connectTimeout) || 10_000,
          discard: !pooled,
          settings,
          local: pooled ? [...limits(config), ...transactionLimit(config, major)] : [],
          listen: !pooled
        } satisfies SessionOptions)
        resume(Effect.succeed({ session: slot.session, settings }))
      })
    } catch (cause) {
      abort()
      refuse(cause)
    }
    return Effect.sync(abort)
  })

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

/** Opens a session that ends with the scope. @since 0.1.0 @category dialect */
export const connect = (
  config: DatabaseConfig,
  role: "writer" | "reader"
): Effect.Effect<DriverConnection, DatabaseError.DatabaseError, Scope.Scope> =>
  Effect.suspend(() => {
    const slot: Slot = {}
    return Effect.addFinalizer(() => give(slot)).pipe(
      Effect.zipRight(
        search(config, role, slot, (host, encryption) => dial(config, role, host, encryption, slot)).pipe(
          Effect.tap((session) => (role === "writer" ? Origin.note(session) : Effect.void)),
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
