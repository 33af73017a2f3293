/** What is repeated outside of a transaction: as a whole, or only while nothing was sent. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as DatabaseError from "../../src/model/DatabaseError.js"
import * as Retry from "../../src/transaction/Retry.js"
import { conflict } from "./support.js"

describe("Retry.transient", () => {
  it.effect("repeats transient database errors, however wrapped, and nothing else", () =>
    Effect.gen(function* () {
      let n = 0
      const wrapped = { cause: new Error("an ORM's", { cause: conflict() }) }
      const policy = { maxRetries: 2, baseDelay: 0 }
      const count = Effect.sync(() => n++)
      assert.deepStrictEqual(
        yield* Effect.exit(Retry.transient(Effect.zipRight(count, Effect.fail(wrapped)), policy)),
        Exit.fail(wrapped)
      )
      assert.strictEqual(n, 3)
      yield* Effect.exit(Retry.transient(Effect.zipRight(count, Effect.fail("no")), policy))
      assert.strictEqual(n, 4)
    })
  )
})

describe("Retry.unsent", () => {
  it.effect("repeats what failed before anything was sent, and nothing that may have been carried out", () =>
    Effect.gen(function* () {
      let n = 0
      const policy = { maxRetries: 2, baseDelay: 0 }
      const failing = (error: unknown) =>
        Retry.unsent(
          Effect.zipRight(
            Effect.sync(() => n++),
            Effect.fail({ cause: error })
          ),
          policy
        )
      const lost = (sent: boolean) =>
        new DatabaseError.ConnectionError({ operation: "execute", reason: "lost", phase: "statement", sent })
      yield* Effect.exit(failing(lost(false)))
      assert.strictEqual(n, 3)
      yield* Effect.exit(failing(lost(true)))
      assert.strictEqual(n, 4)
      // The conflict of a single statement is its caller's business: the whole of it failed, but it was sent.
      yield* Effect.exit(failing(conflict()))
      assert.strictEqual(n, 5)
    })
  )
})
