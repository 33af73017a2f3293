/**
 * What a session is told when it starts: who it is for, its time limits, whether it may write.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type { DatabaseConfig } from "../../model/DatabaseConfig.js"
import type { Setting } from "./request.js"

/** Whole milliseconds; without an end, zero: no limit to the server either. @since 0.1.0 @category conversions */
export const millis = (duration: Duration.Duration): number =>
  Duration.isFinite(duration) ? Math.ceil(Duration.toMillis(duration)) : 0

/** The time limits as settings. @since 0.1.0 @category conversions */
export const limits = (config: DatabaseConfig): ReadonlyArray<Setting> =>
  (
    [
      ["statement_timeout", config.statementTimeout],
      ["lock_timeout", config.lockTimeout],
      ["idle_in_transaction_session_timeout", config.idleInTransactionTimeout]
    ] as const
  ).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(millis(value))] as const]))

/** Since PostgreSQL 17; an older server would refuse the connection for it. @since 0.1.0 @category conversions */
export const transactionLimit = (config: DatabaseConfig, major: number): ReadonlyArray<Setting> =>
  config.transactionTimeout === undefined || major < 17
    ? []
    : [["transaction_timeout", String(millis(config.transactionTimeout))]]

/** The startup packet. A transaction-mode pooler refuses settings in it. @since 0.1.0 @category conversions */
export const startup = (
  config: DatabaseConfig,
  role: "writer" | "reader",
  driver: { readonly user: string; readonly database: string }
): Record<string, string> => ({
  user: driver.user,
  database: driver.database,
  application_name: config.applicationName,
  ...(config.pooler === "transaction"
    ? {}
    : {
        ...Object.fromEntries(limits(config)),
        ...(role === "reader" ? { default_transaction_read_only: "on" } : {}),
        ...(config.target.parameters.options === undefined ? {} : { options: config.target.parameters.options })
      })
})
