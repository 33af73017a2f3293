/**
 * PGlite: PostgreSQL inside the process, as an override of PostgreSQL. One session, no cancel, no time limits of the server's,
 * no replica, nobody to be lost: with the process goes the database.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Dialect } from "../../Dialect.js"
import type { Target } from "../../model/DatabaseConfig.js"
import { ddl, rebuilds } from "../postgres/ddl.js"
import { postgresCore } from "../postgres/index.js"
import { inspect } from "../postgres/inspect.js"
import { migrationLock } from "../postgres/migrationLock.js"
import { others } from "../postgres/others.js"
import { requires } from "../postgres/requires.js"
import { resumption } from "../postgres/resumption.js"
import { admin, unmade } from "./admin.js"
import { connect, startPackage } from "./connect.js"
import { Engine, start } from "./engine.js"
import { occupant } from "./lock.js"

/** The product on one program of its own, which ends with the scope. @since 0.1.0 @category dialects */
export const forTarget = (target: Target): Effect.Effect<Dialect, never, Scope.Scope> =>
  Effect.map(
    Effect.flatMap(FiberRef.get(start), (begin) =>
      Effect.acquireRelease(
        Effect.sync(() => new Engine(target.database, begin ?? startPackage)),
        (engine) => engine.close
      )
    ),
    (engine): Dialect => ({
      ...postgresCore,
      ddl,
      rebuilds,
      inspect,
      others,
      requires,
      migrationLock,
      resumption,
      admin,
      unmade,
      occupant,
      scratch: (config) => {
        const memory = { ...config.target, database: ":memory:" }
        return Effect.map(forTarget(memory), (dialect) => ({ config: { ...config, target: memory }, dialect }))
      },
      name: "pglite",
      speaks: "postgresql",
      connect: connect(engine),
      fate: Option.none(),
      sessions: "one",
      can: new Set(["transactionalDdl", "advisoryLocks", "pipelining", "listen", "returning"])
    })
  )
