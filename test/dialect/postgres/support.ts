/** A session on a database of its own, and what the tests of this product ask most often. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { DriverConnection, Request } from "../../../src/Dialect.js"
import { postgresCore } from "../../../src/dialect/postgres/index.js"
import type { DatabaseConfig, Target } from "../../../src/model/DatabaseConfig.js"
import type { DatabaseError } from "../../../src/model/DatabaseError.js"
import * as RetryPolicy from "../../../src/model/RetryPolicy.js"
import { freshDatabase } from "../../support/server.js"

export const targetOf = (url: string, other: Partial<Target> = {}): Target => {
  const parsed = new URL(url)
  return {
    driver: "postgres",
    hosts: [{ host: decodeURIComponent(parsed.hostname), port: Number(parsed.port || "5432") }],
    database: parsed.pathname.slice(1),
    user: decodeURIComponent(parsed.username),
    password: Redacted.make(decodeURIComponent(parsed.password)),
    tls: { mode: "disable" },
    targetSession: "any",
    parameters: {},
    ...other
  }
}

export const configOf = (target: Target, other: Partial<DatabaseConfig> = {}): DatabaseConfig => ({
  target,
  replicas: [],
  profile: "test",
  pool: {
    size: 1,
    maxOverflow: 1,
    acquireTimeout: Duration.seconds(30),
    maxLifetime: Duration.minutes(30),
    idleTimeout: Duration.minutes(10),
    prePing: Duration.seconds(1),
    keepAlive: Duration.minutes(1),
    resetOnReturn: "discard",
    onConnect: []
  },
  retry: { connection: RetryPolicy.connection, conflict: RetryPolicy.conflict },
  connectTimeout: Duration.seconds(10),
  applicationName: "aquifer-test",
  tablePrefix: "app",
  pooler: "none",
  prepare: true,
  connect: "eager",
  functions: {},
  transformJson: true,
  spanAttributes: {},
  ...other
})

/** A session on the database of `url`. */
export const connectTo = (url: string, other: Partial<DatabaseConfig> = {}, target: Partial<Target> = {}) =>
  postgresCore.connect(configOf(targetOf(url, target), other), "writer")

/** A fresh database and a session on it. */
export const fresh = (other: Partial<DatabaseConfig> = {}) =>
  Effect.gen(function* () {
    const url = yield* freshDatabase
    return { url, session: yield* connectTo(url, other) }
  })

export const request = (text: string, params: ReadonlyArray<unknown> = [], other: Partial<Request> = {}): Request => ({
  text,
  params,
  prepare: true,
  rows: "objects",
  ...other
})

/** Rows of a statement. */
export const rows = (
  session: DriverConnection,
  text: string,
  params: ReadonlyArray<unknown> = [],
  other: Partial<Request> = {}
): Effect.Effect<ReadonlyArray<unknown>, DatabaseError> =>
  Effect.map(session.run(request(text, params, other)), (reply) => reply.rows)

/** The first column of the first row. */
export const value = (session: DriverConnection, text: string, params: ReadonlyArray<unknown> = []) =>
  Effect.map(session.run(request(text, params, { rows: "arrays" })), (reply) => reply.rows[0]?.[0] as unknown)
