/**
 * What is done to a database file from outside of it: made by opening it, removed with what SQLite keeps beside it and with
 * the locks of its ledgers.
 *
 * @since 0.1.0
 */
import { readdirSync, rmSync, statSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import type { Admin, Check, Dialect } from "../../Dialect.js"
import type { DatabaseConfig } from "../../model/DatabaseConfig.js"
import { type DatabaseError, isDatabaseError, UnsupportedError } from "../../model/DatabaseError.js"
import { classify } from "./classify.js"
import { close, open } from "./connect.js"
import { brief } from "./patience.js"
import { isUnmade, type Place, read } from "./place.js"

const attempt = <A>(operation: string, run: () => A): Effect.Effect<A, DatabaseError> =>
  Effect.try({ try: run, catch: (cause) => (isDatabaseError(cause) ? cause : classify(cause, operation)) })

const placeOf = (config: DatabaseConfig, operation: string): Place => {
  const place = read(config.target, "writer")
  if (place.memory) {
    throw new UnsupportedError({
      operation,
      reason: "a database in memory is made and gone with its session",
      hint: "Name a file: sqlite:path"
    })
  }
  return place
}

/** @since 0.1.0 @category dialect */
export const unmade: NonNullable<Dialect["unmade"]> = ({ target }) =>
  attempt("connect", () => isUnmade(read(target, "writer")))

const isThere = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined

const create: Admin["create"] = (config) =>
  attempt("create", () => {
    const place = placeOf(config, "create")
    const there = isThere(place.path)
    const db = open(place, "writer", brief)
    try {
      // An empty file is no database yet: its header comes with the first write.
      if (!there) db.exec("VACUUM")
      return !there
    } finally {
      close(db)
    }
  })

/** What belongs to the file `name`: the write-ahead log and its index, the rollback journal, locks of ledgers. */
const belongs = (name: string) => {
  const beside = [`${name}-wal`, `${name}-shm`, `${name}-journal`]
  return (file: string): boolean =>
    file === name ||
    beside.includes(file) ||
    (file.startsWith(`${name}-`) && /\.lock(-journal|-wal|-shm|-holder)?$/.test(file))
}

const drop: Admin["drop"] = (config) =>
  attempt("drop", () => {
    const { path } = placeOf(config, "drop")
    if (!isThere(path)) return false
    // A folder, or a file that is no database, is somebody else's: opening it says so.
    close(open({ ...read(config.target, "writer"), mustExist: true }, "writer", brief))
    const folder = dirname(path)
    for (const file of readdirSync(folder).filter(belongs(basename(path)))) rmSync(join(folder, file), { force: true })
    return true
  })

const activity: Admin["activity"] = () =>
  Effect.fail(
    new UnsupportedError({
      operation: "activity",
      reason: "SQLite is a file: no server knows who has it open",
      hint: "aquifer health shows what this process can see"
    })
  )

const check = (name: string, wrong: Check["verdict"] | false, finding: string, remedy?: string): Check =>
  wrong === false ? { name, verdict: "fine", finding } : { name, verdict: wrong, finding, remedy }

const checkup: Admin["checkup"] = (own) =>
  Effect.map(
    own.run({
      text: `SELECT sqlite_version() AS version, (SELECT journal_mode FROM pragma_journal_mode) AS journal,
        (SELECT foreign_keys FROM pragma_foreign_keys) AS keys, (SELECT quick_check FROM pragma_quick_check LIMIT 1) AS intact`,
      params: [],
      prepare: false,
      rows: "objects"
    }),
    ({ rows: [row] }) => [
      check("version", false, `SQLite ${row.version}`),
      check(
        "journal",
        row.journal === "wal" || row.journal === "memory" ? false : "note",
        `journal_mode ${row.journal}`,
        "Under WAL readers go on while one writes; a network file system has no WAL"
      ),
      check(
        "foreign keys",
        Number(row.keys) === 1 ? false : "note",
        Number(row.keys) === 1 ? "enforced" : "not enforced",
        "Leave foreign_keys on"
      ),
      check(
        "integrity",
        row.intact === "ok" ? false : "wrong",
        row.intact === "ok" ? "the file is sound" : String(row.intact),
        "Restore it from a backup"
      )
    ]
  )

/** @since 0.1.0 @category dialect */
export const admin: Admin = { create, drop, activity, checkup }
