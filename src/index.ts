/**
 * Aquifer: an Effect-native data layer.
 *
 * @since 0.1.0
 */

export * as Copy from "./client/Copy.js"
export * as Listen from "./client/Listen.js"
export * as Pool from "./connection/Pool.js"
export * as Database from "./Database.js"
export { DatabaseLive } from "./Database.js"
export * as Dialect from "./Dialect.js"
export * as Lint from "./migration/Lint.js"
export * as Migrator from "./migration/Migrator.js"
export * as Operations from "./migration/Operations.js"
export * as Versions from "./migration/Versions.js"
export * as Change from "./model/Change.js"
export * as DatabaseConfig from "./model/DatabaseConfig.js"
export * as DatabaseError from "./model/DatabaseError.js"
export * as LiveSchema from "./model/LiveSchema.js"
export * as Migration from "./model/Migration.js"
export * as MigrationError from "./model/MigrationError.js"
export * as RetryPolicy from "./model/RetryPolicy.js"
export * as Table from "./model/Table.js"
export * as Diagnostics from "./observe/Diagnostics.js"
export * as Health from "./observe/Health.js"
export * as DatabaseSchema from "./schema/DatabaseSchema.js"
export * as Seed from "./seed/Seed.js"
export * as Retry from "./transaction/Retry.js"
export * as Transaction from "./transaction/Transaction.js"
