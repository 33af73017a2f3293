/** A batch travels in one message: whatever point of it the line fails at, all of it is there once, or none and it says so. */
import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { DatabaseError, Transaction } from "effect-aquifer"
import pg from "pg"
import type { CommitFault } from "../support/proxy.js"
import { query } from "../support/server.js"
import { type World, world } from "./world.js"

const three = (sql: SqlClient.SqlClient) =>
  [
    sql`INSERT INTO written VALUES (1)`,
    sql`INSERT INTO written VALUES (2) RETURNING id`,
    sql`SELECT count(*)::int AS n FROM written`
  ] as const

const batch = ({ sql }: World, options?: Transaction.Options) =>
  Effect.provideService(Transaction.batch(three(sql), options), SqlClient.SqlClient, sql)

const told = [[], [{ id: 2 }], [{ n: 2 }]]

const tag = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit) ? DatabaseError.find(exit.cause)?._tag : "success"

const afresh = (url: string) => query(url, "TRUNCATE written")

/** BEGIN, three statements, the question for the id. */
const points = [0, 1, 2, 3, 4]

/** Strikes at the given request of the next message, once. */
const strike = ({ line }: World, fault: "reset" | "lose" | "cut within request" | "cut within answer", at: number) => {
  const ordinary = line.plan
  let requests = 0
  line.plan = {
    ...ordinary,
    atRequest: () => {
      if (requests++ !== at) return undefined
      line.plan = ordinary
      return fault
    }
  }
}

it.scopedLive(
  "the line lost at each statement of it: run again, there once, and told once",
  () =>
    Effect.gen(function* () {
      const it = yield* world()
      // What a lost one still holds must not keep the next from beginning.
      it.line.linger = 20
      for (const fault of ["reset", "lose"] as const) {
        for (const at of points) {
          yield* afresh(it.url)
          strike(it, fault, at)
          expect(yield* batch(it)).toEqual(told)
          expect(yield* it.written).toEqual([1, 2])
        }
      }
      expect(it.line.counts.reset + it.line.counts.lose).toBe(2 * points.length)
      expect(yield* it.inTransaction).toBeLessThanOrEqual(points.length)
    }),
  { timeout: 60_000 }
)

it.scopedLive(
  "cut within the message, or within its answers, byte by byte: there once",
  () =>
    Effect.gen(function* () {
      const it = yield* world()
      let cuts = 0
      for (const fault of ["cut within request", "cut within answer"] as const) {
        for (let bytes = 0; bytes < 420; bytes += 7) {
          yield* afresh(it.url)
          it.line.amount = () => bytes
          strike(it, fault, 0)
          expect(yield* batch(it)).toEqual(told)
          expect(yield* it.written).toEqual([1, 2])
          cuts++
        }
      }
      expect(it.line.counts["cut within request"] + it.line.counts["cut within answer"]).toBe(cuts)
    }),
  { timeout: 120_000 }
)

const faults: ReadonlyArray<CommitFault> = [
  "cut before",
  "reset before",
  "lose before",
  "sever",
  "cut after",
  "reset after"
]

for (const fault of faults) {
  it.scopedLive(`${fault} its COMMIT: asked about by the id that came before it, and there once`, () =>
    Effect.gen(function* () {
      const it = yield* world()
      it.line.next(fault)
      expect(yield* batch(it)).toEqual(told)
      expect(yield* it.written).toEqual([1, 2])
      expect(it.line.counts[fault]).toBe(1)
    })
  )

  it.scopedLive(
    `${fault} the COMMIT that travels along unconfirmed: unknown, whatever it did, and never repeated`,
    () =>
      Effect.gen(function* () {
        const it = yield* world()
        it.line.next(fault)
        expect(tag(yield* Effect.exit(batch(it, { confirm: "off" })))).toBe("CommitUnknown")
        expect(it.line.counts[fault]).toBe(1)
        const there = yield* it.written
        expect(there).toEqual(fault.endsWith("after") ? [1, 2] : there.length === 0 ? [] : [1, 2])
      })
  )

  it.scopedLive(`${fault} the COMMIT of one that only reads: run again`, () =>
    Effect.gen(function* () {
      const it = yield* world()
      it.line.next(fault)
      const read = Transaction.batch([it.sql<{ n: number }>`SELECT 1 AS n`, it.sql`SELECT count(*) FROM written`], {
        access: "read only"
      })
      expect((yield* Effect.provideService(read, SqlClient.SqlClient, it.sql))[0]).toEqual([{ n: 1 }])
      expect(it.line.counts.commits).toBe(2)
    })
  )
}

it.scopedLive(
  "unconfirmed and cut byte by byte: done is there, everything else is unknown, nothing is there twice",
  () =>
    Effect.gen(function* () {
      const it = yield* world()
      const seen = new Set<string | undefined>()
      for (const fault of ["cut within request", "cut within answer"] as const) {
        for (let bytes = 0; bytes < 520; bytes += 13) {
          yield* afresh(it.url)
          it.line.amount = () => bytes
          strike(it, fault, 0)
          const outcome = tag(yield* Effect.exit(batch(it, { confirm: "off" })))
          seen.add(outcome)
          expect(["success", "CommitUnknown"]).toContain(outcome)
          const there = yield* it.written
          if (outcome === "success") expect(there).toEqual([1, 2])
          else expect([[], [1, 2]]).toContainEqual(there)
          it.line.plan = { atCommit: () => undefined, atRequest: () => undefined }
          it.line.all("reset")
        }
      }
      expect(seen.has("CommitUnknown")).toBe(true)
    }),
  { timeout: 120_000 }
)

it.scopedLive("a statement that fails: none of them is there, and it is the one told, confirmed or not", () =>
  Effect.gen(function* () {
    const { inTransaction, pool, sql, url, written } = yield* world()
    yield* query(url, "ALTER TABLE written ADD PRIMARY KEY (id)")
    for (const confirm of ["ask-server", "off"] as const) {
      const twice = [1, 2, 2, 3].map((id) => sql`INSERT INTO written VALUES (${id})`)
      const exit = yield* Effect.exit(
        Effect.provideService(Transaction.batch(twice, { confirm }), SqlClient.SqlClient, sql)
      )
      expect(tag(exit)).toBe("UniqueViolation")
    }
    expect(yield* written).toEqual([])
    expect(yield* inTransaction).toBe(0)
    expect((yield* pool.status).checkedOut).toBe(0)
  })
)

it.scopedLive("a constraint that fails at COMMIT is that failure, confirmed or not", () =>
  Effect.gen(function* () {
    const { sql, url, written } = yield* world()
    yield* query(url, "ALTER TABLE written ADD UNIQUE (id) DEFERRABLE INITIALLY DEFERRED")
    for (const confirm of ["ask-server", "off"] as const) {
      const twice = [1, 1].map((id) => sql`INSERT INTO written VALUES (${id})`)
      const exit = yield* Effect.exit(
        Effect.provideService(Transaction.batch(twice, { confirm }), SqlClient.SqlClient, sql)
      )
      expect(tag(exit)).toBe("UniqueViolation")
    }
    expect(yield* written).toEqual([])
  })
)

it.scopedLive(
  "an answer that cannot be read: undone where COMMIT waits for it; committed, and said so, where it does not",
  () =>
    Effect.gen(function* () {
      const { sql, written } = yield* world()
      pg.types.setTypeParser(pg.types.builtins.MONEY, () => {
        throw new Error("unreadable")
      })
      const statements = [sql`INSERT INTO written VALUES (1)`, sql`SELECT 1::money AS n`, sql`SELECT 2`]
      const run = (options: Transaction.Options) =>
        Effect.map(
          Effect.exit(Effect.provideService(Transaction.batch(statements, options), SqlClient.SqlClient, sql)),
          tag
        )
      expect(yield* run({})).toBe("DataError")
      expect(yield* written).toEqual([])
      expect(yield* run({ confirm: "off" })).toBe("CommitUnknown")
      expect(yield* written).toEqual([1])
    })
)

it.scopedLive("more different texts than a session keeps prepared, and the same again", () =>
  Effect.gen(function* () {
    const { sql, written } = yield* world()
    const ids = Array.from({ length: 300 }, (_, index) => index)
    // The first one once more at the end: by then it could have been evicted by the others.
    for (const _ of [1, 2]) {
      const statements = [...ids, 0].map((id) => sql.unsafe(`INSERT INTO written VALUES (${id})`))
      yield* Effect.provideService(Transaction.batch(statements), SqlClient.SqlClient, sql)
    }
    expect((yield* written).length).toBe(602)
  })
)

it.scopedLive(
  "the watchdog's patience is one statement's, however many there are",
  () =>
    Effect.gen(function* () {
      const { line, sql, url } = yield* world({ statementTimeout: "1 second" })
      yield* query(url, "CREATE FUNCTION nap() RETURNS void LANGUAGE sql AS 'SELECT pg_sleep(0.3)'")
      // Together they take longer than the six seconds one of them is given.
      const naps = Array.from({ length: 24 }, () => sql`SELECT nap()`)
      yield* Effect.provideService(Transaction.batch(naps, { retry: "never" }), SqlClient.SqlClient, sql)
      expect(line.counts.connections).toBe(1)
    }),
  { timeout: 60_000 }
)
