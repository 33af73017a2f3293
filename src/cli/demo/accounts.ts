/**
 * The demo's own small world: a table of accounts with a history of its own, what must be in it, and the transfer that many
 * fibers make at once. A transfer reads both accounts, then moves the money if they are still as they were read; whoever was
 * too late fails like any transaction that lost a race, and the whole is run again.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Migrator from "../../migration/Migrator.js"
import * as Operations from "../../migration/Operations.js"
import { type DatabaseError, refine, SerializationError } from "../../model/DatabaseError.js"
import * as Migration from "../../model/Migration.js"
import * as Table from "../../model/Table.js"
import * as Seed from "../../seed/Seed.js"
import * as Transaction from "../../transaction/Transaction.js"

/** Few enough to be fought over. @since 0.1.0 @category defaults */
export const count = 24

/** What each account begins with. @since 0.1.0 @category defaults */
export const endowment = 1_000

/** The table, which is there where a demo has run. @since 0.1.0 @category defaults */
export const name = "aquifer_demo_accounts"

const accounts = Table.make(name, {
  id: Table.int.pipe(Table.primaryKey),
  balance: Table.int.pipe(Table.check("balance >= 0")),
  version: Table.int.pipe(Table.withDefault(0))
})

/** Brings the table there, in a ledger beside the application's. @since 0.1.0 @category running */
export const migrate = Migrator.up({
  table: "aquifer_demo_migrations",
  loader: Migrator.fromRecord({
    "0001_accounts": Migration.make({ up: Operations.createTable(accounts), down: Operations.dropTable(name) })
  })
})

/** Repeatable: accounts that are there stay as they are. @since 0.1.0 @category running */
export const seeds: ReadonlyArray<Seed.Seed<SqlClient.SqlClient>> = [
  Seed.make({
    name: "demo accounts",
    run: Effect.flatMap(
      SqlClient.SqlClient,
      (sql) =>
        sql`INSERT INTO ${sql(name)} ${sql.insert(
          Array.from({ length: count }, (_, index) => ({ id: index + 1, balance: endowment, version: 0 }))
        )} ON CONFLICT (id) DO NOTHING`
    )
  })
]

/** How many accounts there are and what they hold together. @since 0.1.0 @category running */
export const totals: Effect.Effect<
  { readonly accounts: number; readonly sum: number },
  DatabaseError,
  SqlClient.SqlClient
> = refine(
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    // Drivers give a sum as a number, a bigint or a text; these are small.
    Effect.map(
      sql<{ n: unknown; total: unknown }>`SELECT COUNT(*) AS n, COALESCE(SUM(balance), 0) AS total FROM ${sql(name)}`,
      (rows) => ({ accounts: Number(rows[0]?.n), sum: Number(rows[0]?.total) })
    )
  )
)

interface Account {
  readonly id: number
  readonly balance: number
  readonly version: number
}

/** One try of one transfer; fails with a transient error when somebody else was faster. @since 0.1.0 @category running */
export const transfer: Effect.Effect<void, DatabaseError, SqlClient.SqlClient> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const from = yield* Random.nextIntBetween(1, count + 1)
  const to = ((from + (yield* Random.nextIntBetween(0, count - 1))) % count) + 1
  const wanted = yield* Random.nextIntBetween(1, 100)
  const read = yield* refine(
    sql<Account>`SELECT id, balance, version FROM ${sql(name)} WHERE ${sql.in("id", [from, to])}`
  )
  // Others go on meanwhile, as they do while an application thinks about what it has read.
  yield* Effect.sleep("1 millis")
  const byId = new Map(read.map((account) => [account.id, account]))
  const amount = Math.min(wanted, byId.get(from)?.balance ?? 0)
  const change = (id: number, by: number) =>
    Effect.flatMap(
      refine(sql`UPDATE ${sql(name)} SET balance = ${(byId.get(id)?.balance ?? 0) + by}, version = version + 1
        WHERE id = ${id} AND version = ${byId.get(id)?.version ?? -1} RETURNING id`),
      (rows) => (rows.length === 1 ? Effect.void : Effect.fail(tooLate()))
    )
  // In the order of ids, so that no two transfers wait for each other.
  const both = [change(from, -amount), change(to, amount)]
  yield* Transaction.run(Effect.all(from < to ? both : both.reverse(), { discard: true }), {
    isolation: "serializable",
    retry: "never",
    name: "transfer"
  })
})

const tooLate = () =>
  new SerializationError({ operation: "execute", reason: "the account has changed since it was read" })
