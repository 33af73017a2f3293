/**
 * An empty database beside the one that is configured, for as long as the scope lasts. There are no templates: a new
 * database is empty. Needs the right to create databases; the typed failure says so where it is missing.
 *
 * @since 0.1.0
 */
import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { DatabaseConfig } from "../../model/DatabaseConfig.js"
import type { DatabaseError } from "../../model/DatabaseError.js"
import { identifier } from "../postgres/ddl.js"
import { dropDatabase } from "./admin.js"
import { connect } from "./connect.js"

const send = (config: DatabaseConfig, text: string): Effect.Effect<void, DatabaseError> =>
  Effect.scoped(Effect.flatMap(connect(config, "writer"), (own) => Effect.asVoid(own.script(text))))

/** The configuration of the empty database. @since 0.1.0 @category dialect */
export const scratch = (config: DatabaseConfig): Effect.Effect<DatabaseConfig, DatabaseError, Scope.Scope> =>
  Effect.suspend(() => {
    const name = `aquifer_scratch_${randomBytes(6).toString("hex")}`
    return Effect.as(
      Effect.acquireRelease(send(config, `CREATE DATABASE ${identifier(name)}`), () =>
        Effect.catchAll(send(config, dropDatabase(name)), (error) =>
          Effect.logWarning(`the scratch database ${name} was not dropped: ${error.message}`)
        )
      ),
      { ...config, target: { ...config.target, database: name }, replicas: [] }
    )
  })
