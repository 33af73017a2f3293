/** Ctrl-C in the middle of the demo: exit code 130, one line, everything closed, nothing lost. */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { aquifer, start } from "../cli/command.js"
import { freshFolder } from "../cli/folder.js"
import { freshDatabase, query } from "../support/server.js"

/** Asks until it is so; the test's own limit ends it. */
const until = <E>(ask: Effect.Effect<boolean, E>) =>
  Effect.repeat(
    Effect.orElseSucceed(ask, () => false),
    { until: (yes) => yes, schedule: Schedule.spaced("5 millis") }
  )

const one = /^aquifer: interrupted; everything is closed\.\n$/

describe("Ctrl-C in the middle of the transfers", () => {
  it.scopedLive("on SQLite closes the file: no WAL is left, and the sum is what it was", () =>
    Effect.gen(function* () {
      const cwd = yield* freshFolder
      const file = path.join(cwd, "aquifer-demo.db")
      const moved = Effect.try(() => {
        const db = new Sqlite(file, { readonly: true, fileMustExist: true })
        try {
          return db.prepare("SELECT sum(version) FROM aquifer_demo_accounts").pluck().get() !== 0
        } finally {
          db.close()
        }
      })
      const running = yield* start(["demo"], { cwd })
      yield* until(moved)
      running.child.kill("SIGINT")
      const ended = yield* Effect.promise(() => running.ended)
      expect(ended).toMatchObject({ code: 130, out: "" })
      expect(ended.err).toMatch(one)
      const left = yield* Effect.promise(() => fs.readdir(cwd))
      expect(left.filter((name) => /-(wal|shm|journal)$/.test(name))).toEqual([])
      const db = new Sqlite(file)
      expect(db.pragma("integrity_check", { simple: true })).toBe("ok")
      expect(db.prepare("SELECT sum(balance) FROM aquifer_demo_accounts").pluck().get()).toBe(24_000)
      db.close()
      expect(yield* aquifer(["demo", "--json"], { cwd })).toMatchObject({ code: 0, err: "" })
    })
  )

  it.scopedLive("on PostgreSQL ends every session, and the sum is what it was", () =>
    Effect.gen(function* () {
      const cwd = yield* freshFolder
      const url = yield* freshDatabase
      const running = yield* start(["demo"], { cwd, env: { DATABASE_URL: url } })
      yield* until(
        Effect.map(query(url, "SELECT sum(version)::int AS n FROM aquifer_demo_accounts"), ([row]) => row?.n > 20)
      )
      running.child.kill("SIGINT")
      const ended = yield* Effect.promise(() => running.ended)
      expect(ended).toMatchObject({ code: 130, out: "" })
      expect(ended.err).toMatch(one)
      // A server takes a moment to see that a closed session is gone.
      yield* until(
        Effect.map(
          query(
            url,
            "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
          ),
          ([row]) => row?.n === 0
        )
      )
      expect(yield* query(url, "SELECT sum(balance)::int AS sum FROM aquifer_demo_accounts")).toEqual([{ sum: 24_000 }])
    })
  )

  it.scopedLive("SIGTERM ends it as well, with the code a supervisor expects", () =>
    Effect.gen(function* () {
      const cwd = yield* freshFolder
      const running = yield* start(["demo"], { cwd })
      yield* until(Effect.tryPromise(() => fs.stat(path.join(cwd, "aquifer-demo.db")).then(() => true)))
      running.child.kill("SIGTERM")
      expect(yield* Effect.promise(() => running.ended)).toMatchObject({ code: 143 })
    })
  )
})
