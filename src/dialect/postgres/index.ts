/**
 * PostgreSQL, as the seam wants it.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type { Dialect } from "../../Dialect.js"
import { classify } from "./classify.js"
import { compiler } from "./compiler.js"
import { connect } from "./connect.js"
import { ddl, rebuilds } from "./ddl.js"
import { encode } from "./encode.js"
import { fate } from "./fate.js"
import { inspect } from "./inspect.js"
import { kind } from "./kind.js"
import { migrationLock } from "./migrationLock.js"
import { transaction } from "./transaction.js"
import { vitals } from "./vitals.js"

/** Everything but the schema's words. @since 0.1.0 @category dialect */
export const postgresCore: Omit<Dialect, "ddl" | "inspect" | "migrationLock"> = {
  name: "postgresql",
  connect,
  classify: (cause, operation) => classify(cause, operation),
  compiler,
  placeholder: (index) => `$${index}`,
  encode,
  kind,
  transaction,
  fate: Option.some(fate),
  vitals,
  sessions: "many",
  can: new Set([
    "transactionalDdl",
    "advisoryLocks",
    "pipelining",
    "listen",
    "cancel",
    "statementTimeout",
    "returning"
  ] as const)
}

/** PostgreSQL. @since 0.1.0 @category dialects */
export const postgres: Dialect = { ...postgresCore, ddl, rebuilds, inspect, migrationLock }
