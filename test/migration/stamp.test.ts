/** The ledger changed without running anything: stamped, repaired, taken over from another tool. */
import * as PgMigrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Migration, Migrator } from "effect-aquifer"
import {
  everywhere,
  folder,
  ledger,
  on,
  prepare,
  put,
  reason,
  refusal,
  remove,
  rows,
  table,
  tables
} from "./support.js"

const three = { "1_a.sql": table("a"), "2_b.sql": table("b"), "3_c.sql": table("c") }
const origins = Effect.map(rows("SELECT id, origin FROM aquifer_migrations ORDER BY sequence"), (all) =>
  all.map((row) => `${row.id} ${row.origin}`)
)

for (const product of everywhere) {
  describe(`the ledger on ${product.name}`, () => {
    prepare(product)
    it.live("stamped, it becomes the revision and what that needs, whatever it was, and nothing is run", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder({ ...three, "4_d.sql": `-- revises: 1\n${table("d")}` })
          const options = { directory }
          expect(yield* Migrator.stamp("3", options)).toEqual({
            added: ["1_a", "2_b", "3_c"],
            removed: [],
            settled: []
          })
          expect(yield* tables).toEqual([])
          expect(yield* origins).toEqual(["1 stamped", "2 stamped", "3 stamped"])
          expect(yield* Migrator.stamp("4", options)).toMatchObject({ added: ["4_d"], removed: ["2_b", "3_c"] })
          expect(yield* origins).toEqual(["1 stamped", "4 stamped"])
          expect((yield* Migrator.stamp("heads", options)).added).toEqual(["2_b", "3_c"])
          expect((yield* Migrator.current(options)).map((line) => line.id).sort()).toEqual(["3", "4"])
          expect([...(yield* Migrator.stamp(["1", "2"], options)).removed].sort()).toEqual(["3_c", "4_d"])
          expect(yield* reason(Migrator.stamp("-1", options))).toBe("unknown-revision")
          expect(yield* reason(Migrator.stamp("head", options))).toBe("several-heads")
          expect((yield* Migrator.stamp("base", options)).removed).toHaveLength(2)
          expect(yield* ledger).toEqual([])
        })
      )
    )

    it.live("what no file stands for is lost only when it is to be purged", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder(three)
          yield* Migrator.up({ directory })
          yield* remove(directory, "3_c.sql")
          expect(yield* reason(Migrator.stamp("2", { directory }))).toBe("missing-file")
          expect(yield* ledger).toHaveLength(3)
          const purged = yield* Migrator.stamp("2", { directory, purge: true })
          expect(purged).toEqual({ added: ["1_a", "2_b"], removed: ["3_c"], settled: [] })
          expect(yield* origins).toEqual(["1 stamped", "2 stamped"])
        })
      )
    )

    it.live("a revision that stopped half-way counts as applied once it is stamped", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder({
            "1_a.sql": `-- transaction: false\n${table("a").replace("-- migrate:down", "INSERT INTO nowhere VALUES (1);\n-- migrate:down")}`
          })
          yield* refusal(Migrator.up({ directory }))
          expect(yield* ledger).toEqual(["1 applying 1"])
          expect((yield* Migrator.stamp("head", { directory })).settled).toEqual(["1_a"])
          expect(yield* ledger).toEqual(["1 applied 1"])
          expect((yield* Migrator.status({ directory })).atHead).toBe(true)
        })
      )
    )

    it.live("a repair happens as a whole or not at all", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder(three)
          yield* Migrator.up({ directory })
          yield* put(directory, { "1_a.sql": `${table("a")}-- changed`, "2_b.sql": `${table("b")}-- changed` })
          expect(yield* reason(Migrator.repair({ directory, accept: ["1"], forget: ["9"] }))).toBe("unknown-revision")
          // The second of two writes is refused.
          yield* rows(
            product.name === "sqlite"
              ? "CREATE TRIGGER no BEFORE DELETE ON aquifer_migrations BEGIN SELECT RAISE(ABORT, 'no'); END"
              : "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$"
          )
          if (product.name !== "sqlite") {
            yield* rows("CREATE TRIGGER no BEFORE DELETE ON aquifer_migrations FOR EACH ROW EXECUTE FUNCTION no()")
          }
          yield* Effect.flip(Migrator.repair({ directory, accept: ["1"], forget: ["2"] }))
          const status = yield* Migrator.status({ directory })
          expect(status.revisions.map((line) => line.standing)).toEqual(["changed", "changed", "applied"])
          yield* rows(`DROP TRIGGER no${product.name === "sqlite" ? "" : " ON aquifer_migrations"}`)
          yield* Migrator.repair({ directory, accept: ["1_a", "2"] })
          expect((yield* Migrator.status({ directory })).atHead).toBe(true)
        })
      )
    )

    it.live("the stock migrator's ledger is taken over, once, and only what it has is taken for applied", () =>
      on(product, () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const directory = yield* folder({
            "0001_a.sql": table("a"),
            "0002_b.sql": table("b"),
            "0003_c.sql": table("c")
          })
          const stock = (names: ReadonlyArray<string>) =>
            PgMigrator.make({})({
              loader: Effect.succeed(
                names.map((name, i) => [i + 1, name, Effect.succeed(sql.unsafe(`CREATE TABLE ${name} (id integer)`))])
              )
            })
          yield* stock(["a", "b"])
          expect((yield* Migrator.status({ directory })).adopts).toBe("effect_sql_migrations")
          const report = yield* Migrator.up({ directory })
          expect(report).toMatchObject({ already: 2, applied: [{ id: "0003" }] })
          expect(yield* origins).toEqual(["0001 adopted", "0002 adopted", "0003 run"])
          expect(yield* rows("SELECT migration_id FROM effect_sql_migrations")).toHaveLength(2)
          expect((yield* Migrator.status({ directory })).atHead).toBe(true)
          expect(yield* tables).toEqual(["a", "b", "c", "effect_sql_migrations"])
        })
      )
    )

    it.live("Alembic's version stands for all before it, found by the name a header gives", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder({ ...three, "2_b.sql": `-- adopts: ae1027a6acf\n${table("b")}` })
          yield* rows("CREATE TABLE alembic_version (version_num varchar(32) NOT NULL)")
          yield* rows("INSERT INTO alembic_version VALUES ('ae1027a6acf')")
          expect((yield* Migrator.up({ directory })).applied.map((done) => done.id)).toEqual(["3"])
          expect(yield* origins).toEqual(["1 adopted", "2 adopted", "3 run"])
        })
      )
    )

    it.live("a foreign ledger that names what no file stands for is refused, with ways out", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder(three)
          yield* rows("CREATE TABLE alembic_version (version_num varchar(32) NOT NULL)")
          yield* rows("INSERT INTO alembic_version VALUES ('ffff')")
          const error = yield* refusal(Migrator.up({ directory }))
          expect(error.reason).toBe("not-adopted")
          expect(error.message).toContain("adopts: ffff")
          expect(error.message).toContain("Migrator.stamp")
          expect(yield* ledger).toEqual([])
          yield* Migrator.stamp("2", { directory })
          expect((yield* Migrator.up({ directory })).applied.map((done) => done.id)).toEqual(["3"])
        })
      )
    )

    it.live("that does not want to be taken over is left alone", () =>
      on(product, () =>
        Effect.gen(function* () {
          yield* rows("CREATE TABLE alembic_version (version_num varchar(32) NOT NULL)")
          yield* rows("INSERT INTO alembic_version VALUES ('ffff')")
          const loader = Migrator.fromRecord({ "1_x": Migration.make({ up: Effect.void }) })
          expect((yield* Migrator.up({ loader, adopt: false })).applied).toHaveLength(1)
        })
      )
    )
  })
}
