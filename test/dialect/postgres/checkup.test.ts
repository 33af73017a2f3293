/** What doctor's questions to PostgreSQL are taken to mean, for answers a test server does not give. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { DriverConnection } from "../../../src/Dialect.js"
import * as Backend from "../../../src/dialect/postgres/backend.js"
import { checkup } from "../../../src/dialect/postgres/checkup.js"
import * as DatabaseConfig from "../../../src/model/DatabaseConfig.js"

const healthy = {
  version: 180_000,
  versionText: "18.0",
  standby: false,
  pid: 7,
  role: "app",
  now: 0,
  schema: "public",
  mayCreate: true,
  super: false,
  seats: 97,
  taken: 3,
  fsync: "on",
  commit: "on",
  tls: true
}

/** A session that was opened by the process 7 and answers this. */
const answered = (row: Partial<Record<keyof typeof healthy, unknown>>, options: Partial<DatabaseConfig.Options> = {}) =>
  Effect.gen(function* () {
    const config = yield* DatabaseConfig.make({
      url: "postgres://app@db.example/x",
      pool: { size: 10, maxOverflow: 5 },
      ...options
    })
    const reply = { rows: [{ ...healthy, ...row }], tag: "SELECT", count: 1, raw: undefined }
    // Nothing else of a session is asked.
    const own = { run: () => Effect.succeed(reply) } as unknown as DriverConnection
    Backend.note(own, 7)
    const checks = yield* checkup(own, config)
    for (const check of checks) {
      expect({ [check.name]: check.verdict === "fine" || check.remedy !== undefined }).toEqual({ [check.name]: true })
    }
    return (name: string) => checks.find((check) => check.name === name)
  })

describe("checkup", () => {
  it.effect("finds nothing where everything is as it should be", () =>
    Effect.gen(function* () {
      const find = yield* answered({})
      for (const name of [
        "version",
        "primary",
        "tables",
        "role",
        "pooler",
        "sessions",
        "clock",
        "durability",
        "encryption"
      ]) {
        expect(find(name)).toMatchObject({ name, verdict: "fine" })
      }
    })
  )

  it.effect("knows a pooler by the process that answers, and is content when it was told of", () =>
    Effect.gen(function* () {
      expect((yield* answered({ pid: 8 }))("pooler")).toMatchObject({
        verdict: "wrong",
        remedy: expect.stringContaining("DB_POOLER=transaction")
      })
      expect((yield* answered({ pid: 8 }, { pooler: "transaction" }))("pooler")).toMatchObject({ verdict: "fine" })
      expect((yield* answered({}, { pooler: "transaction" }))("pooler")).toMatchObject({ verdict: "note" })
    })
  )

  it.effect("tells how far the clocks are apart, and which way", () =>
    Effect.gen(function* () {
      // The test's own clock stands at 0.
      expect((yield* answered({ now: 900 }))("clock")).toMatchObject({
        verdict: "fine",
        finding: expect.stringMatching(/within/)
      })
      expect((yield* answered({ now: 60_000 }))("clock")).toMatchObject({
        verdict: "note",
        finding: expect.stringMatching(/60\.0 s ahead/)
      })
      expect((yield* answered({ now: -60_000 }))("clock")).toMatchObject({
        verdict: "note",
        finding: expect.stringMatching(/60\.0 s behind/)
      })
    })
  )

  it.effect("names a standby, an old server, a missing schema, a full server and an open line", () =>
    Effect.gen(function* () {
      expect((yield* answered({ standby: true }))("primary")).toMatchObject({ verdict: "note" })
      expect((yield* answered({ version: 130_000 }))("version")).toMatchObject({ verdict: "note" })
      expect((yield* answered({ schema: null, mayCreate: false }))("tables")).toMatchObject({
        verdict: "wrong",
        remedy: expect.stringContaining("search_path")
      })
      expect((yield* answered({ taken: 90 }))("sessions")).toMatchObject({ verdict: "note" })
      expect((yield* answered({ seats: 10 }))("sessions")).toMatchObject({ verdict: "wrong" })
      expect((yield* answered({ tls: false }))("encryption")).toMatchObject({ verdict: "note" })
      const local = yield* answered({ tls: false }, { url: "postgres://app@localhost/x" })
      expect(local("encryption")).toMatchObject({ verdict: "fine" })
    })
  )
})
