/**
 * What most often is wrong with a cluster, in one statement that any role may run.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Admin, Check, Row } from "../../Dialect.js"
import type { DatabaseConfig } from "../../model/DatabaseConfig.js"
import { check, clock, examined, isLocal, tables } from "../postgres/checkup.js"
import { versionOf } from "./vitals.js"

const text = `SELECT
  version() AS version, current_user::text AS role, current_schema()::text AS schema,
  (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now,
  coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS "mayCreate",
  current_setting('default_transaction_isolation') AS isolation,
  coalesce(current_setting('autocommit_before_ddl', true), 'off') AS autocommit`

/** The first that hears a cancel request (cockroachdb/cockroach#41335). */
const hearsCancel = [22, 1] as const

const version = (text: string): Check => {
  const said = versionOf(text)
  if (!text.startsWith("CockroachDB")) {
    return check(
      "version",
      "wrong",
      text,
      "The URL says cockroachdb://, and another product answers: say postgresql://"
    )
  }
  const [major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(said) ?? []).slice(1).map(Number)
  const deaf = major < hearsCancel[0] || (major === hearsCancel[0] && minor < hearsCancel[1])
  return check(
    "version",
    deaf ? "note" : false,
    `CockroachDB ${said}`,
    "Upgrade: before v22.1 no statement can be cancelled"
  )
}

const judge = (row: Row, config: DatabaseConfig, drift: number): ReadonlyArray<Check> => [
  version(String(row.version)),
  tables(row),
  check(
    "role",
    row.role === "root" && config.profile === "production" ? "note" : false,
    `the role is ${row.role}`,
    "Give the application a role of its own that owns its tables and no more"
  ),
  check("isolation", false, `transactions are ${row.isolation} unless they say otherwise`),
  check(
    "schema changes",
    row.autocommit === "on" ? "note" : false,
    row.autocommit === "on"
      ? "one inside a transaction commits what came before it"
      : "one inside a transaction belongs to it",
    "Take autocommit_before_ddl out of the URL's options: a rollback behind a schema change undoes nothing"
  ),
  clock(drift),
  check(
    "encryption",
    config.target.tls.mode !== "disable" || isLocal(config) ? false : "note",
    `sslmode ${config.target.tls.mode}`,
    "Say sslmode=verify-full (DB_SSL) where the network is not your own"
  )
]

/** @since 0.1.0 @category dialect */
export const checkup: Admin["checkup"] = (own, config) =>
  Effect.map(examined(own, text), ({ row, drift }) => judge(row, config, drift))
