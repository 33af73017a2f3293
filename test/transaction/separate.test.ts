/** A transaction of its own while another is open: on another connection, or refused at once where it would wait for itself. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Transaction from "../../src/transaction/Transaction.js"
import { atRest, conflict, database, failure, rest, world } from "./support.js"

describe("Transaction.separate", () => {
  it.scoped("travels on another connection, and stays when the one around it fails", () =>
    Effect.gen(function* () {
      const { connections, on, run, server, sql } = yield* world()
      const audit = on(Transaction.separate(sql`INSERT audit`))
      const body = sql`INSERT 1`.pipe(Effect.zipRight(audit), Effect.zipRight(Effect.fail("no")))
      assert.deepStrictEqual(yield* Effect.exit(run(body)), Exit.fail("no"))
      assert.deepStrictEqual(server.committed, ["INSERT audit"])
      assert.deepStrictEqual(yield* atRest(connections), rest)
    })
  )

  it.scoped("is not the outer one's: it retries by itself, has its own options, and its own afterCommit", () =>
    Effect.gen(function* () {
      const { on, run, server, sql } = yield* world()
      server.fail("INSERT audit", conflict())
      const seen: Array<string> = []
      const say = (what: string) => Effect.sync(() => seen.push(what))
      const audit = on(
        Transaction.separate(
          sql`INSERT audit`.pipe(
            Effect.zipRight(Transaction.afterCommit(say("audit"))),
            Effect.zipRight(Transaction.attempt)
          ),
          { isolation: "serializable" }
        )
      )
      const attempts = yield* run(
        Effect.gen(function* () {
          yield* sql`INSERT 1`
          yield* on(Transaction.afterCommit(say("outer")))
          const inner = yield* audit
          return [inner, yield* Transaction.attempt]
        })
      )
      assert.deepStrictEqual(attempts, [2, 1])
      assert.deepStrictEqual(seen, ["audit", "outer"])
      assert.deepStrictEqual(
        server.texts.filter((text) => text.startsWith("BEGIN")),
        ["BEGIN", "BEGIN ISOLATION LEVEL SERIALIZABLE", "BEGIN ISOLATION LEVEL SERIALIZABLE"]
      )
    })
  )

  it.scoped("outside of a transaction it is one", () =>
    Effect.gen(function* () {
      const { on, server, sql } = yield* world()
      yield* on(sql`INSERT 1`.pipe(Transaction.separate()))
      assert.deepStrictEqual(server.texts, ["BEGIN", "INSERT 1", "COMMIT"])
    })
  )

  for (const [name, sessions, size] of [
    ["one session", "one", 2],
    ["one writer", "one writer", 2],
    ["a pool of one", "many", 1]
  ] as const) {
    it.scoped(`${name}: refused at once, nothing is waited for, and the outer one may go on`, () =>
      Effect.gen(function* () {
        const { on, run, server, sql } = yield* world({ pool: { size } }, { sessions })
        const audit = on(Transaction.separate(sql`INSERT audit`))
        const exit = yield* run(Effect.zipRight(sql`INSERT 1`, Effect.exit(audit)))
        assert.strictEqual(database(failure(exit))._tag, "UnsupportedError")
        assert.deepStrictEqual(server.committed, ["INSERT 1"])
      })
    )
  }

  it.scoped("one writer: reading beside a writer, and writing beside a reader, are no waits for itself", () =>
    Effect.gen(function* () {
      const { on, run, server, sql } = yield* world({}, { sessions: "one writer" })
      const beside = (mode: Transaction.Options) => on(Transaction.separate(sql`INSERT 2`, mode))
      yield* run(Effect.zipRight(sql`INSERT 1`, beside({ access: "read only" })))
      yield* run(Effect.zipRight(sql`INSERT 1`, beside({})), { access: "read only" })
      assert.strictEqual(server.committed.length, 4)
    })
  )
})
