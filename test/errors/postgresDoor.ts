/** What keeps a PostgreSQL database from being opened at all: the layer's own failures, eager and lazy. */
import { createServer } from "node:net"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Database } from "effect-aquifer"
import { freshDatabase, freshRole, query, urlWith } from "../support/server.js"
import type { Case } from "./case.js"

export const canary = "cAnArY-p4ssw0rd"

/** The failure of building the layer and, apart from it, that of the first statement on a lazy one. */
export const opening = (options: More & { readonly url: string }) =>
  Effect.scoped(Layer.build(Database.layer({ profile: "development", ...options })))

export const firstUse = (options: More & { readonly url: string }) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT 1`).pipe(
    Effect.provide(Database.layer({ profile: "development", connect: "lazy", ...options }))
  )

/** A port of this machine where nobody listens. */
export const closedPort = Effect.async<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 1)))
  })
})

/** A server that takes connections and never says a word, or hangs up. */
const mute = (talk: "silent" | "rude") =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<ReturnType<typeof createServer>>((resume) => {
        const server = createServer((socket) => {
          socket.on("error", () => undefined)
          if (talk === "rude") socket.destroy()
          else server.once("ending", () => socket.destroy())
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.async<void>((resume) => {
          server.emit("ending")
          server.close(() => resume(Effect.void))
        })
    ),
    (server) => {
      const address = server.address()
      return typeof address === "object" && address !== null ? address.port : 1
    }
  )

type Url = Effect.Effect<string, unknown, Scope.Scope>

const secret = (port: number) => `postgres://somebody:${canary}@127.0.0.1:${port}/nowhere`

const refused: Url = Effect.map(closedPort, secret)
const wrongPassword: Url = Effect.flatMap(freshDatabase, (url) =>
  Effect.map(freshRole(url), (role) => urlWith(role.url, { password: canary }))
)
const unknownRole: Url = Effect.map(freshDatabase, (url) => urlWith(url, { user: "nobody_here", password: canary }))
const unknownDatabase: Url = Effect.flatMap(freshDatabase, (url) =>
  Effect.map(freshRole(url), (role) => urlWith(role.url, { database: "not_there" }))
)
const full: Url = Effect.gen(function* () {
  const url = yield* freshDatabase
  const role = yield* freshRole(url, "NOSUPERUSER CONNECTION LIMIT 1")
  yield* Effect.forkScoped(query(role.url, "SELECT pg_sleep(60) AS holder"))
  yield* Effect.repeat(query(url, "SELECT 1 FROM pg_stat_activity WHERE usename = $1", [role.name]), {
    until: (rows) => rows.length > 0
  })
  return role.url
})
const forbidden: Url = Effect.gen(function* () {
  const url = yield* freshDatabase
  yield* query(url, "CREATE TABLE private (id integer)")
  return (yield* freshRole(url, "NOSUPERUSER")).url
})
const noTls: Url = Effect.map(freshDatabase, (url) => `${url}?sslmode=require`)

type More = Omit<Database.Options, "url">

interface Obstacle {
  readonly tag: Case["tag"]
  readonly title: string
  readonly url: Url
  readonly options?: More
  readonly says: Readonly<Record<string, unknown>>
}

export const obstacles: ReadonlyArray<Obstacle> = [
  {
    tag: "ConnectionError",
    title: "nobody listens",
    url: refused,
    says: { phase: "connect", sent: false, operation: "connect", reason: /nothing listens on 127\.0\.0\.1:\d+/ }
  },
  {
    tag: "ConnectionError",
    title: "an unknown host",
    url: Effect.succeed(`postgres://somebody:${canary}@no-such-host.invalid/nowhere`),
    says: { phase: "connect", sent: false, reason: /no-such-host\.invalid/ }
  },
  {
    tag: "ConnectionError",
    title: "a server that never answers",
    url: Effect.map(mute("silent"), secret),
    options: { connectTimeout: "200 millis" },
    says: { phase: "connect", sent: false, reason: /no answer from 127\.0\.0\.1:\d+ within 200ms/ }
  },
  {
    tag: "ConnectionError",
    title: "a server that hangs up",
    url: Effect.map(mute("rude"), secret),
    says: { phase: "connect", sent: false }
  },
  {
    tag: "ConnectionError",
    title: "a server without TLS where TLS is required",
    url: noTls,
    says: { phase: "connect", sent: false, hint: /sslmode/ }
  },
  {
    tag: "AuthenticationError",
    title: "a wrong password",
    url: wrongPassword,
    says: { sqlState: "28P01", group: "connection", recovery: "never", hint: /password/ }
  },
  {
    tag: "AuthenticationError",
    title: "an unknown role",
    url: unknownRole,
    says: { sqlState: /^28/, reason: /nobody_here/ }
  },
  {
    tag: "DatabaseNotFound",
    title: "an unknown database",
    url: unknownDatabase,
    says: { sqlState: "3D000", reason: /not_there/, hint: /Create the database/ }
  },
  {
    tag: "TooManyConnections",
    title: "a role with no connection left",
    url: full,
    says: { sqlState: "53300", recovery: "reconnect", operation: "connect" }
  }
]

const of = ({ tag, title, url, options, says }: Obstacle): ReadonlyArray<Case<Scope.Scope>> => [
  {
    tag,
    title: `${title}, eager`,
    fails: Effect.flatMap(url, (url) => opening({ url, ...options })),
    says,
    hides: canary
  },
  {
    tag,
    title: `${title}, lazy`,
    fails: Effect.flatMap(url, (url) => firstUse({ url, ...options })),
    says,
    hides: canary
  }
]

export const cases: ReadonlyArray<Case<Scope.Scope>> = [
  ...obstacles.flatMap(of),
  {
    tag: "AuthorizationError",
    title: "a role without rights",
    fails: Effect.flatMap(forbidden, (url) =>
      Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT * FROM private`).pipe(
        Effect.provide(Database.layer({ url, profile: "development" }))
      )
    ),
    says: { sqlState: "42501", group: "query", recovery: "never", reason: /private/ }
  }
]
