/**
 * An empty database beside the one that is configured, on the same server, for as long as the scope lasts. Needs the right
 * to create databases; the typed failure says so where it is missing.
 *
 * @since 0.1.0
 */
import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { DatabaseConfig } from "../../model/DatabaseConfig.js"
import { AuthorizationError, type DatabaseError } from "../../model/DatabaseError.js"
import { connect } from "./connect.js"
import { identifier } from "./ddl.js"

/** Both statements need a session of their own, and are refused in any transaction. */
const send = (config: DatabaseConfig, text: string): Effect.Effect<void, DatabaseError> =>
  Effect.scoped(Effect.flatMap(connect(config, "writer"), (own) => Effect.asVoid(own.script(text))))

/** Whoever asked for something else is told which right is missing, and what for. */
const named = (error: DatabaseError): DatabaseError =>
  error._tag === "AuthorizationError"
    ? new AuthorizationError({
        operation: "scratch",
        reason: error.reason,
        hint: "Migrations are tried on an empty database beside this one: give this role the right to make it (ALTER ROLE … CREATEDB), or use one that has it",
        sqlState: error.sqlState,
        cause: error
      })
    : error

/** The configuration of the empty database. @since 0.1.0 @category dialect */
export const scratch = (config: DatabaseConfig): Effect.Effect<DatabaseConfig, DatabaseError, Scope.Scope> =>
  Effect.suspend(() => {
    const name = `aquifer_scratch_${randomBytes(6).toString("hex")}`
    return Effect.as(
      Effect.acquireRelease(
        Effect.mapError(send(config, `CREATE DATABASE ${identifier(name)} TEMPLATE template0`), named),
        () =>
          Effect.catchAll(send(config, `DROP DATABASE IF EXISTS ${identifier(name)} WITH (FORCE)`), (error) =>
            Effect.logWarning(`the scratch database ${name} was not dropped: ${error.message}`)
          )
      ),
      { ...config, target: { ...config.target, database: name }, replicas: [] }
    )
  })
