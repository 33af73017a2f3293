/** Tables that belong together: what types hold them to, what is found out when they are used, and their prefix. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { DatabaseSchema, Table } from "effect-aquifer"
import { products, rows } from "../migration/support.js"
import { apply, diff, on, told } from "./changes.js"

const [sqlite] = products as [(typeof products)[0]]

const users = Table.make("users", {
  id: Table.int.pipe(Table.primaryKey),
  team: Table.int.pipe(Table.references("teams.key"), Table.nullable),
  boss: Table.int.pipe(Table.nullable, Table.references("users.id"))
})
const teams = Table.make("teams", { key: Table.int.pipe(Table.named("id"), Table.primaryKey) })

const problem = (schema: DatabaseSchema.DatabaseSchema) =>
  on(sqlite, () =>
    Effect.map(Effect.flip(diff(schema)), (error) =>
      error._tag === "SchemaError" ? `${error.reason} ${error.message}` : error._tag
    )
  )

describe("declared tables", () => {
  it("may refer to what is among them only", () => {
    DatabaseSchema.make({ users, teams })
    // @ts-expect-error: the teams are not among the tables
    DatabaseSchema.make({ users })
    // @ts-expect-error: teams have no such column
    DatabaseSchema.make({ users, teams: Table.make("teams", { other: Table.int }) })
    const named: Record<string, Table.Table> = { users }
    DatabaseSchema.make(named)
  })

  it.live("are held to that when they are used, where types cannot know", () =>
    Effect.gen(function* () {
      const named: Record<string, Table.Table> = { users }
      expect(yield* problem(DatabaseSchema.make(named))).toBe(
        "dangling-reference table users: it refers to teams.key, which is not among the declared tables. Declare it, or look at its spelling."
      )
      const lost = Table.make("lost", { id: Table.int }, () => [Table.foreignKey(["id"], "users", ["nobody"])])
      expect(yield* problem(DatabaseSchema.make({ users, teams, lost }))).toContain("users.nobody")
    })
  )

  it.live("have names of their own, and one meaning of an enum", () =>
    Effect.gen(function* () {
      const again = Table.make("teams", { id: Table.int })
      expect(yield* problem(DatabaseSchema.make({ teams, again }))).toContain('two tables are called "teams"')
      const twice = Table.make("twice", { a: Table.int, b: Table.int.pipe(Table.named("a")) })
      expect(yield* problem(DatabaseSchema.make({ twice }))).toContain('two columns are called "a"')
      const one = Table.make("one", { a: Table.enums("mood", ["x"]) })
      const other = Table.make("other", { a: Table.array(Table.enums("mood", ["y"])) })
      expect(yield* problem(DatabaseSchema.make({ one, other }))).toContain("unlike-enums")
    })
  )

  it.live("are refused by the product with a reason, and nothing is touched", () =>
    Effect.gen(function* () {
      const bad = Table.make("bad", { a: Table.int.pipe(Table.check("no_such_function(a)")) })
      expect(yield* problem(DatabaseSchema.make({ bad }))).toMatch(/^refused .*no_such_function/)
      const alien = Table.make("alien", { a: Table.raw({ other: "X" }, Table.text.schema) })
      expect(yield* problem(DatabaseSchema.make({ alien }))).toContain('Add the entry "sqlite" to it')
    })
  )

  it.live("carry their prefix in all names made from theirs, and leave tables of other prefixes alone", () =>
    on(sqlite, () =>
      Effect.gen(function* () {
        const [ours, theirs] = ["one", "two"].map((prefix) => DatabaseSchema.make({ users, teams }, { prefix }))
        if (ours === undefined || theirs === undefined) return
        yield* apply(yield* diff(ours))
        expect(told(yield* diff(theirs))).toEqual(["CreateTable two_teams", "CreateTable two_users"])
        yield* apply(yield* diff(theirs))
        expect([yield* diff(ours), yield* diff(theirs)]).toEqual([[], []])
        expect(yield* rows('SELECT "table", "to" FROM pragma_foreign_key_list(\'one_users\') ORDER BY 1')).toEqual([
          { table: "one_teams", to: "id" },
          { table: "one_users", to: "id" }
        ])
        const [{ sql }] = (yield* rows("SELECT sql FROM sqlite_schema WHERE name = 'one_users'")) as [{ sql: string }]
        expect(sql).toContain('"one_users_team_fkey"')
      })
    )
  )
})
