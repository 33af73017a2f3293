/** COMMIT was sent and its answer never came: the server is asked, and only what it cannot say is unknown. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as DatabaseError from "../../src/model/DatabaseError.js"
import * as Transaction from "../../src/transaction/Transaction.js"
import { atRest, failure, pass, prompt, rest, settle, startingUp, world } from "./support.js"

const asked = (texts: ReadonlyArray<string>) => texts.filter((text) => text.startsWith("FATE"))

describe("the line is lost after COMMIT was sent", () => {
  it.scoped("committed: success, and afterCommit runs once", () =>
    Effect.gen(function* () {
      const { connections, on, run, server, sql } = yield* world()
      server.lose("COMMIT", "unanswered")
      let after = 0
      const body = Effect.zipRight(sql`INSERT 1`, on(Transaction.afterCommit(Effect.sync(() => after++))))
      yield* run(Effect.as(body, "done"))
      assert.strictEqual(after, 1)
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
      assert.deepStrictEqual(asked(server.texts), ["FATE OF 701"])
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("aborted: the whole transaction is run again", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.lose("COMMIT", "undelivered")
      assert.strictEqual(yield* run(Effect.zipRight(sql`INSERT 1`, Transaction.attempt)), 2)
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
      assert.deepStrictEqual(asked(server.texts), ["FATE OF 701"])
    })
  )

  it.scoped("aborted, and no retries wanted: a ConnectionError that says nothing was committed", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.lose("COMMIT", "undelivered")
      const error = failure(yield* Effect.exit(run(sql`INSERT 1`, { retry: "never" })))
      assert.instanceOf(error, DatabaseError.ConnectionError)
      assert.isFalse(error.sent)
      assert.deepStrictEqual(server.committed, [])
    })
  )

  it.scoped("a transaction that wrote nothing has no id: it is run again and nobody is asked", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.lose("COMMIT", "unanswered")
      assert.strictEqual(yield* run(Effect.zipRight(sql`SELECT 1`, Transaction.attempt)), 2)
      assert.deepStrictEqual(asked(server.texts), [])
    })
  )

  it.scoped("a COMMIT that is still travelling is asked about until it is decided", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.lose("COMMIT", "unanswered")
      server.rows(/^FATE/, [{ fate: "running" }], 3)
      const fiber = yield* Effect.fork(run(Effect.as(sql`INSERT 1`, "done")))
      for (let i = 0; i < 3; i++) yield* pass("2 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "done")
      assert.strictEqual(asked(server.texts).length, 4)
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
    })
  )

  it.scoped("a server that is starting again is waited for", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.lose("COMMIT", "unanswered")
      const fiber = yield* Effect.fork(run(Effect.tap(sql`INSERT 1`, () => server.fail("CONNECT", startingUp(), 2))))
      for (let i = 0; i < 3; i++) yield* pass("2 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
      assert.strictEqual(asked(server.texts).length, 1)
    })
  )

  it.scoped("a session that hangs when it is asked is given up, and another one is asked", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.lose("COMMIT", "unanswered")
      const hung = server.hold(/^FATE/, { cancel: "unheard" })
      const fiber = yield* Effect.fork(run(Effect.as(sql`INSERT 1`, "done")))
      yield* hung.arrived
      for (let i = 0; i < 5; i++) yield* pass("1 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "done")
      assert.strictEqual(asked(server.texts).length, 2)
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
    })
  )

  it.scoped("no answer within 30 s: CommitUnknown, never repeated", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* world()
      server.lose("COMMIT", "unanswered")
      server.rows(/^FATE/, [{ fate: "running" }], 1000)
      const fiber = yield* Effect.fork(run(sql`INSERT 1`))
      yield* pass("29 seconds")
      assert.isNull(fiber.unsafePoll())
      yield* pass("1 seconds")
      const error = failure(yield* Fiber.await(fiber))
      assert.instanceOf(error, DatabaseError.CommitUnknown)
      assert.strictEqual(DatabaseError.find(error.cause)?._tag, "ConnectionError")
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
      assert.strictEqual(server.texts.filter((text) => text === "BEGIN").length, 1)
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("a server that no longer knows is not asked again: CommitUnknown with both reasons", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.lose("COMMIT", "unanswered")
      server.fail(/^FATE/, new DatabaseError.DataError({ operation: "execute", reason: "transaction ID too old" }))
      const error = failure(yield* Effect.exit(run(sql`INSERT 1`)))
      assert.instanceOf(error, DatabaseError.CommitUnknown)
      assert.strictEqual(DatabaseError.find(error.suppressed)?._tag, "DataError")
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
    })
  )

  it.scoped("confirm: off reports it as unknown, asks nobody for an id and repeats nothing", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.lose("COMMIT", "undelivered")
      const error = failure(yield* Effect.exit(run(sql`INSERT 1`, { confirm: "off" })))
      assert.instanceOf(error, DatabaseError.CommitUnknown)
      assert.deepStrictEqual(server.texts, ["BEGIN", "INSERT 1", "COMMIT"])
    })
  )

  it.scoped("where the product cannot say, it is unknown", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world({}, { fate: Option.none() })
      server.lose("COMMIT", "unanswered")
      assert.instanceOf(failure(yield* Effect.exit(run(sql`INSERT 1`))), DatabaseError.CommitUnknown)
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
    })
  )

  it.scoped("a read-only transaction is run again and nobody is asked", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.lose("COMMIT", "unanswered")
      yield* run(sql`SELECT 1`, { access: "read only" })
      assert.deepStrictEqual(asked(server.texts), [])
      assert.strictEqual(server.texts.filter((text) => text === "COMMIT").length, 2)
    })
  )

  it.scoped("a read-only transaction is never unknown: neither unconfirmed nor where the product cannot say", () =>
    Effect.gen(function* () {
      for (const fate of [{ fate: Option.none() }, {}]) {
        const { run, server, sql } = yield* world({}, fate)
        server.lose("COMMIT", "unanswered")
        const body = Effect.zipRight(sql`SELECT 1`, Transaction.attempt)
        assert.strictEqual(yield* run(body, { access: "read only", confirm: "off" }), 2)
      }
    })
  )

  it.scoped("a server that does not know itself what became of a COMMIT (40003) is believed", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world({}, { fate: Option.none() })
      server.fail(
        "COMMIT",
        new DatabaseError.CommitUnknown({ operation: "commit", reason: "result is ambiguous", sqlState: "40003" })
      )
      assert.instanceOf(failure(yield* Effect.exit(run(sql`INSERT 1`))), DatabaseError.CommitUnknown)
      assert.strictEqual(server.texts.filter((text) => text === "BEGIN").length, 1)
    })
  )

  it.scoped("a COMMIT that hangs is in doubt after 60 s: its connection is closed and the server asked", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* world()
      const hung = server.hold("COMMIT", { cancel: "unheard" })
      const fiber = yield* Effect.fork(run(Effect.zipRight(sql`INSERT 1`, Transaction.attempt)))
      yield* hung.arrived
      yield* pass("59 seconds")
      assert.isNull(fiber.unsafePoll())
      yield* pass("1 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), 2)
      assert.deepStrictEqual(asked(server.texts), ["FATE OF 701"])
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )
})

describe("the id is known before COMMIT, whatever wrote", () => {
  it.scoped("a write read as a stream", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      server.lose("COMMIT", "unanswered")
      yield* run(Stream.runDrain(sql`INSERT 1 RETURNING`.stream))
      assert.deepStrictEqual(server.committed, ["INSERT 1 RETURNING"], "committed once and not run again")
      assert.deepStrictEqual(asked(server.texts), ["FATE OF 701"])
    })
  )

  it.scoped("a write whose answer was abandoned", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      // The cancel comes too late: the statement had done its work.
      const late = server.hold("INSERT 1", { cancel: "late" })
      server.lose("COMMIT", "unanswered")
      const body = Effect.gen(function* () {
        const fiber = yield* Effect.fork(sql`INSERT 1`)
        yield* late.arrived
        yield* Fiber.interrupt(fiber)
      })
      yield* run(body)
      assert.deepStrictEqual(server.committed, ["INSERT 1"], "committed once and not run again")
      assert.strictEqual(asked(server.texts).length, 1)
    })
  )

  it.scoped("nothing more is asked when a later answer has brought it", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      yield* run(Effect.zipRight(Stream.runDrain(sql`INSERT 1`.stream), sql`INSERT 2`))
      assert.deepStrictEqual(server.texts, ["BEGIN", "INSERT 1", "INSERT 2", "COMMIT"])
    })
  )

  it.scoped("a line lost while the id is asked for has not sent COMMIT: run again", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world({ retry: prompt })
      server.lose("SELECT 1", "unanswered")
      yield* run(Stream.runDrain(sql`INSERT 1`.stream))
      yield* settle
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
    })
  )
})
