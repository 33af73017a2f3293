/**
 * What SQLite and its driver answer, as tagged errors. Result codes are rows of a table: the extended code is looked up
 * before its class, so a full code beats its class by construction. `SQLITE_ERROR` says nothing by itself; there the
 * sentence decides. What a constraint's name, table and column are stands in the sentence only, and is read from it.
 *
 * @since 0.1.0
 */
import type { DatabaseError, Details, Plain } from "../../model/DatabaseError.js"
import * as Errors from "../../model/DatabaseError.js"

type PlainClass = new (details: Details) => Plain

interface Row {
  readonly error: PlainClass
  readonly hint?: string
}

const row = (error: PlainClass, hint?: string): Row => (hint === undefined ? { error } : { error, hint })

/** By extended result code, then by class (https://www.sqlite.org/rescode.html). @since 0.1.0 @category tables */
export const codes: Readonly<Record<string, Row>> = {
  SQLITE_ERROR: row(Errors.SqlSyntaxError),
  SQLITE_INTERNAL: row(Errors.UnknownError),
  SQLITE_PERM: row(Errors.AuthorizationError),
  SQLITE_ABORT: row(Errors.QueryCanceled),
  SQLITE_ABORT_ROLLBACK: row(Errors.TransactionAborted),
  SQLITE_BUSY: row(Errors.LockTimeoutError),
  SQLITE_BUSY_SNAPSHOT: row(Errors.SerializationError),
  SQLITE_LOCKED: row(Errors.LockTimeoutError, "A stream of this session still reads: close it first"),
  SQLITE_NOMEM: row(Errors.ResourceError),
  SQLITE_READONLY: row(Errors.ReadOnlyError),
  SQLITE_INTERRUPT: row(Errors.QueryCanceled),
  SQLITE_IOERR: row(Errors.ResourceError),
  SQLITE_CORRUPT: row(Errors.ResourceError, "Look at PRAGMA integrity_check and restore from a backup"),
  SQLITE_FULL: row(Errors.ResourceError, "Free space on the disk, or raise PRAGMA max_page_count"),
  SQLITE_CANTOPEN: row(Errors.DatabaseNotFound, "Look at the path and at the rights on the file and its folder"),
  // A race for the WAL lock, lost many times in a row: like BUSY, another attempt may win.
  SQLITE_PROTOCOL: row(Errors.LockTimeoutError),
  SQLITE_SCHEMA: row(Errors.StaleStatement),
  SQLITE_TOOBIG: row(Errors.DataError),
  SQLITE_MISMATCH: row(Errors.DataError),
  SQLITE_MISUSE: row(Errors.UnknownError),
  SQLITE_NOLFS: row(Errors.ResourceError),
  SQLITE_AUTH: row(Errors.AuthorizationError),
  SQLITE_RANGE: row(Errors.DataError),
  SQLITE_NOTADB: row(Errors.DatabaseNotFound, "The file is something else, or encrypted: name another path"),
  SQLITE_CONSTRAINT: row(Errors.CheckViolation),
  SQLITE_CONSTRAINT_UNIQUE: row(Errors.UniqueViolation),
  SQLITE_CONSTRAINT_PRIMARYKEY: row(Errors.UniqueViolation),
  SQLITE_CONSTRAINT_ROWID: row(Errors.UniqueViolation),
  SQLITE_CONSTRAINT_FOREIGNKEY: row(Errors.ForeignKeyViolation),
  SQLITE_CONSTRAINT_NOTNULL: row(Errors.NotNullViolation),
  SQLITE_CONSTRAINT_CHECK: row(Errors.CheckViolation),
  SQLITE_CONSTRAINT_TRIGGER: row(Errors.CheckViolation),
  SQLITE_CONSTRAINT_DATATYPE: row(Errors.DataError)
}

/** Where `SQLITE_ERROR` is not about the statement's text. The first that fits is the one. */
const sentences: ReadonlyArray<readonly [RegExp, Row]> = [
  [
    /integer overflow|malformed JSON|JSON path|JSON cannot hold|too big|too complex|ESCAPE expression/i,
    row(Errors.DataError)
  ],
  [/no transaction is active/, row(Errors.TransactionClosed)],
  [/out of memory|too many attached databases/, row(Errors.ResourceError)],
  [/unable to open database/, row(Errors.DatabaseNotFound)]
]

/** What the driver itself throws, without a result code: `TypeError` and `RangeError`. */
const driver: ReadonlyArray<readonly [RegExp, Row]> = [
  [/contains (no statements|more than one statement)/, row(Errors.SqlSyntaxError)],
  [
    /is busy executing a query/,
    row(Errors.UnsupportedError, "A SQL function must not use the connection that calls it")
  ],
  [/can only bind|parameter|too big|named|User-defined function/i, row(Errors.DataError)]
]

/** Names in the server's sentence, by the sentence's shape. */
const where: ReadonlyArray<readonly [RegExp, (found: RegExpExecArray) => Partial<Details>]> = [
  [/^UNIQUE constraint failed: index '(.+)'$/, ([, constraint]) => ({ constraint })],
  [/^(?:UNIQUE|NOT NULL) constraint failed: (.+)$/, ([, list = ""]) => columns(list)],
  [/^CHECK constraint failed: (.+)$/s, ([, constraint]) => ({ constraint })],
  [/^cannot store \w+ value in .+ column (.+)$/, ([, list = ""]) => columns(list)],
  [/^no such table: (.+)$/, ([, table]) => ({ table })],
  [/^no such column: (?:(.+)\.)?(.+)$/, ([, table, column]) => ({ table, column })],
  [/^table (.+) has no column named (.+)$/, ([, table, column]) => ({ table, column })],
  [/^table (\S+) already exists$/, ([, table]) => ({ table })]
]

/** `t.a, t.b`: one table, its columns. */
const columns = (list: string): Partial<Details> => {
  const names = list.split(", ").map((name) => /^([^.]*)\.(.*)$/s.exec(name))
  return { table: names[0]?.[1], column: names.map((name) => name?.[2] ?? "").join(", ") }
}

const named = (code: string): Row | undefined => codes[code] ?? codes[code.split("_", 2).join("_")]

const first = <A>(table: ReadonlyArray<readonly [RegExp, A]>, sentence: string): A | undefined =>
  table.find(([shape]) => shape.test(sentence))?.[1]

/** A function called by SQL failed; its own error is the cause. @since 0.1.0 @category models */
export class FunctionFailed extends Error {
  constructor(
    readonly functionName: string,
    override readonly cause: unknown
  ) {
    super(`the SQL function ${functionName} failed: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
}

/** Which codes mean that a session must not be used again: the file is no longer the one that was opened. */
const moved = "SQLITE_READONLY_DBMOVED"

/**
 * A driver's failure as a tagged error; one that is tagged already stays what it is.
 *
 * @since 0.1.0
 * @category conversions
 */
export const classify = (cause: unknown, operation: string, more: Partial<Details> = {}): DatabaseError => {
  if (Errors.isDatabaseError(cause)) return cause
  const sentence = cause instanceof Error ? cause.message : String(cause)
  const code = codeOf(cause)
  const details = (found: Row | undefined): Details => ({
    operation,
    reason: sentence,
    cause,
    ...(code === undefined ? {} : { sqlState: code }),
    ...(found?.hint === undefined ? {} : { hint: found.hint }),
    ...names(sentence),
    ...more
  })
  if (/connection is not open/.test(sentence) && code === undefined) {
    return new Errors.ConnectionError({ ...details(undefined), phase: "statement", sent: false })
  }
  // Refused before anything was done, COMMIT included.
  if (code === moved) return new Errors.ConnectionError({ ...details(undefined), phase: "statement", sent: false })
  const found = rowOf(cause, code, sentence)
  return new (found?.error ?? Errors.UnknownError)(details(found))
}

const rowOf = (cause: unknown, code: string | undefined, sentence: string): Row | undefined => {
  if (cause instanceof FunctionFailed) return row(Errors.DataError)
  if (code === "SQLITE_ERROR") return first(sentences, sentence) ?? named(code)
  if (code !== undefined) return named(code)
  return cause instanceof TypeError || cause instanceof RangeError ? first(driver, sentence) : undefined
}

const codeOf = (cause: unknown): string | undefined =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" && cause.code.startsWith("SQLITE_")
    ? cause.code
    : undefined

const names = (sentence: string): Partial<Details> => {
  for (const [shape, read] of where) {
    const found = shape.exec(sentence)
    if (found !== null) return Object.fromEntries(Object.entries(read(found)).filter(([, name]) => name !== undefined))
  }
  return {}
}

/** Another connection holds the lock that was wanted; nothing was done. @since 0.1.0 @category guards */
export const isBusy = (error: DatabaseError): boolean =>
  error._tag === "LockTimeoutError" && /^SQLITE_(BUSY|PROTOCOL)/.test(error.sqlState ?? "")
