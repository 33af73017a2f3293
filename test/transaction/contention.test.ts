/** Transactions that have lost a race come in turn, and the ones that lose again and again are let through alone. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Contention from "../../src/transaction/Contention.js"
import * as Transaction from "../../src/transaction/Transaction.js"
import { atRest, conflict, database, failure, pass, rest, settle, world } from "./support.js"

/** Transaction `name` loses its first `losses` tries; `gate` is where the try after them waits for. */
const losing = (
  { run, server, sql }: Effect.Effect.Success<ReturnType<typeof world>>,
  name: string,
  losses: number,
  gate?: Deferred.Deferred<void>
) => {
  server.fail(`INSERT ${name}`, conflict(), losses)
  return run(
    Effect.gen(function* () {
      yield* sql.unsafe(`INSERT ${name}`)
      if (gate !== undefined) yield* Deferred.await(gate)
      return yield* Transaction.attempt
    })
  )
}

const began = (texts: ReadonlyArray<string>) => texts.filter((text) => text.startsWith("INSERT"))

describe("who has lost", () => {
  it.scoped("comes in turn: the next one begins when the one before has ended", () =>
    Effect.gen(function* () {
      const it = yield* world({ pool: { size: 3 } })
      const gates = yield* Effect.all([Deferred.make<void>(), Deferred.make<void>()])
      const fibers = yield* Effect.all([
        Effect.fork(losing(it, "a", 1, gates[0])),
        Effect.fork(losing(it, "b", 1, gates[1]))
      ])
      yield* settle
      // Both have lost; the first one is at work again, the other waits and keeps no connection.
      assert.deepStrictEqual(began(it.server.texts), ["INSERT a", "INSERT b", "INSERT a"])
      assert.strictEqual((yield* it.connections.pool.status).checkedOut, 1)
      yield* Deferred.succeed(gates[0], undefined)
      yield* settle
      assert.deepStrictEqual(began(it.server.texts), ["INSERT a", "INSERT b", "INSERT a", "INSERT b"])
      yield* Deferred.succeed(gates[1], undefined)
      assert.deepStrictEqual(yield* Effect.all(fibers.map(Fiber.join)), [2, 2])
      assert.deepStrictEqual(yield* atRest(it.connections), rest)
    })
  )

  it.scoped("does not wait for ever: a second for each one before it", () =>
    Effect.gen(function* () {
      const it = yield* world({ pool: { size: 3 } })
      const gate = yield* Deferred.make<void>()
      const first = yield* Effect.fork(losing(it, "a", 1, gate))
      yield* settle
      const second = yield* Effect.fork(losing(it, "b", 1))
      yield* pass("999 millis")
      assert.isNull(second.unsafePoll())
      yield* pass("1 millis")
      assert.strictEqual(yield* Fiber.join(second), 2)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* Fiber.join(first), 2)
    })
  )

  it.scoped("keeps nobody waiting when it is interrupted, in its turn or before it", () =>
    Effect.gen(function* () {
      const it = yield* world({ pool: { size: 3 } })
      const gate = yield* Deferred.make<void>()
      const first = yield* Effect.fork(losing(it, "a", 1, gate))
      yield* settle
      const second = yield* Effect.fork(losing(it, "b", 1, gate))
      const third = yield* Effect.fork(losing(it, "c", 1))
      yield* settle
      yield* Fiber.interrupt(second)
      yield* Fiber.interrupt(first)
      assert.strictEqual(yield* Fiber.join(third), 2)
      assert.deepStrictEqual(yield* atRest(it.connections), rest)
    })
  )

  it.scoped("never waits beyond its own timeout", () =>
    Effect.gen(function* () {
      const it = yield* world({ pool: { size: 3 } })
      const gate = yield* Deferred.make<void>()
      const first = yield* Effect.fork(losing(it, "a", 1, gate))
      yield* settle
      it.server.fail("INSERT b", conflict())
      const second = yield* Effect.fork(it.run(it.sql`INSERT b`, { timeout: "200 millis" }))
      yield* pass("200 millis")
      const error = database(failure(yield* Fiber.await(second)))
      assert.strictEqual(error._tag, "StatementTimeoutError")
      assert.strictEqual(database(error.cause)._tag, "SerializationError")
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(first)
    })
  )

  it.scoped("does not wait for itself: a separate transaction inside one whose turn it is, that loses, too", () =>
    Effect.gen(function* () {
      const it = yield* world({ pool: { size: 3 } })
      it.server.fail("INSERT outer", conflict())
      it.server.fail("INSERT inner", conflict(), 3)
      const inner = it.on(Transaction.separate(Effect.zipRight(it.sql`INSERT inner`, Transaction.attempt)))
      assert.strictEqual(yield* it.run(Effect.zipRight(it.sql`INSERT outer`, inner)), 4)
      assert.deepStrictEqual(it.server.committed, ["INSERT inner", "INSERT outer"])
    })
  )

  it.scoped("has had its turn when its afterCommit effects run: they may lose, too", () =>
    Effect.gen(function* () {
      const it = yield* world({ pool: { size: 1 } })
      it.server.fail("INSERT 1", conflict())
      it.server.fail("INSERT 2", conflict(), 3)
      const after = Effect.orDie(it.run(it.sql`INSERT 2`))
      yield* it.run(Effect.zipRight(it.sql`INSERT 1`, it.on(Transaction.afterCommit(after))))
      assert.deepStrictEqual(it.server.committed, ["INSERT 1", "INSERT 2"])
    })
  )
})

describe("who has lost three times", () => {
  const held = (it: Effect.Effect.Success<ReturnType<typeof world>>) =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const loser = yield* Effect.fork(losing(it, "a", 3, gate))
      yield* settle
      assert.strictEqual(began(it.server.texts).length, 4)
      return { gate, loser }
    })

  it.scoped(
    "is run alone: newcomers that may write wait until it has ended, readers and single statements do not",
    () =>
      Effect.gen(function* () {
        const before = (yield* Metric.value(Contention.alone)).count
        const it = yield* world({ pool: { size: 4 } })
        const { gate, loser } = yield* held(it)
        const newcomer = yield* Effect.fork(it.run(it.sql`INSERT new`))
        yield* it.run(it.sql`SELECT 1`, { access: "read only" })
        yield* it.sql`INSERT alone`
        yield* settle
        assert.isFalse(it.server.texts.includes("INSERT new"))
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual(yield* Fiber.join(loser), 4)
        yield* Fiber.join(newcomer)
        assert.deepStrictEqual(it.server.committed, ["INSERT alone", "INSERT a", "INSERT new"])
        assert.strictEqual((yield* Metric.value(Contention.alone)).count - before, 1)
      })
  )

  it.scoped("holds nobody back for longer than 100 ms", () =>
    Effect.gen(function* () {
      const it = yield* world({ pool: { size: 4 } })
      const { gate, loser } = yield* held(it)
      const newcomer = yield* Effect.fork(it.run(it.sql`INSERT new`))
      yield* pass("99 millis")
      assert.isNull(newcomer.unsafePoll())
      yield* pass("1 millis")
      yield* Fiber.join(newcomer)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(loser)
    })
  )

  it.scoped("waits for those at work, and for no longer than 100 ms", () =>
    Effect.gen(function* () {
      for (const ends of [true, false]) {
        const it = yield* world({ pool: { size: 4 } })
        const gate = yield* Deferred.make<void>()
        const other = yield* Effect.fork(it.run(Effect.zipRight(it.sql`INSERT other`, Deferred.await(gate))))
        yield* settle
        const loser = yield* Effect.fork(losing(it, "a", 3))
        yield* pass("99 millis")
        assert.isNull(loser.unsafePoll())
        yield* ends ? Deferred.succeed(gate, undefined) : pass("1 millis")
        assert.strictEqual(yield* Fiber.join(loser), 4)
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(other)
        assert.deepStrictEqual(it.server.committed, ends ? ["INSERT other", "INSERT a"] : ["INSERT a", "INSERT other"])
      }
    })
  )

  it.scoped("interrupted while it waits to be alone, it keeps nobody waiting", () =>
    Effect.gen(function* () {
      const it = yield* world({ pool: { size: 4 } })
      const gate = yield* Deferred.make<void>()
      const other = yield* Effect.fork(it.run(Effect.zipRight(it.sql`INSERT other`, Deferred.await(gate))))
      yield* settle
      const loser = yield* Effect.fork(losing(it, "a", 3))
      yield* settle
      yield* Fiber.interrupt(loser)
      // Neither a newcomer nor the next loser waits for it.
      yield* it.run(it.sql`INSERT new`)
      assert.strictEqual(yield* losing(it, "b", 1), 2)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(other)
      assert.deepStrictEqual(it.server.committed, ["INSERT new", "INSERT b", "INSERT other"])
    })
  )

  it.scoped("lets everybody in when it gives up, dies or is interrupted", () =>
    Effect.gen(function* () {
      const it = yield* world({ pool: { size: 2 } })
      const { loser } = yield* held(it)
      yield* Fiber.interrupt(loser)
      yield* it.run(it.sql`INSERT 1`)
      it.server.fail("INSERT b", conflict(), 4)
      const gaveUp = yield* Effect.exit(it.run(it.sql`INSERT b`))
      assert.strictEqual(database(failure(gaveUp))._tag, "RetriesExhausted")
      yield* it.run(it.sql`INSERT 2`)
      it.server.fail("INSERT c", conflict(), 3).die("COMMIT", "a bug")
      assert.isTrue(Exit.isFailure(yield* Effect.exit(it.run(it.sql`INSERT c`))))
      yield* it.run(it.sql`INSERT 3`)
      assert.deepStrictEqual(it.server.committed, ["INSERT 1", "INSERT 2", "INSERT 3"])
    })
  )
})

it.scoped("one writer at a time needs no such order: nothing waits for a turn", () =>
  Effect.gen(function* () {
    const it = yield* world({ pool: { size: 3 } }, { sessions: "one writer" })
    assert.isUndefined(Contention.of(it.connections))
  })
)
