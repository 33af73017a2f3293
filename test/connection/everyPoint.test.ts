/**
 * An interrupt before every single operation of whatever holds a connection: a statement, a rider of the lane, a stream, a
 * reserved connection. Whatever the moment, the connection comes back clean, nothing runs on and nothing is kept.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as ScriptedConnection from "../../src/testing/ScriptedConnection.js"
import { interruptEverywhere, type Run, SteppingScheduler } from "../support/scheduler.js"
import { atRest, rest, world } from "../transaction/support.js"
import { lanes } from "./laneSupport.js"

/** Some hundred worlds take a second or two; a busy machine may take much longer. */
const patience = 300_000

type World = Effect.Effect.Success<ReturnType<typeof world>>

const rows = Array.from({ length: 4 }, (_, n) => ({ n }))

interface Case {
  readonly work: (world: World) => Effect.Effect<unknown, unknown>
  /** What the untouched run answers. */
  readonly answer: unknown
  readonly options?: ScriptedConnection.Options
  /** Every so many operations; said of what is made of parts that have a test of their own. */
  readonly stride?: number
  /** Writes that may be there afterwards: all of them or none. */
  readonly writes?: ReadonlyArray<string>
}

const everywhere = (title: string, { work, answer, options, stride, writes = [] }: Case) =>
  it.live(
    title,
    () =>
      Effect.gen(function* () {
        const attempt = Effect.gen(function* () {
          const scope = yield* Scope.make()
          const it = yield* Scope.extend(world({ pool: { size: 1, ...options?.pool } }), scope).pipe(
            Effect.withScheduler(new SteppingScheduler())
          )
          it.server.rows("SELECT n", rows, 2)
          return { world: { ...it, scope }, effect: work(it) }
        })
        let interrupted = 0
        const verify = (
          { connections, scope, server, sql }: World & { readonly scope: Scope.CloseableScope },
          run: Run<unknown, unknown>,
          at: number
        ) =>
          Effect.gen(function* () {
            const where = `interrupted before step ${at}: ${JSON.stringify(server.events)}`
            assert.deepStrictEqual(yield* atRest(connections), rest, where)
            if (at === Number.POSITIVE_INFINITY) assert.deepStrictEqual(run.exit, Exit.succeed(answer), where)
            if (Exit.isInterrupted(run.exit)) interrupted++
            if (server.committed.length > 0) assert.deepStrictEqual(server.committed, writes, where)
            // The only connection is there for the next one, in no transaction and with nothing at work on it.
            const before = server.alone.length
            assert.deepStrictEqual(yield* sql`INSERT 'next'`, [], where)
            assert.deepStrictEqual(server.alone.slice(before), ["INSERT 'next'"], where)
            assert.isAtMost(server.count("connect") - server.count("destroy"), 1, where)
            yield* Scope.close(scope, Exit.void)
            assert.strictEqual(server.count("connect"), server.count("destroy"), where)
          })
        const points = yield* interruptEverywhere(
          attempt,
          (world, run, at) => Effect.orDie(verify(world, run, at)),
          stride
        )
        assert.isAbove(points, 15)
        assert.isAbove(interrupted, points / 3)
      }),
    patience
  )

const collected = (stream: Stream.Stream<unknown, unknown>) =>
  Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)

describe("an interrupt before every operation leaks nothing", () => {
  everywhere("of a statement", { work: ({ sql }) => sql.unsafe("SELECT n"), answer: rows })

  everywhere("of a write", { work: ({ sql }) => sql.unsafe("INSERT 1"), answer: [], writes: ["INSERT 1"] })

  everywhere("of a stream read to its end", {
    work: ({ sql }) => collected(sql.unsafe("SELECT n").stream),
    answer: rows
  })

  everywhere("of a stream left early", {
    work: ({ sql }) => collected(Stream.take(sql.unsafe("SELECT n").stream, 2)),
    answer: rows.slice(0, 2)
  })

  everywhere("of a stream in a transaction, with a statement between its rows", {
    work: ({ run, sql }) =>
      run(
        Effect.zipRight(
          sql`INSERT 1`,
          collected(
            Stream.tap(Stream.zipWithIndex(sql.unsafe("SELECT n").stream), ([, at]) =>
              Effect.when(sql`INSERT 2`, () => at === 1)
            ).pipe(Stream.map(([row]) => row))
          )
        )
      ),
    answer: rows,
    writes: ["INSERT 1", "INSERT 2"]
  })

  everywhere("of two streams at once, the second waiting for the first one's connection", {
    work: ({ sql }) =>
      Effect.flatMap(Effect.fork(collected(sql.unsafe("SELECT n").stream)), (fiber) =>
        Effect.zip(collected(sql.unsafe("SELECT n").stream), fiber)
      ),
    answer: [rows, rows],
    stride: 3
  })

  everywhere("of a reserved connection and its statements", {
    work: ({ sql }) =>
      Effect.scoped(
        Effect.flatMap(sql.reserve, (connection) =>
          Effect.zipRight(
            connection.execute("INSERT 1", [], undefined),
            Effect.zipRight(
              collected(connection.executeStream("SELECT n", [], undefined)),
              connection.execute("SELECT n", [], undefined)
            )
          )
        )
      ),
    answer: rows,
    writes: ["INSERT 1"],
    stride: 3
  })
})

it.live(
  "an interrupt before every operation of a rider leaves the lane to the others",
  () =>
    Effect.gen(function* () {
      const attempt = Effect.gen(function* () {
        const scope = yield* Scope.make()
        const it = yield* Scope.extend(lanes(), scope)
        yield* Effect.orDie(it.earn("SELECT n"))
        return { world: { ...it, scope }, effect: it.sql.unsafe("SELECT n") }
      })
      const points = yield* interruptEverywhere(attempt, ({ connections, scope, server, sql, status, ways }, run, at) =>
        Effect.gen(function* () {
          const where = `interrupted before step ${at}: ${JSON.stringify(server.events)}`
          if (at === Number.POSITIVE_INFINITY) assert.isTrue(Exit.isSuccess(run.exit), where)
          yield* Effect.timeout(sql.unsafe("SELECT n"), "10 seconds")
          assert.strictEqual(ways().at(-1), "lane", where)
          assert.deepInclude(yield* status, { open: 1, pending: 0 }, where)
          assert.deepStrictEqual(yield* atRest(connections), rest, where)
          assert.strictEqual(server.count("cancel"), 0, where)
          yield* Scope.close(scope, Exit.void)
        }).pipe(Effect.orDie)
      )
      assert.isAbove(points, 5)
    }),
  patience
)
