/**
 * Interrupts before one operation after the other on a real server: of statements, streams, COPY both ways, LISTEN and reserved
 * connections. After each one the connections are back, the server runs nothing for us and has no session too many.
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Client from "../../src/client/Client.js"
import * as Copy from "../../src/client/Copy.js"
import * as Listen from "../../src/client/Listen.js"
import * as Connections from "../../src/connection/Connections.js"
import { postgres } from "../../src/dialect/postgres/index.js"
import * as DatabaseConfig from "../../src/model/DatabaseConfig.js"
import * as Transaction from "../../src/transaction/Transaction.js"
import { interruptEverywhere } from "../support/scheduler.js"
import { adminQuery, freshDatabase, query } from "../support/server.js"
import { rest } from "../transaction/support.js"

/** Hundreds of conversations with a server take seconds; a busy machine may take much longer. */
const patience = 180_000

/** Before each single operation it takes minutes (`INTERRUPT_STRIDE=1`); scripted connections are there for that. */
const strides = Config.withDefault(Config.integer("INTERRUPT_STRIDE"), 29)

const world = Effect.gen(function* () {
  const url = yield* freshDatabase
  const config = yield* DatabaseConfig.make({ url, pool: { size: 1, maxOverflow: 0, resetOnReturn: "rollback" } })
  const connections = yield* Connections.make(config, postgres)
  const sql = yield* Effect.provide(Client.make(connections), Reactivity.layer)
  yield* sql`CREATE TABLE kept (n INTEGER)`
  return { url, connections, sql, context: Context.make(SqlClient.SqlClient, sql) }
})

type World = Effect.Effect.Success<typeof world>

/** Our sessions on the test's database, as the server sees them. */
const sessions = (url: string) =>
  adminQuery("SELECT pid, state, query FROM pg_stat_activity WHERE datname = $1", [new URL(url).pathname.slice(1)])

/** What the pool holds, once it has come to rest or has had ample time to. */
const atRest = ({ connections }: World) =>
  connections.pool.status.pipe(
    Effect.map(({ checkedOut, opening, waiting }) => ({ checkedOut, opening, waiting })),
    Effect.repeat({
      until: ({ checkedOut, opening, waiting }) => checkedOut + opening + waiting === 0,
      schedule: Schedule.intersect(Schedule.spaced("2 millis"), Schedule.recurs(5_000))
    }),
    Effect.zipRight(connections.pool.status),
    Effect.map(({ checkedOut, opening, waiting }) => ({ checkedOut, opening, waiting }))
  )

interface Case {
  readonly work: (world: World) => Effect.Effect<unknown, unknown, SqlClient.SqlClient>
  /** Rows the table may have afterwards, all or none. */
  readonly writes?: number
  /** Each run begins with opening a connection. */
  readonly opening?: boolean
}

const everywhere = (title: string, { opening = false, work, writes = 0 }: Case) =>
  it.scopedLive(
    `interrupts all along ${title} leak nothing, and the server agrees`,
    () =>
      Effect.gen(function* () {
        const made = yield* world
        const { connections, context, sql, url } = made
        const attempt = Effect.gen(function* () {
          yield* Effect.orDie(sql`TRUNCATE kept`)
          if (opening) yield* connections.pool.evictAll
          return { world: made, effect: Effect.provide(work(made), context) }
        })
        let interrupted = 0
        const points = yield* interruptEverywhere(
          attempt,
          (_, run, at) =>
            Effect.gen(function* () {
              const where = `interrupted before step ${at}`
              if (at === Number.POSITIVE_INFINITY) assert.isTrue(Exit.isSuccess(run.exit), `${where}: ${run.exit}`)
              if (Exit.isInterrupted(run.exit)) interrupted++
              assert.deepStrictEqual(yield* atRest(made), rest, where)
              const [row] = yield* sql<{ n: number }>`SELECT count(*)::int AS n FROM kept`
              assert.include(Exit.isSuccess(run.exit) ? [writes] : [0, writes], row?.n, where)
            }).pipe(Effect.orDie),
          yield* strides
        )
        assert.isAbove(points, 1)
        assert.isAbove(interrupted, points / 3)
        // The one of the pool. Whatever we have closed the server ends a moment later.
        const left = yield* Effect.repeat(sessions(url), {
          until: (found) => found.length === 1 && found[0]?.state === "idle",
          schedule: Schedule.intersect(Schedule.spaced("20 millis"), Schedule.recurs(250))
        }).pipe(Effect.zipRight(sessions(url)))
        assert.deepStrictEqual(
          left.map(({ state }) => state),
          ["idle"],
          JSON.stringify(left)
        )
        assert.deepStrictEqual(
          yield* query(
            url,
            "SELECT count(*)::int AS n FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE d.datname = current_database() AND l.pid <> pg_backend_pid()"
          ),
          [{ n: 0 }]
        )
      }),
    patience
  )

const many = "SELECT n FROM generate_series(1, 3000) AS n"

everywhere("a statement", { work: ({ sql }) => sql.unsafe("SELECT 1 AS one") })

everywhere("a statement that opens its connection", { work: ({ sql }) => sql.unsafe("SELECT 1 AS one"), opening: true })

everywhere("a write", { work: ({ sql }) => sql`INSERT INTO kept VALUES (1), (2)`, writes: 2 })

everywhere("a stream read to its end", { work: ({ sql }) => Stream.runDrain(sql.unsafe(many).stream) })

everywhere("a stream left early", { work: ({ sql }) => Stream.runDrain(Stream.take(sql.unsafe(many).stream, 1_500)) })

everywhere("a stream whose rows are slow to come", {
  work: ({ sql }) => Stream.runDrain(sql.unsafe("SELECT pg_sleep(0.002) FROM generate_series(1, 3) AS n").stream)
})

everywhere("a stream that writes", {
  work: ({ sql }) => Stream.runDrain(sql`INSERT INTO kept SELECT generate_series(1, 1500) RETURNING n`.stream),
  writes: 1_500
})

everywhere("a stream in a transaction, with a statement between its chunks", {
  work: ({ sql }) =>
    Transaction.run(
      Stream.runForEachChunk(Stream.take(sql.unsafe(many).stream, 2_500), () => sql`INSERT INTO kept VALUES (1)`)
    ),
  writes: 3
})

everywhere("COPY in", {
  work: () => Copy.into({ table: "kept" }, Stream.make("1\n", "2\n", "3\n")),
  writes: 3
})

everywhere("COPY in, in a transaction", {
  work: () => Transaction.run(Copy.into({ table: "kept" }, Stream.make("1\n", "2\n", "3\n"))),
  writes: 3
})

everywhere("COPY out", {
  work: () => Stream.runDrain(Copy.out("COPY (SELECT repeat('x', 999) FROM generate_series(1, 300)) TO STDOUT"))
})

everywhere("COPY out left early", {
  work: () =>
    Stream.runDrain(Stream.take(Copy.out("COPY (SELECT repeat('x', 999) FROM generate_series(1, 3000)) TO STDOUT"), 2))
})

everywhere("LISTEN", {
  work: ({ sql }) =>
    Effect.scoped(
      Effect.flatMap(Listen.subscribe("news"), (heard) =>
        Effect.zipRight(sql`SELECT pg_notify('news', '')`, Stream.runDrain(Stream.take(heard, 1)))
      )
    )
})

everywhere("a reserved connection", {
  work: ({ sql }) =>
    Effect.scoped(
      Effect.flatMap(sql.reserve, (connection) =>
        Effect.zipRight(
          connection.execute("INSERT INTO kept VALUES (1)", [], undefined),
          Stream.runDrain(connection.executeStream(many, [], undefined))
        )
      )
    ),
  writes: 1
})
