/** Declared tables with a bit of everything: each type, defaults, conditions, keys of several columns, references in a circle. */
import * as Schema from "effect/Schema"
import { DatabaseSchema, Table } from "effect-aquifer"

const mood = Table.enums("mood", ["so so", "it's fine", "glad"])

const teams = Table.make(
  "teams",
  {
    id: Table.bigint.pipe(Table.primaryKey, Table.identityByDefault),
    name: Table.varchar(255).pipe(Table.unique),
    lead: Table.uuid.pipe(Table.nullable, Table.references("people.id", { onDelete: "set null" })),
    mood: mood.pipe(Table.withDefault("it's fine"))
  },
  undefined,
  { comment: "Who works together" }
)
const people = Table.make(
  "people",
  {
    id: Table.uuid.pipe(Table.primaryKey, Table.withDefault("uuid")),
    team: Table.bigint.pipe(
      Table.named("team_id"),
      Table.references("teams.id", { onDelete: "cascade", onUpdate: "cascade" })
    ),
    boss: Table.uuid.pipe(Table.nullable, Table.references("people.id")),
    email: Table.varchar(100).pipe(Table.unique, Table.comment("as they wrote it")),
    nick: Table.text.pipe(Table.nullable),
    level: Table.varchar(16).pipe(Table.withDefault("new"), Table.check("level IN ('new', 'old', 'it''s')")),
    age: Table.smallint.pipe(Table.nullable, Table.check("age BETWEEN 1 AND 150")),
    size: Table.int.pipe(Table.withDefault(-7)),
    score: Table.float.pipe(Table.withDefault(0.5)),
    money: Table.numeric(12, 2).pipe(Table.withDefault("0.00")),
    active: Table.boolean.pipe(Table.withDefault(true)),
    born: Table.date.pipe(Table.withDefault("now")),
    seen: Table.timestamp.pipe(Table.withDefault("now")),
    settings: Table.json(Schema.Unknown).pipe(Table.withDefault({ dark: [1, "two"] })),
    photo: Table.bytes.pipe(Table.nullable),
    tags: Table.array(Table.text).pipe(Table.withDefault(["a", "b"])),
    moods: Table.array(mood).pipe(Table.nullable),
    label: Table.text.pipe(Table.computed("email || coalesce(nick, '')")),
    lower: Table.text.pipe(Table.defaultSql("lower('ABC')"))
  },
  (c) => [
    Table.index([c.team, c.seen]),
    Table.index([{ sql: "lower(email)" }], { name: "by_lower_email" }),
    Table.uniqueIndex([c.nick], { where: "active AND level IN ('new', 'old')", name: "active_nick" }),
    Table.uniqueOf([c.team, c.email]),
    Table.checkOf("sensible", "size > -100 AND (age IS NULL OR age < size + 1000)")
  ]
)
const memberships = Table.make(
  "memberships",
  {
    team: Table.bigint.pipe(Table.references("teams.id")),
    person: Table.uuid.pipe(Table.references("people.id", { deferrable: true })),
    since: Table.date
  },
  (c) => [Table.primaryKeyOf([c.team, c.person])]
)
const notes = Table.make(
  "notes",
  { id: Table.int.pipe(Table.primaryKey), team: Table.bigint, person: Table.uuid, order: Table.text },
  (c) => [
    Table.foreignKey([c.team, c.person], "memberships", ["team", "person"], { onDelete: "cascade" }),
    Table.index([c.order])
  ]
)

export const rich = DatabaseSchema.make({ notes, people, memberships, teams })
