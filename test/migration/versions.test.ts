/** Numbered schemas: a database comes to each by what it lacks, whole or not at all, and keeps its rows. */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type DatabaseError, DatabaseSchema, Operations, Table, Versions } from "effect-aquifer"
import { everywhere } from "./support.js"
import { numbers, on, one, prepare, refusal, rows, run, tables, three, two, twoOf, users2 } from "./versions.js"

for (const product of everywhere) {
  describe(`versions on ${product.name}`, () => {
    prepare(product)

    it.live("bring an empty database to the last one, each with its row, and then cost nothing", () =>
      on(product, () =>
        Effect.gen(function* () {
          expect(yield* Versions.current()).toBe(0)
          expect(yield* tables).toEqual([])
          const report = yield* Versions.up([one, two])
          expect(report).toMatchObject({ from: 0, to: 2, applied: [{ version: 1 }, { version: 2 }] })
          expect(yield* tables).toEqual(["posts", "schema_version", "settings", "users"])
          expect(yield* numbers).toEqual([1, 2])
          yield* Versions.check([one, two])
          expect(yield* Versions.up([one, two])).toEqual({ from: 2, to: 2, applied: [] })
          expect(yield* Versions.current()).toBe(2)
          const status = yield* Versions.status([one, two, three])
          expect(status).toMatchObject({ current: 2, latest: 3, pending: [3] })
          const times = status.applied.map(({ appliedAt }) => Math.abs(appliedAt.getTime() - Date.now()))
          expect(times.every((ms) => ms < 1_200_000)).toBe(true)
          expect(times.length).toBe(2)
        })
      )
    )

    it.live("make an enum anew in every column of it, beside a column that a migrate finds there already", () =>
      on(product, () =>
        Effect.gen(function* () {
          const id = Table.int.pipe(Table.primaryKey)
          const mood = (first: string, ...others: ReadonlyArray<string>) =>
            Table.enums("mood", [first, ...others]).pipe(Table.withDefault(first))
          const a = Table.make("a", { id })
          const moody = {
            a: Table.make("a", { id, mood: mood("calm") }),
            b: Table.make("b", { id, mood: mood("calm") })
          }
          const first = Versions.make(1, { a, b: Table.make("b", { id, mood: mood("calm", "sad") }) })
          const second = Versions.make(2, moody, { migrate: ["UPDATE b SET mood = 'calm'"] })
          yield* Versions.up([first])
          yield* run("INSERT INTO a VALUES (1)", "INSERT INTO b VALUES (1, 'sad')")
          yield* Versions.up([first, second])
          yield* Versions.check([first, second])
          for (const name of ["a", "b"]) {
            expect(yield* rows(`SELECT mood FROM ${name}`)).toEqual([{ mood: "calm" }])
            yield* Effect.flip(run(`UPDATE ${name} SET mood = 'sad'`))
          }
        })
      )
    )

    it.live("keep the rows of the version before, and move them where they are told", () =>
      on(product, () =>
        Effect.gen(function* () {
          yield* Versions.up([one])
          yield* run(
            "INSERT INTO users (id, email) VALUES (1, 'Ada@x.org'), (2, 'bob@x.org')",
            "INSERT INTO settings (user_id, key, value) VALUES (2, 'theme', 'dark')",
            "CREATE TABLE strange (id integer)"
          )
          const report = yield* Versions.up([one, two, three])
          expect(report.applied.map(({ version }) => version)).toEqual([2, 3])
          expect(yield* rows("SELECT id, email, name FROM users ORDER BY id")).toEqual([
            { id: 1, email: "ada@x.org", name: "Ada" },
            { id: 2, email: "bob@x.org", name: "bob" }
          ])
          expect(yield* rows("SELECT user_id, body FROM posts")).toEqual([{ user_id: 2, body: "dark" }])
          expect(yield* tables).toEqual(["posts", "schema_version", "strange", "users"])
          yield* Versions.check([one, two, three])
          // What the new structure demands holds.
          expect((yield* Effect.flip(run("INSERT INTO users (id, email) VALUES (3, 'x')")))._tag).toBe("SqlError")
          expect((yield* Effect.flip(run("INSERT INTO posts (id, user_id, body) VALUES (9, 77, '')")))._tag).toBe(
            "SqlError"
          )
        })
      )
    )

    it.live("lose nothing unless they say so: what would is refused by name, and rebuild makes all anew", () =>
      on(product, () =>
        Effect.gen(function* () {
          yield* Versions.up([one])
          yield* run("INSERT INTO users (id, email) VALUES (1, 'ada@x.org')")
          const small = { users: Table.make("users", { id: Table.int.pipe(Table.primaryKey), email: Table.int }) }
          const error = yield* refusal(Versions.up([one, Versions.make(2, small)]))
          expect(error).toMatchObject({ reason: "destructive", version: 2 })
          expect(error.message).toContain(
            "version 2: it would lose data: alter column users.email (type), drop table settings."
          )
          expect(error.message).toContain("rebuild: true")
          expect(yield* numbers).toEqual([1])
          expect(yield* rows("SELECT * FROM users")).toEqual([{ id: 1, email: "ada@x.org" }])

          const again = Versions.make(2, small, {
            rebuild: true,
            migrate: ["CREATE TABLE between_both (id integer)", "INSERT INTO between_both VALUES (1)"]
          })
          yield* run("CREATE TABLE strange (id integer)", "INSERT INTO strange VALUES (1)")
          const report = yield* Versions.up([one, again])
          expect(report.applied[0]?.changes.map(({ _tag }) => _tag)).toEqual(["DropTable", "DropTable", "CreateTable"])
          expect(yield* rows("SELECT * FROM users")).toEqual([])
          expect(yield* tables).toEqual(["between_both", "schema_version", "strange", "users"])
          expect(yield* rows("SELECT * FROM strange")).toEqual([{ id: 1 }])
          expect(yield* numbers).toEqual([1, 2])
          yield* Versions.check([one, again])
        })
      )
    )

    it.live("drop what their own migrate drops", () =>
      on(product, () =>
        Effect.gen(function* () {
          yield* Versions.up([one])
          yield* run("INSERT INTO users (id, email) VALUES (1, 'ada@x.org')")
          const less = { users: Table.make("users", { id: Table.int.pipe(Table.primaryKey) }) }
          const gone = Effect.zipRight(Operations.dropTable("settings"), Operations.dropColumn("users", "email"))
          yield* Versions.up([one, Versions.make(2, less, { migrate: gone })])
          expect(yield* rows("SELECT * FROM users")).toEqual([{ id: 1 }])
          yield* Versions.check([one, Versions.make(2, less)])
        })
      )
    )

    it.live("keep no rule in the way of the data that is no longer declared, and add new ones behind them", () =>
      on(product, () =>
        Effect.gen(function* () {
          const items = (kinds: string, rules: (c: { code: "code" }) => ReadonlyArray<Table.Constraint>) =>
            Table.make(
              "items",
              {
                id: Table.int.pipe(Table.primaryKey),
                kind: Table.text.pipe(Table.check(`kind IN (${kinds})`)),
                code: Table.text,
                note: Table.text.pipe(Table.nullable)
              },
              rules
            )
          const before = Versions.make(1, {
            items: items("'a', 'b'", (c) => [Table.uniqueIndex([c.code], { name: "once" })])
          })
          const after = { items: items("'a', 'c'", (c) => [Table.index([c.code], { name: "many" })]) }
          yield* Versions.up([before])
          yield* run("INSERT INTO items (id, kind, code) VALUES (1, 'b', 'x'), (2, 'b', 'y')")
          expect(yield* refusal(Versions.up([before, Versions.make(2, after)]))).toMatchObject({ reason: "failed" })
          const moved = Versions.make(2, after, { migrate: ["UPDATE items SET kind = 'c', code = 'same'"] })
          yield* Versions.up([before, moved])
          yield* Versions.check([before, moved])
          expect(yield* rows("SELECT kind, code FROM items")).toEqual([
            { kind: "c", code: "same" },
            { kind: "c", code: "same" }
          ])
        })
      )
    )

    it.live("let migrate empty what may be NULL from now on, and fill what was computed until now", () =>
      on(product, () =>
        Effect.gen(function* () {
          const id = Table.int.pipe(Table.primaryKey)
          const before = Table.make("t", {
            id,
            a: Table.text,
            c: Table.int.pipe(Table.nullable, Table.computed("id + 1"))
          })
          const after = Table.make("t", { id, a: Table.text.pipe(Table.nullable), c: Table.int.pipe(Table.nullable) })
          yield* Versions.up([Versions.make(1, { t: before })])
          yield* run("INSERT INTO t (id, a) VALUES (1, 'x')")
          yield* Versions.up([
            Versions.make(1, { t: before }),
            Versions.make(2, { t: after }, { migrate: ["UPDATE t SET a = NULL, c = 7"] })
          ])
          expect(yield* rows("SELECT a, c FROM t")).toEqual([{ a: null, c: 7 }])
        })
      )
    )

    it.live("leave nothing of one that fails, and the ones before it", () =>
      on(product, () =>
        Effect.gen(function* () {
          yield* Versions.up([one])
          yield* run("INSERT INTO users (id, email) VALUES (1, 'ada@x.org')")
          const before = yield* DatabaseSchema.inspect
          const refused = yield* refusal(
            Versions.up([one, twoOf(["UPDATE users SET name = 'x'", "INSERT INTO nowhere VALUES (1)"])])
          )
          expect(refused).toMatchObject({ reason: "failed", version: 2 })
          expect(refused.message).toMatch(
            /^version 2: statement 2 of its migrate failed: .*nowhere.*Nothing of the version/
          )
          expect((refused.cause as DatabaseError.DatabaseError)._tag).toBe("SqlSyntaxError")
          const thrown = yield* refusal(
            Versions.up([
              one,
              twoOf(Effect.zipRight(run("UPDATE users SET name = 'x'"), Effect.die(new Error("a bug"))))
            ])
          )
          expect(thrown.message).toContain("its migrate failed: a bug")
          const mine = yield* refusal(Versions.up([one, twoOf(Effect.fail({ _tag: "NoSuchAuthor", id: 7 }))]))
          expect(mine.message).toMatch(/its migrate failed: .*NoSuchAuthor.*7/s)
          const swallowed = yield* refusal(
            Versions.up([
              one,
              twoOf(Effect.zipRight(Effect.ignore(run("INSERT INTO nowhere VALUES (1)")), Effect.fail("no")))
            ])
          )
          expect(swallowed.message).toContain("its migrate failed: no")
          // A row that the new structure does not take: nobody has filled the column.
          const unfilled = yield* refusal(
            Versions.up([
              one,
              Versions.make(2, { users: users2, settings: one.schema.tables.settings as Table.Table } as Record<
                string,
                Table.Table
              >)
            ])
          )
          expect(unfilled.message).toContain("version 2: ")
          expect(unfilled.reason).toBe("failed")
          expect(yield* DatabaseSchema.inspect).toEqual(before)
          expect(yield* numbers).toEqual([1])
          const report = yield* refusal(
            Versions.up([one, two, Versions.make(3, two.schema.tables, { migrate: ["no sql"] })])
          )
          expect(report).toMatchObject({ reason: "failed", version: 3 })
          expect(yield* numbers).toEqual([1, 2])
        })
      )
    )

    it.live("are whole in any order of their tables, in circles too, and in a circle rebuilt", () =>
      on(product, () =>
        Effect.gen(function* () {
          const leaf = Table.make("leaf", {
            id: Table.int.pipe(Table.primaryKey),
            tree: Table.int.pipe(Table.references("tree.id"))
          })
          const tree = Table.make("tree", {
            id: Table.int.pipe(Table.primaryKey),
            best: Table.int.pipe(Table.references("leaf.id"), Table.nullable),
            above: Table.int.pipe(Table.references("tree.id"), Table.nullable),
            place: Table.text.pipe(Table.references("place.name"))
          })
          const place = Table.make("place", { id: Table.int.pipe(Table.primaryKey), name: Table.text }, (c) => [
            Table.uniqueIndex([c.name])
          ])
          const circle = Versions.make(1, { leaf, tree, place })
          yield* Versions.up([circle])
          yield* Versions.check([circle])
          const fill = [
            "INSERT INTO place VALUES (1, 'here')",
            "INSERT INTO tree VALUES (1, NULL, NULL, 'here')",
            "INSERT INTO leaf VALUES (1, 1)",
            "UPDATE tree SET best = 1, above = 1"
          ]
          yield* run(...fill)
          expect((yield* Effect.flip(run("UPDATE tree SET best = 2")))._tag).toBe("SqlError")
          const anew = Versions.make(2, { leaf, tree, place }, { rebuild: true })
          yield* Versions.up([circle, anew])
          yield* Versions.check([circle, anew])
          expect(yield* rows("SELECT * FROM tree")).toEqual([])
          yield* run(...fill)
        })
      )
    )

    it.live("take a table of versions that another program made as it is, and tables that are there", () =>
      on(product, () =>
        Effect.gen(function* () {
          yield* run(
            "CREATE TABLE schema_version (version BIGINT PRIMARY KEY, applied_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
            "INSERT INTO schema_version (version) VALUES (1)",
            "CREATE TABLE users (id integer PRIMARY KEY, email varchar(255) NOT NULL UNIQUE)",
            "INSERT INTO users VALUES (1, 'Ada@x.org')"
          )
          const status = yield* Versions.status([one, two])
          expect(status).toMatchObject({ current: 1, pending: [2] })
          expect(Math.abs((status.applied[0]?.appliedAt.getTime() ?? 0) - Date.now())).toBeLessThan(14 * 3_600_000)
          yield* Versions.up([one, two])
          expect(yield* rows("SELECT id, email, name FROM users")).toEqual([{ id: 1, email: "ada@x.org", name: "Ada" }])
          yield* Versions.check([one, two])
          expect(yield* numbers).toEqual([1, 2])
        })
      )
    )

    it.live("are refused where the database is ahead of them or too far behind, and where they make no sequence", () =>
      on(product, () =>
        Effect.gen(function* () {
          yield* Versions.up([one, two])
          const four = Versions.make(4, {})
          expect(yield* refusal(Versions.up([one]))).toMatchObject({ reason: "ahead" })
          expect(yield* Versions.up([one], { whenAhead: "warn" })).toEqual({ from: 2, to: 2, applied: [] })
          expect(yield* refusal(Versions.up([four]))).toMatchObject({ reason: "behind" })
          expect(yield* refusal(Versions.check([one]))).toMatchObject({ reason: "ahead" })
          yield* Versions.up([three])
          expect(yield* numbers).toEqual([1, 2, 3])
          const wrong = [[one, three], [two, one], [one, one], [Versions.make(0, {})], [Versions.make(1.5, {})]]
          for (const versions of wrong) {
            expect(yield* refusal(Versions.up(versions))).toMatchObject({ reason: "bad-versions" })
          }
          const own = Versions.make(1, { own: Table.make("schema_version", { id: Table.int }) })
          expect((yield* refusal(Versions.up([own]))).message).toContain('declares the table "schema_version"')
          expect(yield* numbers).toEqual([1, 2, 3])
        })
      )
    )

    it.live("notice by check what was changed behind them, in the database or in a version that is applied", () =>
      on(product, () =>
        Effect.gen(function* () {
          yield* Versions.up([one])
          yield* run("CREATE TABLE strange (id integer)")
          yield* Versions.check([one])
          const changed = Versions.make(1, { users: users2 })
          expect((yield* refusal(Versions.check([changed]))).message).toContain("add column users.name")
          const sql = yield* SqlClient.SqlClient
          yield* sql`ALTER TABLE users ADD COLUMN extra integer`
          expect(yield* refusal(Versions.check([one]))).toMatchObject({ reason: "drifted" })
        })
      )
    )
  })
}

it("a reference to what is not in the version does not compile", () => {
  const lost = Table.make("lost", { team: Table.int.pipe(Table.references("teams.id")) })
  // @ts-expect-error what it refers to is not among the tables
  expect(Versions.make(1, { lost }).number).toBe(1)
})
