import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Migration, Operations, Table } from "effect-aquifer"

/** Keys that callers identify themselves with. Only a hash is kept; `key_prefix` is what a person recognises a key by. */
const apiKeys = (name: string) =>
  Table.make(
    name,
    {
      id: Table.bigint.pipe(Table.primaryKey, Table.identityByDefault),
      name: Table.varchar(255),
      key_hash: Table.varchar(255).pipe(Table.unique),
      key_prefix: Table.varchar(16),
      scopes: Table.json(Schema.Array(Schema.String)).pipe(Table.withDefault([])),
      is_active: Table.boolean.pipe(Table.withDefault(true)),
      created_at: Table.timestamp.pipe(Table.withDefault("now")),
      last_used_at: Table.timestamp.pipe(Table.nullable),
      expires_at: Table.timestamp.pipe(Table.nullable),
      revoked_at: Table.timestamp.pipe(Table.nullable)
    },
    (c) => [Table.index([c.key_prefix]), Table.index([c.expires_at])]
  )

export default Migration.make({
  up: Effect.flatMap(Operations.prefixed, (name) => Operations.createTable(apiKeys(name("api_keys")))),
  down: Effect.flatMap(Operations.prefixed, (name) => Operations.dropTable(name("api_keys")))
})
