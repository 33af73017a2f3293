/**
 * How a transaction is spoken of. `BEGIN IMMEDIATE` takes the write lock at once, because a transaction that reads
 * first and writes later is refused the moment another has committed in between, whatever the busy timeout
 * (SQLITE_BUSY_SNAPSHOT). Every isolation level is answered with SQLite's only one, serializable.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type { Dialect } from "../../Dialect.js"

/**
 * Takes no lock until something is read, and is held to reading by the session, which knows it by the comment. That stands
 * inside: what stands behind a statement is lost where a script is cut into its statements.
 *
 * @since 0.1.0
 * @category constants
 */
export const readOnly = "BEGIN /* read only */ TRANSACTION"

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** @since 0.1.0 @category constructors */
export const transaction: Dialect["transaction"] = {
  begin: (mode) => (mode.access === "read only" ? readOnly : "BEGIN IMMEDIATE"),
  commit: "COMMIT",
  rollback: "ROLLBACK",
  savepoint: (name) => `SAVEPOINT ${quoted(name)}`,
  release: (name) => `RELEASE SAVEPOINT ${quoted(name)}`,
  rollbackTo: (name) => `ROLLBACK TO SAVEPOINT ${quoted(name)}`,
  restart: Option.none()
}
