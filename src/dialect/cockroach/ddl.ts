/**
 * Changes as CockroachDB says them. A schema change is its own job: what would stand in one ALTER stands in several, indexes
 * are always built without stopping anybody, and a unique constraint is an index that is dropped as one. What it has not
 * (EXCLUDE, deferrable constraints) is refused before anything is sent.
 *
 * @since 0.1.0
 */
import type { Dialect } from "../../Dialect.js"
import * as Change from "../../model/Change.js"
import { UnsupportedError } from "../../model/DatabaseError.js"
import * as LiveSchema from "../../model/LiveSchema.js"
import { type Named, type NamedColumn, ownConstraints, type TableConstraint, withName } from "../../model/Table.js"
import { rebuilds as familyRebuilds, identifier, makeDdl } from "../postgres/ddl.js"

/** `INTEGER` is eight bytes wide unless a session setting says otherwise; these names are not (manual: INT). */
const family = makeDdl(["cockroachdb", "postgresql"], { int2: "int2", int4: "int4", int8: "int8" })

const refuse = (what: string, hint: string): never => {
  throw new UnsupportedError({ operation: "ddl", reason: `CockroachDB has no ${what}`, hint })
}

const allowed = <C extends Named<TableConstraint>>(constraint: C): C => {
  if (constraint.kind === "exclude")
    return refuse("EXCLUDE constraints", "Keep the rule in the transactions that write")
  if (constraint.kind === "foreign key" && constraint.deferrable === true) {
    return refuse("deferrable constraints", "Leave deferrable out, and write rows in the order of their references")
  }
  return constraint
}

/** Whether a name is that of a unique constraint or index: there they are one thing (sqlalchemy-cockroachdb, get_indexes). */
const isUnique = (before: LiveSchema.LiveSchema, table: string, name: string): boolean => {
  const found = LiveSchema.table(before, table)
  return (
    found?.uniques.some((one) => one.name === name) === true ||
    found?.indexes.some((one) => one.name === name && one.unique) === true
  )
}

/** DROP CONSTRAINT refuses a unique one and names this way (cockroachdb/cockroach#42840). */
const dropUnique = (table: string, name: string, ifExists = false): string =>
  `DROP INDEX ${ifExists ? "IF EXISTS " : ""}${identifier(table)}@${identifier(name)} CASCADE`

const { make } = Change

const addColumn = (table: string, column: NamedColumn, before: LiveSchema.LiveSchema): ReadonlyArray<string> => {
  const { check: _, primaryKey, references: __, unique: ___, ...bare } = column
  const constraints = [
    ...(primaryKey === true ? [withName(table, { kind: "primary key" as const, columns: [column.name] })] : []),
    ...ownConstraints(table, column)
  ]
  return [
    make.AddColumn({ table, column: bare }),
    ...constraints.map((constraint) => make.AddConstraint({ table, constraint: allowed(constraint) }))
  ].flatMap((change) => family(change, before))
}

/** @since 0.1.0 @category rendering */
export const ddl: Dialect["ddl"] = (change, before) => {
  switch (change._tag) {
    case "CreateTable": {
      change.table.constraints.forEach(allowed)
      const indexes = change.table.indexes.map(({ concurrently: _, ...index }) => index)
      return family({ ...change, table: { ...change.table, indexes } }, before)
    }
    case "AddColumn":
      return addColumn(change.table, change.column, before)
    case "AddConstraint":
      allowed(change.constraint)
      return family(change, before)
    case "DropConstraint":
      return change.was?.kind === "unique" || isUnique(before, change.table, change.name)
        ? [dropUnique(change.table, change.name)]
        : family(change, before)
    case "CreateIndex": {
      const { concurrently: _, ...index } = change.index
      return family({ ...change, index }, before)
    }
    case "DropIndex":
      return change.was?.unique === true || isUnique(before, change.table, change.name)
        ? [dropUnique(change.table, change.name, change.ifExists)]
        : family({ ...change, concurrently: false }, before)
    default:
      return family(change, before)
  }
}

/** How a constraint or index is dropped depends on what it is. @since 0.1.0 @category accessors */
export const rebuilds = (change: Change.Change): boolean =>
  familyRebuilds(change) ||
  ((change._tag === "DropConstraint" || change._tag === "DropIndex") && change.was === undefined)
