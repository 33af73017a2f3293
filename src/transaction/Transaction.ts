/**
 * A transaction that ends knowably: run the effect, COMMIT when it succeeds, ROLLBACK otherwise, and run the whole of it
 * again when the database says that may help. BEGIN travels with the first statement; where no statement ran, nothing is
 * sent. Inside another transaction of the same client it is a savepoint, and repeating is left to the outermost one.
 *
 * @since 0.1.0
 */
export type { Isolation } from "../model/TransactionMode.js"
export { afterCommit } from "./AfterCommit.js"
export { batch, type Rows } from "./Batch.js"
export { lock } from "./Lock.js"
export { once } from "./Once.js"
export type { Confirm } from "./Outcome.js"
export { attempt, type Options, retries, run, savepoint } from "./Run.js"
export { separate } from "./Separate.js"
