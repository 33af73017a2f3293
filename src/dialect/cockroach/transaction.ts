/**
 * The words of a transaction. All of it stands behind `cockroach_restart`, a savepoint of the server's own: its RELEASE is
 * what commits, so that a conflict met there can still be begun again on the same connection, with the transaction's place
 * in the queue kept (manual: Advanced client-side transaction retries). COMMIT behind it only ends the block.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type { Dialect } from "../../Dialect.js"
import { transaction as family } from "../postgres/transaction.js"

/** Without `lock`: the advisory functions answer, and lock nothing. @since 0.1.0 @category dialect */
export const transaction: Dialect["transaction"] = {
  ...family,
  lock: undefined,
  restart: Option.some("cockroach_restart")
}
