/** As much of comparing as PostgreSQL can show in CockroachDB's place: its own catalogue, words and scratch databases. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Database, DatabaseSchema, Table } from "effect-aquifer"
import { freshDisguise, swept } from "../dialect/cockroach/disguise.js"
import { apply, told } from "./changes.js"
import { failings, load } from "./pulled.js"

const mood = Table.enums("mood", ["ok", "bad"])
const teams = Table.make("teams", {
  id: Table.bigint.pipe(Table.primaryKey, Table.identityByDefault),
  name: Table.varchar(20).pipe(Table.check("name IN ('a', 'b')")),
  mood: mood.pipe(Table.withDefault("ok"))
})
const people = (extra: Record<string, Table.Column.Any>) =>
  Table.make(
    "people",
    {
      id: Table.uuid.pipe(Table.primaryKey, Table.withDefault("uuid")),
      team: Table.bigint.pipe(Table.references("teams.id", { onDelete: "cascade" })),
      settings: Table.json(Schema.Unknown).pipe(Table.withDefault({ a: [1] })),
      seen: Table.timestamp.pipe(Table.withDefault("now")),
      age: Table.int.pipe(Table.nullable),
      ...extra
    } as Record<string, Table.Column.Any>,
    () => [Table.index(["team", "seen"]), Table.index([{ sql: "age + 1" }], { name: "older", where: "age > 3" })]
  )

it.scopedLive("declared tables made by CockroachDB's dialect are what is declared, and changes are found", () =>
  Effect.gen(function* () {
    const { cockroachdb } = yield* freshDisguise
    yield* Effect.gen(function* () {
      const before = DatabaseSchema.make({ people: people({}), teams } as Record<string, Table.Table>)
      const after = DatabaseSchema.make({
        people: people({
          age: Table.bigint.pipe(Table.nullable, Table.check("age > 1")),
          nick: Table.text.pipe(Table.nullable)
        }),
        teams
      } as Record<string, Table.Table>)
      yield* apply(yield* DatabaseSchema.diff(before))
      expect(told(yield* DatabaseSchema.diff(before))).toEqual([])
      const changes = yield* DatabaseSchema.diff(after)
      expect(told(changes)).toEqual([
        "AlterColumn people.age",
        "AddColumn people.nick",
        "AddConstraint people.people_age_check"
      ])
      yield* apply(changes)
      expect(told(yield* DatabaseSchema.diff(after))).toEqual([])
    }).pipe(Effect.provide(Database.layer({ url: cockroachdb })), swept)
  })
)

it.scopedLive("tables pulled through CockroachDB's dialect are what is there", () =>
  Effect.gen(function* () {
    const { cockroachdb } = yield* freshDisguise
    yield* Effect.gen(function* () {
      yield* apply(
        yield* DatabaseSchema.diff(DatabaseSchema.make({ people: people({}), teams } as Record<string, Table.Table>))
      )
      const text = yield* DatabaseSchema.pull()
      expect(text).not.toMatch(failings)
      expect(text).toContain("make({ teams, people })")
      expect(told(yield* DatabaseSchema.diff(yield* load(text)))).toEqual([])
    }).pipe(Effect.provide(Database.layer({ url: cockroachdb })), swept)
  })
)
