/**
 * SQLite. One writer and, under WAL, readers beside it; an in-memory database is one session.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type { Dialect } from "../../Dialect.js"
import type { Target } from "../../model/DatabaseConfig.js"
import { classify } from "./classify.js"
import { compiler } from "./compiler.js"
import { connect } from "./connection.js"
import { ddl, rebuilds } from "./ddl.js"
import { inspect } from "./inspect.js"
import { kind } from "./kind.js"
import { migrationLock } from "./migrationLock.js"
import { isMemory } from "./place.js"
import { transaction } from "./transaction.js"
import { encode } from "./values.js"
import { vitals } from "./vitals.js"

export { isMemory } from "./place.js"

/** Everything but what speaks of schemas. @since 0.1.0 @category dialects */
export const sqliteCore: Omit<Dialect, "ddl" | "inspect"> = {
  name: "sqlite",
  connect,
  classify: (cause, operation) => classify(cause, operation),
  compiler,
  placeholder: () => "?",
  encode,
  kind,
  transaction,
  fate: Option.none(),
  migrationLock,
  vitals,
  sessions: "one writer",
  can: new Set(["transactionalDdl", "returning"])
}

/** SQLite in a file. @since 0.1.0 @category dialects */
export const sqlite: Dialect = { ...sqliteCore, ddl, rebuilds, inspect }

/** SQLite in memory: the database is its one session, and gone with it. @since 0.1.0 @category dialects */
export const sqliteMemory: Dialect = { ...sqlite, sessions: "one" }

/** @since 0.1.0 @category accessors */
export const forTarget = (target: Target): Dialect => (isMemory(target) ? sqliteMemory : sqlite)
