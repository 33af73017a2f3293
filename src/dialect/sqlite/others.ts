/**
 * What a SQLite database holds that a `LiveSchema` has no word for: virtual tables, and what stands behind the columns of the
 * others.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Dialect } from "../../Dialect.js"
import { type Clause, identifier, parse, plain, type TableSource } from "./tableSource.js"

/** The tables a virtual one keeps its data in are its own business. */
const query = `SELECT t.name, t.type, s.sql FROM pragma_table_list t JOIN sqlite_schema s ON s.type = 'table' AND s.name = t.name
  WHERE t.schema = 'main' AND t.type IN ('table', 'virtual') AND s.sql IS NOT NULL AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY t.name`

/** A key in falling order is another than SQLite's own, and a rule may let a row that breaks it take the place of others. */
const isSeldom = ({ kind, words }: Clause): boolean =>
  words.some((word, i) => word === "CONFLICT" && words[i - 1] === "ON") ||
  (kind === "primary key" && words.includes("DESC"))

const seldom = ({ columns, constraints, options }: TableSource): ReadonlyArray<string> => [
  ...columns.flatMap(({ clauses, name }) =>
    clauses.filter(isSeldom).map(({ text }) => plain(`${identifier(name)} ${text}`))
  ),
  ...constraints.filter(isSeldom).map(({ text }) => plain(text)),
  ...(options === "" ? [] : [options])
]

/** @since 0.1.0 @category inspection */
export const others: NonNullable<Dialect["others"]> = (connection) =>
  Effect.map(connection.run({ text: query, params: [], prepare: false, rows: "objects" }), ({ rows }) =>
    rows.flatMap(({ name, sql, type }) => {
      if (type === "virtual") return [{ name: `virtual table ${name}`, sql: plain(sql) }]
      const besides = seldom(parse(sql))
      return besides.length === 0 ? [] : [{ name: `table ${name}, besides`, sql: besides.join(", ") }]
    })
  )
