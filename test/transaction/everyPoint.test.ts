/** An interrupt before every single operation of a transaction: whatever the moment, it ends known and nothing is kept. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { ScriptedServer } from "../../src/testing/ScriptedServer.js"
import * as Transaction from "../../src/transaction/Transaction.js"
import { interruptEverywhere, type Run, SteppingScheduler } from "../support/scheduler.js"
import { atRest, conflict, rest, world } from "./support.js"

/** Some thousand transactions take a second or two; a busy machine may take much longer. */
const patience = 180_000

type World = Effect.Effect.Success<ReturnType<typeof world>>

/** Whether the server heard how every transaction ended, or lost its session. */
const known = (server: ScriptedServer): boolean => {
  const open = new Set<number>()
  for (const { session, texts, what } of server.events) {
    if (what === "destroy" || what === "lost") open.delete(session)
    if (what !== "send") continue
    for (const text of texts) {
      if (text === "BEGIN") open.add(session)
      if (text === "COMMIT" || text === "ROLLBACK") open.delete(session)
    }
  }
  return open.size === 0
}

const everywhere = (
  title: string,
  writes: ReadonlyArray<string>,
  body: (world: World) => Effect.Effect<unknown, unknown>,
  script: (server: ScriptedServer) => void = () => undefined
) =>
  it.live(
    title,
    () =>
      Effect.gen(function* () {
        let committed = 0
        const attempt = Effect.gen(function* () {
          const scope = yield* Scope.make()
          const it = yield* Scope.extend(world({ pool: { size: 1 } }), scope).pipe(
            Effect.withScheduler(new SteppingScheduler())
          )
          script(it.server)
          return { world: { ...it, scope }, effect: body(it) }
        })
        const verify = (
          { connections, scope, server, sql }: World & { readonly scope: Scope.CloseableScope },
          run: Run<unknown, unknown>,
          at: number
        ) =>
          Effect.gen(function* () {
            const where = `interrupted before step ${at}: ${JSON.stringify(server.events)}`
            assert.deepStrictEqual(yield* atRest(connections), rest, where)
            assert.isTrue(known(server), where)
            assert.deepStrictEqual(server.alone, [], where)
            // All or nothing, and a caller who was told "done" has it all.
            if (server.committed.length > 0) committed++
            else assert.isTrue(Exit.isFailure(run.exit), where)
            assert.deepStrictEqual(server.committed, server.committed.length === 0 ? [] : writes, where)
            if (at === Number.POSITIVE_INFINITY) assert.isTrue(Exit.isSuccess(run.exit), where)
            // The only connection is there for the next one, clean.
            yield* sql`SELECT 1`
            assert.deepStrictEqual(server.alone, ["SELECT 1"], where)
            yield* Scope.close(scope, Exit.void)
          })
        const points = yield* interruptEverywhere(attempt, (world, run, at) => Effect.orDie(verify(world, run, at)))
        assert.isAbove(points, 60)
        assert.isAbove(committed, 0)
        assert.isBelow(committed, points)
      }),
    patience
  )

describe("an interrupt before every operation", () => {
  everywhere("of a transaction of two statements", ["INSERT 1", "INSERT 2"], ({ run, sql }) =>
    run(Effect.zipRight(sql`INSERT 1`, sql`INSERT 2`))
  )

  everywhere(
    "of one that is run again",
    ["INSERT 1", "INSERT 2"],
    ({ run, sql }) => run(Effect.zipRight(sql`INSERT 1`, sql`INSERT 2`)),
    (server) => server.fail("COMMIT", conflict("commit"))
  )

  everywhere(
    "of one whose COMMIT is lost and asked about",
    ["INSERT 1"],
    ({ run, sql }) => run(sql`INSERT 1`),
    (server) => server.lose("COMMIT", "unanswered")
  )

  everywhere("of one with savepoints, one of them undone", ["INSERT 1", "INSERT 2", "INSERT 4"], ({ run, sql }) =>
    run(
      Effect.all([
        sql`INSERT 1`,
        run(sql`INSERT 2`),
        Effect.ignore(run(Effect.zipRight(sql`INSERT 3`, Effect.fail("no")))),
        sql`INSERT 4`
      ])
    )
  )

  everywhere("of one with a time limit", ["INSERT 1", "INSERT 2"], ({ run, sql }) =>
    run(Effect.zipRight(sql`INSERT 1`, sql`INSERT 2`), { timeout: "10 seconds" })
  )

  // Forked by hand: `Effect.all` with a concurrency hangs by itself under this scheduler when interrupted before it forks.
  everywhere("of one with concurrent statements", ["INSERT 1", "INSERT 2"], ({ run, sql }) =>
    run(Effect.flatMap(Effect.fork(sql`INSERT 1`), (fiber) => Effect.zipRight(sql`INSERT 2`, Fiber.join(fiber)))).pipe(
      Effect.asVoid
    )
  )

  everywhere("of a batch", ["INSERT 1", "INSERT 2"], ({ on, sql }) =>
    on(Transaction.batch([sql`INSERT 1`, sql`INSERT 2`]))
  )

  it.live(
    "afterCommit runs exactly when the commit was made",
    () =>
      Effect.gen(function* () {
        const attempt = Effect.gen(function* () {
          const scope = yield* Scope.make()
          const it = yield* Scope.extend(world({ pool: { size: 1 } }), scope)
          const seen: Array<string> = []
          const after = it.on(Transaction.afterCommit(Effect.sync(() => seen.push("after"))))
          return { world: { ...it, seen, scope }, effect: it.run(Effect.zipRight(it.sql`INSERT 1`, after)) }
        })
        const points = yield* interruptEverywhere(attempt, ({ scope, seen, server }, _, at) =>
          Effect.gen(function* () {
            assert.strictEqual(seen.length, server.committed.length, `interrupted before step ${at}`)
            yield* Scope.close(scope, Exit.void)
          })
        )
        assert.isAbove(points, 50)
      }),
    patience
  )
})
