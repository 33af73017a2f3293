/**
 * Opens the file and brings the connection into the state every session begins in. The only module that loads
 * `better-sqlite3`, and only when it is called: synchronously, so that a whole program may run under `Effect.runSync`.
 *
 * @since 0.1.0
 */
import { createRequire } from "node:module"
import type Sqlite from "better-sqlite3"
import { DatabaseNotFound, isDatabaseError, ReadOnlyError, UnsupportedError } from "../../model/DatabaseError.js"
import { classify } from "./classify.js"
import { brief } from "./patience.js"
import { check, type Place } from "./place.js"

const load = (): typeof Sqlite => {
  try {
    return createRequire(import.meta.url)("better-sqlite3")
  } catch (cause) {
    throw new UnsupportedError({
      operation: "connect",
      reason: "the package better-sqlite3 cannot be loaded",
      cause,
      hint: "Install it, or let it be built: npm rebuild better-sqlite3"
    })
  }
}

/** Throws a `DatabaseError`; leaves nothing open then. @since 0.1.0 @category constructors */
export const open = (
  place: Place,
  role: "writer" | "reader",
  timeout: number,
  more: (db: Sqlite.Database) => void = () => {}
): Sqlite.Database => {
  check(place, role)
  const Driver = load()
  let db: Sqlite.Database | undefined
  try {
    db = new Driver(place.path, {
      readonly: place.readonly || role === "reader",
      fileMustExist: place.mustExist || role === "reader",
      // Set when the file is opened, and so before journal_mode, which may find it locked.
      timeout
    })
    settings(db, place, role)
    more(db)
    // From here on every integer is read exactly; what becomes a number is decided behind that.
    db.defaultSafeIntegers(true)
    return db
  } catch (cause) {
    close(db)
    throw isDatabaseError(cause) ? cause : explained(cause, place)
  }
}

/** What a session begins with, also after a reset. @since 0.1.0 @category constructors */
export const settings = (db: Sqlite.Database, place: Place, role: "writer" | "reader"): void => {
  const told = new Map(place.pragmas)
  const pragma = (name: string, usual: string) => {
    db.pragma(`${name} = ${told.get(name) ?? usual}`)
    told.delete(name)
  }
  // These decide how a new file is laid out, and are ignored once it is.
  for (const name of ["page_size", "auto_vacuum"]) if (told.has(name)) pragma(name, "")
  if (!place.memory && !place.readonly && role === "writer") pragma("journal_mode", "WAL")
  // Under NORMAL a power cut may take the last commits with it (https://www.sqlite.org/pragma.html#pragma_synchronous).
  pragma("synchronous", "FULL")
  pragma("foreign_keys", "ON")
  told.delete("journal_mode")
  for (const name of told.keys()) pragma(name, "")
  db.pragma(`query_only = ${role === "reader" ? 1 : 0}`)
  db.pragma(`busy_timeout = ${brief}`)
  // The header is read here at the latest, and a file that is no database is found out.
  db.pragma("schema_version")
}

/** Never throws, may be called twice. @since 0.1.0 @category destructors */
export const close = (db: Sqlite.Database | undefined): void => {
  try {
    db?.close()
  } catch {
    // Only a connection that is running a statement this very moment refuses; the process's end closes it.
  }
}

/** SQLite's own sentence names no path. */
const explained = (cause: unknown, place: Place) => {
  const error = classify(cause, "connect")
  const details = (reason: string, hint = error.hint) => ({
    operation: "connect",
    reason,
    cause,
    sqlState: error.sqlState,
    hint
  })
  switch (error._tag) {
    case "DatabaseNotFound":
      return new DatabaseNotFound(
        details(
          error.sqlState?.startsWith("SQLITE_NOTADB")
            ? `${place.path} is not a SQLite database`
            : `${place.path}: ${error.reason}`
        )
      )
    case "ReadOnlyError":
      return new ReadOnlyError(
        details(
          `${place.path} cannot be written to`,
          "Give this user the right to write the file and its folder, or open it with ?mode=ro"
        )
      )
    default:
      return error
  }
}
