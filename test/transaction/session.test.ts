/** Whose transaction a statement belongs to, and when it belongs to none any more. */
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { Turns } from "../../src/connection/Turn.js"
import * as DatabaseError from "../../src/model/DatabaseError.js"
import * as Transaction from "../../src/transaction/Transaction.js"
import { atRest, database, failure, pass, rest, settle, world } from "./support.js"

const tag = (exit: Exit.Exit<unknown, unknown>) => database(failure(exit))._tag

describe("a fiber that outlives its transaction", () => {
  it.scoped("gets TransactionClosed, and nothing is sent", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      const over = yield* Deferred.make<void>()
      const late = yield* run(
        Effect.zipRight(
          sql`INSERT 1`,
          Effect.forkDaemon(Effect.exit(Effect.zipRight(Deferred.await(over), sql`INSERT 2`)))
        )
      )
      yield* Deferred.succeed(over, undefined)
      assert.strictEqual(tag(yield* Fiber.join(late)), "TransactionClosed")
      assert.deepStrictEqual(server.texts, ["BEGIN", "INSERT 1", "COMMIT"])
    })
  )

  it.scoped("inside a savepoint neither: it can neither write nor release on what is somebody else's connection", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* world({ pool: { acquireTimeout: Duration.seconds(3) } })
      const inside = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const inner = run(
        Effect.all([sql`INSERT 2`, Deferred.succeed(inside, undefined), Deferred.await(go), Effect.exit(sql`INSERT 3`)])
      )
      const daemon = yield* Deferred.make<Fiber.Fiber<Exit.Exit<unknown, unknown>>>()
      const outer = yield* Effect.fork(
        run(
          Effect.gen(function* () {
            yield* sql`INSERT 1`
            yield* Deferred.succeed(daemon, yield* Effect.forkDaemon(Effect.exit(inner)))
            yield* Deferred.await(inside)
          })
        )
      )
      yield* settle
      assert.isNull(outer.unsafePoll(), "the savepoint is waited for")
      yield* pass("3 seconds")
      // Half of a savepoint is never committed.
      assert.strictEqual(tag(yield* Fiber.await(outer)), "TransactionAborted")
      assert.deepStrictEqual(server.committed, [])
      const before = server.texts.length
      yield* Deferred.succeed(go, undefined)
      const late = yield* Effect.flatMap(Deferred.await(daemon), Fiber.join)
      assert.strictEqual(tag(late), "TransactionClosed")
      assert.strictEqual(server.texts.length, before, "nothing more is sent")
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("inside a savepoint that is still at work when the body ends: it is undone and the rest committed", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      const inside = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const inner = run(
        Effect.all([sql`INSERT 2`, Deferred.succeed(inside, undefined), Deferred.await(go), sql`INSERT 3`])
      )
      const outer = yield* Effect.fork(
        run(Effect.all([sql`INSERT 1`, Effect.forkDaemon(inner), Deferred.await(inside)]))
      )
      yield* settle
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(outer)
      assert.deepStrictEqual(server.committed, ["INSERT 1"])
      assert.isFalse(server.texts.includes("INSERT 3"))
    })
  )

  it.scoped("reading a stream gets TransactionClosed at its next chunk, and no neighbour is cancelled", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world({ pool: { size: 1 } })
      server.rows("SELECT rows", [{ n: 1 }, { n: 2 }, { n: 3 }])
      const read = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const reading = sql`SELECT rows`.stream.pipe(
        Stream.tap(() => Effect.zipRight(Deferred.succeed(read, undefined), Deferred.await(go))),
        Stream.runDrain,
        Effect.exit
      )
      const late = yield* run(Effect.zipLeft(Effect.forkDaemon(reading), Deferred.await(read)))
      const slow = server.hold("INSERT neighbour")
      const neighbour = yield* Effect.fork(sql`INSERT neighbour`)
      yield* slow.arrived
      yield* Deferred.succeed(go, undefined)
      assert.strictEqual(tag(yield* Fiber.join(late)), "TransactionClosed")
      assert.strictEqual(server.count("fetch"), 1)
      assert.strictEqual(server.count("cancel"), 0)
      yield* slow.release
      yield* Fiber.join(neighbour)
    })
  )

  it.scoped("and keeps a statement running has it stopped after the limit: nothing half-done is committed", () =>
    Effect.gen(function* () {
      const { connections, run, server, sql } = yield* world({ pool: { acquireTimeout: Duration.seconds(3) } })
      const slow = server.hold("INSERT 2")
      const outer = yield* Effect.fork(run(Effect.all([sql`INSERT 1`, Effect.forkDaemon(sql`INSERT 2`), slow.arrived])))
      yield* slow.arrived
      yield* pass("3 seconds")
      assert.strictEqual(tag(yield* Fiber.await(outer)), "TransactionAborted")
      assert.strictEqual(server.count("cancel"), 1)
      assert.deepStrictEqual(server.committed, [])
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )
})

describe("concurrent statements of one transaction", () => {
  it.scoped("are sent one after the other, in order", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      const texts = Array.from({ length: 50 }, (_, n) => `INSERT ${n}`)
      yield* run(Effect.forEach(texts, (text) => sql.unsafe(text), { concurrency: "unbounded" }))
      assert.deepStrictEqual(server.committed, texts)
    })
  )

  it.effect("never miss their turn, however early it comes", () =>
    Effect.gen(function* () {
      const turns = new Turns(Duration.seconds(30))
      for (let yields = 0; yields < 12; yields++) {
        const holder = turns.alone(Effect.repeatN(Effect.yieldNow(), yields))
        const both = yield* Effect.fork(Effect.all([holder, turns.alone(Effect.void)], { concurrency: 2 }))
        yield* settle
        assert.isNotNull(both.unsafePoll(), `after ${yields} yields`)
        yield* Fiber.interrupt(both)
      }
    })
  )
})

describe("two clients in one program", () => {
  it.scoped("never use each other's transaction", () =>
    Effect.gen(function* () {
      const a = yield* world()
      const b = yield* world()
      yield* a.run(Effect.all([a.sql`INSERT a`, b.sql`INSERT b`]))
      assert.deepStrictEqual(a.server.texts, ["BEGIN", "INSERT a", "COMMIT"])
      assert.deepStrictEqual(b.server.texts, ["INSERT b"])
    })
  )

  it.scoped("nest: A inside B inside A is a savepoint of A, and B's statements in it are B's transaction", () =>
    Effect.gen(function* () {
      const a = yield* world()
      const b = yield* world()
      const innermost = a.run(Effect.all([a.sql`INSERT a2`, b.sql`INSERT b2`, a.sql`INSERT a3`]))
      yield* a.run(Effect.all([a.sql`INSERT a1`, b.run(Effect.all([b.sql`INSERT b1`, innermost])), a.sql`INSERT a4`]))
      assert.deepStrictEqual(a.server.texts, [
        "BEGIN",
        "INSERT a1",
        "SAVEPOINT aquifer_1",
        "INSERT a2",
        "INSERT a3",
        "RELEASE aquifer_1",
        "INSERT a4",
        "COMMIT"
      ])
      assert.deepStrictEqual(b.server.texts, ["BEGIN", "INSERT b1", "INSERT b2", "COMMIT"])
      assert.deepStrictEqual(b.server.alone, [])
    })
  )

  it.scoped("nest three deep and five wide without a statement landing in the wrong place", () =>
    Effect.gen(function* () {
      const a = yield* world()
      const b = yield* world()
      const c = yield* world()
      const all = Effect.all([a.sql`INSERT`, b.sql`INSERT`, c.sql`INSERT`])
      const deep = a.run(b.run(c.run(b.run(a.run(c.run(all))))))
      yield* Effect.all([deep, deep, deep, deep, deep], { concurrency: 5 })
      for (const { server } of [a, b, c]) {
        assert.deepStrictEqual(server.alone, [])
        assert.deepStrictEqual(server.committed, ["INSERT", "INSERT", "INSERT", "INSERT", "INSERT"])
        assert.strictEqual(server.texts.filter((text) => text === "BEGIN").length, 5)
      }
    })
  )

  it.scoped("a stock session in the tag is not taken for one's own", () =>
    Effect.gen(function* () {
      const { run, server, sql } = yield* world()
      const stock = [{}, 0] as unknown as Context.Tag.Service<typeof SqlClient.TransactionConnection>
      yield* Effect.provideService(run(sql`INSERT 1`), SqlClient.TransactionConnection, stock)
      assert.deepStrictEqual(server.texts, ["BEGIN", "INSERT 1", "COMMIT"])
    })
  )
})

describe("afterCommit", () => {
  it.scoped("runs after the outermost commit, in order, once", () =>
    Effect.gen(function* () {
      const { on, run, server, sql } = yield* world()
      const seen: Array<string> = []
      const note = (what: string) =>
        on(Transaction.afterCommit(Effect.sync(() => seen.push(`${what} after ${server.texts.at(-1)}`))))
      yield* run(Effect.all([note("first"), sql`INSERT 1`, run(Effect.all([sql`INSERT 2`, note("second")]))]))
      assert.deepStrictEqual(seen, ["first after COMMIT", "second after COMMIT"])
    })
  )

  it.scoped("is dropped with a failed attempt and with an undone savepoint", () =>
    Effect.gen(function* () {
      const { on, run, server, sql } = yield* world()
      const seen: Array<number> = []
      const note = (n: number) => on(Transaction.afterCommit(Effect.sync(() => seen.push(n))))
      server.fail("COMMIT", new DatabaseError.SerializationError({ operation: "commit", reason: "conflict" }))
      const undone = Effect.ignore(run(Effect.all([sql`INSERT 2`, note(2), run(note(3)), Effect.fail("no")])))
      yield* run(Effect.all([sql`INSERT 1`, note(1), undone, run(note(4))]))
      assert.deepStrictEqual(seen, [1, 4])
      yield* Effect.exit(run(Effect.all([sql`INSERT 1`, note(5), Effect.fail("no")])))
      assert.deepStrictEqual(seen, [1, 4])
    })
  )

  it.scoped("runs at once outside of a transaction", () =>
    Effect.gen(function* () {
      const { on } = yield* world()
      let ran = false
      yield* on(
        Transaction.afterCommit(
          Effect.sync(() => {
            ran = true
          })
        )
      )
      assert.isTrue(ran)
    })
  )

  it.scoped("may use the database: its statements are its own, and the connection is back by then", () =>
    Effect.gen(function* () {
      const { on, run, server, sql } = yield* world({ pool: { size: 1 } })
      yield* run(Effect.zipRight(on(Transaction.afterCommit(Effect.orDie(sql`INSERT after`))), sql`INSERT 1`))
      assert.deepStrictEqual(server.texts, ["BEGIN", "INSERT 1", "COMMIT", "INSERT after"])
    })
  )

  it.scoped("inside another client's transaction sees that one's and not its own", () =>
    Effect.gen(function* () {
      const a = yield* world()
      const b = yield* world()
      const both = Effect.orDie(Effect.all([a.sql`INSERT a2`, b.sql`INSERT b2`]))
      yield* b.run(
        Effect.all([b.sql`INSERT b1`, a.run(Effect.all([a.sql`INSERT a1`, a.on(Transaction.afterCommit(both))]))])
      )
      assert.deepStrictEqual(a.server.texts, ["BEGIN", "INSERT a1", "COMMIT", "INSERT a2"])
      assert.deepStrictEqual(b.server.texts, ["BEGIN", "INSERT b1", "INSERT b2", "COMMIT"])
    })
  )

  it.scoped("that dies changes nothing for the caller or for the next one", () =>
    Effect.gen(function* () {
      const { on, run, sql } = yield* world()
      let next = 0
      const body = Effect.all([
        on(Transaction.afterCommit(Effect.die("bug"))),
        on(Transaction.afterCommit(Effect.sync(() => next++))),
        Effect.as(sql`INSERT 1`, "done")
      ])
      assert.strictEqual((yield* run(body))[2], "done")
      assert.strictEqual(next, 1)
    })
  )

  it.scoped("keeps the services it was registered with", () =>
    Effect.gen(function* () {
      const { on, run, sql } = yield* world()
      const Name = Context.GenericTag<string>("Name")
      let seen = ""
      const note = Transaction.afterCommit(
        Effect.map(Name, (name) => {
          seen = name
        })
      )
      yield* run(Effect.zipRight(sql`INSERT 1`, Effect.provideService(on(note), Name, "mine")))
      assert.strictEqual(seen, "mine")
    })
  )
})
