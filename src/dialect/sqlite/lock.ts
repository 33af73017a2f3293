/**
 * The migration lock: the write lock (`BEGIN IMMEDIATE`) of a small file beside the database, which the system gives
 * back the moment its holder's process ends. Not the database's own write lock: that one ends with each revision's
 * COMMIT, and held throughout it would make all revisions one transaction in which `foreign_keys` cannot be changed.
 * Who holds it stands in another file beside it, for those who wait: a courtesy, on which nothing depends.
 *
 * @since 0.1.0
 */
import * as fs from "node:fs"
import * as os from "node:os"
import type Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { DriverConnection } from "../../Dialect.js"
import type { DatabaseConfig } from "../../model/DatabaseConfig.js"
import { ConnectionError, type DatabaseError, LockTimeoutError } from "../../model/DatabaseError.js"
import { classify } from "./classify.js"
import { close, open } from "./connect.js"
import { brief } from "./patience.js"
import { identity, type Place } from "./place.js"

/** Where the lock of a ledger is; an in-memory database has one session, and whoever holds that holds everything. */
const fileOf = (own: DriverConnection, name: string): Effect.Effect<string | undefined, DatabaseError> =>
  Effect.map(
    own.run({
      text: "SELECT file FROM pragma_database_list WHERE name = 'main'",
      params: [],
      prepare: false,
      rows: "objects"
    }),
    ({ rows }) => (rows[0]?.file ? `${rows[0].file}-${name.replaceAll(/[^\w.-]/g, "_")}.lock` : undefined)
  )

/** @since 0.1.0 @category constructors */
export const migrationLock = (
  own: DriverConnection,
  name: string,
  config?: DatabaseConfig
): Effect.Effect<{ readonly fence: Effect.Effect<void, DatabaseError> }, DatabaseError, Scope.Scope> =>
  Effect.flatMap(fileOf(own, name), (path) =>
    path === undefined
      ? Effect.succeed({ fence: Effect.void })
      : Effect.map(
          held(path, `${config?.applicationName ?? "a program"} (process ${process.pid} on ${os.hostname()})`),
          fence
        )
  )

interface Held {
  readonly path: string
  readonly db: Sqlite.Database
  readonly born: string | undefined
}

const held = (path: string, who: string): Effect.Effect<Held, DatabaseError, Scope.Scope> =>
  Effect.acquireRelease(Effect.try({ try: () => take(path, who), catch: (cause) => refused(path, cause) }), (lock) =>
    Effect.sync(() => {
      attempt(() => fs.rmSync(nameFile(path), { force: true }))
      close(lock.db)
    })
  )

const nameFile = (path: string): string => `${path}-holder`

const attempt = <A>(use: () => A): A | undefined => {
  try {
    return use()
  } catch {
    return undefined
  }
}

const refused = (path: string, cause: unknown): DatabaseError => {
  const error = classify(cause, "lock")
  const detail = attempt(() => fs.readFileSync(nameFile(path), "utf8"))
  return error._tag === "LockTimeoutError" && detail
    ? new LockTimeoutError({ operation: "lock", reason: "another runner holds the migration lock", detail, cause })
    : error
}

/** The file stays when the lock is given back: were it removed, two could hold two files of one name. */
const take = (path: string, who: string): Held => {
  const place: Place = { path, memory: false, readonly: false, mustExist: false, pragmas: [["journal_mode", "DELETE"]] }
  const db = open(place, "writer", brief)
  try {
    db.exec("BEGIN IMMEDIATE")
    attempt(() => fs.writeFileSync(nameFile(path), who))
    return { path, db, born: identity(path) }
  } catch (cause) {
    close(db)
    throw cause
  }
}

const fence = (lock: Held): { readonly fence: Effect.Effect<void, DatabaseError> } => ({
  fence: Effect.suspend(() =>
    lock.db.open && lock.db.inTransaction && identity(lock.path) === lock.born
      ? Effect.void
      : Effect.fail(
          new ConnectionError({
            operation: "lock",
            phase: "idle",
            sent: false,
            reason: `the migration lock ${lock.path} was lost`
          })
        )
  )
})
