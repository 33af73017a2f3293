/**
 * The names constraints go by: their own, or, where a table was made without, those PostgreSQL would have given, so that a
 * constraint can be spoken of on every product. And the enums, which are CHECKs known by their names here.
 *
 * @since 0.1.0
 */
import type { LiveEnum } from "../../model/LiveSchema.js"
import { constraintName, shortName, type TableConstraint } from "../../model/Table.js"
import { enumCheck, enumSuffix } from "./render.js"
import type { Clause, ColumnSource, TableSource } from "./tableSource.js"

const nameless = (table: string, clause: Clause, column: ColumnSource | undefined): string | undefined => {
  const columns = column === undefined ? clause.columns : [column.name]
  const as = (constraint: TableConstraint) => constraintName(table, constraint)
  switch (clause.kind) {
    case "primary key":
      return as({ kind: "primary key", columns })
    case "unique":
      return as({ kind: "unique", columns })
    case "references":
    case "foreign key":
      return as({ kind: "foreign key", columns, table: "", targets: [] })
    case "check":
      return shortName(column === undefined ? `${table}_check` : `${table}_${column.name}_check`)
    default:
      return undefined
  }
}

/** @since 0.1.0 @category accessors */
export const names = (table: string, source: TableSource): ReadonlyMap<Clause, string> => {
  const all = [
    ...source.columns.flatMap((column) => column.clauses.map((clause) => ({ clause, column }))),
    ...source.constraints.map((clause) => ({ clause, column: undefined }))
  ]
  const taken = new Set(all.flatMap(({ clause }) => (clause.name === undefined ? [] : [clause.name])))
  const found = new Map<Clause, string>()
  for (const { clause, column } of all) {
    const wanted = clause.name ?? nameless(table, clause, column)
    if (wanted === undefined) continue
    let name = wanted
    for (let i = 1; clause.name === undefined && taken.has(name); i++) name = `${wanted}${i}`
    taken.add(name)
    found.set(clause, name)
  }
  return found
}

/** The words of `"column" IN ('a', 'b')`, as `enumClause` writes them. @since 0.1.0 @category accessors */
export const words = (inner: string): ReadonlyArray<string> =>
  [...inner.slice(inner.indexOf("IN (")).matchAll(/'((?:[^']|'')*)'/g)].map((match) =>
    (match[1] ?? "").replaceAll("''", "'")
  )

/** The enum a column's CHECK stands for. @since 0.1.0 @category accessors */
export const enumOf = (table: string, column: ColumnSource, clause: Clause): LiveEnum | undefined => {
  const before = `${table}_${column.name}_`
  const name = clause.name?.slice(before.length, -enumSuffix("").length)
  return clause.kind === "check" && name !== undefined && clause.name === enumCheck(table, column.name, name)
    ? { name, values: words(clause.inner ?? "") }
    : undefined
}
