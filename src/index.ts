/**
 * Aquifer: an Effect-native data layer.
 *
 * @since 0.1.0
 */

export * as Pool from "./connection/Pool.js"
export * as Database from "./Database.js"
export { DatabaseLive } from "./Database.js"
export * as Dialect from "./Dialect.js"
export * as DatabaseConfig from "./model/DatabaseConfig.js"
export * as DatabaseError from "./model/DatabaseError.js"
export * as RetryPolicy from "./model/RetryPolicy.js"
export * as Table from "./model/Table.js"
export * as Health from "./observe/Health.js"
export * as Retry from "./transaction/Retry.js"
export * as Transaction from "./transaction/Transaction.js"
