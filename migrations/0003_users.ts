import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Migration, Operations, Table } from "effect-aquifer"

/** People who log in. The password is kept as a hash, and not at all for those who come by way of another provider. */
const users = (name: string) =>
  Table.make(name, {
    id: Table.uuid.pipe(Table.primaryKey, Table.withDefault("uuid")),
    username: Table.varchar(255).pipe(Table.unique),
    email: Table.varchar(320).pipe(Table.unique),
    password_hash: Table.varchar(255).pipe(Table.nullable),
    full_name: Table.varchar(255).pipe(Table.nullable),
    roles: Table.json(Schema.Array(Schema.String)).pipe(Table.withDefault([])),
    is_active: Table.boolean.pipe(Table.withDefault(true)),
    created_at: Table.timestamp.pipe(Table.withDefault("now")),
    updated_at: Table.timestamp.pipe(Table.withDefault("now")),
    last_login_at: Table.timestamp.pipe(Table.nullable)
  })

export default Migration.make({
  up: Effect.flatMap(Operations.prefixed, (name) => Operations.createTable(users(name("users")))),
  down: Effect.flatMap(Operations.prefixed, (name) => Operations.dropTable(name("users")))
})
