/**
 * CockroachDB: PostgreSQL, except where it says so below. What it says comes from its manual, its source and its own
 * adapters (cockroach-go, sqlalchemy-cockroachdb, django-cockroachdb); the comments name which.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Dialect } from "../../Dialect.js"
import { postgresCore } from "../postgres/index.js"
import { admin } from "./admin.js"
import { connect } from "./connect.js"
import { ddl, rebuilds } from "./ddl.js"
import { inspect } from "./inspect.js"
import { kind } from "./kind.js"
import { migrationLock } from "./migrationLock.js"
import { scratch } from "./scratch.js"
import { transaction } from "./transaction.js"
import { vitals } from "./vitals.js"

/** CockroachDB. @since 0.1.0 @category dialects */
export const cockroach: Dialect = {
  ...postgresCore,
  name: "cockroachdb",
  connect,
  kind,
  transaction,
  // Nobody can be asked what became of a transaction: there is no pg_xact_status, and 40003 (result is ambiguous) is an answer.
  fate: Option.none(),
  migrationLock,
  inspect,
  ddl,
  rebuilds,
  scratch: (config) => Effect.map(scratch(config), (config) => ({ config, dialect: cockroach })),
  admin,
  vitals,
  // No advisory locks (they are stubs that lock nothing, cockroachdb/cockroach#13546), no LISTEN (#41522), and DDL that may
  // fail behind the COMMIT it was in. Pipelined messages are within its protocol, and stay off until they are proved there.
  can: new Set(["copy", "cancel", "statementTimeout", "returning"])
}
