/** Statements as one transaction: what travels when, and what a failure, a loss or an interrupt leaves. */
import type { Statement } from "@effect/sql/Statement"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Transaction from "../../src/transaction/Transaction.js"
import { atRest, conflict, database, duplicate, failure, rest, settle, world } from "./support.js"

const scene = (differs: Parameters<typeof world>[1] = {}) =>
  Effect.map(world({}, differs), (scripted) => ({
    ...scripted,
    statements: [1, 2, 3, 4].map((n) => scripted.sql.unsafe(`INSERT ${n}`)),
    batch: (statements: ReadonlyArray<Statement<object>>, options?: Transaction.Options) =>
      scripted.on(Transaction.batch(statements, options))
  }))

const all = ["BEGIN", "INSERT 1", "INSERT 2", "INSERT 3", "INSERT 4"]

describe("Transaction.batch", () => {
  it.scoped("three round trips: BEGIN with the first, all others without waiting, COMMIT by itself", () =>
    Effect.gen(function* () {
      const { batch, server, statements } = yield* scene()
      const first = server.hold("INSERT 1")
      const second = server.hold("INSERT 2")
      const fiber = yield* Effect.fork(batch(statements))
      yield* first.arrived
      yield* settle
      assert.deepStrictEqual(server.texts, ["BEGIN", "INSERT 1"])
      yield* first.release
      yield* second.arrived
      yield* settle
      assert.deepStrictEqual(server.texts, all)
      yield* second.release
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(server.texts, [...all, "COMMIT"])
      assert.strictEqual(server.committed.length, 4)
    })
  )

  it.scoped("one by one where the product does not pipeline", () =>
    Effect.gen(function* () {
      const { batch, server, statements } = yield* scene({ can: new Set() })
      const second = server.hold("INSERT 2")
      const fiber = yield* Effect.fork(batch(statements))
      yield* second.arrived
      yield* settle
      assert.deepStrictEqual(server.texts, all.slice(0, 3))
      yield* second.release
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(server.texts, [...all, "COMMIT"])
    })
  )

  it.scoped("one by one where a statement may end the transaction: nothing runs outside of it", () =>
    Effect.gen(function* () {
      const { batch, server, sql, statements } = yield* scene({
        kind: (text) => (text === "COMMIT" ? "session" : "write")
      })
      const exit = yield* Effect.exit(batch([...statements.slice(0, 2), sql.unsafe("COMMIT"), ...statements.slice(2)]))
      assert.strictEqual(database(failure(exit))._tag, "TransactionAborted")
      assert.isFalse(server.texts.includes("INSERT 3"))
    })
  )

  it.scoped("BEGIN refused: none of the others is sent", () =>
    Effect.gen(function* () {
      const { batch, server, statements } = yield* scene()
      server.fail("BEGIN", duplicate())
      assert.isTrue(Exit.isFailure(yield* Effect.exit(batch(statements))))
      assert.deepStrictEqual(server.texts, ["BEGIN", "INSERT 1"])
      assert.deepStrictEqual(server.committed, [])
    })
  )

  it.scoped("a failure in the middle: rolled back, and it is the one told", () =>
    Effect.gen(function* () {
      const { batch, connections, server, statements } = yield* scene()
      server.fail("INSERT 3", duplicate())
      const exit = yield* Effect.exit(batch(statements))
      assert.strictEqual(database(failure(exit))._tag, "UniqueViolation")
      assert.deepStrictEqual(server.texts, [...all, "ROLLBACK"])
      assert.deepStrictEqual(server.committed, [])
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("a conflict runs the whole again, once more all or nothing", () =>
    Effect.gen(function* () {
      const { batch, server, statements } = yield* scene()
      server.fail("INSERT 4", conflict())
      yield* batch(statements)
      assert.deepStrictEqual(server.texts, [...all, "ROLLBACK", ...all, "COMMIT"])
      assert.strictEqual(server.committed.length, 4)
    })
  )

  it.scoped("a lost COMMIT is asked about: its id was known before it left", () =>
    Effect.gen(function* () {
      const { batch, server, statements } = yield* scene()
      server.lose("COMMIT", "unanswered")
      yield* batch(statements)
      assert.strictEqual(server.committed.length, 4)
      assert.strictEqual(server.texts.filter((text) => text.startsWith("FATE")).length, 1)
    })
  )

  it.scoped("interrupted: stopped once, rolled back, and the connection is back", () =>
    Effect.gen(function* () {
      const { batch, connections, server, statements } = yield* scene()
      const third = server.hold("INSERT 3")
      const fiber = yield* Effect.fork(batch(statements))
      yield* third.arrived
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(server.count("cancel"), 1)
      assert.deepStrictEqual(server.texts, [...all, "ROLLBACK"])
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("inside a transaction it is a savepoint; of nothing it is nothing", () =>
    Effect.gen(function* () {
      const { batch, run, server, statements } = yield* scene()
      assert.deepStrictEqual(yield* batch([]), [])
      assert.deepStrictEqual(server.texts, [])
      yield* run(batch(statements))
      assert.deepStrictEqual(server.texts, [
        "BEGIN",
        "SAVEPOINT aquifer_1",
        "INSERT 1",
        "INSERT 2",
        "INSERT 3",
        "INSERT 4",
        "RELEASE aquifer_1",
        "COMMIT"
      ])
    })
  )
})
