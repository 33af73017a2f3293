/**
 * How a transaction is begun.
 *
 * @since 0.1.0
 */

/** Isolation levels of the SQL standard that all products share a meaning for. @since 0.1.0 @category models */
export type Isolation = "read committed" | "repeatable read" | "serializable"

/** What is left out is the server's default. @since 0.1.0 @category models */
export interface TransactionMode {
  readonly isolation?: Isolation | undefined
  readonly access?: "read write" | "read only" | undefined
  /** With `serializable` and `read only`: wait for a snapshot that can never conflict (PostgreSQL manual, SET TRANSACTION). */
  readonly deferrable?: boolean | undefined
}
