/** One test for each cell of "how the body ended" x "what the server answered". */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as DatabaseError from "../../src/model/DatabaseError.js"
import * as Transaction from "../../src/transaction/Transaction.js"
import {
  atRest,
  conflict,
  database,
  duplicate,
  failure,
  pass,
  prompt,
  rest,
  settle,
  startingUp,
  world
} from "./support.js"

describe("how a transaction begins", () => {
  it.scoped("neither BEGIN nor COMMIT is sent when no statement ran", () =>
    Effect.gen(function* () {
      const { run, server } = yield* world()
      assert.strictEqual(yield* run(Effect.succeed(1)), 1)
      assert.deepStrictEqual(server.texts, [])
      const exit = yield* Effect.exit(run(Effect.fail("no")))
      assert.strictEqual(failure(exit), "no")
      assert.deepStrictEqual(server.texts, [])
    })
  )

  it.scoped("BEGIN travels in front of the first statement and of no other", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      yield* run(Effect.zipRight(sql`INSERT 1`, sql`INSERT 2`))
      assert.deepStrictEqual(server.messages, [["BEGIN", "INSERT 1"], ["INSERT 2"], ["COMMIT"]])
      assert.deepStrictEqual(server.committed, ["INSERT 1", "INSERT 2"])
    })
  )

  it.scoped("isolation and access stand in BEGIN", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      yield* run(sql`SELECT 1`, { isolation: "serializable", access: "read only" })
      assert.deepStrictEqual(server.messages[0], ["BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY", "SELECT 1"])
    })
  )

  it.scoped("a BEGIN that fails is a typed failure, and no ROLLBACK follows it", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* world()
      server.fail("BEGIN", new DatabaseError.ReadOnlyError({ operation: "begin", reason: "read-only server" }))
      const exit = yield* Effect.exit(run(sql`INSERT 1`))
      assert.strictEqual(database(failure(exit))._tag, "ReadOnlyError")
      assert.deepStrictEqual(server.texts, ["BEGIN", "INSERT 1"])
      assert.deepStrictEqual(server.committed, [])
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("a BEGIN that fails for the moment is run again", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.fail("BEGIN", startingUp("begin"))
      yield* run(sql`INSERT 1`)
      assert.deepStrictEqual(server.messages, [["BEGIN", "INSERT 1"], ["BEGIN", "INSERT 1"], ["COMMIT"]])
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
    })
  )

  it.scoped("a body that swallows BEGIN's failure runs nothing outside the transaction", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.fail("BEGIN", new DatabaseError.ReadOnlyError({ operation: "begin", reason: "not now" }))
      yield* run(Effect.zipRight(Effect.ignore(sql`INSERT 1`), sql`INSERT 2`))
      assert.deepStrictEqual(server.messages, [["BEGIN", "INSERT 1"], ["BEGIN", "INSERT 2"], ["COMMIT"]])
      assert.deepStrictEqual(server.alone, [])
      assert.deepStrictEqual(server.committed, ["INSERT 2"])
    })
  )

  it.scoped("a body that swallows BEGIN's failure and stops there has not succeeded", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.fail("BEGIN", new DatabaseError.ReadOnlyError({ operation: "begin", reason: "not now" }))
      const error = database(failure(yield* Effect.exit(run(Effect.ignore(sql`INSERT 1`)))))
      assert.strictEqual(error._tag, "TransactionAborted")
      assert.strictEqual(DatabaseError.find(error.cause)?._tag, "ReadOnlyError")
      // One that may pass is repeated, like any other swallowed failure.
      server.fail("BEGIN", startingUp("begin"))
      yield* run(Effect.ignore(sql`INSERT 2`))
      assert.deepStrictEqual(server.committed, ["INSERT 2"])
    })
  )

  it.scoped("a transaction the server has ended by itself takes no further statement", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      const exit = yield* Effect.exit(
        run(
          Effect.gen(function* () {
            yield* sql`INSERT 1`
            yield* sql.unsafe("ROLLBACK")
            yield* sql`INSERT 2`
          })
        )
      )
      assert.strictEqual(database(failure(exit))._tag, "TransactionAborted")
      assert.deepStrictEqual(server.alone, [])
      assert.deepStrictEqual(server.committed, [])
    })
  )
})

describe("the body succeeds", () => {
  it.scoped("COMMIT answered COMMIT is success", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* world()
      assert.strictEqual(yield* run(Effect.as(sql`INSERT 1`, "done")), "done")
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("a swallowed error is not a success: the first error is the cause", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      const first = duplicate()
      server.fail("INSERT 1", first)
      const exit = yield* Effect.exit(run(Effect.zipRight(Effect.ignore(sql`INSERT 1`), Effect.ignore(sql`INSERT 2`))))
      const error = failure(exit)
      assert.instanceOf(error, DatabaseError.TransactionAborted)
      assert.strictEqual(error.cause, first)
      assert.deepStrictEqual(server.texts, ["BEGIN", "INSERT 1", "INSERT 2", "COMMIT"])
      assert.deepStrictEqual(server.committed, [])
    })
  )

  it.scoped("a swallowed conflict is run again", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.fail("INSERT 1", conflict())
      yield* run(Effect.zipRight(Effect.ignore(sql`INSERT 1`), Effect.ignore(sql`INSERT 2`)))
      assert.deepStrictEqual(server.committed, ["INSERT 1", "INSERT 2"])
    })
  )

  it.scoped("a conflict reported at COMMIT is run again, the whole of it", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.fail("COMMIT", conflict("commit"))
      yield* run(Effect.zipRight(sql`INSERT 1`, sql`INSERT 2`))
      assert.deepStrictEqual(server.committed, ["INSERT 1", "INSERT 2"])
      assert.strictEqual(server.texts.filter((text) => text === "COMMIT").length, 2)
    })
  )

  it.scoped("a deferred constraint that fails at COMMIT is that failure, typed, and not repeated", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* world()
      server.fail(
        "COMMIT",
        new DatabaseError.ForeignKeyViolation({ operation: "commit", reason: "is not present", sqlState: "23503" })
      )
      const error = failure(yield* Effect.exit(run(sql`INSERT 1`)))
      assert.instanceOf(error, DatabaseError.ForeignKeyViolation)
      assert.deepStrictEqual(server.committed, [])
      assert.strictEqual(server.texts.filter((text) => text === "COMMIT").length, 1)
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("a connection lost between the last statement and COMMIT is run again", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.lose("COMMIT", "unsent")
      yield* run(sql`INSERT 1`)
      assert.deepStrictEqual(server.messages, [["BEGIN", "INSERT 1"], ["COMMIT"], ["BEGIN", "INSERT 1"], ["COMMIT"]])
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
      assert.strictEqual(server.count("connect"), 2)
    })
  )

  it.scoped("a connection lost while the body did something else is noticed before COMMIT, and run again", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.lose("SELECT 1", "unanswered")
      yield* run(Effect.zipRight(sql`INSERT 1`, Effect.ignore(sql`SELECT 1`)))
      assert.deepStrictEqual(server.texts, ["BEGIN", "INSERT 1", "SELECT 1", "BEGIN", "INSERT 1", "SELECT 1", "COMMIT"])
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
    })
  )
})

describe("the body fails", () => {
  it.scoped("after ROLLBACK the failure is the body's own", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* world()
      const exit = yield* Effect.exit(run(Effect.zipRight(sql`INSERT 1`, Effect.fail("mine" as const))))
      assert.deepStrictEqual(exit, Exit.fail("mine" as const))
      assert.deepStrictEqual(server.texts, ["BEGIN", "INSERT 1", "ROLLBACK"])
      assert.deepStrictEqual(server.committed, [])
      assert.strictEqual(server.count("destroy"), 0)
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("a statement's conflict is run again, whatever the body made of it", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.fail("INSERT 1", conflict())
      yield* run(Effect.mapError(sql`INSERT 1`, () => "my own words"))
      assert.deepStrictEqual(server.texts, ["BEGIN", "INSERT 1", "ROLLBACK", "BEGIN", "INSERT 1", "COMMIT"])
    })
  )

  it.scoped("a conflict among concurrent statements is run again", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.fail("INSERT 1", conflict())
      yield* run(Effect.all([sql`INSERT 1`, sql`INSERT 2`, sql`INSERT 3`], { concurrency: 3 }))
      assert.deepStrictEqual(server.committed, ["INSERT 1", "INSERT 2", "INSERT 3"])
    })
  )

  it.scoped("an error the transaction survived does not hide the conflict that comes after it", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      // What cannot be sent leaves the transaction as it was: the server never hears of it.
      server.refuse("INSERT 0", new DatabaseError.DataError({ operation: "execute", reason: "cannot be sent" }))
      server.fail("INSERT 2", conflict())
      yield* run(
        Effect.all([sql`INSERT 1`, Effect.ignore(sql`INSERT 0`), Effect.mapError(sql`INSERT 2`, () => "my own words")])
      )
      assert.deepStrictEqual(server.committed, ["INSERT 1", "INSERT 0", "INSERT 2"])
    })
  )

  it.scoped("a duplicate key is not repeated", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.fail("INSERT 1", duplicate())
      const error = failure(yield* Effect.exit(run(sql`INSERT 1`)))
      assert.strictEqual(database(error)._tag, "UniqueViolation")
      assert.deepStrictEqual(server.texts, ["BEGIN", "INSERT 1", "ROLLBACK"])
    })
  )

  it.scoped("a ROLLBACK that fails stands behind the failure, and its connection is destroyed", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* world()
      const refused = new DatabaseError.UnknownError({ operation: "rollback", reason: "will not" })
      server.fail("ROLLBACK", refused)
      const exit = yield* Effect.exit(run(Effect.zipRight(sql`INSERT 1`, Effect.fail("mine"))))
      assert.deepStrictEqual(
        Exit.isFailure(exit) ? Array.from(Cause.failures(exit.cause)) : [],
        ["mine", refused],
        "the body's failure first, the clean-up's behind it"
      )
      assert.deepStrictEqual(failure(exit), "mine")
      yield* settle
      assert.strictEqual(server.count("destroy"), 1)
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("a connection lost at ROLLBACK does not replace the failure", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.lose("ROLLBACK", "undelivered")
      const exit = yield* Effect.exit(run(Effect.zipRight(sql`INSERT 1`, Effect.fail("mine"))))
      assert.strictEqual(failure(exit), "mine")
      assert.strictEqual(server.texts.filter((text) => text === "BEGIN").length, 1)
      assert.deepStrictEqual(server.committed, [])
    })
  )

  it.scoped("a ROLLBACK that hangs costs the connection its life after 5 s, not the caller for ever", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* world()
      const hung = server.hold("ROLLBACK", { cancel: "unheard" })
      const fiber = yield* Effect.fork(run(Effect.zipRight(sql`INSERT 1`, Effect.fail("mine"))))
      yield* hung.arrived
      yield* pass("4 seconds")
      assert.isNull(fiber.unsafePoll())
      yield* pass("1 seconds")
      const exit = yield* Fiber.await(fiber)
      assert.strictEqual(failure(exit), "mine")
      assert.strictEqual(server.count("destroy"), 1)
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("a connection lost in a statement is run again on another one", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.lose("INSERT 2", "unanswered")
      yield* run(Effect.zipRight(sql`INSERT 1`, sql`INSERT 2`))
      assert.deepStrictEqual(server.committed, ["INSERT 1", "INSERT 2"])
      assert.isFalse(server.texts.includes("ROLLBACK"))
      assert.strictEqual(server.count("connect"), 2)
    })
  )

  it.scoped("when no connection can be had, the transaction is run again", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.fail("CONNECT", startingUp())
      yield* run(sql`INSERT 1`)
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
    })
  )
})

describe("the body dies", () => {
  it.scoped("it is rolled back and the defect kept", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* world()
      const bug = "a bug"
      const exit = yield* Effect.exit(run(Effect.zipRight(sql`INSERT 1`, Effect.die(bug))))
      assert.deepStrictEqual(Exit.isFailure(exit) ? Array.from(Cause.defects(exit.cause)) : [], [bug])
      assert.deepStrictEqual(server.texts, ["BEGIN", "INSERT 1", "ROLLBACK"])
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("a bug is not repeated, even after a conflict", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.fail("INSERT 1", conflict())
      const exit = yield* Effect.exit(run(Effect.zipRight(Effect.ignore(sql`INSERT 1`), Effect.die("a bug"))))
      assert.deepStrictEqual(exit, Exit.die("a bug"))
      assert.deepStrictEqual(server.texts, ["BEGIN", "INSERT 1", "ROLLBACK"])
      // Nor beside a conflict: a finaliser that dies is a bug as well.
      server.fail("INSERT 2", conflict())
      const both = yield* Effect.exit(run(Effect.ensuring(sql`INSERT 2`, Effect.die("a bug"))))
      assert.isTrue(Exit.isFailure(both))
      assert.strictEqual(server.texts.filter((text) => text === "INSERT 2").length, 1)
    })
  )

  it.scoped("a statement's conflict made a defect, as repositories do, is still run again", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.fail("INSERT 1", conflict())
      yield* run(Effect.orDie(sql`INSERT 1`))
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
    })
  )

  it.scoped("a driver that breaks at COMMIT is a defect, and its connection does not come back dirty", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* world({ pool: { size: 1 } })
      server.die("COMMIT", "driver bug")
      assert.deepStrictEqual(yield* Effect.exit(run(sql`INSERT 1`)), Exit.die("driver bug"))
      assert.deepStrictEqual(yield* atRest(connections), rest)
      yield* sql`INSERT 2`
      assert.deepStrictEqual(server.committed, ["INSERT 2"])
      assert.deepStrictEqual(server.alone, ["INSERT 2"])
    })
  )
})

it.scoped("every retry has its own connection, and none is kept", () =>
  Effect.gen(function* () {
    const { connections, run, server, sql } = yield* world({ pool: { size: 1 }, retry: prompt })
    server.fail("INSERT 1", conflict(), 3)
    assert.strictEqual(yield* run(Effect.zipRight(sql`INSERT 1`, Transaction.attempt)), 4)
    assert.deepStrictEqual(yield* atRest(connections), rest)
    assert.strictEqual(server.count("connect"), 1)
  })
)
