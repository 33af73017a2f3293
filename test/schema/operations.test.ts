import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { DatabaseError, LiveSchema, Migration, Migrator, Operations, Table } from "effect-aquifer"
import { everywhere, on, type Product, prepare, refusal, rows, schema } from "../migration/support.js"

let revision = 0
/** Runs an operation as a migration of its own; its `down` takes it back. */
const change = (up: Migration.Migration["up"], down?: Migration.Migration["up"]) =>
  Effect.suspend(() => {
    revision++
    const loader = Migrator.fromRecord({ [`${revision}_x`]: Migration.make({ up, down }) })
    const table = `step_${revision}_aquifer_migrations`
    return Effect.as(Migrator.up({ loader, table }), Migrator.down({ loader, table }))
  })

/** Applies, hands the schema in between to `look`, takes back, and holds the schema to what it was. */
const thereAndBack = (
  up: Migration.Migration["up"],
  down: Migration.Migration["up"],
  look: (changed: LiveSchema.LiveTable) => void
) =>
  Effect.gen(function* () {
    const before = yield* schema
    const data = yield* rows("SELECT id, email FROM users ORDER BY id")
    const back = yield* change(up, down)
    const between = yield* schema
    look(LiveSchema.table(between, "users") as LiveSchema.LiveTable)
    expect(yield* rows("SELECT id, email FROM users ORDER BY id")).toEqual(data)
    yield* back
    expect(LiveSchema.differences(before, yield* schema)).toEqual([])
    expect(yield* rows("SELECT id, email FROM users ORDER BY id")).toEqual(data)
  })

const users = Table.make(
  "users",
  {
    id: Table.bigint.pipe(Table.primaryKey, Table.identityByDefault),
    email: Table.varchar(100).pipe(Table.unique),
    age: Table.int.pipe(Table.nullable, Table.check("age > 0")),
    team_id: Table.int.pipe(Table.nullable, Table.references("teams.id", { onDelete: "cascade" }))
  },
  (c) => [Table.index([c.age]), Table.uniqueIndex([c.email, c.age], { where: "age > 18", name: "adults" })]
)
const teams = Table.make("teams", {
  id: Table.int.pipe(Table.primaryKey),
  name: Table.text.pipe(Table.withDefault("it's"))
})
const posts = Table.make("posts", {
  id: Table.int.pipe(Table.primaryKey),
  author: Table.bigint.pipe(Table.references("users.id", { onDelete: "cascade" }))
})

/** Two people who refer and are referred to, watched by a view and a trigger. */
const inhabited = (product: Product) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* change(Effect.all([teams, users, posts].map((table) => Operations.createTable(table))))
    yield* sql`INSERT INTO teams ${sql.insert({ id: 7 })}`
    yield* sql`INSERT INTO users ${sql.insert([
      { email: "ada", age: 36, team_id: 7 },
      { email: "bob", age: null, team_id: null },
      { email: "gone", age: 1, team_id: null }
    ])}`
    yield* sql`DELETE FROM users WHERE email = 'gone'`
    yield* sql`INSERT INTO posts ${sql.insert([
      { id: 1, author: 1 },
      { id: 2, author: 2 }
    ])}`
    yield* sql`CREATE TABLE seen (email text)`
    yield* sql`CREATE VIEW emails AS SELECT id, email FROM users`
    yield* product.name === "sqlite"
      ? sql`CREATE TRIGGER watch AFTER INSERT ON users BEGIN INSERT INTO seen VALUES (new.email); END`
      : Effect.zipRight(
          sql.unsafe(
            "CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen VALUES (new.email); RETURN new; END $$"
          ),
          sql`CREATE TRIGGER watch AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION watch()`
        )
  })

/** Whatever was done to the table, all that hung on it still does. */
const stillWhole = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  expect(yield* sql`SELECT id FROM posts ORDER BY id`).toEqual([{ id: 1 }, { id: 2 }])
  yield* sql`INSERT INTO users ${sql.insert({ email: "eve" })}`
  // A number that was given once is not given again.
  expect((yield* rows("SELECT id FROM users WHERE email = 'eve'")).map((row) => Number(row.id))).toEqual([4])
  expect(yield* sql`SELECT * FROM seen WHERE email = 'eve'`).toHaveLength(1)
  expect(yield* sql`SELECT email FROM emails WHERE email = 'eve'`).toHaveLength(1)
  yield* sql`DELETE FROM users WHERE email = 'ada'`
  expect(yield* sql`SELECT id FROM posts ORDER BY id`).toEqual([{ id: 2 }])
  const error = yield* Effect.flip(sql`INSERT INTO posts ${sql.insert({ id: 9, author: 99 })}`)
  expect(DatabaseError.from(error)._tag).toBe("ForeignKeyViolation")
})

const column = (table: LiveSchema.LiveTable, name: string) => table.columns.find((one) => one.name === name)

for (const product of everywhere) {
  const live = (title: string, test: Effect.Effect<void, unknown, SqlClient.SqlClient>) =>
    it.live(title, () => on(product, () => Effect.zipRight(inhabited(product), test)))

  describe(`operations on ${product.name}: there and back, keeping rows and what hangs on them`, () => {
    prepare(product)
    live(
      "a plain column",
      Effect.zipRight(
        thereAndBack(
          Operations.addColumn("users", "nick", Table.text.pipe(Table.withDefault("none"))),
          Operations.dropColumn("users", "nick"),
          (table) => expect(column(table, "nick")?.nullable).toBe(false)
        ),
        stillWhole
      )
    )

    live(
      "a column with a computed default, a key, a reference and a check",
      Effect.zipRight(
        thereAndBack(
          Operations.addColumn(
            "users",
            "token",
            Table.uuid.pipe(Table.withDefault("uuid"), Table.unique, Table.check("token IS NOT NULL"))
          ).pipe(
            Effect.zipRight(
              Operations.addColumn(
                "users",
                "boss",
                Table.bigint.pipe(Table.nullable, Table.references("users.id", { onDelete: "set null" }))
              )
            )
          ),
          Effect.zipRight(Operations.dropColumn("users", "boss"), Operations.dropColumn("users", "token")),
          (table) => {
            expect(table.uniques.map((key) => key.name)).toContain("users_token_key")
            expect(table.checks.map((check) => check.name)).toContain("users_token_check")
            expect(table.foreignKeys.map((key) => key.name)).toContain("users_boss_fkey")
          }
        ),
        stillWhole
      )
    )

    live(
      "a column that takes its key, index, check and reference along when it goes",
      Effect.gen(function* () {
        yield* change(Effect.zipRight(Operations.dropColumn("users", "age"), Operations.dropColumn("users", "team_id")))
        const table = LiveSchema.table(yield* schema, "users")
        expect(table?.columns.map((one) => one.name)).toEqual(["id", "email"])
        expect([table?.indexes, table?.checks, table?.foreignKeys]).toEqual([[], [], []])
        yield* stillWhole
      })
    )

    live(
      "another name for a column and for a table",
      Effect.zipRight(
        thereAndBack(
          Operations.renameColumn("users", "age", "years"),
          Operations.renameColumn("users", "years", "age"),
          (table) => expect(table.columns.map((one) => one.name)).toEqual(["id", "email", "years", "team_id"])
        ),
        Effect.gen(function* () {
          const before = yield* schema
          const back = yield* change(
            Operations.renameTable("teams", "groups"),
            Operations.renameTable("groups", "teams")
          )
          expect(LiveSchema.table(yield* schema, "users")?.foreignKeys[0]?.table).toBe("groups")
          yield* back
          expect(LiveSchema.differences(before, yield* schema)).toEqual([])
          yield* stillWhole
        })
      )
    )

    live(
      "another type, default and nullability",
      Effect.gen(function* () {
        yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`DROP VIEW emails`)
        yield* thereAndBack(
          Operations.alterColumn("users", "email", {
            type: Table.text,
            default: Table.text.pipe(Table.withDefault("?"))
          }),
          Operations.alterColumn("users", "email", { type: Table.varchar(100), default: null }),
          (table) => {
            expect(column(table, "email")?.type.toLowerCase()).toBe("text")
            expect(column(table, "email")?.default).toContain("'?'")
          }
        )
        yield* thereAndBack(
          Operations.alterColumn("users", "email", { nullable: true }),
          Operations.alterColumn("users", "email", { nullable: false }),
          (table) => expect(column(table, "email")?.nullable).toBe(true)
        )
        yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`CREATE VIEW emails AS SELECT id, email FROM users`)
        yield* stillWhole
      })
    )

    live(
      "another type whose values are computed from the old ones",
      Effect.gen(function* () {
        yield* change(Operations.dropColumn("users", "age"))
        yield* change(Operations.addColumn("users", "level", Table.text.pipe(Table.withDefault("3"))))
        yield* change(Operations.alterColumn("users", "level", { default: null }))
        yield* change(
          Operations.alterColumn("users", "level", { type: Table.int, using: "CAST(level AS integer) + 1" })
        )
        expect(yield* rows("SELECT level FROM users")).toEqual([{ level: 4 }, { level: 4 }])
      })
    )

    live(
      "constraints",
      Effect.zipRight(
        thereAndBack(
          Effect.all([
            Operations.addConstraint("users", Table.uniqueOf(["email", "team_id"])),
            Operations.addConstraint("users", Table.checkOf("short", "length(email) < 50")),
            Operations.dropConstraint("users", "users_age_check"),
            Operations.dropConstraint("users", "users_team_id_fkey"),
            Operations.addConstraint(
              "users",
              Table.foreignKey(["team_id"], "teams", ["id"], { name: "team", onDelete: "set null" })
            )
          ]),
          Effect.all([
            Operations.dropConstraint("users", "team"),
            Operations.addConstraint("users", Table.foreignKey(["team_id"], "teams", ["id"], { onDelete: "cascade" })),
            Operations.addConstraint("users", { kind: "check", name: "users_age_check", sql: "age > 0" }),
            Operations.dropConstraint("users", "short"),
            Operations.dropConstraint("users", "users_email_team_id_key")
          ]),
          (table) => {
            expect(table.checks.map((check) => check.name)).toEqual(["short"])
            expect(table.uniques.map((key) => key.name)).toEqual(["users_email_key", "users_email_team_id_key"])
            expect(table.foreignKeys).toMatchObject([{ name: "team", onDelete: "set null" }])
          }
        ),
        stillWhole
      )
    )

    live(
      "indexes, on expressions and on some rows",
      thereAndBack(
        Effect.all([
          Operations.createIndex(
            "users",
            Table.index([{ sql: "lower(email)" }], { name: "by_lower", where: "team_id IS NOT NULL" })
          ),
          Operations.dropIndex("users", "users_age_idx")
        ]),
        Effect.all([Operations.dropIndex("users", "by_lower"), Operations.createIndex("users", Table.index(["age"]))]),
        (table) => expect(table.indexes.map((index) => index.name)).toEqual(["adults", "by_lower"])
      )
    )

    live(
      "an enum, its use, and one more word for it",
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const before = yield* schema
        const mood = Table.enums("mood", ["so so", "it's fine"]).pipe(Table.withDefault("so so"))
        const back = yield* change(
          Effect.zipRight(
            Operations.createEnum("mood", ["so so", "it's fine"]),
            Operations.addColumn("users", "mood", mood)
          ),
          Effect.zipRight(Operations.dropColumn("users", "mood"), Operations.dropEnum("mood"))
        )
        yield* sql`UPDATE users SET mood = 'it''s fine' WHERE email = 'ada'`
        const glad = sql`UPDATE users SET mood = 'glad' WHERE email = 'bob'`
        expect(DatabaseError.from(yield* Effect.flip(glad))._tag).toBe(
          product.name === "sqlite" ? "CheckViolation" : "DataError"
        )
        yield* change(Operations.addEnumValue("mood", "glad", { before: "it's fine" }))
        yield* glad
        expect(yield* sql`SELECT email, mood FROM users ORDER BY id`).toEqual([
          { email: "ada", mood: "it's fine" },
          { email: "bob", mood: "glad" }
        ])
        yield* back
        expect(LiveSchema.differences(before, yield* schema)).toEqual([])
        yield* stillWhole
      })
    )

    live(
      "SQL of each product's own",
      Effect.gen(function* () {
        yield* change(
          Operations.execute({
            sqlite: "INSERT INTO seen VALUES ('sqlite')",
            postgresql: "INSERT INTO seen VALUES ('postgresql')"
          })
        )
        const said = product.name === "sqlite" ? "sqlite" : "postgresql"
        expect(yield* rows("SELECT email FROM seen")).toEqual([{ email: said }])
        const loader = Migrator.fromRecord({
          "1_x": Migration.make({ up: Operations.execute({ cockroachdb: "SELECT 1" }) })
        })
        const error = yield* refusal(Migrator.up({ loader }))
        expect(error.cause).toMatchObject({ _tag: "UnsupportedError" })
        expect(error.message).toContain(said)
      })
    )

    live(
      "names that need quoting",
      Effect.gen(function* () {
        const before = yield* schema
        const odd = Table.make(
          `select "all"`,
          {
            "from;--": Table.int.pipe(Table.primaryKey),
            order: Table.text.pipe(Table.withDefault(`'); DROP TABLE users; --`))
          },
          (c) => [Table.index([c.order])]
        )
        const back = yield* change(
          Effect.zipRight(Operations.createTable(odd), Operations.alterColumn(odd.name, "order", { nullable: true })),
          Operations.dropTable(odd.name)
        )
        yield* rows(`INSERT INTO "select ""all""" ("from;--") VALUES (1)`)
        expect(yield* rows(`SELECT * FROM "select ""all"""`)).toEqual([
          { "from;--": 1, order: `'); DROP TABLE users; --` }
        ])
        yield* back
        expect(LiveSchema.differences(before, yield* schema)).toEqual([])
        yield* stillWhole
      })
    )
  })
}
