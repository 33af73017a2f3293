import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { DatabaseError, LiveSchema, Migrator } from "effect-aquifer"
import { everywhere, on, prepare, schema, tables } from "./migration/support.js"

const five = ["app_api_keys", "app_logs", "app_refresh_tokens", "app_usage", "app_users"]

for (const product of everywhere) {
  describe(`the application's tables on ${product.name}`, () => {
    prepare(product)
    it.live("are made, with keys and indexes under the same names everywhere", () =>
      on(product, () =>
        Effect.gen(function* () {
          const report = yield* Migrator.up({ directory: "migrations" })
          expect(report.applied.map((done) => done.name)).toEqual([
            "api_keys",
            "logs",
            "users",
            "refresh_tokens",
            "usage"
          ])
          const found = yield* schema
          expect(found.tables.map((table) => table.name)).toEqual(five)
          expect(found.tables.map((table) => table.primaryKey)).toEqual(
            five.map((name) => ({ name: `${name}_pkey`, columns: ["id"] }))
          )
          expect(found.tables.flatMap((table) => table.indexes.map((index) => index.name)).sort()).toEqual([
            "app_api_keys_expires_at_idx",
            "app_api_keys_key_prefix_idx",
            "app_logs_created_at_idx",
            "app_logs_level_created_at_idx",
            "app_refresh_tokens_expires_at_idx",
            "app_refresh_tokens_user_id_idx",
            "app_usage_api_key_id_created_at_idx",
            "app_usage_created_at_idx",
            "app_usage_endpoint_created_at_idx",
            "app_usage_user_id_created_at_idx"
          ])
          expect(found.tables.flatMap((table) => table.uniques.map((key) => key.name)).sort()).toEqual([
            "app_api_keys_key_hash_key",
            "app_refresh_tokens_token_hash_key",
            "app_users_email_key",
            "app_users_username_key"
          ])
          expect(
            found.tables
              .flatMap((table) => table.foreignKeys.map((key) => `${key.name} ${key.table} ${key.onDelete}`))
              .sort()
          ).toEqual([
            "app_refresh_tokens_replaced_by_fkey app_refresh_tokens set null",
            "app_refresh_tokens_user_id_fkey app_users cascade",
            "app_usage_api_key_id_fkey app_api_keys set null",
            "app_usage_user_id_fkey app_users set null"
          ])
        })
      )
    )

    it.live("go, each down restoring exactly what its up found", () =>
      on(product, () =>
        Effect.gen(function* () {
          const stages = [yield* schema]
          for (let i = 0; i < five.length; i++) {
            yield* Migrator.up({ directory: "migrations", steps: 1 })
            stages.push(yield* schema)
          }
          for (const before of stages.slice(0, -1).reverse()) {
            yield* Migrator.down({ directory: "migrations" })
            expect(LiveSchema.differences(before, yield* schema)).toEqual([])
          }
          expect(yield* tables).toEqual([])
          yield* Migrator.up({ directory: "migrations" })
          expect(LiveSchema.differences(stages.at(-1) ?? LiveSchema.empty, yield* schema)).toEqual([])
        })
      )
    )

    it.live("fill in what is left out, and keep what they promise", () =>
      on(product, () =>
        Effect.gen(function* () {
          yield* Migrator.up({ directory: "migrations" })
          const sql = yield* SqlClient.SqlClient
          const insert = (table: string, values: Record<string, unknown>) =>
            Effect.map(
              sql`INSERT INTO ${sql(table)} ${sql.insert(values)} RETURNING *`,
              ([row]) => row as Record<string, unknown>
            )
          const user = yield* insert("app_users", { username: "ada", email: "ada@example.org" })
          expect(user.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
          expect(user).toMatchObject({ roles: [], is_active: true, password_hash: null })
          expect(user.created_at).toBeInstanceOf(Date)
          const key = yield* insert("app_api_keys", { name: "ci", key_hash: "h", key_prefix: "aq_1" })
          expect(Number(key.id)).toBe(1)
          const day = new Date("2030-01-02T03:04:05.678Z")
          const token = yield* insert("app_refresh_tokens", { user_id: user.id, token_hash: "t", expires_at: day })
          expect(token.expires_at).toEqual(day)
          yield* insert("app_usage", {
            api_key_id: 1,
            user_id: user.id,
            endpoint: "/",
            method: "GET",
            status: 200,
            duration_ms: 3
          })
          const log = yield* insert("app_logs", { level: "info", message: "hello" })
          expect(log).toMatchObject({ context: {}, logger: null })
          const refused = (effect: Effect.Effect<unknown, unknown>) =>
            Effect.map(Effect.flip(effect), (error) => DatabaseError.from(error)._tag)
          expect(yield* refused(insert("app_users", { username: "ada", email: "other" }))).toBe("UniqueViolation")
          expect(yield* refused(insert("app_logs", { level: "loud", message: "" }))).toBe("CheckViolation")
          expect(
            yield* refused(insert("app_refresh_tokens", { user_id: token.id, token_hash: "u", expires_at: day }))
          ).toBe("ForeignKeyViolation")
          yield* sql`DELETE FROM app_users`
          yield* sql`DELETE FROM app_api_keys`
          expect(yield* sql`SELECT * FROM app_refresh_tokens`).toEqual([])
          expect(yield* sql`SELECT api_key_id, user_id FROM app_usage`).toEqual([{ api_key_id: null, user_id: null }])
        })
      )
    )

    it.live("stand under the configured prefix", () =>
      on(
        product,
        () =>
          Effect.gen(function* () {
            yield* Migrator.up({ directory: "migrations" })
            expect(yield* tables).toEqual(five.map((name) => name.replace("app_", "blue_")))
            yield* Migrator.to("base", { directory: "migrations" })
            expect(yield* tables).toEqual([])
          }),
        { tablePrefix: "blue" }
      )
    )
  })
}
