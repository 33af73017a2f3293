/**
 * Where a SQLite database is and how it is to be opened, told from the configuration before SQLite is asked: its own
 * answer to a missing folder, a folder in the file's place or missing rights is one and the same sentence.
 *
 * @since 0.1.0
 */
import { accessSync, constants, statSync } from "node:fs"
import { dirname, resolve } from "node:path"
import type { Target } from "../../model/DatabaseConfig.js"
import { type DatabaseError, DatabaseNotFound, ReadOnlyError, UnsupportedError } from "../../model/DatabaseError.js"

/** Whether the database lives in its one session: it has no readers, and is gone with that session. @since 0.1.0 @category guards */
export const isMemory = (target: Target): boolean =>
  target.database === ":memory:" || target.database === "" || target.parameters.mode === "memory"

/** @since 0.1.0 @category models */
export interface Place {
  readonly path: string
  readonly memory: boolean
  readonly readonly: boolean
  readonly mustExist: boolean
  /** PRAGMAs of the URL, checked. */
  readonly pragmas: ReadonlyArray<readonly [name: string, value: string]>
}

/** PRAGMAs a URL may set; all others belong into `onConnect`. */
const allowed = new Set([
  "synchronous",
  "journal_mode",
  "foreign_keys",
  "cache_size",
  "mmap_size",
  "temp_store",
  "wal_autocheckpoint",
  "journal_size_limit",
  "auto_vacuum",
  "page_size",
  "secure_delete",
  "recursive_triggers",
  "trusted_schema"
])

/** What other libraries' URLs say and what has no meaning here. */
const ignored = new Set(["check_same_thread", "uri"])

const modes: Readonly<Record<string, Pick<Place, "readonly" | "mustExist">>> = {
  ro: { readonly: true, mustExist: true },
  rw: { readonly: false, mustExist: true },
  rwc: { readonly: false, mustExist: false },
  memory: { readonly: false, mustExist: false }
}

const refused = (reason: string, hint: string): DatabaseError =>
  new UnsupportedError({ operation: "connect", reason, hint })

/** Throws a `DatabaseError`. @since 0.1.0 @category constructors */
export const read = (target: Target, role: "writer" | "reader"): Place => {
  const memory = isMemory(target)
  if (memory && role === "reader") {
    throw refused("an in-memory database has one session and no readers", "Use the writer")
  }
  const { mode = "rwc", cache = "private", ...others } = target.parameters
  const how = modes[mode]
  if (how === undefined) throw refused("the parameter mode is none of ro, rw, rwc, memory", "Correct DATABASE_URL")
  if (cache !== "private")
    throw refused("cache=shared is not built in", "Leave it out: readers share the file under WAL")
  const pragmas = Object.entries(others)
    .map(([name, value]) => [name.replace(/^_/, "").toLowerCase(), value] as const)
    .filter(([name]) => !ignored.has(name))
  for (const [name, value] of pragmas) {
    if (!allowed.has(name)) throw refused(`the parameter ${name} is not known`, `Known are ${[...allowed].join(", ")}`)
    if (!/^-?\w+$/.test(value))
      throw refused(`the parameter ${name} is neither a word nor a number`, "Correct DATABASE_URL")
  }
  return { path: memory ? ":memory:" : resolve(target.database), memory, ...how, pragmas }
}

const missing = (reason: string, hint: string, cause?: unknown): DatabaseError =>
  new DatabaseNotFound({ operation: "connect", reason, hint, cause })

const may = (path: string, right: number): boolean => {
  try {
    accessSync(path, right)
    return true
  } catch {
    return false
  }
}

/** The file as it is now, or nothing. */
const stat = (path: string) => statSync(path, { bigint: true, throwIfNoEntry: false })

/** Throws what SQLite would only call "unable to open database file". @since 0.1.0 @category guards */
export const check = (place: Place, role: "writer" | "reader"): void => {
  if (place.memory) return
  const folder = dirname(place.path)
  const inside = look(folder)
  if (inside === undefined) throw missing(`the folder ${folder} does not exist`, "Create it, or correct DATABASE_URL")
  if (!inside.isDirectory()) throw missing(`${folder} is no folder`, "Correct DATABASE_URL")
  const file = look(place.path)
  if (file?.isDirectory()) throw missing(`${place.path} is a folder`, "Name a file in it")
  if (file === undefined) {
    if (place.mustExist || role === "reader") {
      throw missing(`the file ${place.path} does not exist`, "Correct DATABASE_URL, or let a writer create it first")
    }
    if (!may(folder, constants.W_OK)) {
      throw missing(`the folder ${folder} may not be written to`, "Give this user the right to, or name another folder")
    }
    return
  }
  if (!may(place.path, constants.R_OK)) {
    throw missing(`the file ${place.path} may not be read`, "Give this user the right to read it")
  }
  if (role === "writer" && !place.readonly && !may(place.path, constants.W_OK)) {
    throw new ReadOnlyError({
      operation: "connect",
      reason: `the file ${place.path} may not be written to`,
      hint: "Give this user the right to, or open it with ?mode=ro"
    })
  }
}

/** Whether opening it to write makes the file; what keeps it from being made is for that to say. @since 0.1.0 @category guards */
export const isUnmade = (place: Place): boolean =>
  !place.memory &&
  !place.mustExist &&
  look(place.path) === undefined &&
  look(dirname(place.path))?.isDirectory() === true

const look = (path: string) => {
  try {
    return stat(path)
  } catch (cause) {
    throw missing(`${path} cannot be reached`, "Look at the rights on the folders above it", cause)
  }
}

/** Tells one file from another that took its name. @since 0.1.0 @category accessors */
export const identity = (path: string): string | undefined => {
  try {
    const file = stat(path)
    return file === undefined ? undefined : `${file.dev}:${file.ino}`
  } catch {
    return undefined
  }
}
