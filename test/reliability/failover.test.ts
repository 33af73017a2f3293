/**
 * A primary with a synchronous standby is killed under load and the standby promoted: what was acknowledged is there, what was
 * reported failed is not, nothing is there twice. What nobody can know any more is called unknown.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { Database, DatabaseError, Transaction } from "effect-aquifer"
import { query } from "../support/server.js"
import { skip } from "../support/skip.js"
import { needsStandby, noStandby, pair } from "../support/standby.js"
import { eventually } from "./world.js"

it.scopedLive(
  "acknowledged transactions survive the primary under synchronous replication",
  (test) => {
    skip(test, noStandby, needsStandby)
    return Effect.gen(function* () {
      const servers = yield* pair()
      const primary = servers.primary.url
      const standby = servers.standby.url
      yield* query(primary, "CREATE TABLE written (id integer NOT NULL)")
      yield* query(primary, "ALTER SYSTEM SET synchronous_standby_names = '*'")
      yield* query(primary, "SELECT pg_reload_conf()")
      yield* eventually(
        "the standby is synchronous",
        query(primary, "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"),
        (rows) => rows.length === 1
      )
      const both = `${servers.both(servers.primary, servers.standby)}?target_session_attrs=read-write`
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
        yield* servers.primary.crash
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
