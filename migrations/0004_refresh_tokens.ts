import * as Effect from "effect/Effect"
import { Migration, Operations, Table } from "effect-aquifer"

/** What a session is renewed with; `replaced_by` tells a token that is used twice, and so was stolen. */
const refreshTokens = (name: string, users: string) =>
  Table.make(
    name,
    {
      id: Table.uuid.pipe(Table.primaryKey, Table.withDefault("uuid")),
      user_id: Table.uuid.pipe(Table.references(`${users}.id`, { onDelete: "cascade" })),
      token_hash: Table.varchar(255).pipe(Table.unique),
      replaced_by: Table.uuid.pipe(Table.nullable, Table.references(`${name}.id`, { onDelete: "set null" })),
      created_at: Table.timestamp.pipe(Table.withDefault("now")),
      expires_at: Table.timestamp,
      revoked_at: Table.timestamp.pipe(Table.nullable)
    },
    (c) => [Table.index([c.user_id]), Table.index([c.expires_at])]
  )

export default Migration.make({
  up: Effect.flatMap(Operations.prefixed, (name) =>
    Operations.createTable(refreshTokens(name("refresh_tokens"), name("users")))
  ),
  down: Effect.flatMap(Operations.prefixed, (name) => Operations.dropTable(name("refresh_tokens")))
})
