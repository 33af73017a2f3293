import * as Effect from "effect/Effect"
import { Migration, Operations, Table } from "effect-aquifer"

/** One row per answered request: who asked for what, how it ended, what it took. It outlives its key and its user. */
const usage = (name: string, apiKeys: string, users: string) =>
  Table.make(
    name,
    {
      id: Table.bigint.pipe(Table.primaryKey, Table.identityByDefault),
      api_key_id: Table.bigint.pipe(Table.nullable, Table.references(`${apiKeys}.id`, { onDelete: "set null" })),
      user_id: Table.uuid.pipe(Table.nullable, Table.references(`${users}.id`, { onDelete: "set null" })),
      endpoint: Table.varchar(255),
      method: Table.varchar(16),
      status: Table.int.pipe(Table.check("status BETWEEN 100 AND 599")),
      tokens_in: Table.int.pipe(Table.withDefault(0)),
      tokens_out: Table.int.pipe(Table.withDefault(0)),
      duration_ms: Table.int,
      created_at: Table.timestamp.pipe(Table.withDefault("now"))
    },
    (c) => [
      Table.index([c.created_at]),
      Table.index([c.api_key_id, c.created_at]),
      Table.index([c.user_id, c.created_at]),
      Table.index([c.endpoint, c.created_at])
    ]
  )

export default Migration.make({
  up: Effect.flatMap(Operations.prefixed, (name) =>
    Operations.createTable(usage(name("usage"), name("api_keys"), name("users")))
  ),
  down: Effect.flatMap(Operations.prefixed, (name) => Operations.dropTable(name("usage")))
})
