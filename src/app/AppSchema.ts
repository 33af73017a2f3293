/**
 * The five tables an application of this kind begins with: API keys, logs, users, refresh tokens and usage, each under the
 * configured prefix. `migrations/` makes them; a test holds both to be the same. Only hashes of secrets have a place here.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { DatabaseConfig } from "../model/DatabaseConfig.js"
import * as Table from "../model/Table.js"

const prefixed = (prefix: string, name: string): string => (prefix === "" ? name : `${prefix}_${name}`)

/** Keys that callers identify themselves with; `key_prefix` is what a person recognises one by. @since 0.1.0 @category tables */
export const apiKeys = (prefix = "app") =>
  Table.make(
    prefixed(prefix, "api_keys"),
    {
      id: Table.bigint.pipe(Table.primaryKey, Table.identityByDefault),
      name: Table.varchar(255),
      key_hash: Table.varchar(255).pipe(Table.unique),
      key_prefix: Table.varchar(16),
      scopes: Table.json(Schema.Array(Schema.String)).pipe(Table.withDefault([])),
      is_active: Table.boolean.pipe(Table.withDefault(true)),
      created_at: Table.timestamp.pipe(Table.withDefault("now")),
      last_used_at: Table.timestamp.pipe(Table.nullable),
      expires_at: Table.timestamp.pipe(Table.nullable),
      revoked_at: Table.timestamp.pipe(Table.nullable)
    },
    (c) => [Table.index([c.key_prefix]), Table.index([c.expires_at])]
  )

/** What the application says while it runs. @since 0.1.0 @category tables */
export const logs = (prefix = "app") =>
  Table.make(
    prefixed(prefix, "logs"),
    {
      id: Table.bigint.pipe(Table.primaryKey, Table.identityByDefault),
      level: Table.varchar(16).pipe(Table.check("level IN ('trace', 'debug', 'info', 'warn', 'error', 'fatal')")),
      logger: Table.varchar(255).pipe(Table.nullable),
      message: Table.text,
      context: Table.json(Schema.Record({ key: Schema.String, value: Schema.Unknown })).pipe(Table.withDefault({})),
      created_at: Table.timestamp.pipe(Table.withDefault("now"))
    },
    (c) => [Table.index([c.created_at]), Table.index([c.level, c.created_at])]
  )

/** People who log in; without a password hash they come by way of another provider. @since 0.1.0 @category tables */
export const users = (prefix = "app") =>
  Table.make(prefixed(prefix, "users"), {
    id: Table.uuid.pipe(Table.primaryKey, Table.withDefault("uuid")),
    username: Table.varchar(255).pipe(Table.unique),
    email: Table.varchar(320).pipe(Table.unique),
    password_hash: Table.varchar(255).pipe(Table.nullable),
    full_name: Table.varchar(255).pipe(Table.nullable),
    roles: Table.json(Schema.Array(Schema.String)).pipe(Table.withDefault([])),
    is_active: Table.boolean.pipe(Table.withDefault(true)),
    created_at: Table.timestamp.pipe(Table.withDefault("now")),
    updated_at: Table.timestamp.pipe(Table.withDefault("now")),
    last_login_at: Table.timestamp.pipe(Table.nullable)
  })

/** What a session is renewed with; `replaced_by` tells a token that is used twice, and so was stolen. @since 0.1.0 @category tables */
export const refreshTokens = (prefix = "app") => {
  const name = prefixed(prefix, "refresh_tokens")
  return Table.make(
    name,
    {
      id: Table.uuid.pipe(Table.primaryKey, Table.withDefault("uuid")),
      user_id: Table.uuid.pipe(Table.references(`${prefixed(prefix, "users")}.id`, { onDelete: "cascade" })),
      token_hash: Table.varchar(255).pipe(Table.unique),
      replaced_by: Table.uuid.pipe(Table.nullable, Table.references(`${name}.id`, { onDelete: "set null" })),
      created_at: Table.timestamp.pipe(Table.withDefault("now")),
      expires_at: Table.timestamp,
      revoked_at: Table.timestamp.pipe(Table.nullable)
    },
    (c) => [Table.index([c.user_id]), Table.index([c.expires_at])]
  )
}

/** One row per answered request; it outlives its key and its user. @since 0.1.0 @category tables */
export const usage = (prefix = "app") =>
  Table.make(
    prefixed(prefix, "usage"),
    {
      id: Table.bigint.pipe(Table.primaryKey, Table.identityByDefault),
      api_key_id: Table.bigint.pipe(
        Table.nullable,
        Table.references(`${prefixed(prefix, "api_keys")}.id`, { onDelete: "set null" })
      ),
      user_id: Table.uuid.pipe(
        Table.nullable,
        Table.references(`${prefixed(prefix, "users")}.id`, { onDelete: "set null" })
      ),
      endpoint: Table.varchar(255),
      method: Table.varchar(16),
      status: Table.int.pipe(Table.check("status BETWEEN 100 AND 599")),
      tokens_in: Table.int.pipe(Table.withDefault(0)),
      tokens_out: Table.int.pipe(Table.withDefault(0)),
      duration_ms: Table.int,
      created_at: Table.timestamp.pipe(Table.withDefault("now"))
    },
    (c) => [
      Table.index([c.created_at]),
      Table.index([c.api_key_id, c.created_at]),
      Table.index([c.user_id, c.created_at]),
      Table.index([c.endpoint, c.created_at])
    ]
  )

/** All five, parents before children. @since 0.1.0 @category constructors */
export const make = (prefix = "app") => ({
  apiKeys: apiKeys(prefix),
  logs: logs(prefix),
  users: users(prefix),
  refreshTokens: refreshTokens(prefix),
  usage: usage(prefix)
})

/** The tables of one prefix. @since 0.1.0 @category models */
export type AppSchema = ReturnType<typeof make>

/** All five under the configured prefix. @since 0.1.0 @category accessors */
export const fromConfig: Effect.Effect<AppSchema, never, DatabaseConfig> = Effect.map(DatabaseConfig, (config) =>
  make(config.tablePrefix)
)

/** @since 0.1.0 @category models */
export type ApiKey = Table.Row<AppSchema["apiKeys"]>
/** @since 0.1.0 @category models */
export type Log = Table.Row<AppSchema["logs"]>
/** @since 0.1.0 @category models */
export type User = Table.Row<AppSchema["users"]>
/** @since 0.1.0 @category models */
export type RefreshToken = Table.Row<AppSchema["refreshTokens"]>
/** @since 0.1.0 @category models */
export type Usage = Table.Row<AppSchema["usage"]>
/** What an INSERT of a user takes; the other tables' likewise, by `Table.Insert`. @since 0.1.0 @category models */
export type NewUser = Table.Insert<AppSchema["users"]>
