/**
 * What is done to a database from outside of it. Every cluster has `defaultdb` and `postgres`, empty and nobody's; neither
 * those nor `system` are dropped. Sessions that use a database do not keep it from being dropped.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Activity, Admin, Row } from "../../Dialect.js"
import { makeAdmin } from "../postgres/admin.js"
import { identifier } from "../postgres/ddl.js"
import { checkup } from "./checkup.js"
import { connect } from "./connect.js"

/** Without CASCADE a database with tables is refused, and WITH (FORCE) is not known. @since 0.1.0 @category rendering */
export const dropDatabase = (name: string): string => `DROP DATABASE IF EXISTS ${identifier(name)} CASCADE`

/**
 * All nodes are asked; a role without VIEWACTIVITY sees its own sessions (manual: SHOW SESSIONS). A session names no
 * database, and its columns differ from version to version.
 */
const sessions = "SHOW CLUSTER SESSIONS"

/** @since 0.1.0 @category conversions */
export const activityOf = (row: Row): Activity => ({
  id: String(row.session_id),
  applicationName: String(row.application_name ?? ""),
  user: String(row.user_name ?? ""),
  client: String(row.client_address ?? "").replace(/:\d+$/, ""),
  state: `${row.active_queries ? "active" : "idle"}${row.kv_txn ? " in transaction" : ""}`,
  waitsFor: undefined,
  stateSeconds: undefined,
  transactionSeconds: undefined
})

const activity: Admin["activity"] = (own, applicationName) =>
  Effect.map(own.run({ text: sessions, params: [], prepare: false, rows: "objects" }), ({ rows }) =>
    rows
      // The one that asks.
      .filter((row) => !String(row.active_queries ?? "").startsWith(sessions))
      .map(activityOf)
      .filter((one) => one.applicationName.startsWith(applicationName))
      .sort((a, b) => (a.applicationName + a.id < b.applicationName + b.id ? -1 : 1))
  )

/** @since 0.1.0 @category dialect */
export const admin: Admin = makeAdmin({
  connect,
  maintenance: ["defaultdb", "postgres"],
  kept: ["system"],
  drop: dropDatabase,
  activity,
  checkup
})
