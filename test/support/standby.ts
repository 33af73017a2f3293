/**
 * A primary with a streaming standby, both of the same binaries, in the keeper's folder: whatever happens to this process,
 * the keeper ends what runs there and deletes it. Either may be stopped, started and given the other's part.
 */
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { appendFileSync, chownSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { eventually } from "../reliability/world.js"
import { query } from "./server.js"
import { startKeeper } from "./startKeeper.js"

/** Why the tests with a standby are left out, where they are. */
export const needsStandby = "the server's binary is found by way of /proc"
export const noStandby = process.platform !== "linux"

const freePort = Effect.async<number>((resume) => {
  const probe = createServer()
  probe.listen(0, "127.0.0.1", () => {
    const address = probe.address()
    probe.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

export interface Server {
  /** As superuser, database `postgres`. Stays the same whatever becomes of the server. */
  readonly url: string
  readonly stop: Effect.Effect<void>
  readonly start: Effect.Effect<void>
  readonly crash: Effect.Effect<void>
  /** While it is stopped: from its next start on it follows `other`. */
  readonly follow: (other: Server) => Effect.Effect<void>
}

export interface Pair {
  readonly primary: Server
  readonly standby: Server
  /** Both in one URL, in this order. */
  readonly both: (...servers: ReadonlyArray<Server>) => string
  /** Waits until the standby has replayed what the primary has written by now. */
  readonly caughtUp: Effect.Effect<void, unknown>
}

/** Takes some seconds to come up; the standby streams. `settings` as in postgresql.conf. */
export const pair = (settings: Readonly<Record<string, string>> = {}): Effect.Effect<Pair, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const keeper = yield* Effect.acquireRelease(
      Effect.promise(() => startKeeper({ settings: { wal_level: "replica", synchronous_commit: "on", ...settings } })),
      (keeper) => Effect.promise(() => keeper.close())
    )
    const port = yield* freePort
    const own = join(keeper.home, "data")
    const data = join(keeper.home, "standby")
    const { gid, uid } = statSync(own)
    const binary = readlinkSync(`/proc/${keeper.server}/exe`)
    const following = (folder: string) => (other: Server) =>
      Effect.sync(() => {
        writeFileSync(join(folder, "standby.signal"), "")
        chownSync(join(folder, "standby.signal"), uid, gid)
        const { hostname, password, port, username } = new URL(other.url)
        const file = join(folder, "postgresql.auto.conf")
        appendFileSync(
          file,
          `primary_conninfo = 'host=${hostname} port=${port} user=${username} password=${password}'\n`
        )
      })
    const told = (word: "stop" | "start" | "crash") => Effect.promise(() => keeper.tell(word))
    const primary: Server = {
      url: keeper.url,
      stop: told("stop"),
      start: told("start"),
      crash: told("crash"),
      follow: following(own)
    }
    yield* primary.stop
    execFileSync("cp", ["-a", own, data])
    yield* following(data)(primary)
    yield* primary.start

    let running: { readonly kill: (signal: NodeJS.Signals) => void; readonly ended: Promise<unknown> } | undefined
    const end = (signal: NodeJS.Signals) =>
      Effect.promise(async () => {
        const ending = running
        running = undefined
        ending?.kill(signal)
        await ending?.ended
      })
    const url = new URL(keeper.url)
    url.port = String(port)
    const ready = (line: string | undefined) => line?.trim() === "ready" || line?.trim() === "standby"
    const standby: Server = {
      url: url.href,
      stop: end("SIGINT"),
      crash: end("SIGQUIT"),
      start: Effect.gen(function* () {
        const who = process.getuid?.() === 0 ? { uid, gid } : {}
        rmSync(join(data, "postmaster.pid"), { force: true })
        const server = spawn(binary, ["-D", data, "-p", `${port}`], { ...who, cwd: data, stdio: "ignore" })
        running = { kill: (signal) => server.kill(signal), ended: once(server, "exit") }
        yield* eventually(
          "the standby is up",
          Effect.sync(() => {
            try {
              return readFileSync(join(data, "postmaster.pid"), "utf8").split("\n")[7]
            } catch {
              return undefined
            }
          }),
          ready,
          "60 seconds"
        ).pipe(Effect.orDie)
      }),
      follow: following(data)
    }
    yield* Effect.acquireRelease(standby.start, () => standby.crash)
    const streaming = query(primary.url, "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'")
    yield* eventually("the standby follows", streaming, (rows) => rows.length === 1, "60 seconds")
    const { password, username } = new URL(keeper.url)
    return {
      primary,
      standby,
      both: (...servers) =>
        `postgresql://${username}:${password}@${servers.map((server) => new URL(server.url).host).join(",")}/postgres`,
      caughtUp: Effect.flatMap(query(primary.url, "SELECT pg_current_wal_flush_lsn()::text AS lsn"), ([row]) =>
        eventually(
          "the standby has caught up",
          query(standby.url, "SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS done", [row?.lsn]),
          (rows) => rows[0]?.done === true
        )
      )
    }
  })
