/**
 * The driver's client, opened and turned into a session: the only file that loads `pg`. Whatever travels beneath (a socket, or
 * something inside this process) is in its options. The client's `error` event has a listener from its first moment.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { Client, Query, Result, types } from "pg"
import type { DatabaseError } from "../../model/DatabaseError.js"
import { classify } from "./classify.js"
import type { Opened, Slot } from "./hosts.js"
import { Line } from "./line.js"
import { Group, type Reading } from "./query.js"
import { Reports } from "./residue.js"
import { type SessionOptions, session } from "./session.js"
import type { RawResult, WireClient } from "./wire.js"

// On a pipelined client the driver takes only queries with its own Query in their prototype chain.
Object.setPrototypeOf(Group.prototype, Query.prototype)

const reading: Reading = {
  types: (oid) => types.getTypeParser(oid, "text"),
  // The declared class lacks what it has: `addFields` and nullable fields (pg 8.23, lib/result.js).
  raw: (mode) => new Result(mode === "arrays" ? "array" : "object", types) as unknown as RawResult
}

/** The driver's client as it is beyond its declared type (pg 8.23, lib/client.js). @since 0.1.0 @category models */
export interface Driver extends Omit<WireClient, "connection"> {
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

/** What differs from one way of travelling to the other. @since 0.1.0 @category models */
export interface Opening {
  /** As the driver takes them; some are not declared in @types/pg. */
  readonly options: Readonly<Record<string, unknown>>
  readonly startup: (driver: Driver) => Record<string, string>
  /** Milliseconds after which a statement is overdue. */
  readonly overdue: number | undefined
  /** `major`: the version of PostgreSQL the server says it is, or is like. */
  readonly session: (driver: Driver, major: number) => SessionOptions
}

/** Its server's own version, where CockroachDB answers: it tells each client so (cockroachdb/cockroach#14145). @since 0.1.0 @category models */
export interface Introduced {
  readonly driver: Driver
  readonly cockroach: string | undefined
}

/** Interrupted, it leaves nothing open. @since 0.1.0 @category constructors */
export const openClient = (opening: Opening, slot: Slot): Effect.Effect<Opened & Introduced, DatabaseError> =>
  Effect.async((resume) => {
    const refuse = (cause: unknown) => resume(Effect.fail(classify(cause, "connect")))
    let driver: Driver
    try {
      const options = { ...opening.options, pipeline: true } as ConstructorParameters<typeof Client>[0]
      // `pipeline` and the rest of `Driver` are not declared in @types/pg.
      driver = new Client(options) as unknown as Driver
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
    let cockroach: string | undefined
    client.getStartupConf = () => opening.startup(client)
    client.on("error", () => {})
    const reports = new Reports()
    client.connection.on("parameterStatus", ({ parameterName, parameterValue }) => {
      reports.note(parameterName, parameterValue)
      if (parameterName === "server_version") major = Number.parseInt(parameterValue, 10)
      if (parameterName === "crdb_version") cockroach = parameterValue
    })
    try {
      client.connect((error) => {
        if (error) {
          abort()
          refuse(error)
          return
        }
        const line = new Line(client, reading, opening.overdue)
        const options = opening.session(client, major)
        const opened = session(line, options, reports)
        slot.session = opened
        resume(Effect.succeed({ session: opened, settings: options.settings, driver: client, cockroach }))
      })
    } catch (cause) {
      abort()
      refuse(cause)
    }
    return Effect.sync(abort)
  })
