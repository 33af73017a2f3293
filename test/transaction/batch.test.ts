/** Statements as one transaction: what travels when, and what a failure, a loss or an interrupt leaves. */
import type { Statement } from "@effect/sql/Statement"
import { currentTransformer } from "@effect/sql/Statement"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { dialect } from "../../src/testing/ScriptedConnection.js"
import { ScriptedServer } from "../../src/testing/ScriptedServer.js"
import * as Transaction from "../../src/transaction/Transaction.js"
import { atRest, conflict, database, duplicate, failure, rest, settle, world } from "./support.js"

const scene = (differs: Parameters<typeof world>[1] = {}) =>
  Effect.map(world({ statementTimeout: Duration.seconds(30) }, differs), (scripted) => ({
    ...scripted,
    statements: [1, 2, 3, 4].map((n) => scripted.sql.unsafe(`INSERT ${n}`)),
    batch: (statements: ReadonlyArray<Statement<object>>, options?: Transaction.Options) =>
      scripted.on(Transaction.batch(statements, options))
  }))

const all = ["BEGIN", "INSERT 1", "INSERT 2", "INSERT 3", "INSERT 4"]

describe("Transaction.batch", () => {
  it.scoped("two round trips: BEGIN with all statements, then COMMIT by itself", () =>
    Effect.gen(function* () {
      const { batch, server, statements } = yield* scene()
      const second = server.hold("INSERT 2")
      const fiber = yield* Effect.fork(batch(statements))
      yield* second.arrived
      yield* settle
      assert.deepStrictEqual(server.messages, [all])
      yield* second.release
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(server.messages, [all, ["COMMIT"]])
      assert.strictEqual(server.committed.length, 4)
    })
  )

  it.scoped("each statement is told its own rows, in order", () =>
    Effect.gen(function* () {
      const { batch, server, sql } = yield* scene()
      for (const n of [1, 2, 3]) server.rows(`INSERT ${n}`, [{ n }])
      const rows = yield* batch([1, 2, 3].map((n) => sql.unsafe(`INSERT ${n}`)))
      assert.deepStrictEqual(rows, [[{ n: 1 }], [{ n: 2 }], [{ n: 3 }]])
    })
  )

  for (const [what, options] of [
    ["confirm: off", { confirm: "off" }],
    ["read only", { access: "read only" }]
  ] as const) {
    const begin = what === "read only" ? "BEGIN READ ONLY" : "BEGIN"
    const message = [begin, ...all.slice(1), "COMMIT"]

    it.scoped(`${what}: nobody would be asked, so COMMIT travels along and it is one round trip`, () =>
      Effect.gen(function* () {
        const { batch, server, statements } = yield* scene()
        yield* batch(statements, options)
        assert.deepStrictEqual(server.messages, [message])
        assert.strictEqual(server.committed.length, 4)
      })
    )

    it.scoped(`${what}: one that fails takes COMMIT along, and is the one told`, () =>
      Effect.gen(function* () {
        const { batch, connections, server, statements } = yield* scene()
        server.fail("INSERT 3", duplicate())
        assert.strictEqual(database(failure(yield* Effect.exit(batch(statements, options))))._tag, "UniqueViolation")
        assert.deepStrictEqual(server.messages, [message, ["ROLLBACK"]])
        assert.deepStrictEqual(server.committed, [])
        assert.deepStrictEqual(yield* atRest(connections), rest)
      })
    )

    it.scoped(`${what}: a conflict at that COMMIT runs the whole again`, () =>
      Effect.gen(function* () {
        const { batch, server, statements } = yield* scene()
        server.fail("COMMIT", conflict("commit"))
        yield* batch(statements, options)
        assert.deepStrictEqual(server.messages, [message, message])
        assert.strictEqual(server.committed.length, 4)
      })
    )

    it.scoped(`${what}: with a timeout, which must not cut COMMIT, or without a limit to statements, it is two`, () =>
      Effect.gen(function* () {
        const { batch, server, statements } = yield* scene()
        yield* batch(statements, { ...options, timeout: "1 minute" })
        assert.deepStrictEqual(server.messages, [message.slice(0, -1), ["COMMIT"]])
        const unlimited = yield* world({ statementTimeout: undefined })
        yield* unlimited.on(Transaction.batch([unlimited.sql`INSERT 1`, unlimited.sql`INSERT 2`], options))
        assert.strictEqual(unlimited.server.messages.length, 2)
      })
    )
  }

  it.scoped("confirm: off, and the line is lost: unknown, and nothing is repeated; a statement's failure is none", () =>
    Effect.gen(function* () {
      for (const loss of ["undelivered", "unanswered"] as const) {
        const { batch, server, statements } = yield* scene()
        server.lose("COMMIT", loss)
        const exit = yield* Effect.exit(batch(statements, { confirm: "off" }))
        assert.strictEqual(database(failure(exit))._tag, "CommitUnknown")
        assert.strictEqual(server.messages.length, 1)
        assert.strictEqual(server.committed.length, loss === "unanswered" ? 4 : 0)
      }
    })
  )

  it.scoped("confirm: off, and the message never left: run again, nothing is unknown", () =>
    Effect.gen(function* () {
      const { batch, server, statements } = yield* scene()
      server.lose("COMMIT", "unsent")
      yield* batch(statements, { confirm: "off" })
      assert.strictEqual(server.committed.length, 4)
    })
  )

  it.scoped("read only, and the line is lost: run again, nobody is asked", () =>
    Effect.gen(function* () {
      const { on, server, sql } = yield* world()
      server.lose("COMMIT", "unanswered")
      yield* on(Transaction.batch([sql`SELECT 1`, sql`SELECT 2`], { access: "read only" }))
      assert.deepStrictEqual(server.texts, Array(2).fill(["BEGIN READ ONLY", "SELECT 1", "SELECT 2", "COMMIT"]).flat())
    })
  )

  it.scoped("a statement of another client is sent by that one, and nobody waits for it", () =>
    Effect.gen(function* () {
      const { batch, server, statements } = yield* scene()
      const other = yield* world()
      yield* batch([...statements.slice(0, 2), other.sql.unsafe("INSERT there"), ...statements.slice(2)])
      assert.deepStrictEqual(server.messages, [all, ["COMMIT"]])
      assert.deepStrictEqual(other.server.alone, ["INSERT there"])
    })
  )

  it.scoped("a statement that fails before it is sent keeps the others from being sent", () =>
    Effect.gen(function* () {
      const { batch, connections, server, statements } = yield* scene()
      const other = yield* world()
      other.server.fail("INSERT there", duplicate())
      const exit = yield* Effect.exit(batch([...statements, other.sql.unsafe("INSERT there")]))
      assert.strictEqual(database(failure(exit))._tag, "UniqueViolation")
      assert.deepStrictEqual(server.texts, [])
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("a value the driver refuses keeps the whole from being sent", () =>
    Effect.gen(function* () {
      const { batch, server, statements } = yield* scene()
      server.refuse("INSERT 3", duplicate())
      assert.strictEqual(database(failure(yield* Effect.exit(batch(statements))))._tag, "UniqueViolation")
      assert.deepStrictEqual(server.texts, [])
    })
  )

  it.scoped("with a statement transformer, which may send what it likes, they go one by one", () =>
    Effect.gen(function* () {
      const { batch, server, statements } = yield* scene()
      yield* batch(statements).pipe(
        Effect.locally(
          currentTransformer,
          Option.some((statement) => Effect.succeed(statement))
        )
      )
      assert.deepStrictEqual(server.messages, [
        ["BEGIN", "INSERT 1"],
        ["INSERT 2"],
        ["INSERT 3"],
        ["INSERT 4"],
        ["COMMIT"]
      ])
    })
  )

  it.scoped("settings go ahead, in a round trip of their own", () =>
    Effect.gen(function* () {
      const { batch, server, statements } = yield* scene({
        transaction: { ...dialect(new ScriptedServer()).transaction, setting: (name, value) => `SET ${name} ${value}` }
      })
      yield* batch(statements, { settings: { work_mem: "64MB" } })
      assert.deepStrictEqual(server.messages, [["BEGIN", "SET work_mem 64MB"], all.slice(1), ["COMMIT"]])
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

  it.scoped("BEGIN refused: none of the others is run", () =>
    Effect.gen(function* () {
      const { batch, server, statements } = yield* scene()
      server.fail("BEGIN", duplicate())
      assert.isTrue(Exit.isFailure(yield* Effect.exit(batch(statements))))
      assert.deepStrictEqual(server.messages, [all])
      assert.deepStrictEqual(server.alone, [])
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
