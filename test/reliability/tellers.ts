/** Who carries the bank's transfers out: this library, and the stock client with a plain retry around it. */

import * as SqlClient from "@effect/sql/SqlClient"
import { PgClient } from "@effect/sql-pg"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { Database, Transaction } from "effect-aquifer"
import type { Teller } from "./bank.js"
import { Declined, move } from "./transfer.js"

/** A statement that takes longer than its limit and five seconds more costs its connection: that is how a hole is noticed. */
export const options: Omit<Database.Options, "url"> = {
  profile: "production",
  connect: "lazy",
  ssl: "disable",
  pool: { size: 16, maxOverflow: 16, acquireTimeout: "60 seconds" },
  connectTimeout: "3 seconds",
  statementTimeout: "2 seconds",
  retry: {
    connection: { maxRetries: 40, baseDelay: "20 millis", maxDelay: "1 second" },
    conflict: { maxRetries: 200, baseDelay: "2 millis", maxDelay: "200 millis" }
  }
}

/** This library's transaction; `confirm` as there. */
export const aquifer = (
  sql: SqlClient.SqlClient,
  attempts: { count: number },
  confirm: "ask-server" | "off" = "ask-server"
): Teller => {
  return (transfer) =>
    Transaction.run(
      Effect.gen(function* () {
        attempts.count++
        const writes = move(sql, transfer)
        yield* transfer.nested ? Transaction.savepoint(writes) : writes
        if (transfer.declined) return yield* Effect.fail(new Declined())
        yield* Transaction.afterCommit(transfer.booked)
      }),
      { isolation: "serializable", confirm }
    ).pipe(Effect.provideService(SqlClient.SqlClient, sql))
}

/** The stock client as an application uses it: its transaction, run again as a whole after any failure. */
export const stock = (sql: SqlClient.SqlClient, attempts: { count: number }): Teller => {
  const again = Schedule.intersect(Schedule.recurs(40), Schedule.jittered(Schedule.spaced("20 millis")))
  return (transfer) =>
    Effect.suspend(() => {
      attempts.count++
      return sql.withTransaction(
        Effect.zipRight(move(sql, transfer), transfer.declined ? Effect.fail(new Declined()) : Effect.void)
      )
    }).pipe(Effect.retry({ schedule: again, while: (error) => !(error instanceof Declined) }))
}

export const stockLayer = (url: string) => Layer.orDie(PgClient.layer({ url: Redacted.make(url), maxConnections: 32 }))

export const aquiferLayer = (url: string) => Layer.orDie(Database.layer({ ...options, url }))
