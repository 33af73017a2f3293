/** A live CockroachDB, where the run was given one. */
import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import { DatabaseConfig } from "effect-aquifer"
import { cockroach } from "../../../src/dialect/cockroach/index.js"

/** Its address as `postgresql://` or `cockroachdb://`, as a role that may create databases. */
export const nodeUrl: string | undefined = process.env.COCKROACH_TEST_URL || undefined

/** An empty database on it, by its own scheme; it goes with the scope. */
export const freshOn = (url: string) =>
  Effect.gen(function* () {
    const at = new URL(url)
    at.pathname = `/aquifer_test_${randomBytes(6).toString("hex")}`
    const own = at.href.replace(/^[a-z]+:/, "cockroachdb:")
    const config = yield* DatabaseConfig.make({ url: own })
    yield* Effect.acquireRelease(cockroach.admin?.create(config) ?? Effect.void, () =>
      Effect.ignoreLogged(cockroach.admin?.drop(config) ?? Effect.void)
    )
    return own
  })
