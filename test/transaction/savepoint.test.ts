/** A transaction inside another one of the same client is a savepoint of it. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as DatabaseError from "../../src/model/DatabaseError.js"
import * as Transaction from "../../src/transaction/Transaction.js"
import { atRest, conflict, database, duplicate, failure, pass, rest, settle, world } from "./support.js"

describe("a nested transaction", () => {
  it.scoped("is a savepoint that travels in front of its first statement and is released on success", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      yield* run(Effect.zipRight(sql`INSERT 1`, run(sql`INSERT 2`)))
      assert.deepStrictEqual(server.messages, [
        ["BEGIN", "INSERT 1"],
        ["SAVEPOINT aquifer_1", "INSERT 2"],
        ["RELEASE aquifer_1"],
        ["COMMIT"]
      ])
      assert.deepStrictEqual(server.committed, ["INSERT 1", "INSERT 2"])
    })
  )

  it.scoped("that comes first brings BEGIN along, and sends nothing when nothing runs in it", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      yield* run(run(Effect.void))
      assert.deepStrictEqual(server.texts, [])
      yield* run(run(run(sql`INSERT 1`)))
      assert.deepStrictEqual(server.messages, [
        ["BEGIN", "SAVEPOINT aquifer_1", "SAVEPOINT aquifer_2"],
        ["INSERT 1"],
        ["RELEASE aquifer_2"],
        ["RELEASE aquifer_1"],
        ["COMMIT"]
      ])
    })
  )

  it.scoped("is rolled back alone when it fails", () =>
    Effect.gen(function* () {
      const { on, run, server, sql } = yield* world()
      server.fail("INSERT 2", duplicate())
      const inner = on(Transaction.savepoint(Effect.zipRight(sql`INSERT 1b`, sql`INSERT 2`)))
      yield* run(Effect.all([sql`INSERT 1`, Effect.ignore(inner), sql`INSERT 3`]))
      assert.deepStrictEqual(server.committed, ["INSERT 1", "INSERT 3"])
      assert.deepStrictEqual(server.messages[3], ["ROLLBACK TO aquifer_1", "RELEASE aquifer_1"])
    })
  )

  it.scoped("has a name no other savepoint of the transaction has", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      const inner = run(Effect.zipRight(sql`INSERT 1`, run(sql`INSERT 2`)))
      yield* run(Effect.all([sql`INSERT 0`, inner, inner, inner], { concurrency: 4 }))
      const names = server.texts.filter((text) => text.startsWith("SAVEPOINT"))
      assert.strictEqual(names.length, 6)
      assert.strictEqual(new Set(names).size, 6)
      assert.strictEqual(server.texts.filter((text) => text.startsWith("RELEASE")).length, 6)
    })
  )

  it.scoped("never overlaps with its siblings: one that fails takes nothing of another along", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      const failing = (n: number) =>
        run(Effect.all([sql.unsafe(`INSERT bad ${n}`), Effect.yieldNow(), Effect.fail("no")])).pipe(Effect.ignore)
      const good = (n: number) =>
        run(Effect.all([sql.unsafe(`INSERT a${n}`), Effect.yieldNow(), sql.unsafe(`INSERT b${n}`)]))
      yield* run(
        Effect.zipRight(sql`INSERT 0`, Effect.all([good(1), failing(1), good(2), failing(2)], { concurrency: 4 }))
      )
      assert.deepStrictEqual(server.committed, ["INSERT 0", "INSERT a1", "INSERT b1", "INSERT a2", "INSERT b2"])
    })
  )

  it.scoped("makes the outer level's statements wait, and they do not wait for ever", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* world()
      const body = Effect.gen(function* () {
        yield* sql`INSERT 1`
        const inside = yield* Deferred.make<void>()
        const go = yield* Deferred.make<void>()
        const inner = yield* Effect.fork(
          run(Effect.all([sql`INSERT 2`, Deferred.succeed(inside, undefined), Deferred.await(go), sql`INSERT 3`]))
        )
        yield* Deferred.await(inside)
        const outer = yield* Effect.fork(sql`INSERT 4`)
        yield* settle
        assert.isFalse(server.texts.includes("INSERT 4"))
        yield* Deferred.succeed(go, undefined)
        yield* Fiber.join(inner)
        yield* Fiber.join(outer)
      })
      yield* run(body)
      assert.deepStrictEqual(server.committed, ["INSERT 1", "INSERT 2", "INSERT 3", "INSERT 4"])

      // An outer fiber held inside: the savepoint waits for a statement that waits for the savepoint.
      const knot = yield* Effect.fork(
        run(
          Effect.flatMap(Effect.context<never>(), (outer) =>
            Effect.zipRight(sql`INSERT 5`, run(Effect.zipRight(sql`INSERT 6`, Effect.provide(sql`INSERT 7`, outer))))
          )
        )
      )
      yield* pass("30 seconds")
      assert.strictEqual(database(failure(yield* Fiber.await(knot)))._tag, "LockTimeoutError")
      assert.isFalse(server.texts.includes("INSERT 7"))
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("refuses isolation, access and deferrable, which are the outermost's", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      for (const options of [{ isolation: "serializable" }, { access: "read only" }, { deferrable: true }] as const) {
        const exit = yield* Effect.exit(run(run(sql`INSERT 1`, options)))
        assert.instanceOf(failure(exit), DatabaseError.UnsupportedError)
      }
      assert.deepStrictEqual(server.texts, [])
    })
  )

  it.scoped("that swallows a failure has not succeeded either", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      const first = duplicate()
      server.fail("INSERT 2", first)
      const error = yield* run(
        Effect.zipRight(sql`INSERT 1`, Effect.flip(run(Effect.zipRight(sql`INSERT 1b`, Effect.ignore(sql`INSERT 2`)))))
      )
      assert.instanceOf(error, DatabaseError.TransactionAborted)
      assert.strictEqual(DatabaseError.find(error.cause)?._tag, "UniqueViolation")
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
    })
  )

  it.scoped("whose conflict is final for it is run again by the outermost one alone", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.fail("INSERT 2", conflict(), 2)
      const tries: Array<number> = []
      const inner = run(
        Effect.zipRight(
          Effect.tap(Transaction.attempt, (n) => Effect.sync(() => tries.push(n))),
          sql`INSERT 2`
        )
      )
      yield* run(Effect.zipRight(sql`INSERT 1`, inner))
      assert.deepStrictEqual(tries, [1, 2, 3])
      assert.strictEqual(server.texts.filter((text) => text.startsWith("BEGIN")).length, 3)
      assert.deepStrictEqual(server.committed, ["INSERT 1", "INSERT 2"])
    })
  )

  it.scoped("that swallowed a conflict has it run again by the outermost one", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.fail("INSERT 2", conflict())
      yield* run(Effect.zipRight(sql`INSERT 1`, run(Effect.ignore(sql`INSERT 2`))))
      assert.deepStrictEqual(server.committed, ["INSERT 1", "INSERT 2"])
    })
  )

  it.scoped("that was undone has no say in whether the outer one is repeated", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.fail("INSERT 2", conflict())
      const exit = yield* Effect.exit(
        run(Effect.all([sql`INSERT 1`, Effect.ignore(run(sql`INSERT 2`)), Effect.fail("mine")]))
      )
      assert.strictEqual(failure(exit), "mine")
      assert.strictEqual(server.texts.filter((text) => text === "BEGIN").length, 1)
    })
  )

  it.scoped("cannot begin in a transaction that has failed, and says why", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.fail("INSERT 1", duplicate())
      const error = failure(yield* Effect.exit(run(Effect.zipRight(Effect.ignore(sql`INSERT 1`), run(sql`INSERT 2`)))))
      assert.strictEqual(database(error)._tag, "TransactionAborted")
      assert.isFalse(server.texts.includes("INSERT 2"))
    })
  )

  it.scoped("is not lost with a value that cannot be sent: the rest of the transaction stands", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.refuse(/INSERT bad/, new DatabaseError.DataError({ operation: "execute", reason: "cannot be sent" }))
      const inner = run(sql`INSERT bad ${new Date(0)}`)
      yield* run(Effect.all([sql`INSERT 1`, Effect.ignore(inner), sql`INSERT 2`]))
      assert.deepStrictEqual(server.committed, ["INSERT 1", "INSERT 2"])
      assert.strictEqual(server.count("destroy"), 0)
    })
  )

  it.scoped("whose rollback fails takes the transaction along: it never hangs, it is run again", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* world()
      const hung = server.hold(/^ROLLBACK TO/, { cancel: "unheard" })
      const inner = run(Effect.zipRight(sql`INSERT 2`, Effect.fail("mine")))
      const fiber = yield* Effect.fork(run(Effect.zipRight(sql`INSERT 1`, Effect.ignore(inner))))
      yield* hung.arrived
      yield* pass("5 seconds")
      yield* Fiber.join(fiber)
      assert.strictEqual(server.count("destroy"), 1)
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
      assert.deepStrictEqual(yield* atRest(connections), rest)
      // Where it is not to be run again, the caller learns what the connection died of.
      const refused = new DatabaseError.UnknownError({ operation: "rollback", reason: "will not" })
      server.fail(/^ROLLBACK TO/, refused)
      const exit = yield* Effect.exit(run(Effect.zipRight(sql`INSERT 1`, Effect.ignore(inner)), { retry: "never" }))
      assert.strictEqual(database(failure(exit)).reason, "will not")
    })
  )

  it.scoped("lost with its connection is run again, even when the body swallows that", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.lose("INSERT 2", "unanswered")
      yield* run(Effect.zipRight(sql`INSERT 1`, Effect.ignore(run(sql`INSERT 2`))))
      assert.deepStrictEqual(server.committed, ["INSERT 1", "INSERT 2"])
    })
  )

  it.scoped("that runs out of time is undone alone; one that is being released is not", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      const slow = server.hold("INSERT 2")
      const fiber = yield* Effect.fork(
        run(Effect.all([sql`INSERT 1`, Effect.flip(run(sql`INSERT 2`, { timeout: "1 seconds" })), sql`INSERT 3`]))
      )
      yield* slow.arrived
      yield* pass("1 seconds")
      const [, error] = yield* Fiber.join(fiber)
      assert.strictEqual(database(error)._tag, "StatementTimeoutError")
      assert.deepStrictEqual(server.committed, ["INSERT 1", "INSERT 3"])

      const releasing = server.hold(/^RELEASE/)
      const second = yield* Effect.fork(run(run(sql`INSERT 4`, { timeout: "1 seconds" })))
      yield* releasing.arrived
      yield* pass("2 seconds")
      yield* releasing.release
      yield* Fiber.join(second)
      assert.isTrue(server.committed.includes("INSERT 4"))
    })
  )

  it.scoped("interrupted, it is rolled back alone and the connection goes on", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      const slow = server.hold("INSERT 2")
      const body = Effect.gen(function* () {
        yield* sql`INSERT 1`
        const inner = yield* Effect.fork(run(sql`INSERT 2`))
        yield* slow.arrived
        assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(inner)))
        yield* sql`INSERT 3`
      })
      yield* run(body)
      assert.deepStrictEqual(server.committed, ["INSERT 1", "INSERT 3"])
    })
  )
})
