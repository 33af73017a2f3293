/**
 * Functions that SQL may call on every connection: `REGEXP`, `gen_random_uuid()` and the application's own. They run
 * inside SQLite's call, so they are synchronous and must not use the connection that calls them.
 *
 * @since 0.1.0
 */
import { randomUUID } from "node:crypto"
import type Sqlite from "better-sqlite3"
import type { SqliteFunction } from "../../model/DatabaseConfig.js"
import { FunctionFailed } from "./classify.js"
import { encode } from "./values.js"

/** `text REGEXP pattern` calls this with the pattern first. NULL answers NULL; the last pattern is kept compiled. */
const regexp = (): SqliteFunction => {
  let source: unknown
  let compiled = /(?:)/
  return (pattern, text) => {
    if (pattern === null || text === null) return null
    if (pattern !== source) {
      compiled = new RegExp(String(pattern))
      source = pattern
    }
    return compiled.test(String(text))
  }
}

const guarded =
  (name: string, call: SqliteFunction): SqliteFunction =>
  (...args) => {
    try {
      return encode(call(...args))
    } catch (cause) {
      throw new FunctionFailed(name, cause)
    }
  }

/**
 * Registers them all for any number of arguments; own functions come last and replace what has their name, built in or
 * not (SQLite would prefer one registered for the very number of arguments).
 *
 * @since 0.1.0
 * @category constructors
 */
export const register = (db: Sqlite.Database, own: Readonly<Record<string, SqliteFunction>>): void => {
  const usual = { safeIntegers: false, varargs: true }
  db.function("regexp", { ...usual, deterministic: true }, guarded("REGEXP", regexp()))
  db.function("gen_random_uuid", usual, () => randomUUID())
  for (const [name, call] of Object.entries(own)) db.function(name, usual, guarded(name, call))
}
