/**
 * PostgreSQL, as the seam wants it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Dialect } from "../../Dialect.js"
import { admin } from "./admin.js"
import { classify } from "./classify.js"
import { compiler } from "./compiler.js"
import { connect } from "./connect.js"
import { ddl, rebuilds } from "./ddl.js"
import { encode } from "./encode.js"
import { fate } from "./fate.js"
import { inspect } from "./inspect.js"
import { kind } from "./kind.js"
import { leaves } from "./leaves.js"
import { migrationLock } from "./migrationLock.js"
import { others } from "./others.js"
import { replication } from "./replication.js"
import { requires } from "./requires.js"
import { resumption } from "./resumption.js"
import { scratch } from "./scratch.js"
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
  leaves,
  transaction,
  sheet: {
    first: [
      "SET client_encoding = 'UTF8'",
      "SET statement_timeout = 0",
      "SET idle_in_transaction_session_timeout = 0",
      "SET lock_timeout = '5s'"
    ],
    last: []
  },
  fate: Option.some(fate),
  vitals,
  sessions: "many",
  can: new Set([
    "transactionalDdl",
    "advisoryLocks",
    "pipelining",
    "listen",
    "copy",
    "cancel",
    "statementTimeout",
    "returning"
  ] as const)
}

/** PostgreSQL. @since 0.1.0 @category dialects */
export const postgres: Dialect = {
  ...postgresCore,
  ddl,
  rebuilds,
  inspect,
  others,
  requires,
  migrationLock,
  admin,
  resumption,
  replication,
  scratch: (config) => Effect.map(scratch(config), (config) => ({ config, dialect: postgres }))
}
