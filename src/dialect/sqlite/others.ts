/**
 * What a SQLite database holds that a `LiveSchema` has no word for: virtual tables, and what stands behind the columns of the
 * others.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Dialect } from "../../Dialect.js"
import { parse, plain } from "./tableSource.js"

/** The tables a virtual one keeps its data in are its own business. */
const query = `SELECT t.name, t.type, s.sql FROM pragma_table_list t JOIN sqlite_schema s ON s.type = 'table' AND s.name = t.name
  WHERE t.schema = 'main' AND t.type IN ('table', 'virtual') AND s.sql IS NOT NULL AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY t.name`

/** @since 0.1.0 @category inspection */
export const others: NonNullable<Dialect["others"]> = (connection) =>
  Effect.map(connection.run({ text: query, params: [], prepare: false, rows: "objects" }), ({ rows }) =>
    rows.flatMap(({ name, sql, type }) => {
      if (type === "virtual") return [{ name: `virtual table ${name}`, sql: plain(sql) }]
      const { options } = parse(sql)
      return options === "" ? [] : [{ name: `table ${name}, besides`, sql: options }]
    })
  )
