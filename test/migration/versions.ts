/** Three versions of one schema, and what tests of versions share. */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { DatabaseSchema, Operations, Table, Versions } from "effect-aquifer"

export { on, prepare } from "../schema/changes.js"
export { rows } from "./support.js"

export const run = (...texts: ReadonlyArray<string>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.forEach(texts, (text) => sql.unsafe(text), { discard: true }))

const users = Table.make("users", {
  id: Table.int.pipe(Table.primaryKey),
  email: Table.varchar(255).pipe(Table.unique)
})
const settings = Table.make(
  "settings",
  {
    user_id: Table.int.pipe(Table.references("users.id")),
    key: Table.text,
    value: Table.text
  },
  (c) => [Table.primaryKeyOf([c.user_id, c.key])]
)
/** Has a column that rows of before have no value for, and a rule they break. */
export const users2 = Table.make("users", {
  id: Table.int.pipe(Table.primaryKey),
  email: Table.varchar(255).pipe(Table.unique, Table.check("email = lower(email)")),
  name: Table.text
})
const posts = Table.make(
  "posts",
  {
    id: Table.int.pipe(Table.primaryKey),
    user_id: Table.int.pipe(Table.references("users.id", { onDelete: "cascade" })),
    body: Table.text
  },
  (c) => [Table.index([c.user_id])]
)

export const one = Versions.make(1, { settings, users })
export const twoOf = (migrate: Versions.Settings["migrate"]) =>
  Versions.make(2, { posts, settings, users: users2 }, { migrate })
export const two = twoOf([
  {
    postgresql: "UPDATE users SET name = split_part(email, '@', 1), email = lower(email)",
    sqlite: "UPDATE users SET name = substr(email, 1, instr(email, '@') - 1), email = lower(email)"
  }
])
export const three = Versions.make(
  3,
  { posts, users: users2 },
  {
    migrate: Effect.zipRight(
      run("INSERT INTO posts (id, user_id, body) SELECT user_id, user_id, value FROM settings"),
      Operations.dropTable("settings")
    )
  }
)

export const tables = Effect.map(DatabaseSchema.inspect, (found) => found.tables.map(({ name }) => name))

/** As the table has them, in order. */
export const numbers = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(sql<{ version: unknown }>`SELECT version FROM schema_version ORDER BY version`, (found) =>
    found.map(({ version }) => Number(version))
  )
)

/** The `SchemaError` it fails with; anything else is a defect of the test. */
export const refusal = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<DatabaseSchema.SchemaError, never, R> =>
  Effect.flatMap(Effect.flip(effect), (error) =>
    error instanceof DatabaseSchema.SchemaError ? Effect.succeed(error) : Effect.die(error)
  ).pipe(Effect.orDieWith((value) => new Error(`expected a SchemaError, it succeeded with ${JSON.stringify(value)}`)))
