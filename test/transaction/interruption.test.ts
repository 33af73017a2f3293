/** Interruption: only its own statement is stopped, and the connection comes back clean or not at all. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Transaction from "../../src/transaction/Transaction.js"
import { atRest, conflict, pass, rest, settle, world } from "./support.js"

describe("a transaction is interrupted", () => {
  it.scoped("in a statement: the statement is cancelled, then rolled back, then the connection goes back", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* world()
      const slow = server.hold("INSERT 2")
      const fiber = yield* Effect.fork(run(Effect.zipRight(sql`INSERT 1`, sql`INSERT 2`)))
      yield* slow.arrived
      const exit = yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.isInterrupted(exit))
      assert.deepStrictEqual(
        server.events.map(({ texts, what }) => (what === "send" ? texts.join(";") : what)),
        ["connect", "BEGIN;INSERT 1", "INSERT 2", "cancel", "ROLLBACK"]
      )
      assert.deepStrictEqual(server.committed, [])
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("in its first statement, which had brought BEGIN along: rolled back too", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* world()
      const slow = server.hold("INSERT 1")
      const fiber = yield* Effect.fork(run(sql`INSERT 1`))
      yield* slow.arrived
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(server.texts, ["BEGIN", "INSERT 1", "ROLLBACK"])
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("when the cancel hits BEGIN itself there is nothing to roll back", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* world()
      const slow = server.hold("BEGIN")
      const fiber = yield* Effect.fork(run(sql`INSERT 1`))
      yield* slow.arrived
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(server.texts, ["BEGIN", "INSERT 1"])
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("a body that goes on after its BEGIN was cancelled runs nothing outside the transaction", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      const slow = server.hold("BEGIN")
      const body = Effect.gen(function* () {
        const fiber = yield* Effect.fork(sql`INSERT 1`)
        yield* slow.arrived
        yield* Fiber.interrupt(fiber)
        yield* sql`INSERT 2`
      })
      yield* run(body)
      assert.deepStrictEqual(server.alone, [])
      assert.deepStrictEqual(server.messages, [["BEGIN", "INSERT 1"], ["BEGIN", "INSERT 2"], ["COMMIT"]])
      assert.deepStrictEqual(server.committed, ["INSERT 2"])
    })
  )

  it.scoped("a statement that does not hear its cancel costs the connection, not a neighbour's statement", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* world({ pool: { size: 1 } })
      const slow = server.hold("INSERT 1", { cancel: "unheard" })
      const fiber = yield* Effect.fork(run(sql`INSERT 1`))
      yield* slow.arrived
      const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
      const neighbour = yield* Effect.fork(sql`INSERT 2`)
      yield* settle
      assert.isFalse(server.texts.includes("INSERT 2"), "the connection is kept until the cancel is settled")
      yield* pass("2 seconds")
      yield* Fiber.join(interrupting)
      yield* Fiber.join(neighbour)
      assert.strictEqual(server.count("connect"), 2)
      assert.deepStrictEqual(server.committed, ["INSERT 2"])
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("a timed-out statement does not end the transaction: what it failed is told at COMMIT", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      const slow = server.hold("INSERT 1")
      const body = Effect.gen(function* () {
        const fiber = yield* Effect.fork(Effect.timeoutOption(sql`INSERT 1`, "1 seconds"))
        yield* slow.arrived
        yield* pass("1 seconds")
        yield* Fiber.join(fiber)
      })
      const exit = yield* Effect.exit(run(body))
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(server.texts, ["BEGIN", "INSERT 1", "COMMIT"])
      assert.deepStrictEqual(server.committed, [])
    })
  )

  it.scoped("while it waits for a connection: nothing is sent and nothing kept", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* world({ pool: { size: 1 } })
      const slow = server.hold("INSERT 1")
      const first = yield* Effect.fork(run(sql`INSERT 1`))
      yield* slow.arrived
      const second = yield* Effect.fork(run(sql`INSERT 2`))
      yield* settle
      yield* Fiber.interrupt(second)
      yield* slow.release
      yield* Fiber.join(first)
      assert.isFalse(server.texts.includes("INSERT 2"))
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("while it waits between two tries: it ends at once", () =>
    Effect.gen(function* () {
      const policy = { maxRetries: 3, baseDelay: "1 hours", maxDelay: "1 hours", jitter: "none" } as const
      const { connections, run, server, sql } = yield* world()
      server.fail("INSERT 1", conflict())
      const fiber = yield* Effect.fork(run(sql`INSERT 1`, { retry: policy }))
      yield* settle
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("while COMMIT travels: its outcome holds, afterCommit runs, then it is interrupted", () =>
    Effect.gen(function* () {
      const { connections, on, run, server, sql } = yield* world()
      const travelling = server.hold("COMMIT")
      let after = 0
      let next = 0
      const body = Effect.zipRight(sql`INSERT 1`, on(Transaction.afterCommit(Effect.sync(() => after++))))
      const fiber = yield* Effect.fork(
        Effect.zipRight(
          run(body),
          Effect.sync(() => next++)
        )
      )
      yield* travelling.arrived
      const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* settle
      assert.isNull(interrupting.unsafePoll())
      assert.strictEqual(server.count("cancel"), 0)
      yield* travelling.release
      assert.isTrue(Exit.isInterrupted(yield* Fiber.join(interrupting)))
      assert.deepStrictEqual([after, next], [1, 0])
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("while COMMIT travels and fails with a conflict: nothing is run again", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      const travelling = server.hold("COMMIT")
      server.fail("COMMIT", conflict("commit"))
      const fiber = yield* Effect.fork(run(sql`INSERT 1`))
      yield* travelling.arrived
      const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* settle
      yield* travelling.release
      assert.isTrue(Exit.isInterrupted(yield* Fiber.join(interrupting)))
      assert.deepStrictEqual(server.texts, ["BEGIN", "INSERT 1", "COMMIT"])
    })
  )

  it.scoped("while COMMIT hangs: it waits its 60 s, asks, and tells nothing but the interruption", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* world()
      const hung = server.hold("COMMIT", { cancel: "unheard" })
      const fiber = yield* Effect.fork(run(sql`INSERT 1`))
      yield* hung.arrived
      const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* pass("60 seconds")
      assert.isTrue(Exit.isInterrupted(yield* Fiber.join(interrupting)))
      assert.strictEqual(server.texts.at(-1), "FATE OF 701")
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )
})

describe("a single statement is interrupted", () => {
  it.scoped("it is cancelled, and its connection is withheld until that is settled", () =>
    Effect.gen(function* () {
      const { connections, server, sql } = yield* world({ pool: { size: 1 } })
      const slow = server.hold("SELECT 1", { cancel: "unheard" })
      const fiber = yield* Effect.fork(sql`SELECT 1`)
      yield* slow.arrived
      const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* settle
      assert.strictEqual(server.count("cancel"), 1)
      assert.strictEqual((yield* connections.pool.status).checkedOut, 1)
      yield* pass("2 seconds")
      yield* Fiber.join(interrupting)
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )
})
