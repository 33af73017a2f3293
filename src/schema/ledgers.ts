/**
 * Tables that are nobody's to declare: what this library makes for itself, and the ledgers of other tools, under names that
 * are theirs alone. They are neither drawn nor written down, and no difference.
 *
 * @since 0.1.0
 */

const own = /^(?:aquifer_.*|.*_aquifer_migrations(?:_lock)?|schema_version(?:_lock)?)$/

const others = new Set([
  "alembic_version",
  "effect_sql_migrations",
  "_prisma_migrations",
  "__drizzle_migrations",
  "knex_migrations",
  "knex_migrations_lock",
  "kysely_migration",
  "kysely_migration_lock",
  "SequelizeMeta",
  "pgmigrations",
  "flyway_schema_history",
  "databasechangelog",
  "databasechangeloglock",
  "schema_migrations",
  "ar_internal_metadata",
  "django_migrations",
  "goose_db_version",
  "_sqlx_migrations",
  "__EFMigrationsHistory"
])

/** @since 0.1.0 @category guards */
export const isLedger = (name: string): boolean => own.test(name) || others.has(name)
