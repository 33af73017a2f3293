/**
 * `aquifer connections`: which sessions the server sees under our application name, what they do and for how long. The
 * statements themselves are not shown: they may hold what nobody should read here.
 *
 * @since 0.1.0
 */

import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Connections from "../connection/Connections.js"
import type { Activity } from "../Dialect.js"
import { Dialect } from "../Dialect.js"
import * as Dialects from "../dialect/index.js"
import { describeTarget } from "../model/DatabaseConfig.js"
import { UnsupportedError } from "../model/DatabaseError.js"
import { type Run, show } from "./Command.js"
import { millis, plural, table } from "./layout.js"
import { onDatabase } from "./onDatabase.js"
import * as Target from "./Target.js"

const since = (seconds: number | undefined): string =>
  seconds === undefined ? "" : millis(Math.max(0, seconds) * 1_000)

const seen = (applicationName: string) =>
  Effect.gen(function* () {
    const { admin, unmade } = yield* Dialect
    // What a session would make is a file or a folder: nobody lists who has it open, and asking must not make it.
    if (admin === undefined || unmade !== undefined) {
      return yield* new UnsupportedError({
        operation: "activity",
        reason: "no server knows who has this database open",
        hint: "aquifer health shows what this process can see"
      })
    }
    const connections = yield* Connections.of(yield* SqlClient.SqlClient)
    return yield* Effect.scoped(Effect.flatMap(connections.own, (own) => admin.activity(own, applicationName)))
  })

const cells = (one: Activity): ReadonlyArray<string> => [
  one.id,
  one.applicationName,
  one.user,
  one.client,
  one.state,
  since(one.stateSeconds),
  since(one.transactionSeconds),
  one.waitsFor ?? ""
]

/** @since 0.1.0 @category commands */
export const connections: Run = (options) =>
  Effect.gen(function* () {
    const config = yield* Effect.flatMap(Target.resolve(options), Dialects.identified)
    const applicationName = options.all ? "" : config.applicationName
    const found = yield* onDatabase({ ...config, connect: "lazy" }, seen(applicationName))
    // The session that asks is not among them, but others of this command are its pool's.
    yield* show(
      options,
      { database: describeTarget(config), applicationName, sessions: found },
      ({ sessions }, style) => [
        ...(sessions.length === 0
          ? []
          : table(
              style,
              ["id", "application", "user", "client", "state", "for", "in transaction", "waits for"],
              sessions.map(cells)
            )),
        `  ${plural(sessions.length, "session", "sessions")}${options.all ? "" : ` under ${JSON.stringify(applicationName)}`}`
      ]
    )
    return 0 as const
  })
