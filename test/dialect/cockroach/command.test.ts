/** The command, given a `postgresql://` behind which CockroachDB answers, as far as PostgreSQL can play its part. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { driver } from "../../cli/command.js"
import { project, tables } from "../../cli/migrations.js"
import { adminQuery, freshDatabase } from "../../support/server.js"
import { disguised } from "./disguise.js"

describe("aquifer", () => {
  it.scopedLive(
    "finds out who answers: it makes the database, migrates it, and tells its health",
    () =>
      Effect.gen(function* () {
        const base = yield* freshDatabase
        const { postgresql, sessions } = yield* disguised(base)
        const name = `${new URL(base).pathname.slice(1)}_made`
        const url = new URL(postgresql)
        url.pathname = `/${name}`
        yield* Effect.addFinalizer(() => Effect.ignore(adminQuery(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`)))
        const { json } = driver(yield* project(tables(2)), { DATABASE_URL: url.href })
        expect(yield* json("db", "create")).toMatchObject({ code: 0, out: { created: true } })
        expect(yield* json("db", "create")).toMatchObject({ code: 0, out: { created: false } })
        expect(yield* json("migrate", "up")).toMatchObject({ code: 0, out: { applied: [{}, {}] } })
        expect(yield* json("migrate", "status")).toMatchObject({ code: 0 })
        expect(yield* json("health")).toMatchObject({ code: 0, out: { product: "cockroachdb" } })
        const doctor = yield* json("doctor")
        expect(JSON.stringify(doctor.out)).toContain("another product answers")
        // Asked for from CockroachDB's own maintenance database first.
        expect(sessions.some((given) => given.get("database") === "defaultdb")).toBe(true)
        expect(sessions.some((given) => given.get("autocommit_before_ddl") === "off")).toBe(true)
      }),
    300_000
  )
})
