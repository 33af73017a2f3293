/** A transfer of the bank, and its statements. Knows no test runner: programs of their own carry transfers out, too. */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

/** What is moved. */
export interface Move {
  readonly id: number
  readonly from: number
  readonly to: number
  readonly amount: number
}

/** One transfer as the teller gets it. */
export interface Transfer extends Move {
  /** The teller's own code refuses it when everything is written. */
  readonly declined: boolean
  /** Written inside a savepoint. */
  readonly nested: boolean
  /** To be run by the teller once the transfer has really been committed. */
  readonly booked: Effect.Effect<void>
}

/** The refusal of a declined transfer. */
export class Declined {
  readonly _tag = "Declined"
}

/** Reads both balances and writes both anew: a lost update would make or destroy money. */
export const move = (sql: SqlClient.SqlClient, { amount, from, id, to }: Move) =>
  Effect.gen(function* () {
    const rows = yield* sql<{
      id: number
      balance: number
    }>`SELECT id, balance FROM accounts WHERE id IN (${from}, ${to})`
    const balance = (account: number) => rows.find((row) => row.id === account)?.balance ?? Number.NaN
    for (const account of from < to ? [from, to] : [to, from]) {
      const after = balance(account) + (account === from ? -amount : amount)
      yield* sql`UPDATE accounts SET balance = ${after} WHERE id = ${account}`
    }
    yield* sql`INSERT INTO transfers (id, payer, payee, amount) VALUES (${id}, ${from}, ${to}, ${amount})`
  })
