/** One primary with its standby for all tests of a file, which are skipped by name where there can be none. */
import { afterAll, beforeAll, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { skip } from "./skip.js"
import { needsStandby, noStandby, type Pair, pair } from "./standby.js"

/** `prepare` is done once, on the primary. */
export const sharedPair = (prepare: (servers: Pair) => Effect.Effect<unknown, unknown> = () => Effect.void) => {
  const scope = Effect.runSync(Scope.make())
  let found: Pair | undefined
  beforeAll(async () => {
    if (noStandby) return
    found = await Effect.runPromise(Scope.extend(pair(), scope))
    await Effect.runPromise(prepare(found))
  }, 180_000)
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)), 60_000)
  return {
    get servers(): Pair {
      if (found === undefined) throw new Error("the servers are there only while a test runs")
      return found
    },
    promise: (title: string, body: () => Effect.Effect<unknown, unknown, Scope.Scope>) =>
      it.scopedLive(
        title,
        (test) => {
          skip(test, noStandby, needsStandby)
          return body()
        },
        { timeout: 120_000 }
      )
  }
}
