/**
 * What is done to a PGlite database from outside of it: its folder is made by starting the program once, and removed with
 * everything in it. A folder that holds something else is never touched.
 *
 * @since 0.1.0
 */
import { access, readdir, rm } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import type { Admin, Dialect } from "../../Dialect.js"
import type { DatabaseConfig } from "../../model/DatabaseConfig.js"
import {
  AuthorizationError,
  type DatabaseError,
  DatabaseNotFound,
  UnsupportedError
} from "../../model/DatabaseError.js"
import { startPackage } from "./connect.js"
import { Engine, isMemory, start } from "./engine.js"
import { take } from "./lock.js"

const folderOf = (config: DatabaseConfig, operation: string): Effect.Effect<string, DatabaseError> => {
  const { database } = config.target
  return isMemory(database)
    ? Effect.fail(
        new UnsupportedError({
          operation,
          reason: "a database in memory is made and gone with its program",
          hint: "Name a folder: pglite:path"
        })
      )
    : Effect.succeed(resolve(database))
}

const isThere = (path: string): Effect.Effect<boolean> => Effect.isSuccess(Effect.tryPromise(() => access(path)))

/** What every data folder of PostgreSQL's holds. */
const isDatabase = (folder: string): Effect.Effect<boolean> => isThere(join(folder, "PG_VERSION"))

/** @since 0.1.0 @category dialect */
export const unmade: NonNullable<Dialect["unmade"]> = ({ target: { database } }) => {
  if (isMemory(database)) return Effect.succeed(false)
  const folder = resolve(database)
  // What is wrong with the place is for whoever opens it to find: a file, a parent that is missing, somebody else's folder.
  return Effect.flatMap(isThere(folder), (there) =>
    there
      ? Effect.orElseSucceed(
          Effect.tryPromise(async () => (await readdir(folder)).length === 0),
          () => false
        )
      : isThere(dirname(folder))
  )
}

const create: Admin["create"] = (config) =>
  Effect.gen(function* () {
    const folder = yield* folderOf(config, "create")
    const there = yield* isDatabase(folder)
    const begin = yield* FiberRef.get(start)
    yield* Effect.acquireUseRelease(
      Effect.sync(() => new Engine(folder, begin ?? startPackage)),
      (engine) => engine.get,
      (engine) => engine.close
    )
    return !there
  })

const removed = (folder: string): Effect.Effect<void, DatabaseError> =>
  Effect.tryPromise({
    try: () => rm(folder, { recursive: true, force: true }),
    catch: (cause) =>
      new AuthorizationError({
        operation: "drop",
        reason: `${folder} cannot be removed: ${cause instanceof Error ? cause.message : String(cause)}`,
        cause
      })
  })

const drop: Admin["drop"] = (config) =>
  Effect.gen(function* () {
    const folder = yield* folderOf(config, "drop")
    if (!(yield* isThere(folder))) return false
    if (!(yield* isDatabase(folder))) {
      return yield* new DatabaseNotFound({
        operation: "drop",
        reason: `${folder} is there and holds no PGlite database`,
        hint: "Correct the path, or remove it yourself"
      })
    }
    // Whoever has it open would go on writing into nothing: unlike a server's sessions, a program cannot be sent away.
    yield* Effect.acquireUseRelease(
      take(folder),
      () => removed(folder),
      (lock) => Effect.sync(() => lock.release())
    )
    return true
  })

/** @since 0.1.0 @category dialect */
export const admin: Admin = {
  create,
  drop,
  activity: () =>
    Effect.fail(
      new UnsupportedError({
        operation: "activity",
        reason: "a PGlite database has one session and lists none",
        hint: "aquifer health shows what this process can see"
      })
    ),
  checkup: (own) =>
    Effect.map(
      own.run({
        text: "SELECT current_setting('server_version') AS version",
        params: [],
        prepare: false,
        rows: "objects"
      }),
      ({ rows: [row] }) => [{ name: "version", verdict: "fine", finding: `PostgreSQL ${row.version}, in this process` }]
    )
}
