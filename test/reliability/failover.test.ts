/**
 * A primary with a synchronous standby is killed under load and the standby promoted: what was acknowledged is there, what was
 * reported failed is not, nothing is there twice. What nobody can know any more is called unknown.
 */
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { appendFileSync, chownSync, readlinkSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { Database, DatabaseError, Transaction } from "effect-aquifer"
import { query } from "../support/server.js"
import { skip } from "../support/skip.js"
import { type Keeper, startKeeper } from "../support/startKeeper.js"
import { eventually } from "./world.js"

const freePort = Effect.async<number>((resume) => {
  const probe = createServer()
  probe.listen(0, "127.0.0.1", () => {
    const address = probe.address()
    probe.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

/** Inside the keeper's folder: whatever happens to this process, the keeper ends what runs there and deletes it. */
const standbyOf = (keeper: Keeper) =>
  Effect.gen(function* () {
    const port = yield* freePort
    const own = join(keeper.home, "data")
    const data = join(keeper.home, "standby")
    const { gid, uid } = statSync(own)
    const binary = readlinkSync(`/proc/${keeper.server}/exe`)
    const { hostname, password, port: primary, username } = new URL(keeper.url)
    yield* Effect.promise(() => keeper.tell("stop"))
    execFileSync("cp", ["-a", own, data])
    writeFileSync(join(data, "standby.signal"), "")
    chownSync(join(data, "standby.signal"), uid, gid)
    appendFileSync(
      join(data, "postgresql.auto.conf"),
      `primary_conninfo = 'host=${hostname} port=${primary} user=${username} password=${password}'\n`
    )
    yield* Effect.promise(() => keeper.tell("start"))
    const who = process.getuid?.() === 0 ? { uid, gid } : {}
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const server = spawn(binary, ["-D", data, "-p", `${port}`], { ...who, cwd: data, stdio: "ignore" })
        return { server, ended: once(server, "exit") }
      }),
      ({ ended, server }) =>
        Effect.promise(async () => {
          server.kill("SIGQUIT")
          await ended
        })
    )
    const url = new URL(keeper.url)
    url.port = String(port)
    return url.href
  })

it.scopedLive(
  "acknowledged transactions survive the primary under synchronous replication",
  (test) => {
    skip(test, process.platform !== "linux", "the server's binary is found by way of /proc")
    return Effect.gen(function* () {
      const keeper = yield* Effect.acquireRelease(
        Effect.promise(() => startKeeper({ settings: { synchronous_commit: "on", wal_level: "replica" } })),
        (keeper) => Effect.promise(() => keeper.close())
      )
      const primary = keeper.url
      yield* query(primary, "CREATE TABLE written (id integer NOT NULL)")
      const standby = yield* standbyOf(keeper)
      yield* eventually(
        "the standby follows",
        query(primary, "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"),
        (rows) => rows.length === 1,
        "60 seconds"
      )
      yield* query(primary, "ALTER SYSTEM SET synchronous_standby_names = '*'")
      yield* query(primary, "SELECT pg_reload_conf()")
      yield* eventually(
        "the standby is synchronous",
        query(primary, "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"),
        (rows) => rows.length === 1
      )
      const { host, password, username } = new URL(primary)
      const both = `postgresql://${username}:${password}@${host},${new URL(standby).host}/postgres?target_session_attrs=read-write`
      const ids = Array.from({ length: 600 }, (_, index) => index)
      const told = new Map<number, string>()
      const work = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* Effect.forEach(
          ids,
          (id) =>
            Effect.map(Effect.either(Transaction.run(sql`INSERT INTO written VALUES (${id})`)), (outcome) => {
              told.set(id, Either.isRight(outcome) ? "done" : (DatabaseError.find(outcome.left)?._tag ?? "else"))
            }),
          { concurrency: 16, discard: true }
        )
      }).pipe(
        Effect.provide(
          Database.layer({
            url: both,
            profile: "development",
            connect: "lazy",
            ssl: "disable",
            retry: { connection: { maxRetries: 100, baseDelay: "20 millis", maxDelay: "500 millis" } }
          })
        )
      )
      const failover = Effect.gen(function* () {
        yield* eventually(
          "a part is done",
          Effect.sync(() => told.size),
          (n) => n >= 150
        )
        yield* Effect.promise(() => keeper.tell("crash"))
        expect(yield* query(standby, "SELECT pg_promote(true, 30)")).toEqual([{ pg_promote: true }])
      })
      yield* Effect.all([work, failover], { concurrency: 2 })
      const rows = yield* query(standby, "SELECT id, count(*)::int AS n FROM written GROUP BY id")
      const there = new Map(rows.map(({ id, n }) => [id as number, n as number]))
      const counts: Record<string, number> = {}
      for (const word of told.values()) counts[word] = (counts[word] ?? 0) + 1
      console.log("after the failover:", counts)
      expect(rows.filter(({ n }) => n > 1)).toEqual([])
      expect(ids.filter((id) => told.get(id) === "done" && !there.has(id))).toEqual([])
      expect(
        ids.filter((id) => !["done", "CommitUnknown"].includes(told.get(id) ?? "untold") && there.has(id))
      ).toEqual([])
      // Those at their COMMIT when the primary went, at most; everybody else got through.
      expect(counts.CommitUnknown ?? 0).toBeLessThanOrEqual(16)
      expect(counts.done).toBeGreaterThanOrEqual(ids.length - 16)
    })
  },
  { timeout: 120_000 }
)
