/**
 * What a statement leaves on its session is never met by the next holder, whichever way it came: alone, as a script or stream,
 * on a reserved connection, in a transaction, through COPY.
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Client from "../../src/client/Client.js"
import * as Connections from "../../src/connection/Connections.js"
import * as SharedLane from "../../src/connection/SharedLane.js"
import { postgres } from "../../src/dialect/postgres/index.js"
import * as DatabaseConfig from "../../src/model/DatabaseConfig.js"
import { freshDatabase, query } from "../support/server.js"

/** One connection, so that whatever is left on it is met. */
const world = (pool: object = {}, rules: Partial<SharedLane.Rules> = {}) =>
  Effect.gen(function* () {
    const url = yield* freshDatabase
    const config = yield* DatabaseConfig.make({
      url,
      pool: { size: 1, maxOverflow: 0, resetOnReturn: "rollback", onConnect: ["SET extra_float_digits = 2"], ...pool }
    })
    const connections = yield* Connections.make(config, postgres, { ...SharedLane.rules, ...rules })
    const sql = yield* Effect.provide(Client.make(connections), Reactivity.layer)
    return { url, connections, sql, context: Context.make(SqlClient.SqlClient, sql) }
  })

/** Everything a session can carry from one holder to the next. */
const carried = (sql: SqlClient.SqlClient) =>
  Effect.map(
    sql<Record<string, unknown>>`SELECT current_user::text AS who,
      (SELECT array_agg(name || '=' || setting ORDER BY name) FROM pg_settings WHERE source = 'session') AS settings,
      (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS locks,
      (SELECT count(*)::int FROM pg_class WHERE relnamespace = pg_my_temp_schema()) AS temporary,
      (SELECT count(*)::int FROM pg_prepared_statements WHERE name NOT LIKE 'aquifer%') AS prepared,
      (SELECT count(*)::int FROM pg_cursors WHERE is_holdable) AS cursors,
      (SELECT count(*)::int FROM pg_listening_channels()) AS channels`,
    ([row]): Record<string, unknown> => ({ ...row })
  )

const functions = `
  CREATE TABLE t (a INTEGER);
  CREATE FUNCTION public.set_path() RETURNS int LANGUAGE plpgsql AS 'BEGIN SET search_path = pg_catalog; RETURN 1; END';
  CREATE PROCEDURE sets() LANGUAGE plpgsql AS 'BEGIN SET work_mem = ''78MB''; CREATE TEMP TABLE hidden (a int); END';
`

/** Texts that leave something, those that try to hide it among them. */
const texts = [
  "SET work_mem = '77MB'",
  "set session work_mem to '77MB'",
  "/* first */ SET work_mem = '77MB'",
  "SET TIME ZONE 'Asia/Tokyo'",
  "SET ROLE pg_read_all_data",
  "SET SESSION AUTHORIZATION pg_read_all_data",
  "RESET extra_float_digits",
  "SELECT set_config('work_mem', '77MB', false)",
  "SELECT pg_catalog.set_config('work_mem', '77MB', false)",
  `SELECT "set_config"('work_mem', '77MB', false)`,
  `SELECT "pg_catalog"."set_config" ('work_mem', '77MB', false)`,
  `SELECT U&"set\\005fconfig"('work_mem', '77MB', false)`,
  "WITH hidden AS (SELECT set_config('work_mem', '77MB', false)) SELECT * FROM hidden",
  "SELECT 1 AS x$a$, set_config('work_mem', '77MB', false) AS y$a$",
  "SELECT 1 --\r, set_config('work_mem', '77MB', false)",
  "SELECT 1 /* /* */ ' */ , set_config('work_mem', '77MB', false) --'",
  "SELECT query_to_xml('SELECT set_config(''work_mem'', ''77MB'', false)', true, false, '')",
  "UPDATE pg_settings SET setting = '77MB' WHERE name = 'work_mem'",
  "SELECT set_path()",
  "CREATE TEMP TABLE mine (a INTEGER)",
  "CREATE TEMPORARY SEQUENCE mine",
  "CREATE TABLE pg_temp.mine (a INTEGER)",
  `CREATE TABLE "pg_temp".mine (a INTEGER)`,
  "SELECT 1 AS a INTO TEMP mine",
  "SELECT pg_advisory_lock(77)",
  "SELECT * FROM pg_try_advisory_lock_shared(77)",
  `SELECT "pg_advisory_lock"(77)`,
  "PREPARE mine AS SELECT 1",
  "DECLARE mine CURSOR WITH HOLD FOR SELECT 1",
  "LISTEN news",
  "DO $$ BEGIN PERFORM set_config('work_mem', '77MB', false); CREATE TEMP TABLE mine (a int); END $$",
  "DO 'BEGIN PERFORM pg_advisory_lock(77); END'",
  "CALL sets()"
]

const ways: Record<
  string,
  (sql: SqlClient.SqlClient, text: string) => Effect.Effect<unknown, unknown, SqlClient.SqlClient>
> = {
  "alone, twice": (sql, text) => Effect.zipRight(sql.unsafe(text), sql.unsafe(text)),
  unprepared: (sql, text) => sql.unsafe(text).unprepared,
  "as a script": (sql, text) => sql.unsafe(`SELECT 1; ${text}`),
  "as a stream": (sql, text) => Stream.runDrain(sql.unsafe(text).stream),
  "in a transaction": (sql, text) => sql.withTransaction(sql.unsafe(text)),
  "in a savepoint": (sql, text) => sql.withTransaction(sql.withTransaction(sql.unsafe(text))),
  "as a stream in a transaction": (sql, text) => sql.withTransaction(Stream.runDrain(sql.unsafe(text).stream)),
  "on a reserved connection": (sql, text) =>
    Effect.scoped(Effect.flatMap(sql.reserve, (connection) => connection.execute(text, [], undefined))),
  "as a stream on a reserved connection": (sql, text) =>
    Effect.scoped(
      Effect.flatMap(sql.reserve, (connection) => Stream.runDrain(connection.executeStream(text, [], undefined)))
    )
}

describe("what a statement leaves on its session is gone before the next holder", () => {
  for (const [way, run] of Object.entries(ways)) {
    it.scopedLive(way, () =>
      Effect.gen(function* () {
        const { context, sql, url } = yield* world()
        yield* query(url, functions)
        const before = yield* carried(sql)
        assert.deepInclude(before, { settings: ["extra_float_digits=2"], locks: 0, temporary: 0 })
        const met: Array<string> = []
        for (const text of texts) {
          yield* Effect.provide(run(sql, text), context)
          const after = yield* carried(sql)
          if (JSON.stringify(after) !== JSON.stringify(before)) met.push(`${text}: ${JSON.stringify(after)}`)
          // Whatever it was, the next text begins on a clean session.
          yield* Effect.scoped(Effect.flatMap(sql.reserve, (connection) => connection.executeRaw("DISCARD ALL", [])))
        }
        assert.deepStrictEqual(met, [])
      })
    )
  }
})

it.scopedLive("with `discard`, what neither a text nor the server tells is gone as well", () =>
  Effect.gen(function* () {
    const { sql, url } = yield* world({ resetOnReturn: "discard" })
    yield* query(
      url,
      `CREATE FUNCTION hides() RETURNS int LANGUAGE plpgsql AS $$
         BEGIN SET work_mem = '79MB'; PERFORM pg_advisory_lock(79); CREATE TEMP TABLE hidden (a int); RETURN 1; END $$`
    )
    const before = yield* carried(sql)
    yield* sql`SELECT hides()`
    assert.deepStrictEqual(yield* carried(sql), before)
    yield* sql.withTransaction(sql`SELECT hides()`)
    assert.deepStrictEqual(yield* carried(sql), before)
  })
)

it.scopedLive("one that changes its session unseen never rides the lane: the server has told", () =>
  Effect.gen(function* () {
    const { connections, sql, url } = yield* world({ size: 5 }, { quick: 60_000, stuck: 60_000 })
    yield* query(url, functions)
    const lanes = Effect.map(connections.pool.status, ({ lanes }) => lanes)
    yield* Effect.replicateEffect(sql`SELECT 1 AS one`, 3)
    yield* Effect.repeat(lanes, {
      until: (lanes) => lanes?.open === 1,
      schedule: Schedule.intersect(Schedule.spaced("5 millis"), Schedule.recurs(2_000))
    })
    const carried = (yield* lanes)?.totals.carried
    yield* Effect.replicateEffect(sql`SELECT public.set_path()`, 10)
    assert.strictEqual((yield* lanes)?.totals.carried, carried)
    const paths = yield* Effect.replicateEffect(sql`SELECT current_setting('search_path') AS path`, 30, {
      concurrency: 10
    })
    assert.deepStrictEqual(new Set(paths.map(([row]) => row?.path)), new Set(['"$user", public']))
  })
)

it.scopedLive("what changed a lane although it never had before costs the lane its place", () =>
  Effect.gen(function* () {
    const { connections, sql, url } = yield* world({ size: 5 }, { quick: 60_000, stuck: 60_000 })
    yield* query(
      url,
      `CREATE FUNCTION at_times(yes boolean) RETURNS int LANGUAGE plpgsql
         AS 'BEGIN IF yes THEN SET search_path = pg_catalog; END IF; RETURN 1; END'`
    )
    const lanes = Effect.map(connections.pool.status, ({ lanes }) => lanes)
    const at = (yes: boolean) => sql`SELECT public.at_times(${yes})`
    yield* Effect.replicateEffect(at(false), 3)
    yield* Effect.repeat(lanes, {
      until: (lanes) => lanes?.open === 1,
      schedule: Schedule.intersect(Schedule.spaced("5 millis"), Schedule.recurs(2_000))
    })
    yield* at(true)
    assert.strictEqual((yield* lanes)?.totals.carried, 1)
    const path = sql`SELECT current_setting('search_path') AS path`
    const paths = yield* Effect.replicateEffect(path, 30)
    assert.deepStrictEqual(new Set(paths.map(([row]) => row?.path)), new Set(['"$user", public']))
  })
)
