/** Revisions without a transaction on PostgreSQL: what cannot run in one, what was cut short, and who may tell. */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Database, Migration, Migrator } from "effect-aquifer"
import { folder, ledger, on, products, put, reason, refusal, rows, schema, tables } from "./support.js"

const [, postgres] = products as [(typeof products)[0], (typeof products)[0]]
const run = (text: string) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(text))
const bare = (up: string, down = "SELECT 1") =>
  `-- transaction: false\n-- migrate:up\n${up}\n-- migrate:down\n${down}\n`

/** The index and whether it can be used. */
const indexes = Effect.map(
  rows(
    "SELECT c.relname AS name, i.indisvalid AS valid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relname LIKE 'i\\_%' ORDER BY 1"
  ),
  (all) => all.map((row) => `${row.name} ${row.valid === true ? "valid" : "invalid"}`)
)

/** A ledger in which a runner died while the statement behind the first `done` ran. */
const died = (id: string, done: number, state = "applying") =>
  Effect.zipRight(
    Migrator.up({ loader: Migrator.fromRecord({ "0_none": Migration.make({ up: Effect.void }) }), whenAhead: "warn" }),
    Effect.zipRight(
      run("DELETE FROM aquifer_migrations"),
      run(
        `INSERT INTO aquifer_migrations (id, name, kind, parents, state, origin, step, sequence, started_at, applied_by)
         VALUES ('${id}', 'x', 'sql', '[]', '${state}', 'run', ${-(done + 1)}, 1, now(), 'the dead')`
      )
    )
  )

/** Two rows of one value: a unique index on them cannot be built. */
const twins = Effect.zipRight(run("CREATE TABLE t (v integer)"), run("INSERT INTO t VALUES (1), (1)"))

describe("what cannot run in a transaction", () => {
  it.live("is announced, run and reported; what can is committed with its step", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        yield* twins
        const steps: Array<number> = []
        const directory = yield* folder({
          "1_x.sql": bare(
            "CREATE INDEX CONCURRENTLY i_a ON t (v);\nALTER TABLE t ADD w integer;\nVACUUM t;\nDROP INDEX CONCURRENTLY i_a;",
            "CREATE INDEX CONCURRENTLY i_a ON t (v);\nALTER TABLE t DROP w;\nDROP INDEX CONCURRENTLY i_a;"
          )
        })
        const onEvent = (event: Migrator.Event) =>
          Effect.sync(() => {
            if (event._tag === "statement") steps.push(event.done)
          })
        yield* Migrator.up({ directory, onEvent })
        expect(steps).toEqual([1, 2, 3, 4])
        expect(yield* ledger).toEqual(["1 applied 4"])
        expect(yield* indexes).toEqual([])
        yield* Migrator.down({ directory })
        expect(yield* ledger).toEqual([])
      })
    )
  )

  it.live("a unique index that cannot be built is cleaned up, and the failure says what is done", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        yield* twins
        const directory = yield* folder({
          "1_x.sql": bare("ALTER TABLE t ADD w integer;\nCREATE UNIQUE INDEX CONCURRENTLY i_u ON t (v);")
        })
        const error = yield* refusal(Migrator.up({ directory }))
        expect(error).toMatchObject({ reason: "failed", line: 4, cause: { _tag: "UniqueViolation" } })
        expect(error.message).toContain("Of its 2 statements 1 are done")
        expect(yield* ledger).toEqual(["1 applying 1"])
        expect(yield* indexes).toEqual([])
        yield* run("DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t)")
        yield* Migrator.up({ directory })
        expect(yield* ledger).toEqual(["1 applied 2"])
        expect(yield* indexes).toEqual(["i_u valid"])
      })
    )
  )

  it.live("where nothing of it is done, the ledger is as it was, there and back", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        yield* twins
        const directory = yield* folder({
          "1_x.sql": bare("CREATE UNIQUE INDEX CONCURRENTLY i_u ON t (v);", "DROP INDEX CONCURRENTLY i_nowhere;")
        })
        const error = yield* refusal(Migrator.up({ directory }))
        expect(error.message).toContain("None of its 1 statements is done")
        expect(yield* ledger).toEqual([])
        yield* run("DELETE FROM t")
        yield* Migrator.up({ directory })
        yield* refusal(Migrator.down({ directory }))
        expect(yield* ledger).toEqual(["1 applied 1"])
        expect(yield* indexes).toEqual(["i_u valid"])
      })
    )
  )

  it.live("a transaction written into the file is one, and takes the ledger along", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        const text = (last: string) =>
          bare(`CREATE TABLE a (id integer);\nBEGIN;\nCREATE TABLE b (id integer);\n${last};\nCOMMIT;\nVACUUM a;`)
        const directory = yield* folder({ "1_x.sql": text("INSERT INTO nowhere VALUES (1)") })
        yield* refusal(Migrator.up({ directory }))
        expect(yield* tables).toEqual(["a"])
        expect(yield* ledger).toEqual(["1 applying 1"])
        yield* put(directory, { "1_x.sql": text("INSERT INTO b VALUES (1)") })
        yield* Migrator.up({ directory })
        expect(yield* ledger).toEqual(["1 applied 6"])
        yield* put(directory, { "2_y.sql": bare("BEGIN;\nCREATE TABLE c (id integer);") })
        expect(yield* refusal(Migrator.up({ directory }))).toMatchObject({ reason: "bad-sql", line: 3 })
        yield* put(directory, { "2_y.sql": bare("CREATE TABLE c (id integer);\nROLLBACK;") })
        expect(yield* refusal(Migrator.up({ directory }))).toMatchObject({ reason: "bad-sql", line: 4 })
        expect(yield* tables).toEqual(["a", "b"])
      })
    )
  )

  it.live("an effect's own transaction is a real one", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        const up = Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* sql`CREATE TABLE a (id integer)`
          const undone = Effect.zipRight(sql`INSERT INTO a VALUES (1)`, Effect.fail("undone"))
          yield* Effect.either(sql.withTransaction(undone))
          yield* sql.withTransaction(sql`INSERT INTO a VALUES (2)`)
          yield* sql`VACUUM a`
          yield* sql`INSERT INTO a VALUES (3)`
        })
        const loader = Migrator.fromRecord({ "1_x": Migration.make({ up, transaction: false }) })
        yield* Migrator.up({ loader })
        expect(yield* rows("SELECT id FROM a ORDER BY 1")).toEqual([{ id: 2 }, { id: 3 }])
        expect(yield* ledger).toEqual(["1 applied 1"])
      })
    )
  )
})

describe("what was begun and never reported", () => {
  const directory = folder({ "1_x.sql": bare("SELECT 1;\nCREATE UNIQUE INDEX CONCURRENTLY i_u ON t (v);") })

  it.live("an invalid index is dropped and built again", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        yield* twins
        yield* Effect.flip(run("CREATE UNIQUE INDEX CONCURRENTLY i_u ON t (v)"))
        expect(yield* indexes).toEqual(["i_u invalid"])
        yield* run("DELETE FROM t")
        yield* died("1", 1)
        yield* Migrator.up({ directory: yield* directory })
        expect(yield* indexes).toEqual(["i_u valid"])
        expect(yield* ledger).toEqual(["1 applied 2"])
      })
    )
  )

  it.live("a valid index is done, and not built twice", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        yield* run("CREATE TABLE t (v integer)")
        yield* run("CREATE UNIQUE INDEX i_u ON t (v)")
        const before = yield* rows("SELECT 'i_u'::regclass::oid AS oid")
        yield* died("1", 1)
        yield* Migrator.up({ directory: yield* directory })
        expect(yield* rows("SELECT 'i_u'::regclass::oid AS oid")).toEqual(before)
        expect(yield* ledger).toEqual(["1 applied 2"])
      })
    )
  )

  it.live("an index that was being dropped is dropped, whether it is still there or not", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        yield* run("CREATE TABLE t (v integer)")
        const dropping = yield* folder({ "1_x.sql": bare("DROP INDEX CONCURRENTLY i_d;") })
        yield* died("1", 0)
        yield* Migrator.up({ directory: dropping })
        expect(yield* ledger).toEqual(["1 applied 1"])
        yield* run("CREATE INDEX i_d ON t (v)")
        yield* died("1", 0)
        yield* Migrator.up({ directory: dropping })
        expect(yield* indexes).toEqual([])
      })
    )
  )

  it.live("what the catalogue cannot tell is not done again until a person has said so", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        yield* run("CREATE TABLE t (v integer)")
        yield* run("CREATE INDEX i_r ON t (v)")
        const text = bare("SELECT 1;\nREINDEX INDEX CONCURRENTLY i_r;\nCREATE TABLE after_it (id integer);")
        const directory = yield* folder({ "1_x.sql": text })
        yield* died("1", 1)
        const error = yield* refusal(Migrator.up({ directory }))
        expect(error).toMatchObject({ reason: "interrupted", statement: "REINDEX INDEX CONCURRENTLY i_r" })
        expect(error.message).toContain("Migrator.repair({ done })")
        expect(yield* ledger).toEqual(["1 applying -2"])
        expect((yield* Migrator.status({ directory })).revisions).toMatchObject([{ done: 1 }])
        yield* Migrator.repair({ directory, done: ["1"] })
        expect(yield* ledger).toEqual(["1 applying 2"])
        yield* Migrator.up({ directory })
        expect(yield* tables).toEqual(["after_it", "t"])
        yield* died("1", 1)
        yield* run("DROP TABLE after_it")
        yield* Migrator.repair({ directory, undone: ["1_x"] })
        yield* Migrator.up({ directory })
        expect(yield* ledger).toEqual(["1 applied 3"])
      })
    )
  )

  it.live("a way back that stopped is gone on with by down, and refused by up", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        const directory = yield* folder({
          "1_x.sql": bare(
            "CREATE TABLE a (id integer);\nCREATE TABLE b (id integer);",
            "DROP TABLE b;\nDROP TABLE nowhere;\nDROP TABLE a;"
          )
        })
        yield* Migrator.up({ directory })
        yield* refusal(Migrator.down({ directory }))
        expect(yield* ledger).toEqual(["1 reverting 1"])
        const error = yield* refusal(Migrator.up({ directory }))
        expect(error.reason).toBe("interrupted")
        expect(error.message).toContain("Run down again")
        yield* put(directory, {
          "1_x.sql": bare(
            "CREATE TABLE a (id integer);\nCREATE TABLE b (id integer);",
            "DROP TABLE b;\nSELECT 1;\nDROP TABLE a;"
          )
        })
        yield* Migrator.down({ directory })
        expect(yield* ledger).toEqual([])
        expect(yield* tables).toEqual([])
      })
    )
  )

  it.live("a way there that stopped is not taken back half-done", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        const directory = yield* folder({
          "1_x.sql": bare("CREATE TABLE a (id integer);\nSELECT 1/0;", "DROP TABLE a;")
        })
        yield* refusal(Migrator.up({ directory }))
        const error = yield* refusal(Migrator.down({ directory }))
        expect(error.reason).toBe("interrupted")
        expect(error.message).toContain("Run up again")
        expect(yield* ledger).toEqual(["1 applying 1"])
      })
    )
  )
})

describe("an index that somebody else left invalid", () => {
  it.live("is no success for IF NOT EXISTS", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        yield* twins
        yield* Effect.flip(run("CREATE UNIQUE INDEX CONCURRENTLY i_u ON t (v)"))
        const directory = yield* folder({
          "1_x.sql": bare("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i_u ON t (v);")
        })
        const error = yield* refusal(Migrator.up({ directory }))
        expect(error.message).toContain("there, but invalid")
        expect(error.message).toContain("DROP INDEX CONCURRENTLY")
        expect(yield* ledger).toEqual([])
      })
    )
  )
})

describe("a concurrent build that waits for too long", () => {
  it.live("is given up, cleaned up and tried again until the lock is free", () =>
    on(postgres, (url) =>
      Effect.gen(function* () {
        yield* run("CREATE TABLE t (v integer)")
        const directory = yield* folder({
          "1_x.sql": bare("SET lock_timeout = '100ms';\nCREATE INDEX CONCURRENTLY i_w ON t (v);")
        })
        const locked = yield* Effect.makeLatch()
        const holder = yield* Effect.fork(
          Effect.provide(
            Effect.flatMap(SqlClient.SqlClient, (sql) =>
              sql.withTransaction(
                sql`LOCK TABLE t IN ROW EXCLUSIVE MODE`.pipe(
                  Effect.zipRight(locked.open),
                  Effect.zipRight(Effect.sleep(700))
                )
              )
            ),
            Database.layer({ url })
          )
        )
        yield* locked.await
        yield* Migrator.up({ directory })
        yield* Fiber.join(holder)
        expect(yield* indexes).toEqual(["i_w valid"])
        expect((yield* schema).tables[0]?.indexes).toHaveLength(1)
        expect(yield* ledger).toEqual(["1 applied 2"])
      })
    )
  )
})

describe("without the grammar", () => {
  it.live("what the server refuses in a transaction runs without one, told by its words", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        yield* run("CREATE TABLE t (v integer)")
        // A body without its source is cut by the simple reader, as where the grammar is not installed.
        const statements = [
          'CREATE INDEX CONCURRENTLY "i_g" ON t (v)',
          "CREATE TABLE g (id integer)",
          "VACUUM g",
          "DROP INDEX CONCURRENTLY public.i_g"
        ].map((text, i) => ({ text, line: i + 1 }))
        const up = { _tag: "sql" as const, statements }
        const loader = Effect.succeed([
          {
            id: "1",
            name: "x",
            kind: "sql" as const,
            dependsOn: [],
            load: Effect.succeed({ transaction: false, up, down: undefined })
          }
        ])
        yield* died("1", 3)
        yield* run("CREATE TABLE g (id integer)")
        yield* Migrator.up({ loader })
        expect(yield* ledger).toEqual(["1 applied 4"])
        yield* run("DELETE FROM aquifer_migrations")
        yield* run("DROP TABLE g")
        yield* Migrator.up({ loader })
        expect(yield* ledger).toEqual(["1 applied 4"])
        expect(yield* indexes).toEqual([])
        expect(yield* reason(Migrator.down({ loader }))).toBe("irreversible")
      })
    )
  )
})
