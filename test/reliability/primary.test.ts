/**
 * Which of a real primary and its real standby a URL with both leads to, and how the pool finds the primary again when a
 * write is refused: after a switchover, behind a fenced primary, or because a standby stands first in the URL.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Copy, Database, DatabaseError, Pool, Transaction } from "effect-aquifer"
import { query } from "../support/server.js"
import { sharedPair } from "../support/sharedPair.js"
import { eventually } from "./world.js"

const shared = sharedPair(({ primary }) => query(primary.url, "CREATE TABLE written (id integer PRIMARY KEY)"))
const { promise } = shared

const on = (url: string, options: Partial<Database.Options> = {}) =>
  Effect.gen(function* () {
    const services = yield* Layer.build(
      Database.layer({
        url,
        profile: "development",
        connect: "lazy",
        ssl: "disable",
        pool: { size: 5, maxOverflow: 0 },
        retry: { connection: { maxRetries: 100, baseDelay: "20 millis", maxDelay: "500 millis" } },
        ...options
      })
    )
    const sql = Context.get(services, SqlClient.SqlClient)
    return {
      sql,
      pool: Context.get(services, Pool.Pool),
      here: <A, E>(effect: Effect.Effect<A, E, SqlClient.SqlClient>) => Effect.provide(effect, services),
      run: <A, E>(effect: Effect.Effect<A, E, SqlClient.SqlClient>, options?: Transaction.Options) =>
        Effect.provide(Transaction.run(effect, options), services),
      where: Effect.map(sql<{ standby: boolean }>`SELECT pg_is_in_recovery() AS standby`, ([row]) =>
        row?.standby === true ? "standby" : "primary"
      )
    }
  })

const tagOf = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.flip(effect), (error) => DatabaseError.find(error)?._tag)

describe("target_session_attrs", () => {
  const cases = [
    ["any", "standby", "primary", "standby"],
    ["read-write", "primary", "primary", "none"],
    ["primary", "primary", "primary", "none"],
    ["read-only", "standby", "none", "standby"],
    ["standby", "standby", "none", "standby"],
    ["prefer-standby", "standby", "primary", "standby"]
  ] as const

  for (const [word, ofBoth, ofPrimary, ofStandby] of cases) {
    promise(
      `${word}: of standby and primary ${ofBoth}, of a primary alone ${ofPrimary}, of a standby alone ${ofStandby}`,
      () =>
        Effect.gen(function* () {
          const { both, primary, standby } = shared.servers
          const reached = (url: string) =>
            Effect.flatMap(on(`${url}?target_session_attrs=${word}`, { connect: "lazy" }), ({ where }) =>
              Effect.catchAll(where, (error) =>
                DatabaseError.find(error)?._tag === "ConnectionError"
                  ? Effect.succeed("none" as const)
                  : Effect.fail(error)
              )
            )
          expect(yield* reached(both(standby, primary))).toBe(ofBoth)
          expect(yield* reached(both(primary, standby))).toBe(word === "any" ? "primary" : ofBoth)
          expect(yield* reached(both(primary))).toBe(ofPrimary)
          expect(yield* reached(both(standby))).toBe(ofStandby)
        })
    )
  }
})

describe("a write that a standby refuses", () => {
  promise("makes the pool look for the primary: the same statement is done there, and all that follow", () =>
    Effect.gen(function* () {
      const { both, primary, standby } = shared.servers
      const { pool, sql, where } = yield* on(both(standby, primary))
      yield* Effect.replicateEffect(sql`SELECT pg_sleep(0.1)`, 4, { concurrency: 4 })
      expect(yield* where).toBe("standby")
      yield* sql`INSERT INTO written VALUES (1)`
      // Those opened before have left, and nobody else wrote in vain.
      expect(yield* Effect.replicateEffect(where, 20, { concurrency: 8 })).toEqual(Array(20).fill("primary"))
      const { invalidated } = yield* pool.status
      expect(invalidated).toBeGreaterThanOrEqual(4)
      yield* sql.unsafe("INSERT INTO written VALUES (2); INSERT INTO written VALUES (3)")
      expect((yield* pool.status).invalidated).toBe(invalidated)
      expect(yield* query(primary.url, "SELECT id FROM written ORDER BY id")).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }])
      yield* query(primary.url, "TRUNCATE written")
    })
  )

  promise("a transaction is run again, there", () =>
    Effect.gen(function* () {
      const { both, primary, standby } = shared.servers
      const { run, sql, where } = yield* on(both(standby, primary))
      const places: Array<string> = []
      const body = Effect.gen(function* () {
        places.push(yield* where)
        yield* sql`INSERT INTO written VALUES (1)`
        return yield* Transaction.attempt
      })
      expect(yield* run(body)).toBe(2)
      expect(places).toEqual(["standby", "primary"])
      // Swallowed, it decides all the same.
      const other = yield* on(both(standby, primary))
      yield* other.run(Effect.ignore(other.sql`INSERT INTO written VALUES (2)`))
      expect(yield* query(primary.url, "SELECT id FROM written ORDER BY id")).toEqual([{ id: 1 }, { id: 2 }])
      yield* query(primary.url, "TRUNCATE written")
    })
  )

  promise("so does one that brings rows one by one, and a COPY: the next one is done", () =>
    Effect.gen(function* () {
      const { both, primary, standby } = shared.servers
      const writes: ReadonlyArray<(sql: SqlClient.SqlClient) => Effect.Effect<unknown, unknown, SqlClient.SqlClient>> =
        [
          (sql) => Stream.runDrain(sql`INSERT INTO written VALUES (1) RETURNING id`.stream),
          () => Copy.into({ table: "written" }, Stream.make("2\n"))
        ]
      for (const write of writes) {
        const { here, sql, where } = yield* on(both(standby, primary))
        expect(yield* tagOf(here(write(sql)))).toBe("ReadOnlyError")
        expect(yield* where).toBe("primary")
        yield* here(write(sql))
      }
      expect(yield* query(primary.url, "SELECT id FROM written ORDER BY id")).toEqual([{ id: 1 }, { id: 2 }])
      yield* query(primary.url, "TRUNCATE written")
    })
  )

  promise("many at once begin anew once", () =>
    Effect.gen(function* () {
      const { both, primary, standby } = shared.servers
      const { pool, run, sql } = yield* on(both(standby, primary))
      const ids = Array.from({ length: 40 }, (_, id) => id)
      yield* Effect.forEach(ids, (id) => run(sql`INSERT INTO written VALUES (${id})`), { concurrency: 20 })
      expect(yield* query(primary.url, "SELECT count(*)::int AS n FROM written")).toEqual([{ n: 40 }])
      const { totals } = yield* pool.status
      expect(totals.opened).toBeLessThanOrEqual(15)
      yield* query(primary.url, "TRUNCATE written")
    })
  )

  promise("where no primary is to be had, it is told with its cause, and reading goes on", () =>
    Effect.gen(function* () {
      const { both, standby } = shared.servers
      const { run, sql, where } = yield* on(both(standby))
      expect(yield* tagOf(sql`INSERT INTO written VALUES (1)`)).toBe("ReadOnlyError")
      expect(yield* where).toBe("standby")
      const retry = { maxRetries: 2, baseDelay: "10 millis" } as const
      const exhausted = yield* Effect.flip(run(sql`INSERT INTO written VALUES (1)`, { retry }))
      expect(exhausted).toMatchObject({
        _tag: "RetriesExhausted",
        last: { _tag: "ConnectionError", cause: { _tag: "ReadOnlyError", sqlState: "25006" } }
      })
      expect(yield* tagOf(run(sql`INSERT INTO written VALUES (1)`, { retry: "never" }))).toBe("ReadOnlyError")
      expect(yield* where).toBe("standby")
    })
  )
})

describe("a refusal that somebody wanted", () => {
  const stays = (
    title: string,
    url: () => string,
    write: (client: Effect.Effect.Success<ReturnType<typeof on>>) => Effect.Effect<unknown, unknown>,
    options: Partial<Database.Options> = {}
  ) =>
    promise(title, () =>
      Effect.gen(function* () {
        const client = yield* on(url(), options)
        yield* client.where
        const before = yield* client.pool.status
        expect(yield* tagOf(write(client))).toBe("ReadOnlyError")
        const after = yield* client.pool.status
        expect([after.invalidated, after.totals.opened]).toEqual([before.invalidated, before.totals.opened])
      })
    )

  const read = "default_transaction_read_only"
  const insert = ({ sql }: { readonly sql: SqlClient.SqlClient }) => sql`INSERT INTO written VALUES (1)`

  stays(
    "the transaction was begun read only, on a primary",
    () => shared.servers.primary.url,
    ({ run, sql }) => run(sql`INSERT INTO written VALUES (1)`, { access: "read only" })
  )
  stays(
    "the transaction was begun read only, on a standby",
    () => shared.servers.both(shared.servers.standby, shared.servers.primary),
    ({ run, sql }) => run(sql`INSERT INTO written VALUES (1)`, { access: "read only" })
  )
  stays(
    "the transaction was made so by a statement",
    () => shared.servers.both(shared.servers.primary, shared.servers.standby),
    ({ run, sql }) => run(Effect.zipRight(sql`SET TRANSACTION READ ONLY`, sql`INSERT INTO written VALUES (1)`))
  )
  stays(
    "the URL's options say so",
    () => `${shared.servers.both(shared.servers.primary, shared.servers.standby)}?options=-c%20${read}%3Don`,
    insert
  )
  stays(
    "what is done on connecting says so",
    () => shared.servers.both(shared.servers.primary, shared.servers.standby),
    insert,
    {
      pool: { size: 5, maxOverflow: 0, onConnect: [`SET ${read} = on`] }
    }
  )
  stays(
    "a standby was asked for",
    () => `${shared.servers.both(shared.servers.primary, shared.servers.standby)}?target_session_attrs=standby`,
    insert
  )
  stays(
    "a server that only reads was asked for",
    () => `${shared.servers.both(shared.servers.primary, shared.servers.standby)}?target_session_attrs=read-only`,
    ({ run, sql }) => run(sql`INSERT INTO written VALUES (1)`)
  )

  promise("the role's own default says so", () =>
    Effect.gen(function* () {
      const { primary, standby } = shared.servers
      yield* query(
        primary.url,
        `DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN PASSWORD 'reader' IN ROLE pg_write_all_data;
         ALTER ROLE reader SET ${read} = on`
      )
      yield* shared.servers.caughtUp
      const url = shared.servers.both(primary, standby).replace(/\/\/[^@]+@/, "//reader:reader@")
      const client = yield* on(url)
      yield* client.where
      const before = yield* client.pool.status
      expect(yield* tagOf(insert(client))).toBe("ReadOnlyError")
      expect((yield* client.pool.status).totals.opened).toBe(before.totals.opened)
    })
  )
})

// Last, and in this order: in the first the two change places, in the second both are primaries for a while.
describe("the primary moves", () => {
  const count = (url: string) =>
    Effect.map(query(url, "SELECT count(*)::int AS n FROM written WHERE id >= 0"), ([row]) => row?.n as number)

  promise("in a switchover, and the old one comes back as a standby that stands first in the URL", () =>
    Effect.gen(function* () {
      const { both, primary, standby } = shared.servers
      yield* query(primary.url, "TRUNCATE written")
      const { run, sql, where } = yield* on(both(primary, standby))
      let next = 0
      const write = Effect.suspend(() => run(sql`INSERT INTO written VALUES (${next++})`))
      yield* Effect.replicateEffect(write, 10, { concurrency: 5 })
      expect(yield* where).toBe("primary")
      yield* primary.stop
      yield* query(standby.url, "SELECT pg_promote(true, 30)")
      yield* primary.follow(standby)
      yield* primary.start
      yield* eventually(
        "it follows",
        query(standby.url, "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"),
        (rows) => rows.length === 1,
        "60 seconds"
      )
      yield* Effect.replicateEffect(write, 10, { concurrency: 5 })
      expect(yield* where).toBe("primary")
      expect(yield* count(standby.url)).toBe(20)
    })
  )

  promise("from a fenced one to a promoted one, under sessions that stay open", () =>
    Effect.gen(function* () {
      const { both, primary: second, standby: first } = shared.servers
      const { pool, run, sql } = yield* on(both(first, second))
      let next = 100
      const write = Effect.suspend(() => run(sql`INSERT INTO written VALUES (${next++})`))
      yield* Effect.replicateEffect(write, 10, { concurrency: 5 })
      yield* eventually("the standby has it all", count(second.url), (n) => n === 30)
      yield* query(first.url, "ALTER SYSTEM SET default_transaction_read_only = on")
      yield* query(first.url, "SELECT pg_reload_conf()")
      yield* query(second.url, "SELECT pg_promote(true, 30)")
      const fences = Effect.replicateEffect(
        sql<{ fence: string }>`SELECT current_setting('default_transaction_read_only') AS fence, pg_sleep(0.05)`,
        5,
        { concurrency: 5 }
      )
      yield* eventually("all five sessions are fenced", fences, (rows) =>
        rows.flat().every(({ fence }) => fence === "on")
      )
      expect((yield* pool.status).invalidated).toBe(0)
      yield* Effect.replicateEffect(write, 10, { concurrency: 5 })
      expect(yield* count(second.url)).toBe(40)
      expect(yield* count(first.url)).toBe(30)
      expect((yield* pool.status).invalidated).toBeGreaterThanOrEqual(1)
    })
  )
})
