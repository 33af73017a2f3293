/**
 * Rules about columns of tables that are in use.
 *
 * @since 0.1.0
 */
import type { Node } from "libpg-query"
import { type Rule, rule, upOnly } from "../Rule.js"
import {
  addedColumns,
  addedConstraints,
  alterations,
  as,
  columns,
  constraintOf,
  isSerial,
  show,
  type TypedColumn,
  typeName,
  walk,
  words
} from "../tree.js"
import { isSteady } from "./volatility.js"

const place = (column: TypedColumn) => `${show(column.table)}.${column.name}`

/** What fills the column of a row that is there already. */
const filled = (column: TypedColumn) =>
  isSerial(column) || constraintOf(column, "CONSTR_DEFAULT", "CONSTR_IDENTITY", "CONSTR_GENERATED") !== undefined

/** The function in a default that may answer differently for each row. */
const unsteady = (expression: Node | undefined): string | undefined => {
  for (const node of walk(expression)) {
    const call = as(node, "FuncCall")
    if (call !== undefined && !isSteady(words(call.funcname))) return `${words(call.funcname).at(-1)}()`
  }
  return undefined
}

/** Why adding the column writes every row anew; undefined: it does not. */
const rewriting = (
  column: TypedColumn,
  version: number
): { readonly what: string; readonly at?: number } | undefined => {
  if (isSerial(column)) {
    return { what: `is ${typeName(column.definition.typeName)}, which takes a number for every row` }
  }
  const identity = constraintOf(column, "CONSTR_IDENTITY")
  if (identity !== undefined) return { what: "is an identity, which takes a number for every row" }
  const generated = constraintOf(column, "CONSTR_GENERATED")
  if (generated?.generated_kind === "s") return { what: "is generated and stored in every row" }
  const given = constraintOf(column, "CONSTR_DEFAULT")
  if (given === undefined) return undefined
  const at = given.location === undefined ? {} : { at: given.location }
  const call = unsteady(given.raw_expr)
  if (call !== undefined) return { what: `has the default ${call}, which may differ for every row`, ...at }
  return version < 11 && as(given.raw_expr, "A_Const")?.isnull !== true
    ? { what: "has a default, which PostgreSQL before 11 writes into every row", ...at }
    : undefined
}

/** @since 0.1.0 @category models */
export const columnRules: ReadonlyArray<Rule> = [
  rule({
    id: "adding-not-null-without-default",
    level: "error",
    summary: "A NOT NULL column without a default is added to a table that may have rows",
    why: "the statement fails as soon as the table has a row, so it passes every test on empty tables",
    remedy: "Give it a constant DEFAULT, or add it nullable, fill it, and make it NOT NULL in a later revision",
    bad: { sql: "ALTER TABLE users ADD COLUMN email text NOT NULL;" },
    good: { sql: "ALTER TABLE users ADD COLUMN email text NOT NULL DEFAULT '';" },
    check: ({ node, known }) =>
      addedColumns(node)
        .filter((column) => !known.isNew(column.table) && !filled(column))
        .filter((column) => constraintOf(column, "CONSTR_NOTNULL", "CONSTR_PRIMARY") !== undefined)
        .map((column) => ({
          at: column.definition.location,
          what: `Column ${place(column)} is NOT NULL and has no default`
        }))
  }),
  rule({
    id: "adding-not-null-field",
    level: "error",
    summary: "A column that is there is made NOT NULL without a constraint that proves it",
    why: "the whole table is read under a lock that stops reads and writes",
    remedy:
      "Add CHECK (column IS NOT NULL) NOT VALID in one revision; VALIDATE CONSTRAINT and then SET NOT NULL in the next, which skips the reading",
    bad: { sql: "ALTER TABLE users ALTER COLUMN email SET NOT NULL;" },
    good: {
      sql: "ALTER TABLE users VALIDATE CONSTRAINT users_email_given;\nALTER TABLE users ALTER COLUMN email SET NOT NULL;"
    },
    check: ({ node, known }) => [
      ...alterations(node)
        .filter(({ table, command }) => command.subtype === "AT_SetNotNull" && !known.isNew(table))
        .filter(({ table, command }) => known.version < 12 || !known.mayProveNotNull(table, command.name ?? ""))
        .map(({ table, command }) => ({ what: `Column ${show(table)}.${command.name} becomes NOT NULL` })),
      ...addedConstraints(node)
        .filter(({ table, constraint, column }) => {
          if (column !== undefined || constraint.contype !== "CONSTR_NOTNULL" || known.isNew(table)) return false
          return constraint.skip_validation !== true && !known.mayProveNotNull(table, words(constraint.keys)[0] ?? "")
        })
        .map(({ table, constraint }) => ({
          at: constraint.location,
          what: `Column ${show(table)}.${words(constraint.keys)[0]} becomes NOT NULL`,
          remedy: "Add the constraint NOT VALID, and VALIDATE CONSTRAINT in a later revision"
        }))
    ]
  }),
  rule({
    id: "adding-volatile-default",
    level: "error",
    summary: "A column is added whose value has to be computed for every row",
    why: "the whole table is written anew under a lock that stops reads and writes",
    remedy: "Add the column without a default, SET DEFAULT for new rows, and fill the old ones in batches",
    bad: { sql: "ALTER TABLE users ADD COLUMN token uuid DEFAULT gen_random_uuid();" },
    good: {
      sql: "ALTER TABLE users ADD COLUMN token uuid;\nALTER TABLE users ALTER COLUMN token SET DEFAULT gen_random_uuid();\nALTER TABLE users ADD COLUMN joined_at timestamptz DEFAULT now();"
    },
    check: ({ node, known }) =>
      addedColumns(node)
        .filter((column) => !known.isNew(column.table))
        .flatMap((column) => {
          const found = rewriting(column, known.version)
          if (found === undefined) return []
          return [{ at: found.at ?? column.definition.location, what: `Column ${place(column)} ${found.what}` }]
        })
  }),
  rule({
    id: "changing-column-type",
    level: "error",
    summary: "A column that is there gets another type",
    why: "unless the two are stored alike, the table and its indexes are written anew under a lock that stops reads and writes, and programs that know the old type break",
    remedy: "Add a column of the new type, write both, fill it in batches, then read the new one and drop the old",
    bad: { sql: "ALTER TABLE users ALTER COLUMN age TYPE bigint;" },
    good: { sql: "ALTER TABLE users ADD COLUMN age_in_days bigint;" },
    check: ({ node, known }) =>
      columns(node)
        .filter((column) => column.how === "altered" && !known.isNew(column.table))
        .map((column) => ({ at: column.definition.location, what: `Column ${place(column)} changes its type` }))
  }),
  rule({
    id: "dropping-column",
    level: "warning",
    directions: upOnly,
    summary: "A column is dropped",
    why: "its data is gone, and programs that still name it fail, as do those that run until the deployment is over",
    remedy:
      "Deploy programs that no longer use it first, then say so: -- aquifer:allow dropping-column: unused since …",
    bad: { sql: "ALTER TABLE users DROP COLUMN nickname;" },
    good: {
      sql: "-- aquifer:allow dropping-column: no program has read it since version 4\nALTER TABLE users DROP COLUMN nickname;"
    },
    check: ({ node, known }) =>
      alterations(node)
        .filter(({ table, command }) => command.subtype === "AT_DropColumn" && !known.isNew(table))
        .map(({ table, command }) => ({ what: `Column ${show(table)}.${command.name} is dropped` }))
  }),
  rule({
    id: "dropping-not-null",
    level: "warning",
    directions: upOnly,
    summary: "A column may be NULL from now on",
    why: "programs that never expected a NULL there meet one",
    remedy: "Deploy programs that understand NULL first, then allow this with that reason",
    bad: { sql: "ALTER TABLE users ALTER COLUMN email DROP NOT NULL;" },
    good: { sql: "ALTER TABLE users ALTER COLUMN email SET DEFAULT '';" },
    check: ({ node, known }) =>
      alterations(node)
        .filter(({ table, command }) => command.subtype === "AT_DropNotNull" && !known.isNew(table))
        .map(({ table, command }) => ({ what: `Column ${show(table)}.${command.name} loses its NOT NULL` }))
  }),
  rule({
    id: "renaming-column",
    level: "warning",
    directions: upOnly,
    summary: "A column is renamed",
    why: "programs that know the old name fail from this moment, and those that know the new one failed before it",
    remedy: "Add a column under the new name, write both, move the readers, then drop the old one",
    bad: { sql: "ALTER TABLE users RENAME COLUMN mail TO email;" },
    good: { sql: "ALTER TABLE users ADD COLUMN email text;" },
    check: ({ node, known }) => {
      const renamed = as(node, "RenameStmt")
      if (renamed?.renameType !== "OBJECT_COLUMN" || renamed.relationType !== "OBJECT_TABLE") return []
      const table = { schema: renamed.relation?.schemaname, name: renamed.relation?.relname ?? "" }
      if (known.isNew(table)) return []
      return [{ what: `Column ${show(table)}.${renamed.subname} becomes ${renamed.newname}` }]
    }
  })
]
