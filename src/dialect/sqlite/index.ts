/**
 * SQLite. One writer and, under WAL, readers beside it; an in-memory database is one session.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Dialect } from "../../Dialect.js"
import type { DatabaseConfig, Target } from "../../model/DatabaseConfig.js"
import { admin, unmade } from "./admin.js"
import { classify } from "./classify.js"
import { compiler } from "./compiler.js"
import { connect } from "./connection.js"
import { ddl, rebuilds } from "./ddl.js"
import { inspect } from "./inspect.js"
import { kind } from "./kind.js"
import { migrationLock } from "./migrationLock.js"
import { others } from "./others.js"
import { isMemory } from "./place.js"
import { normal } from "./tableSource.js"
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
  // Rows that refer to nothing are shown at the end: a text cannot be made to fail over them.
  sheet: { first: ["PRAGMA foreign_keys = OFF"], last: ["PRAGMA foreign_key_check"] },
  sessions: "one writer",
  immediate: true,
  can: new Set(["transactionalDdl", "returning"])
}

/** SQLite in a file. @since 0.1.0 @category dialects */
export const sqlite: Dialect = {
  ...sqliteCore,
  ddl,
  rebuilds,
  inspect,
  normal,
  others,
  admin,
  unmade,
  scratch: (config) => Effect.sync(() => ({ config: inMemory(config), dialect: sqliteMemory }))
}

/** SQLite in memory: the database is its one session, and gone with it. @since 0.1.0 @category dialects */
export const sqliteMemory: Dialect = { ...sqlite, sessions: "one" }

/** The same settings for a database of its own in memory; a mode or a size of the file's is no matter there. */
const inMemory = (config: DatabaseConfig): DatabaseConfig => ({
  ...config,
  target: { ...config.target, database: ":memory:", parameters: {} },
  replicas: []
})

/** @since 0.1.0 @category accessors */
export const forTarget = (target: Target): Dialect => (isMemory(target) ? sqliteMemory : sqlite)
