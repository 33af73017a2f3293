/**
 * Rules about tables and indexes that are in use.
 *
 * @since 0.1.0
 */
import type { Node } from "libpg-query"
import { type Rule, rule, upOnly, when } from "../Rule.js"
import { all, as, type Name, nameFrom, nameOf, show, words } from "../tree.js"

/** What a DROP names. */
const dropped = (node: Node, type: "OBJECT_TABLE" | "OBJECT_INDEX"): ReadonlyArray<Name> => {
  const drop = as(node, "DropStmt")
  if (drop?.removeType !== type || drop.concurrent === true) return []
  return all(drop.objects, "List").map((one) => nameFrom(words(one.items)))
}

/** @since 0.1.0 @category models */
export const tableRules: ReadonlyArray<Rule> = [
  rule({
    id: "require-concurrent-index-creation",
    level: "error",
    summary: "An index is built while nobody may write",
    why: "writes to the table wait until the whole index is built",
    remedy: 'CREATE INDEX CONCURRENTLY, with a name, in a revision with "-- transaction: false"',
    bad: { sql: "CREATE INDEX users_email_idx ON users (email);" },
    good: { sql: "CREATE INDEX CONCURRENTLY users_email_idx ON users (email);", transaction: false },
    check: ({ node, known }) => {
      const index = as(node, "IndexStmt")
      // On a partitioned table alone (ON ONLY) nothing is built yet.
      if (index === undefined || index.concurrent === true || index.relation?.inh !== true) return []
      const table = nameOf(index.relation)
      if (known.isNew(table)) return []
      return [{ what: `Index ${index.idxname ?? `on ${show(table)}`} is not created concurrently` }]
    }
  }),
  rule({
    id: "require-concurrent-index-deletion",
    level: "error",
    summary: "An index is dropped while nobody may read or write",
    why: "reads and writes of the table wait behind it while it waits for the queries that run",
    remedy: 'DROP INDEX CONCURRENTLY in a revision with "-- transaction: false"',
    bad: { sql: "DROP INDEX users_email_idx;" },
    good: { sql: "DROP INDEX CONCURRENTLY users_email_idx;", transaction: false },
    check: ({ node, known }) =>
      dropped(node, "OBJECT_INDEX")
        .filter((index) => !known.isNewIndex(index))
        .map((index) => ({ what: `Index ${show(index)} is not dropped concurrently` }))
  }),
  rule({
    id: "renaming-table",
    level: "warning",
    directions: upOnly,
    summary: "A table is renamed or moved to another schema",
    why: "programs that know the old name fail from this moment, and those that know the new one failed before it",
    remedy:
      "Rename it and create a view under the old name in the same revision, or move its users to a new table; then allow this with that reason",
    bad: { sql: "ALTER TABLE users RENAME TO people;" },
    good: { sql: "CREATE VIEW people AS SELECT * FROM users;" },
    check: ({ node, known }) => {
      const renamed = as(node, "RenameStmt")
      const moved = as(node, "AlterObjectSchemaStmt")
      const found =
        renamed?.renameType === "OBJECT_TABLE"
          ? { table: nameOf(renamed.relation), to: renamed.newname }
          : moved?.objectType === "OBJECT_TABLE"
            ? { table: nameOf(moved.relation), to: `${moved.newschema}.${moved.relation?.relname}` }
            : undefined
      if (found === undefined || known.isNew(found.table)) return []
      return [{ what: `Table ${show(found.table)} becomes ${found.to}` }]
    }
  }),
  rule({
    id: "dropping-table",
    level: "warning",
    directions: upOnly,
    summary: "A table is dropped",
    why: "its data is gone, and programs that still name it fail",
    remedy: "Deploy programs that no longer use it first, then say so: -- aquifer:allow dropping-table: unused since …",
    bad: { sql: "DROP TABLE sessions;" },
    good: { sql: "-- aquifer:allow dropping-table: replaced by tokens in version 4\nDROP TABLE sessions;" },
    check: ({ node, known }) =>
      dropped(node, "OBJECT_TABLE")
        .filter((table) => !known.isNew(table))
        .map((table) => ({ what: `Table ${show(table)} is dropped` }))
  }),
  rule({
    id: "truncate-cascade",
    level: "error",
    summary: "TRUNCATE … CASCADE empties tables it does not name",
    why: "every table that refers to it is emptied too, and those that refer to them, including tables made after this was written",
    remedy: "Name every table that is to be emptied, without CASCADE",
    bad: { sql: "TRUNCATE users CASCADE;" },
    good: { sql: "TRUNCATE users, posts;" },
    check: ({ node }) => {
      const truncate = as(node, "TruncateStmt")
      return when(truncate?.behavior === "DROP_CASCADE" && truncate, ({ relations }) => ({
        what: `${all(relations, "RangeVar")
          .map((one) => show(nameOf(one)))
          .join(", ")} is truncated with CASCADE`
      }))
    }
  }),
  rule({
    id: "missing-lock-timeout",
    level: "warning",
    summary: "A statement may wait for its lock without a limit",
    why: "while it waits, everybody else who comes after it waits behind it",
    remedy: "SET lock_timeout = '5s' before it, or leave the migrator's own setting alone",
    bad: { sql: "SET lock_timeout = 0;\nALTER TABLE users ADD COLUMN email text;" },
    good: { sql: "SET lock_timeout = '2s';\nALTER TABLE users ADD COLUMN email text;" },
    check: ({ node, known }) => {
      if (known.limited) return []
      const table = locked(node).find((one) => !known.isNew(one))
      return when(table, (one) => ({ what: `Table ${show(one)} is locked with no lock_timeout` }))
    }
  })
]

/** The tables a statement needs nearly for itself. */
const locked = (node: Node): ReadonlyArray<Name> => {
  const index = as(node, "IndexStmt")
  const one =
    as(node, "AlterTableStmt")?.relation ??
    (index?.concurrent === true ? undefined : index?.relation) ??
    as(node, "RenameStmt")?.relation ??
    as(node, "AlterObjectSchemaStmt")?.relation ??
    as(node, "CreateTrigStmt")?.relation ??
    as(node, "ClusterStmt")?.relation
  const many = as(node, "TruncateStmt")?.relations ?? as(node, "LockStmt")?.relations
  return [
    ...(one === undefined ? [] : [nameOf(one)]),
    ...all(many, "RangeVar").map(nameOf),
    ...dropped(node, "OBJECT_TABLE")
  ]
}
