/**
 * Real PostgreSQL for tests: an empty database per test on the run's own server, and scratch servers that a test may take
 * down. Everything ends with its scope, forcibly. Spoken to with the plain `pg` driver, so that nothing under test takes
 * part in setting up or looking at its own tests.
 */
import { randomBytes } from "node:crypto"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import pg from "pg"
import { inject } from "vitest"
import { startKeeper } from "./startKeeper.js"

/** The test's own set-up failed; never a thing under test. */
export class ServerError extends Data.TaggedError("ServerError")<{ readonly cause: unknown }> {
  override get message(): string {
    return this.cause instanceof Error ? this.cause.message : String(this.cause)
  }
}

const attempt = <A>(run: () => Promise<A>): Effect.Effect<A, ServerError> =>
  Effect.tryPromise({ try: run, catch: (cause) => new ServerError({ cause }) })

/** What a row of a set-up query holds is known to its author only. */
// biome-ignore lint/suspicious/noExplicitAny: as the pg driver has it
export type Row = Record<string, any>

/** The run's server, as superuser, database `postgres`. */
export const adminUrl = (): string => inject("adminUrl")

/** One text on a session of its own; several statements are allowed when there are no parameters. */
export const query = (
  url: string,
  text: string,
  params?: ReadonlyArray<unknown>
): Effect.Effect<ReadonlyArray<Row>, ServerError> =>
  Effect.acquireUseRelease(
    attempt(async () => {
      const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
      // A lost session fails its query; without a listener it would end the process, too.
      client.on("error", () => undefined)
      await client.connect()
      return client
    }),
    (client) =>
      attempt(async () => {
        // Several statements give several results, whatever the declared type says: the last one's rows count.
        const results = [await client.query(text, params === undefined ? undefined : [...params])].flat()
        return results.at(-1)?.rows ?? []
      }),
    (client) => Effect.ignore(attempt(() => client.end()))
  )

/** `query` as superuser on the run's server. */
export const adminQuery = (text: string, params?: ReadonlyArray<unknown>) => query(adminUrl(), text, params)

const uniqueName = Effect.sync(() => `${inject("runName")}_${randomBytes(6).toString("hex")}`)

/** The same server by another database or another role. */
export const urlWith = (
  url: string,
  other: { readonly database?: string; readonly user?: string; readonly password?: string }
): string => {
  const changed = new URL(url)
  if (other.database !== undefined) changed.pathname = `/${other.database}`
  if (other.user !== undefined) changed.username = other.user
  if (other.password !== undefined) changed.password = other.password
  return changed.href
}

/** An empty database with a name of its own on the server of `url`; dropped with the scope, whoever is still connected. */
export const freshDatabaseOn = (url: string): Effect.Effect<string, ServerError, Scope.Scope> =>
  Effect.flatMap(uniqueName, (name) =>
    Effect.as(
      Effect.acquireRelease(query(url, `CREATE DATABASE "${name}" TEMPLATE template0`), () =>
        // A server the test took down has no database to drop; the run's own has, and says so.
        Effect.catchAll(query(url, `DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`), (error) =>
          Effect.logWarning(`database ${name} was not dropped: ${error.message}`)
        )
      ),
      urlWith(url, { database: name })
    )
  )

/** An empty database on the run's server; its URL, as superuser. */
export const freshDatabase: Effect.Effect<string, ServerError, Scope.Scope> = Effect.suspend(() =>
  freshDatabaseOn(adminUrl())
)

/** A role that may log in. */
export interface Role {
  readonly name: string
  readonly password: string
  /** The database it was made for, as this role. */
  readonly url: string
}

/**
 * A role with a password for the database of `url`; `attributes` as CREATE ROLE takes them (`NOSUPERUSER CONNECTION LIMIT 1`).
 * With the scope it goes, and what it owns in that database. Make it after the database, so that it goes before.
 */
export const freshRole = (url: string, attributes = ""): Effect.Effect<Role, ServerError, Scope.Scope> =>
  Effect.flatMap(uniqueName, (name) => {
    const password = randomBytes(12).toString("hex")
    return Effect.as(
      Effect.acquireRelease(query(url, `CREATE ROLE "${name}" LOGIN PASSWORD '${password}' ${attributes}`), () =>
        Effect.catchAll(
          query(
            url,
            `SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE usename = '${name}';
             DROP OWNED BY "${name}" CASCADE; DROP ROLE "${name}"`
          ),
          (error) => Effect.logWarning(`role ${name} was not dropped: ${error.message}`)
        )
      ),
      { name, password, url: urlWith(url, { user: name, password }) }
    )
  })

/** A private server of the same binaries that a test may take down. */
export interface ScratchServer {
  /** As superuser, database `postgres`. Stays the same over stop and start. */
  readonly url: string
  readonly port: number
  /** Stops it as an administrator would: sessions are ended, work is rolled back. */
  readonly stop: Effect.Effect<void, ServerError>
  /** Takes it down without a goodbye: it has to recover when it starts again. */
  readonly crash: Effect.Effect<void, ServerError>
  /** Starts it again on the same port with the same data. */
  readonly start: Effect.Effect<void, ServerError>
}

/**
 * Takes about a second to come up, and is gone with the scope (or with this process, however that ends). `settings` as in
 * postgresql.conf, on top of the run's own server's.
 */
export const scratchServerWith = (
  settings: Readonly<Record<string, string>>
): Effect.Effect<ScratchServer, ServerError, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      attempt(() => startKeeper({ settings })),
      (keeper) =>
        Effect.catchAll(
          attempt(() => keeper.close()),
          (error) => Effect.logWarning(error.message)
        )
    ),
    (keeper) => ({
      url: keeper.url,
      port: keeper.port,
      stop: attempt(() => keeper.tell("stop")),
      crash: attempt(() => keeper.tell("crash")),
      start: attempt(() => keeper.tell("start"))
    })
  )

/** Unlike on the run's own server, a COMMIT it answered survives its crash. */
export const scratchServer: Effect.Effect<ScratchServer, ServerError, Scope.Scope> = scratchServerWith({
  synchronous_commit: "on"
})
