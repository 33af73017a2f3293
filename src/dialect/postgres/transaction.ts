/**
 * The words of a transaction. BEGIN names only what was asked for; the rest is the session's default.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type { Dialect } from "../../Dialect.js"
import type { TransactionMode } from "../../model/TransactionMode.js"

const name = (identifier: string): string => `"${identifier.replace(/"/g, '""')}"`

const begin = (mode: TransactionMode): string =>
  [
    "BEGIN",
    mode.isolation === undefined ? undefined : `ISOLATION LEVEL ${mode.isolation.toUpperCase()}`,
    mode.access?.toUpperCase(),
    mode.deferrable === undefined ? undefined : mode.deferrable ? "DEFERRABLE" : "NOT DEFERRABLE"
  ]
    .filter((part) => part !== undefined)
    .join(" ")

/** @since 0.1.0 @category dialect */
export const transaction: Dialect["transaction"] = {
  begin,
  commit: "COMMIT",
  rollback: "ROLLBACK",
  savepoint: (savepoint) => `SAVEPOINT ${name(savepoint)}`,
  release: (savepoint) => `RELEASE SAVEPOINT ${name(savepoint)}`,
  rollbackTo: (savepoint) => `ROLLBACK TO SAVEPOINT ${name(savepoint)}`,
  lock: (key) => `SELECT pg_advisory_xact_lock(${key})`,
  setting: (parameter, value) =>
    `SET LOCAL ${parameter.split(".").map(name).join(".")} = '${value.replace(/'/g, "''")}'`,
  restart: Option.none()
}
