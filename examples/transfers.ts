/**
 * Money that moves between accounts while others look: conflicts are run again, and nothing is lost.
 *
 *   DATABASE_URL=sqlite:transfers.db npx jiti examples/transfers.ts
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { DatabaseError, DatabaseLive, Migration, Migrator, Operations, Table, Transaction } from "effect-aquifer"

const accounts = Table.make("example_accounts", {
  id: Table.int.pipe(Table.primaryKey),
  balance: Table.int.pipe(Table.check("balance >= 0"))
})

const migrations = Migrator.layer({
  table: "example_migrations",
  loader: Migrator.fromRecord({
    "0001_accounts": Migration.make({
      up: Operations.createTable(accounts),
      down: Operations.dropTable("example_accounts")
    })
  })
})

const transfer = (from: number, to: number, amount: number) =>
  Transaction.run(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`UPDATE example_accounts SET balance = balance - ${amount} WHERE id = ${from}`
      yield* sql`UPDATE example_accounts SET balance = balance + ${amount} WHERE id = ${to}`
    }).pipe(DatabaseError.refine),
    { isolation: "serializable" }
  )

const program = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`INSERT INTO example_accounts ${sql.insert([
    { id: 1, balance: 100 },
    { id: 2, balance: 100 }
  ])} ON CONFLICT (id) DO UPDATE SET balance = excluded.balance`
  yield* Effect.all(
    Array.from({ length: 50 }, (_, n) => (n % 2 === 0 ? transfer(1, 2, 1) : transfer(2, 1, 1))),
    { concurrency: 8 }
  )
  // More than there is: the CHECK says no, and the whole transfer is taken back.
  yield* transfer(1, 2, 1_000).pipe(
    Effect.catchTag("CheckViolation", (error) => Effect.log(`refused: ${error.reason}`))
  )
  yield* Effect.log(yield* sql`SELECT id, balance FROM example_accounts ORDER BY id`)
})

await Effect.runPromise(program.pipe(Effect.provide(Layer.provideMerge(migrations, DatabaseLive))))
