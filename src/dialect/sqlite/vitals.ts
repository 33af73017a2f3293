/**
 * What SQLite says of itself for a health report.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { DriverConnection, Vitals } from "../../Dialect.js"
import type { DatabaseError } from "../../model/DatabaseError.js"

const question = `SELECT sqlite_version() AS version,
  (SELECT journal_mode FROM pragma_journal_mode) AS journalMode,
  (SELECT foreign_keys FROM pragma_foreign_keys) AS foreignKeys,
  (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size) AS bytes,
  (SELECT freelist_count FROM pragma_freelist_count) * (SELECT page_size FROM pragma_page_size) AS freeBytes`

/** @since 0.1.0 @category accessors */
export const vitals = (connection: DriverConnection): Effect.Effect<Vitals, DatabaseError> =>
  Effect.map(connection.run({ text: question, params: [], prepare: true, rows: "objects" }), ({ rows }) => ({
    ...rows[0],
    foreignKeys: rows[0].foreignKeys === 1
  }))
