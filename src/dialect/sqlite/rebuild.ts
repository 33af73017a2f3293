/**
 * What ALTER TABLE cannot do on SQLite: the table is made anew under another name, filled, and put in the old one's place,
 * with its indexes, and with every trigger and view of the database, because renaming refuses while one of them names a
 * table that is not there (SQLite manual, ALTER TABLE, section 7). It counts on `foreign_keys` being off, as under the
 * migration lock: dropping the old table would else delete what refers to it. The lock's fence looks for dangling rows.
 *
 * @since 0.1.0
 */
import { UnsupportedError } from "../../model/DatabaseError.js"
import { table as find, type LiveObject, type LiveSchema, type LiveTable } from "../../model/LiveSchema.js"
import { identifier, parse, render, type TableSource } from "./tableSource.js"

/** What becomes of the table and its rows. @since 0.1.0 @category models */
export interface Rebuilt {
  readonly source: TableSource
  /** How a column is filled, where it is not simply copied. */
  readonly using?: Readonly<Record<string, string>> | undefined
  /** Indexes that are not made again. */
  readonly without?: ReadonlyArray<string> | undefined
}

/** @since 0.1.0 @category rendering */
export const rebuild = (
  before: LiveSchema,
  name: string,
  edit: (source: TableSource, table: LiveTable) => Rebuilt
): ReadonlyArray<string> => {
  const old = find(before, name)
  if (old?.source === undefined) {
    throw new UnsupportedError({
      operation: "ddl",
      reason: `there is no table "${name}" to change`,
      hint: "Create it in an earlier step, or look at its spelling"
    })
  }
  const was = parse(old.source)
  const { source, using = {}, without = [] } = edit(was, old)
  const fresh = `aquifer_new_${name}`
  const computed = (c: TableSource["columns"][number]) => c.clauses.some((clause) => clause.kind === "generated")
  const kept = source.columns.filter(
    (c) => !computed(c) && (was.columns.some((o) => o.name === c.name) || c.name in using)
  )
  const numbered = /\bAUTOINCREMENT\b/i.test(old.source)
  const views = before.views
  return [
    ...views.map((view) => `DROP VIEW ${identifier(view.name)}`),
    ...before.tables.flatMap((t) => t.triggers.map((trigger) => `DROP TRIGGER ${identifier(trigger.name)}`)),
    render(fresh, source),
    ...(kept.length === 0
      ? []
      : [
          `INSERT INTO ${identifier(fresh)} (${kept.map((c) => identifier(c.name)).join(", ")}) ` +
            `SELECT ${kept.map((c) => using[c.name] ?? identifier(c.name)).join(", ")} FROM ${identifier(name)}`
        ]),
    // A number once given is never given again, also when its row is gone.
    ...(numbered
      ? [
          `DELETE FROM sqlite_sequence WHERE name = ${quoted(fresh)}`,
          `INSERT INTO sqlite_sequence (name, seq) SELECT ${quoted(fresh)}, seq FROM sqlite_sequence WHERE name = ${quoted(name)}`
        ]
      : []),
    `DROP TABLE ${identifier(name)}`,
    `ALTER TABLE ${identifier(fresh)} RENAME TO ${identifier(name)}`,
    ...old.indexes.filter((index) => !without.includes(index.name)).map(text),
    ...views.map(text),
    ...before.tables.flatMap((t) => t.triggers.map(text)),
    ...views.flatMap((view) => view.triggers.map(text))
  ]
}

const text = (object: LiveObject): string => object.source ?? object.sql

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`
