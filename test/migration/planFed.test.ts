/** Plans fed to the databases' own programs: afterwards all is as after a run, the ledger's word included. */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { Database, LiveSchema, Migrator } from "effect-aquifer"
import { skip } from "../support/skip.js"
import { lacks, psql, sqlite3 } from "./shells.js"
import { folder, ledger, on, type Product, products, rows, schema } from "./support.js"

const limit = 120_000
const [sqlite, postgres] = products as [Product, Product]

const feeding = [
  { product: postgres, program: "psql", feed: (url: string, text: string) => psql(url, text) },
  {
    product: sqlite,
    program: "sqlite3",
    feed: (url: string, text: string) => sqlite3(url.replace(/^sqlite:/, ""), text)
  }
] as const

const ids = ["base", "0001", "0002", "0003", "0004", "0005"]
const directory = "migrations"

for (const { feed, product, program } of feeding) {
  describe(`a plan fed to ${program}`, () => {
    const lacking = lacks(program)

    it.live(
      "of every range of migrations/, there and back, leaves the schema and the ledger that a run leaves",
      (test) => {
        skip(test, lacking !== undefined, lacking ?? "")
        return Effect.gen(function* () {
          const run: Array<LiveSchema.LiveSchema> = []
          yield* on(product, () =>
            Effect.gen(function* () {
              run.push(yield* schema)
              for (const id of ids.slice(1)) {
                yield* Migrator.up({ directory, to: id })
                run.push(yield* schema)
              }
            })
          )
          // Ranges are planned where there is no database to be asked.
          const at = (place: number, applied: ReadonlyArray<string>) =>
            Effect.gen(function* () {
              expect(LiveSchema.differences(run[place] ?? LiveSchema.empty, yield* schema)).toEqual([])
              expect(yield* ledger).toEqual(applied.map((id) => `${id} applied 0`))
              const status = yield* Migrator.status({ directory })
              expect([status.problems, status.applied, status.atHead]).toEqual([[], place, place === 5])
            })
          let fed = 0
          yield* on(product, (url) =>
            Effect.gen(function* () {
              const go = (from: number, to: number) =>
                Effect.gen(function* () {
                  const [first = "", last = ""] = [ids[from], ids[to]]
                  const direction = from < to ? ("up" as const) : ("down" as const)
                  const { sql } = yield* Migrator.plan({ directory, from: first, to: last, direction })
                  expect((yield* feed(url, sql)).err).toBe("")
                  yield* at(to, ids.slice(1, to + 1))
                  fed++
                })
              for (let from = 0; from < 5; from++) {
                for (let to = from + 1; to <= 5; to++) {
                  yield* go(from, to)
                  yield* go(to, from)
                }
                yield* go(from, from + 1)
              }
            })
          )
          expect(fed).toBe(35)
        })
      },
      limit
    )
  })
}

/** What trips programs that look for their own commands, variables and data in a text. */
const nasty = {
  "0001_functions.sql": `-- migrate:up
CREATE TABLE words (id integer PRIMARY KEY, word text NOT NULL DEFAULT 'a;b', kind text);
CREATE FUNCTION shout(w text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  -- it's; "quoted" \\d :name
  IF w = ';' THEN RETURN $q$ \\gexec ; :'x' $q$; END IF;
  RETURN upper(w) || E'\\'\\\\;';
END
$$;
CREATE FUNCTION twice(n integer) RETURNS integer LANGUAGE sql
  BEGIN ATOMIC SELECT n; SELECT CASE WHEN n > 0 THEN n * 2 END; END;
CREATE RULE quiet AS ON DELETE TO words WHERE old.id < 0 DO INSTEAD (SELECT 1; SELECT ')' AS "b)");
DO $body$ BEGIN PERFORM 1; END $body$ -- why
;
/* a /* nested; */ comment; */
COMMENT ON TABLE words IS 'naïve — 日本語 😀 \\';
-- migrate:down
DROP RULE quiet ON words;
DROP FUNCTION twice(integer);
DROP FUNCTION shout(text);
DROP TABLE words;
`,
  "0002_text.sql": `-- migrate:up
INSERT INTO words VALUES (1, 'C:\\new\\d', ':name :''x'' :"y" ::text'), (2, E'tab\\t\\\\ \\'q\\'', U&'\\0441\\043b'), (3, '
\\d words
\\.
COPY words FROM stdin;
1	x
\\.
\\q
', '日本語 😀'), (4, 'COPY words (id) FROM stdin; -- not a comment', $x$
\\echo \`date\`
$x$);
CREATE VIEW parts AS SELECT list[1:PORT] AS part, list[1 :USER_S] AS other, list[1:'2'] AS third, 'x'::text AS t
  FROM (SELECT ARRAY[1, 2, 3] AS list, 2 AS PORT, 3 AS USER_S) AS s;
CREATE TYPE "Ünï ""q""" AS ENUM ('a;b', 'c\\d');
-- migrate:down
DROP TYPE "Ünï ""q""";
DROP VIEW parts;
DELETE FROM words;
`,
  "0003_alone.sql": `-- transaction: false
-- migrate:up
CREATE INDEX CONCURRENTLY words_word ON words (word);
ALTER TYPE "Ünï ""q""" ADD VALUE 'later';
VACUUM words;
INSERT INTO words VALUES (5, 'after', 'x') -- end
;
-- migrate:down
DELETE FROM words WHERE id = 5;
DROP INDEX CONCURRENTLY words_word;
`,
  "0004_program.ts": `import { Migration, Operations, Table, Transaction } from "effect-aquifer"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
export default Migration.make({
  up: Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* Operations.addColumn("words", "note", Table.text.pipe(Table.nullable))
    yield* sql\`INSERT INTO words \${sql.insert([{ id: 6, word: "it's \\\\ :name $1 ?\\n\\\\d\\n$$;", kind: "é" }, { id: 7, word: "x", kind: null }])}\`
    yield* Transaction.run(sql\`UPDATE words SET note = \${":'a' \\\\"} WHERE id = \${6} AND kind = \${"é"}\`)
    yield* sql\`UPDATE words SET note = \${new Date(0)}::timestamptz::text WHERE \${true} AND id = \${7}\`
    yield* sql\`SELECT pg_catalog.setval('counter', 7)\`.pipe(Effect.when(() => false))
    yield* sql\`CREATE FUNCTION note(n integer) RETURNS void LANGUAGE sql AS 'UPDATE words SET note = ''called'' WHERE id = n'\`
    yield* sql\`SELECT note(5)\`
    yield* sql\`SELECT count(*) FROM words WHERE id IN (1, 2)\`
  }),
  down: Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql\`DROP FUNCTION note(integer)\`
    yield* sql\`DELETE FROM words WHERE id IN \${sql.in([6, 7])}\`
    yield* Operations.dropColumn("words", "note")
  })
})
`,
  "0005_program_alone.ts": `import { Migration, Transaction } from "effect-aquifer"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
export default Migration.make({
  transaction: false,
  up: Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql\`CREATE INDEX CONCURRENTLY words_kind ON words (kind)\`
    yield* Transaction.run(Effect.zipRight(sql\`UPDATE words SET kind = 'a' WHERE id = 7\`, sql\`UPDATE words SET kind = 'b' WHERE id = 7\`))
  }),
  down: Effect.flatMap(SqlClient.SqlClient, (sql) => sql\`DROP INDEX CONCURRENTLY words_kind\`)
})
`
}

/** All that the revisions above have left behind. */
const everything = Effect.gen(function* () {
  const found = {
    schema: yield* schema,
    ledger: yield* rows(
      "SELECT id, name, kind, checksum, parents, state, step, sequence FROM aquifer_migrations ORDER BY 1"
    ),
    words: yield* rows("SELECT * FROM words ORDER BY id"),
    parts: yield* rows("SELECT * FROM parts"),
    calls: yield* rows("SELECT shout(';') AS a, shout('x') AS b, twice(2) AS c"),
    rule: yield* rows("SELECT definition FROM pg_rules WHERE rulename = 'quiet'"),
    type: yield* rows(`SELECT enum_range(NULL::"Ünï ""q""")::text AS all`),
    comment: yield* rows("SELECT obj_description('words'::regclass) AS comment"),
    index: yield* rows(
      "SELECT indisvalid FROM pg_index WHERE indexrelid IN ('words_word'::regclass, 'words_kind'::regclass)"
    )
  }
  return found
})

describe("a plan fed to psql", () => {
  const lacking = lacks("psql")

  it.scopedLive(
    "says the same to psql as to the server: bodies, backslashes, colons, data for COPY, statements without a transaction",
    (test) => {
      skip(test, lacking !== undefined, lacking ?? "")
      return Effect.gen(function* () {
        const files = yield* folder(nasty)
        const run = yield* on(postgres, () => Effect.zipRight(Migrator.up({ directory: files }), everything))
        yield* on(postgres, (url) =>
          Effect.gen(function* () {
            const plan = yield* Migrator.plan({ directory: files })
            expect(plan.revisions.flatMap((one) => one.warnings)).toEqual([])
            // A query that only asks is left out, one that calls something is not.
            const program = plan.revisions.find((one) => one.id === "0004")?.statements ?? []
            expect(program.filter((text) => /^SELECT/.test(text))).toEqual(["SELECT note(5)"])
            const { err } = yield* psql(url, plan.sql, "-v", "name=INJECTED", "-v", "x=INJECTED")
            expect(err).toBe("")
            const fed = yield* everything
            expect(fed).toEqual(run)
            expect(fed.parts).toEqual([{ part: [1, 2], other: [1, 2, 3], third: [1, 2], t: "x" }])
            expect((yield* Migrator.status({ directory: files })).atHead).toBe(true)
            const back = yield* Migrator.plan({ directory: files, direction: "down", to: "base" })
            expect((yield* psql(url, back.sql)).err).toBe("")
            expect(yield* ledger).toEqual([])
            expect((yield* schema).tables).toEqual([])
          })
        )
      })
    },
    limit
  )

  it.live(
    "stops at the first error with nothing of that revision left, and what came before it in the ledger",
    (test) => {
      skip(test, lacking !== undefined, lacking ?? "")
      return on(postgres, (url) =>
        Effect.gen(function* () {
          const files = yield* folder({
            "1_a.sql": "-- migrate:up\nCREATE TABLE a (id integer);\n",
            "2_b.sql": "-- migrate:up\nCREATE TABLE b (id integer);\nINSERT INTO nowhere VALUES (1);\n",
            "3_c.sql": "-- migrate:up\nCREATE TABLE c (id integer);\n"
          })
          const { sql } = yield* Migrator.plan({ directory: files })
          const failed = yield* Effect.flip(Effect.sandbox(psql(url, sql)))
          expect(Cause.pretty(failed)).toContain('relation "nowhere" does not exist')
          expect(yield* ledger).toEqual(["1 applied 0"])
          expect((yield* schema).tables.map((table) => table.name)).toEqual(["a"])
        })
      )
    },
    limit
  )

  it.live(
    "may be written in any encoding of the database's",
    (test) => {
      skip(test, lacking !== undefined, lacking ?? "")
      return on(postgres, (url) =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const name = `${new URL(url).pathname.slice(1)}_latin`
          yield* Effect.acquireRelease(
            sql.unsafe(`CREATE DATABASE "${name}" TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'`),
            () => Effect.ignore(sql.unsafe(`DROP DATABASE "${name}" WITH (FORCE)`))
          )
          const latin = new URL(url)
          latin.pathname = `/${name}`
          const files = yield* folder({
            "1_é.sql": "-- migrate:up\nCREATE TABLE é (n text);\nINSERT INTO é VALUES ('naïve');\n"
          })
          yield* Effect.provide(
            Effect.gen(function* () {
              yield* psql(latin.href, (yield* Migrator.plan({ directory: files })).sql)
              expect(yield* rows("SELECT n, char_length(n) AS l FROM é")).toEqual([{ n: "naïve", l: 5 }])
              expect((yield* Migrator.status({ directory: files })).atHead).toBe(true)
            }),
            Database.layer({ url: latin.href })
          )
        })
      )
    },
    limit
  )
})

describe("a plan fed to sqlite3", () => {
  const lacking = lacks("sqlite3")

  it.scopedLive(
    "says the same: triggers, texts that look like commands, a table that is rebuilt with what refers to it",
    (test) => {
      skip(test, lacking !== undefined, lacking ?? "")
      return Effect.gen(function* () {
        const files = yield* folder({
          "1_t.sql": `-- migrate:up
CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parent (id) ON DELETE CASCADE, note TEXT);
CREATE TRIGGER heard AFTER INSERT ON child BEGIN
  UPDATE child SET note = CASE WHEN new.note IS NULL THEN 'a;b' ELSE new.note || '
.quit
' END WHERE id = new.id;
END;
INSERT INTO parent VALUES (1, 'naïve \\ :name 日本語 😀');
INSERT INTO child VALUES (1, 1, NULL), (2, 1, 'x') -- end
;
-- migrate:down
DROP TABLE child; DROP TABLE parent;
`,
          "2_r.ts": `import { Migration, Operations } from "effect-aquifer"
export default Migration.make({
  up: Operations.alterColumn("parent", "name", { nullable: true }),
  down: Operations.alterColumn("parent", "name", { nullable: false })
})
`,
          "3_a.sql":
            "-- transaction: false\n-- migrate:up\nCREATE TABLE a (id INTEGER);\nVACUUM;\n-- migrate:down\nDROP TABLE a;\n"
        })
        const all = Effect.gen(function* () {
          return {
            schema: yield* schema,
            ledger: yield* ledger,
            parent: yield* rows("SELECT * FROM parent"),
            child: yield* rows("SELECT * FROM child ORDER BY id")
          }
        })
        const run = yield* on(sqlite, () => Effect.zipRight(Migrator.up({ directory: files }), all))
        expect(run.child).toHaveLength(2)
        yield* on(sqlite, (url) =>
          Effect.gen(function* () {
            const file = url.replace(/^sqlite:/, "")
            const plan = yield* Migrator.plan({ directory: files })
            expect(yield* sqlite3(file, plan.sql)).toEqual({ out: "", err: "" })
            expect(yield* all).toEqual(run)
            expect((yield* Migrator.status({ directory: files })).atHead).toBe(true)
            const back = yield* Migrator.plan({ directory: files, direction: "down", to: "base" })
            expect(yield* sqlite3(file, back.sql)).toEqual({ out: "", err: "" })
            expect(yield* ledger).toEqual([])
            expect((yield* schema).tables).toEqual([])
          })
        )
      })
    },
    limit
  )
})
