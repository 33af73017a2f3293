/**
 * What is found in a text as a whole: that it cannot be read, and suppressions that suppress nothing or give no reason;
 * and the one rule about SQLite.
 *
 * @since 0.1.0
 */
import { ofText, type Rule, sqliteRule } from "../Rule.js"
import { addedColumn } from "../sqlite.js"

/** @since 0.1.0 @category models */
export const textRules: ReadonlyArray<Rule> = [
  sqliteRule({
    id: "sqlite-add-not-null-without-default",
    level: "error",
    summary: "A NOT NULL column without a default is added to a table that may have rows",
    why: "SQLite refuses it as soon as the table has a row, so it passes every test on empty tables",
    remedy: "Give it a constant DEFAULT that is not NULL, or let the portable operations rebuild the table",
    bad: { sql: "ALTER TABLE users ADD COLUMN email text NOT NULL;" },
    good: { sql: "ALTER TABLE users ADD COLUMN email text NOT NULL DEFAULT '';" },
    checkSqlite: ({ words, created }) => {
      const added = addedColumn(words)
      if (added === undefined || created.has(added.table.toLowerCase())) return []
      const text = ` ${added.words.join(" ")} `
      const filled = / DEFAULT (?!NULL )/.test(text) || / AS \( /.test(text)
      return !/ NOT NULL /.test(text) || filled
        ? []
        : [{ index: added.start, what: `Column ${added.table}.${added.column} is NOT NULL and has no default` }]
    }
  }),
  ofText({
    id: "syntax",
    level: "error",
    products: ["postgres"],
    summary: "PostgreSQL's grammar refuses the text",
    why: "the server would refuse it too",
    remedy: "Mend it where it is pointed at",
    bad: { sql: "ALTER TABLE users ADD COLUM email text;" },
    good: { sql: "ALTER TABLE users ADD COLUMN email text;" }
  }),
  ofText({
    id: "suppression-without-reason",
    level: "error",
    products: ["postgres", "sqlite"],
    summary: "A rule is switched off and nobody says why",
    why: "whoever reads it later cannot tell whether it still holds",
    remedy: "Write the reason behind a colon: -- aquifer:allow rule: reason",
    bad: { sql: "-- aquifer:allow dropping-table\nDROP TABLE sessions;" },
    good: { sql: "-- aquifer:allow dropping-table: nobody has read it since version 4\nDROP TABLE sessions;" }
  }),
  ofText({
    id: "suppression-unused",
    level: "warning",
    products: ["postgres", "sqlite"],
    summary: "A rule is switched off that found nothing there",
    why: "it would hide the next finding, which nobody has thought about",
    remedy: "Take it out, or put it right in front of the statement it is meant for",
    bad: { sql: "-- aquifer:allow dropping-table: it is empty\nALTER TABLE sessions ADD COLUMN ended_at timestamptz;" },
    good: { sql: "-- aquifer:allow dropping-table: it is empty\nDROP TABLE sessions;" }
  }),
  ofText({
    id: "suppression-unknown",
    level: "error",
    products: ["postgres", "sqlite"],
    summary: "A suppression names no rule there is",
    why: "it switches off nothing",
    remedy: "Write the rule as a finding shows it",
    bad: { sql: "-- aquifer:allow drop-table: it is empty\nALTER TABLE sessions ADD COLUMN ended_at timestamptz;" },
    good: { sql: "-- aquifer:allow dropping-table: it is empty\nDROP TABLE sessions;" }
  })
]
