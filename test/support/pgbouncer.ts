/** A real pooler in transaction mode between a test and its database. */
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { freshDatabase, query } from "./server.js"

/** Whether the program is not there. */
export const absent = spawnSync("pgbouncer", ["--version"]).status !== 0

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  await once(server, "close")
  return typeof address === "object" && address !== null ? address.port : 0
}

/** The same database through a pooler of its own in transaction mode, over two sessions of the server; `settings` are lines of its own. */
export const pooledWith = (...settings: ReadonlyArray<string>) =>
  Effect.flatMap(freshDatabase, (url) =>
    Effect.map(
      Effect.acquireRelease(
        Effect.promise(async () => {
          const { hostname, password, port, username } = new URL(url)
          const folder = await mkdtemp(join(tmpdir(), "aquifer-pgbouncer-"))
          await chmod(folder, 0o777)
          const own = await freePort()
          const users = join(folder, "users.txt")
          await writeFile(users, `"${decodeURIComponent(username)}" "${decodeURIComponent(password)}"\n`)
          const config = join(folder, "pgbouncer.ini")
          await writeFile(
            config,
            [
              "[databases]",
              `* = host=${hostname} port=${port}`,
              "[pgbouncer]",
              "listen_addr = 127.0.0.1",
              `listen_port = ${own}`,
              "unix_socket_dir =",
              "auth_type = trust",
              `auth_file = ${users}`,
              "pool_mode = transaction",
              "default_pool_size = 2",
              "max_client_conn = 100",
              "server_round_robin = 1",
              `logfile = ${join(folder, "log")}`,
              ...settings
            ].join("\n")
          )
          // It refuses to be root.
          const as = process.getuid?.() === 0 ? ["-u", "nobody"] : []
          const child = spawn("pgbouncer", ["-q", ...as, config], { stdio: "ignore" })
          const exited = once(child, "exit")
          return { folder, own, child, exited }
        }),
        ({ child, exited, folder }) =>
          Effect.promise(async () => {
            child.kill("SIGKILL")
            await exited
            await rm(folder, { recursive: true, force: true })
          })
      ).pipe(
        Effect.tap(({ folder, own }) => {
          const through = Object.assign(new URL(url), { port: String(own) }).href
          return query(through, "SELECT 1").pipe(
            Effect.retry({ times: 100, schedule: Schedule.spaced("50 millis") }),
            Effect.catchAll((error) =>
              Effect.flatMap(
                Effect.promise(() => readFile(join(folder, "log"), "utf8").catch(() => "no log")),
                (log) => Effect.fail(new Error(`${error.message}\n${log}`))
              )
            )
          )
        })
      ),
      ({ own }) => ({ direct: url, url: Object.assign(new URL(url), { port: String(own) }).href })
    )
  )

/** Why a test is skipped without it. */
export const needs = "needs the pgbouncer command (Debian package pgbouncer)"
