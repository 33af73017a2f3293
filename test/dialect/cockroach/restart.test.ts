/** Every way a transaction behind `cockroach_restart` can go, on a scripted server. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { transaction } from "../../../src/dialect/cockroach/transaction.js"
import * as DatabaseError from "../../../src/model/DatabaseError.js"
import * as RetryPolicy from "../../../src/model/RetryPolicy.js"
import type { Options } from "../../../src/testing/ScriptedConnection.js"
import * as Transaction from "../../../src/transaction/Transaction.js"
import { atRest, conflict, database, duplicate, failure, pass, rest, settle, world } from "../../transaction/support.js"

const begin = ["BEGIN", 'SAVEPOINT "cockroach_restart"']
const end = ['RELEASE SAVEPOINT "cockroach_restart"', "COMMIT"]
const back = ['ROLLBACK TO SAVEPOINT "cockroach_restart"']
const release = /^RELEASE SAVEPOINT "cockroach_restart"/

/** The scripted server's words, but for these. */
const cockroach = (options: Options = {}) =>
  world(options, { name: "cockroachdb", transaction, fate: Option.none(), can: new Set(["cancel", "returning"]) })

const ambiguous = () =>
  new DatabaseError.CommitUnknown({ operation: "commit", reason: "result is ambiguous", sqlState: "40003" })

/** A tenth of a second before the second try, two before the third. */
const slow = {
  connection: RetryPolicy.connection,
  conflict: RetryPolicy.decide({ maxRetries: 3, baseDelay: "100 millis", jitter: "none" }, RetryPolicy.conflict)
}

describe("a transaction that restarts", () => {
  it.scoped("stands behind its savepoint, which is awaited, and is committed by its release", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* cockroach()
      yield* run(Effect.zipRight(sql`INSERT 1`, sql`SELECT 2`))
      assert.deepStrictEqual(server.messages, [begin, ["INSERT 1"], ["SELECT 2"], end])
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
      yield* run(Effect.void)
      assert.strictEqual(server.messages.length, 4)
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("has its own settings in front of the savepoint, so that going back keeps them", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* cockroach()
      server.fail("INSERT 1", conflict())
      yield* run(sql`INSERT 1`, { settings: { application_name: "x" }, isolation: "serializable" })
      assert.deepStrictEqual(server.messages[0], [
        "BEGIN ISOLATION LEVEL SERIALIZABLE",
        `SET LOCAL "application_name" = 'x'`,
        'SAVEPOINT "cockroach_restart"'
      ])
      assert.deepStrictEqual(server.messages.slice(1), [["INSERT 1"], back, ["INSERT 1"], end])
    })
  )

  it.scoped("begins a conflict again on the same connection, its afterCommit effects once", () =>
    Effect.gen(function* () {
      const { connections, on, run, server, sql } = yield* cockroach()
      server.fail("INSERT 2", conflict(), 2)
      const seen: Array<unknown> = []
      const body = Effect.gen(function* () {
        seen.push(yield* Transaction.attempt)
        yield* on(Transaction.afterCommit(Effect.sync(() => seen.push("after"))))
        yield* sql`INSERT 1`
        yield* sql`INSERT 2`
      })
      yield* run(body)
      assert.deepStrictEqual(seen, [1, 2, 3, "after"])
      assert.deepStrictEqual(server.committed, ["INSERT 1", "INSERT 2"])
      assert.strictEqual(server.count("connect"), 1)
      assert.deepStrictEqual(
        server.messages.filter(([text]) => !text?.startsWith("INSERT")),
        [begin, back, back, end]
      )
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("begins a conflict again that is met at the release", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* cockroach()
      server.fail(release, conflict("commit"))
      yield* run(sql`INSERT 1`)
      assert.deepStrictEqual(server.messages, [begin, ["INSERT 1"], end, back, ["INSERT 1"], end])
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
    })
  )

  it.scoped("begins a conflict again that its body swallowed, or made something else of", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* cockroach()
      server.fail("INSERT 1", conflict())
      yield* run(Effect.zipRight(Effect.ignore(sql`INSERT 1`), Effect.void))
      server.fail("INSERT 2", conflict())
      yield* run(Effect.mapError(sql`INSERT 2`, () => "mine" as const))
      assert.deepStrictEqual(server.committed, ["INSERT 1", "INSERT 2"])
    })
  )

  it.scoped("waits before it goes back, longer each time", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* cockroach({ retry: slow })
      server.fail("INSERT 1", conflict(), 2)
      const fiber = yield* Effect.fork(run(sql`INSERT 1`))
      const went = () => server.messages.filter(([text]) => text === back[0]).length
      yield* settle
      assert.strictEqual(went(), 0)
      yield* pass("99 millis")
      assert.strictEqual(went(), 0)
      yield* pass("1 millis")
      assert.strictEqual(went(), 1)
      yield* pass("199 millis")
      assert.strictEqual(went(), 1)
      yield* pass("1 millis")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
    })
  )

  it.scoped("interrupted while it waits, is rolled back, and its connection is clean", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* cockroach({ retry: slow })
      server.fail("INSERT 1", conflict())
      const fiber = yield* Effect.fork(run(sql`INSERT 1`))
      yield* settle
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(server.messages, [begin, ["INSERT 1"], ["ROLLBACK"]])
      assert.deepStrictEqual(yield* atRest(connections), rest)
      assert.strictEqual(server.count("destroy"), 0)
    })
  )

  it.scoped("is rolled back when its tries are used up, and every attempt is told", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* cockroach()
      server.fail("INSERT 1", conflict(), 9)
      const error = database(failure(yield* Effect.exit(run(sql`INSERT 1`))))
      assert.strictEqual(error._tag === "RetriesExhausted" && error.attempts.length, 4)
      assert.deepStrictEqual(server.messages.at(-1), ["ROLLBACK"])
      assert.deepStrictEqual(server.committed, [])
      assert.strictEqual(
        database(failure(yield* Effect.exit(run(sql`INSERT 1`, { retry: "never" }))))._tag,
        "SerializationError"
      )
      assert.deepStrictEqual(server.messages.at(-1), ["ROLLBACK"])
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("never sleeps past its own timeout", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* cockroach({ retry: slow })
      server.fail("INSERT 1", conflict())
      const error = failure(yield* Effect.exit(run(sql`INSERT 1`, { timeout: "50 millis" })))
      assert.strictEqual(database(error)._tag, "StatementTimeoutError")
      assert.deepStrictEqual(server.messages.at(-1), ["ROLLBACK"])
    })
  )

  it.scoped("whose way back is lost with the line is run again on another connection", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* cockroach()
      server.fail("INSERT 1", conflict())
      server.lose(back[0] ?? "", "undelivered")
      yield* run(sql`INSERT 1`)
      assert.strictEqual(server.count("connect"), 2)
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("other failures are rolled back as ever, and stay what they are", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* cockroach()
      server.fail("INSERT 1", duplicate())
      assert.strictEqual(database(failure(yield* Effect.exit(run(sql`INSERT 1`))))._tag, "UniqueViolation")
      assert.deepStrictEqual(server.messages, [begin, ["INSERT 1"], ["ROLLBACK"]])
      server.fail("INSERT 2", duplicate())
      const swallowed = failure(yield* Effect.exit(run(Effect.ignore(sql`INSERT 2`))))
      assert.strictEqual(database(swallowed)._tag, "TransactionAborted")
      assert.strictEqual(DatabaseError.find(database(swallowed).cause)?._tag, "UniqueViolation")
      assert.deepStrictEqual(server.messages.slice(-2), [["INSERT 2"], ["ROLLBACK"]])
      server.fail(
        release,
        new DatabaseError.ForeignKeyViolation({ operation: "commit", reason: "no", sqlState: "23503" })
      )
      assert.strictEqual(database(failure(yield* Effect.exit(run(sql`INSERT 3`))))._tag, "ForeignKeyViolation")
      assert.deepStrictEqual(server.messages.at(-1), ["ROLLBACK"])
      assert.deepStrictEqual(server.committed, [])
    })
  )
})

describe("the end of it, where nobody can be asked", () => {
  it.scoped("a line lost at the release is CommitUnknown, wherever it was lost, and nothing is repeated", () =>
    Effect.gen(function* () {
      for (const [text, loss] of [
        [release, "undelivered"],
        [release, "unanswered"],
        ["COMMIT", "unanswered"]
      ] as const) {
        const { connections, run, server, sql } = yield* cockroach()
        server.lose(text, loss)
        const error = database(failure(yield* Effect.exit(run(sql`INSERT 1`))))
        assert.strictEqual(error._tag, "CommitUnknown")
        assert.strictEqual(server.texts.filter((sent) => sent === "INSERT 1").length, 1)
        assert.deepStrictEqual(yield* atRest(connections), rest)
      }
    })
  )

  it.scoped("a line lost before the release was sent is run again", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* cockroach()
      server.lose(release, "unsent")
      yield* run(sql`INSERT 1`)
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
    })
  )

  it.scoped("a read-only transaction is simply read again", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* cockroach()
      server.lose(release, "unanswered")
      yield* run(sql`SELECT 1`, { access: "read only" })
      assert.strictEqual(server.texts.filter((sent) => sent === "SELECT 1").length, 2)
    })
  )

  it.scoped("40003 is CommitUnknown, at the release and in a statement, and never repeated", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* cockroach()
      server.fail(release, ambiguous())
      assert.strictEqual(database(failure(yield* Effect.exit(run(sql`INSERT 1`))))._tag, "CommitUnknown")
      server.fail("INSERT 2", ambiguous())
      assert.strictEqual(database(failure(yield* Effect.exit(run(sql`INSERT 2`))))._tag, "CommitUnknown")
      server.fail("INSERT 3", ambiguous())
      assert.strictEqual(database(yield* Effect.flip(sql`INSERT 3`))._tag, "CommitUnknown")
      for (const text of ["INSERT 1", "INSERT 2", "INSERT 3"]) {
        assert.strictEqual(server.texts.filter((sent) => sent === text).length, 1)
      }
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("an answer that does not come within the limit is CommitUnknown, too", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* cockroach()
      const hold = server.hold(release, { cancel: "unheard" })
      const fiber = yield* Effect.fork(run(sql`INSERT 1`))
      yield* hold.arrived
      yield* pass("60 seconds")
      assert.strictEqual(database(failure(yield* Fiber.await(fiber)))._tag, "CommitUnknown")
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )
})

describe("a savepoint inside", () => {
  it.scoped("is one of its own, undone alone", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* cockroach()
      server.fail("INSERT 2", duplicate())
      yield* run(Effect.all([sql`INSERT 1`, Effect.ignore(run(sql`INSERT 2`)), run(sql`INSERT 3`)]))
      assert.deepStrictEqual(server.messages, [
        begin,
        ["INSERT 1"],
        ['SAVEPOINT "aquifer_1"', "INSERT 2"],
        ['ROLLBACK TO SAVEPOINT "aquifer_1"', 'RELEASE SAVEPOINT "aquifer_1"'],
        ['SAVEPOINT "aquifer_2"', "INSERT 3"],
        ['RELEASE SAVEPOINT "aquifer_2"'],
        end
      ])
      assert.deepStrictEqual(server.committed, ["INSERT 1", "INSERT 3"])
    })
  )

  it.scoped("that comes first stands behind the one all of it stands behind", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* cockroach()
      yield* run(run(sql`INSERT 1`))
      assert.deepStrictEqual(server.messages[0], [...begin, 'SAVEPOINT "aquifer_1"'])
    })
  )

  it.scoped("cannot be gone back to behind a conflict: the whole is run again, on the same connection", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* cockroach()
      server.fail("INSERT 3", conflict())
      // As the server says it: "cannot rollback to savepoint after a transaction restart", 40001.
      server.fail(/^ROLLBACK TO SAVEPOINT "aquifer/, conflict("rollback"), 2)
      const innermost = run(Effect.zipRight(sql`INSERT 3`, sql`INSERT 4`))
      yield* run(Effect.zipRight(sql`INSERT 1`, run(Effect.zipRight(sql`INSERT 2`, innermost))))
      assert.strictEqual(server.count("connect"), 1)
      assert.strictEqual(server.count("destroy"), 0)
      assert.deepStrictEqual(server.committed, ["INSERT 1", "INSERT 2", "INSERT 3", "INSERT 4"])
      assert.strictEqual(server.messages.filter(([text]) => text === back[0]).length, 1)
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("whose conflict the body swallows has the whole run again all the same", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* cockroach()
      server.fail("INSERT 2", conflict())
      server.fail(/^ROLLBACK TO SAVEPOINT "aquifer/, conflict("rollback"))
      yield* run(Effect.zipRight(sql`INSERT 1`, Effect.ignore(run(sql`INSERT 2`))))
      assert.deepStrictEqual(server.committed, ["INSERT 1", "INSERT 2"])
      assert.strictEqual(server.count("connect"), 1)
    })
  )
})

describe("what there is not", () => {
  it.scoped("a lock by name is refused before anything is sent, with the way to go", () =>
    Effect.gen(function* () {
      const { on, run, server } = yield* cockroach()
      const error = database(failure(yield* Effect.exit(run(on(Transaction.lock("key"))))))
      assert.strictEqual(error._tag, "UnsupportedError")
      assert.include(error.message, "FOR UPDATE")
      assert.deepStrictEqual(server.texts, [])
    })
  )
})
