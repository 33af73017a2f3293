/** The span of a read names the server that answered it, on a real primary with a real streaming standby. */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect } from "@effect/vitest"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { Database, Transaction } from "effect-aquifer"
import { eventually } from "../reliability/world.js"
import { query } from "../support/server.js"
import { sharedPair } from "../support/sharedPair.js"

const shared = sharedPair()

const nowhere = "postgresql://u@127.0.0.1:1/d"

/** Every span of a statement, by the port it names. */
const recorder = () => {
  const native = Context.get(DefaultServices.liveServices, Tracer.Tracer)
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    ...native,
    span: (...args) => {
      const span = native.span(...args)
      spans.push(span)
      return span
    }
  })
  const ports = () => spans.splice(0).flatMap(({ attributes }) => attributes.get("server.port") ?? [])
  return { ports, tracer }
}

const portOf = (url: string) => Number(new URL(url).port)

type World = {
  readonly sql: SqlClient.SqlClient
  readonly standby: number
  readonly primary: number
  /** The ports that the spans of the effect's statements named. */
  readonly told: (
    effect: Effect.Effect<unknown, unknown, SqlClient.SqlClient>
  ) => Effect.Effect<ReadonlyArray<unknown>, unknown, SqlClient.SqlClient>
}

const promise = (
  title: string,
  body: (world: World) => Effect.Effect<unknown, unknown, SqlClient.SqlClient>,
  replicas = () => [shared.servers.standby.url]
) =>
  shared.promise(title, () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { ports, tracer } = recorder()
      const where = Database.onReplica(sql<{ standby: boolean }>`SELECT pg_is_in_recovery() AS standby`)
      if (replicas()[0] === shared.servers.standby.url) {
        yield* eventually(
          "the standby answers",
          Effect.provideService(where, SqlClient.SqlClient, sql),
          ([row]) => row?.standby === true
        )
      }
      yield* body({
        sql,
        standby: portOf(shared.servers.standby.url),
        primary: portOf(shared.servers.primary.url),
        told: (effect) => Effect.map(Effect.withTracer(effect, tracer), ports)
      })
    }).pipe(
      Effect.provide(
        Database.layer({
          url: shared.servers.primary.url,
          replicaUrls: replicas(),
          profile: "development",
          ssl: "disable",
          maxStaleness: "off"
        })
      )
    )
  )

describe("the span of a read", () => {
  promise("names the replica that answered it, and outside the primary", ({ primary, sql, standby, told }) =>
    Effect.gen(function* () {
      expect(primary).not.toBe(standby)
      const read = sql`SELECT 1`
      expect(yield* told(read)).toEqual([primary])
      expect(yield* told(Database.onReplica(read))).toEqual([standby])
      // Often enough to ride a shared lane.
      expect(yield* told(Effect.replicateEffect(Database.onReplica(read), 20))).toEqual(Array(20).fill(standby))
      expect(yield* told(Database.onReplica(Effect.replicateEffect(read, 3)))).toEqual(Array(3).fill(standby))
      expect(yield* told(Database.onReplica(Effect.flip(sql`SELECT 1 / 0`)))).toEqual([standby])
      expect(yield* told(read)).toEqual([primary])
    })
  )

  promise(
    "does so for a stream, several in one text, and what a transaction or a savepoint there reads",
    ({ primary, sql, standby, told }) =>
      Effect.gen(function* () {
        const read = sql`SELECT 1`
        expect(yield* told(Database.onReplica(Stream.runDrain(read.stream)))).toEqual([standby])
        expect(yield* told(Database.onReplica(sql.unsafe("SELECT 1; SELECT 2")))).toEqual([standby])
        const inside = Effect.zipRight(read, Transaction.run(Effect.zipRight(read, Stream.runDrain(read.stream))))
        expect(yield* told(Database.onReplica(Transaction.run(inside)))).toEqual(Array(3).fill(standby))
        expect(yield* told(Transaction.run(Database.onReplica(read)))).toEqual([primary])
      })
  )

  promise("names who answered in the end where the first session was cut", ({ primary, sql, told }) =>
    Effect.gen(function* () {
      const reading = yield* Effect.fork(told(Database.onReplica(sql`SELECT pg_sleep(1.5) /* cut */`)))
      const cut = query(
        shared.servers.standby.url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%/* cut */' AND pid <> pg_backend_pid()"
      )
      yield* eventually("it is cut", cut, (rows) => rows.length > 0)
      expect(yield* Fiber.join(reading)).toEqual([primary])
    })
  )

  promise(
    "names the primary where no replica answers",
    ({ primary, sql, told }) =>
      Effect.gen(function* () {
        const read = sql`SELECT 1`
        expect(yield* told(Database.onReplica(read))).toEqual([primary])
        expect(yield* told(Database.onReplica(Transaction.run(read)))).toEqual([primary])
        expect(yield* told(Database.onReplica(Stream.runDrain(read.stream)))).toEqual([primary])
      }),
    () => [nowhere]
  )

  promise(
    "being told changes nothing: one replica of two still serves a whole effect",
    ({ primary, sql, standby, told }) =>
      Effect.gen(function* () {
        const block = told(Database.onReplica(Effect.replicateEffect(sql`SELECT 1`, 5)))
        const blocks = yield* Effect.replicateEffect(block, 6)
        for (const ports of blocks) expect(ports).toEqual(Array(5).fill(ports[0]))
        expect(new Set(blocks.flat())).toEqual(new Set([primary, standby]))
      }),
    () => [shared.servers.standby.url, shared.servers.primary.url]
  )

  promise(
    "names the second where the first does not answer",
    ({ sql, standby, told }) =>
      Effect.gen(function* () {
        const reads = Database.onReplica(Effect.replicateEffect(sql`SELECT 1`, 4))
        expect(yield* told(reads)).toEqual(Array(4).fill(standby))
      }),
    () => [nowhere, shared.servers.standby.url]
  )
})
