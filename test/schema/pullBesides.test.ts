/** What a database holds and no table says: told behind the tables, so that nothing is lost without a word. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { DatabaseSchema, Table } from "effect-aquifer"
import { products, rows } from "../migration/support.js"
import { diff, on } from "./changes.js"
import { roundTrip, run } from "./pulled.js"

const [sqlite, postgres] = products as [(typeof products)[0], (typeof products)[0]]

const besides = (text: string) =>
  (text.split("no table says:\n")[1] ?? "").split("\n").flatMap((line) => line.match(/^\/\/ {3}(.*)/)?.[1] ?? [])

describe("beside tables that no library made", () => {
  it.live("PostgreSQL: what constraints and counters say that no table says", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        yield* run(
          "CREATE TABLE p (a int UNIQUE NULLS NOT DISTINCT, b int, c int CHECK (c > 0) NO INHERIT, PRIMARY KEY (b) INCLUDE (c))",
          "CREATE TABLE q (a int GENERATED ALWAYS AS IDENTITY (START 10 INCREMENT 5), s smallserial, b int REFERENCES p ON DELETE SET NULL (b))",
          "ALTER TABLE q ADD CONSTRAINT late CHECK (b > 1) NOT VALID, ADD CONSTRAINT never CHECK (b > 2) NOT ENFORCED",
          "ALTER TABLE q ADD CONSTRAINT loose FOREIGN KEY (s) REFERENCES p NOT ENFORCED"
        )
        expect(besides(yield* DatabaseSchema.pull())).toEqual([
          "sequence q_a_seq: integer 10 5 1 2147483647 1 f",
          "table p: p_a_key UNIQUE NULLS NOT DISTINCT (a), p_c_check CHECK ((c > 0)) NO INHERIT, p_pkey PRIMARY KEY (b) INCLUDE (c)",
          "table q: late CHECK ((b > 1)) NOT VALID, loose FOREIGN KEY (s) REFERENCES p(b) NOT ENFORCED, never CHECK ((b > 2)) NOT ENFORCED, q_b_fkey FOREIGN KEY (b) REFERENCES p(b) ON DELETE SET NULL (b)"
        ])
      })
    )
  )

  it.live("PostgreSQL: a collation of its own is what columns and indexes stand on", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        yield* run(
          "CREATE SCHEMA apart",
          "CREATE COLLATION apart.\"Any case\" (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
          "CREATE COLLATION plain (provider = libc, lc_collate = 'C', lc_ctype = 'POSIX')",
          'CREATE DOMAIN word AS text COLLATE apart."Any case"',
          "CREATE TABLE words (a text COLLATE plain, b word)",
          'CREATE INDEX any_case ON words (a COLLATE apart."Any case")'
        )
        const { schema, text } = yield* roundTrip(postgres)
        expect(schema.requires.map((one) => Object.values(one)[0]).filter((sql) => sql?.includes("COLLATION"))).toEqual(
          [
            `CREATE COLLATION apart."Any case" (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
            "CREATE COLLATION plain (provider = libc, lc_collate = 'C', lc_ctype = 'POSIX')"
          ]
        )
        expect(besides(text)).toEqual(['collation apart."Any case"', "collation plain", "schema apart", "type word"])
      })
    )
  )

  it.live("SQLite: what its keys and rules do where a row is in the way", () =>
    on(sqlite, () =>
      Effect.gen(function* () {
        yield* run(
          `CREATE TABLE a (id INTEGER PRIMARY KEY DESC, "b c" TEXT NOT NULL ON CONFLICT IGNORE DEFAULT 'x', conflict INT UNIQUE,
            CONSTRAINT one UNIQUE ("b c") ON CONFLICT REPLACE, CHECK (conflict <> 'ON CONFLICT'))`
        )
        expect(besides(yield* DatabaseSchema.pull())).toEqual([
          'table a: id PRIMARY KEY DESC, "b c" NOT NULL ON CONFLICT IGNORE, CONSTRAINT one UNIQUE ("b c") ON CONFLICT REPLACE'
        ])
      })
    )
  )

  it.live("PostgreSQL: a default that is no number leaves the types of its table's other columns", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        yield* run("CREATE TABLE t (plain text, a float8 DEFAULT 'NaN', b float8 DEFAULT '-Infinity')")
        const { text } = yield* roundTrip(postgres)
        expect(text).toContain("plain: Table.text.pipe(Table.nullable),\n  a: Table.float")
      })
    )
  )

  it.live("SQLite: infinity is a default like others, and what it would keep as a text is refused", () =>
    on(sqlite, () =>
      Effect.gen(function* () {
        const filled = (value: number) =>
          DatabaseSchema.make({ t: Table.make("t", { a: Table.float.pipe(Table.withDefault(value)) }) })
        expect(yield* DatabaseSchema.ensure(filled(Number.NaN))).toMatchObject({ ok: false })
        expect(yield* DatabaseSchema.ensure(filled(Number.NEGATIVE_INFINITY))).toMatchObject({ ok: true })
        expect(yield* diff(filled(Number.NEGATIVE_INFINITY))).toEqual([])
        yield* run("INSERT INTO t DEFAULT VALUES")
        expect(yield* rows("SELECT a < -1.7e308 AS below, typeof(a) AS type FROM t")).toEqual([
          { below: 1, type: "real" }
        ])
      })
    )
  )
})
