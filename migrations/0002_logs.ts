import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Migration, Operations, Table } from "effect-aquifer"

/** What the application says while it runs; `context` is whatever belongs to the message. */
const logs = (name: string) =>
  Table.make(
    name,
    {
      id: Table.bigint.pipe(Table.primaryKey, Table.identityByDefault),
      level: Table.varchar(16).pipe(Table.check("level IN ('trace', 'debug', 'info', 'warn', 'error', 'fatal')")),
      logger: Table.varchar(255).pipe(Table.nullable),
      message: Table.text,
      context: Table.json(Schema.Record({ key: Schema.String, value: Schema.Unknown })).pipe(Table.withDefault({})),
      created_at: Table.timestamp.pipe(Table.withDefault("now"))
    },
    (c) => [Table.index([c.created_at]), Table.index([c.level, c.created_at])]
  )

export default Migration.make({
  up: Effect.flatMap(Operations.prefixed, (name) => Operations.createTable(logs(name("logs")))),
  down: Effect.flatMap(Operations.prefixed, (name) => Operations.dropTable(name("logs")))
})
