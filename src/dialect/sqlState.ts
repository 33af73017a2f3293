/**
 * SQLSTATE to error class, shared by the PostgreSQL family. Keys are full codes or two-character classes; a full code beats
 * its class by construction. The codes are those of the PostgreSQL manual, appendix A; what each allows is the class's
 * own `recovery`.
 *
 * @since 0.1.0
 */
import type { DatabaseError } from "../model/DatabaseError.js"

/** Which class a code stands for. @since 0.1.0 @category models */
export type Table = Readonly<Record<string, DatabaseError["_tag"]>>

/** What every server of the family means. @since 0.1.0 @category tables */
export const standard: Table = {
  "08": "ConnectionError",
  // transaction resolution unknown
  "08007": "CommitUnknown",
  "0A": "UnsupportedError",
  "0L": "AuthorizationError",
  "0P": "AuthorizationError",
  // more than one row where one was wanted
  "21": "DataError",
  "22": "DataError",
  "23": "CheckViolation",
  // ON DELETE RESTRICT, since PostgreSQL 18
  "23001": "ForeignKeyViolation",
  "23502": "NotNullViolation",
  "23503": "ForeignKeyViolation",
  "23505": "UniqueViolation",
  "23514": "CheckViolation",
  "23P01": "ExclusionViolation",
  "24": "SqlSyntaxError",
  // CREATE INDEX CONCURRENTLY and its like inside a transaction
  "25001": "UnsupportedError",
  "25006": "ReadOnlyError",
  "25P02": "TransactionAborted",
  // idle for too long inside a transaction: the server ended it, and the session with it
  "25P03": "TransactionClosed",
  // transaction_timeout, likewise
  "25P04": "StatementTimeoutError",
  "26": "StaleStatement",
  "28": "AuthenticationError",
  "2B": "SqlSyntaxError",
  "34": "SqlSyntaxError",
  "3B": "SqlSyntaxError",
  "3D": "DatabaseNotFound",
  "3F": "SqlSyntaxError",
  "40": "SerializationError",
  // statement completion unknown
  "40003": "CommitUnknown",
  "40P01": "DeadlockError",
  "42": "SqlSyntaxError",
  "42501": "AuthorizationError",
  "42P05": "StaleStatement",
  "44": "CheckViolation",
  "53": "ResourceError",
  "53300": "TooManyConnections",
  "54": "ResourceError",
  "55P03": "LockTimeoutError",
  // statement timeouts share this code; `classify` tells them apart by the message
  "57014": "QueryCanceled",
  "57P01": "ConnectionError",
  "57P02": "ConnectionError",
  "57P03": "ConnectionError",
  // the database was dropped under the session
  "57P04": "ConnectionError",
  "57P05": "ConnectionError",
  "58": "ResourceError"
}

/** The class of a code; `UnknownError` where no table knows it. @since 0.1.0 @category accessors */
export const tagOf = (table: Table, code: string): DatabaseError["_tag"] =>
  table[code] ?? table[code.slice(0, 2)] ?? "UnknownError"
