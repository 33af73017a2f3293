/** What every test of this product needs: a folder of its own, a configuration, a session, and another process. */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { DriverConnection, Request } from "../../../src/Dialect.js"
import { sqliteCore } from "../../../src/dialect/sqlite/index.js"
import type { DatabaseConfig } from "../../../src/model/DatabaseConfig.js"
import type { DatabaseError } from "../../../src/model/DatabaseError.js"
import * as RetryPolicy from "../../../src/model/RetryPolicy.js"

export const folder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "aquifer-sqlite-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** A path for a database that is not there yet. */
export const file = Effect.map(folder, (path) => join(path, "app.db"))

export const config = (
  database: string,
  more: Partial<DatabaseConfig> = {},
  parameters: Readonly<Record<string, string>> = {}
): DatabaseConfig => ({
  target: {
    driver: "sqlite",
    hosts: [],
    database,
    tls: { mode: "disable" },
    targetSession: "any",
    parameters
  },
  replicas: [],
  profile: "test",
  pool: {
    size: 1,
    maxOverflow: 0,
    acquireTimeout: Duration.seconds(1),
    maxLifetime: Duration.infinity,
    idleTimeout: Duration.infinity,
    prePing: Duration.infinity,
    keepAlive: Duration.infinity,
    resetOnReturn: "rollback",
    onConnect: []
  },
  retry: { connection: RetryPolicy.connection, conflict: RetryPolicy.conflict },
  connectTimeout: Duration.seconds(10),
  applicationName: "test",
  tablePrefix: "app",
  pooler: "none",
  prepare: true,
  connect: "eager",
  functions: {},
  transformJson: true,
  spanAttributes: {},
  ...more
})

export const writer = (database: string, more: Partial<DatabaseConfig> = {}, parameters = {}) =>
  sqliteCore.connect(config(database, more, parameters), "writer")

export const reader = (database: string) => sqliteCore.connect(config(database), "reader")

export const request = (text: string, params: ReadonlyArray<unknown> = [], more: Partial<Request> = {}): Request => ({
  text,
  params,
  prepare: true,
  rows: "objects",
  ...more
})

/** The rows of one statement. */
export const rows = (connection: DriverConnection, text: string, params: ReadonlyArray<unknown> = []) =>
  Effect.map(connection.run(request(text, params)), (reply) => reply.rows)

/** The failure of one statement. */
export const failure = <A>(effect: Effect.Effect<A, DatabaseError>) => Effect.flip(effect)

/** Another process that runs statements on the file when it is told to, and answers when it has. */
export const otherProcess = (database: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const child = spawn(
        process.execPath,
        [
          "-e",
          `const db = new (require("better-sqlite3"))(process.argv[1], { timeout: 0 })
           process.stdout.write("ready\\n")
           require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
             const { text, after } = JSON.parse(line)
             const run = () => { try { db.exec(text); process.stdout.write("done\\n") } catch (e) { process.stdout.write(e.code + "\\n") } }
             if (after) { process.stdout.write("later\\n"); setTimeout(() => db.exec(text), after) } else run()
           })`,
          database
        ],
        { stdio: ["pipe", "pipe", "inherit"] }
      )
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
      await lines.next()
      return { child, lines }
    }),
    ({ child }) =>
      Effect.async<void>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
        child.kill("SIGKILL")
      })
  ).pipe(
    Effect.map(({ child, lines }) => ({
      child,
      tell: (text: string, after = 0) =>
        Effect.promise(async () => {
          child.stdin.write(`${JSON.stringify({ text, after })}\n`)
          return (await lines.next()).value as string
        })
    }))
  )
