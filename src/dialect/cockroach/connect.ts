/**
 * A session begins as PostgreSQL's does. CockroachDB takes every parameter in the startup packet and only warns of those it
 * does not know (pgwire/pre_serve_options.go), so that none depends on its version. Two of its own defaults are changed,
 * because texts written for PostgreSQL count on it; `options` in the URL has the last word.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { DatabaseConfig } from "../../model/DatabaseConfig.js"
import { connectWith } from "../postgres/connect.js"
import { startup as family, transactionLimit } from "../postgres/startup.js"

/**
 * `autocommit_before_ddl` (on since v25.2) commits an open transaction, unasked, before a schema change in it: a rollback
 * then undoes nothing. `default_int_size` makes INTEGER and `::int` eight bytes wide, which the driver reads as text.
 */
const asPostgres = { autocommit_before_ddl: "off", default_int_size: "4" }

/** PostgreSQL has this limit since 17; CockroachDB says it is like another version, and has it since v23.1. */
const limited = (config: DatabaseConfig) => Object.fromEntries(transactionLimit(config, Number.POSITIVE_INFINITY))

/** @since 0.1.0 @category dialect */
export const connect = connectWith({
  startup: (config, role, driver) =>
    config.pooler === "transaction"
      ? family(config, role, driver)
      : { ...asPostgres, ...limited(config), ...family(config, role, driver) },
  listen: false,
  foreign: () => undefined,
  settle: () => Effect.void
})
