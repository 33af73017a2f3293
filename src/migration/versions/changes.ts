/**
 * Of the changes that lead to a version: which of them may be made before its data are moved, which take data away, and
 * those that take away everything.
 *
 * @since 0.1.0
 */
import * as Change from "../../model/Change.js"
import type { LiveSchema } from "../../model/LiveSchema.js"
import { dropped } from "../../schema/diff/tables.js"
import { widens } from "../autogenerate/words.js"

const computes = ({ was }: Change.Of<"DropColumn">): boolean => was?.computed !== undefined

/** What gives room and takes no value away; a column is not held to have values yet. */
const opened = (change: Change.Change): ReadonlyArray<Change.Change> => {
  switch (change._tag) {
    case "CreateEnum":
    case "AddEnumValue":
    case "RenameTable":
    case "RenameColumn":
    case "CreateTable":
    case "DropConstraint":
    case "DropIndex":
      return [change]
    case "DropColumn":
      return computes(change) ? [change] : []
    case "AddColumn": {
      const { computed, default: filled } = change.column
      if (computed !== undefined) return []
      return [filled === undefined ? { ...change, column: { ...change.column, nullable: true } } : change]
    }
    case "AlterColumn":
      return change.to.nullable === true ? [{ ...change, to: { nullable: true }, was: { nullable: false } }] : []
    default:
      return []
  }
}

/** The part that is made before data are moved, in the same order. @since 0.1.0 @category accessors */
export const opening = (changes: ReadonlyArray<Change.Change>): ReadonlyArray<Change.Change> => {
  // One that is made anew under its name has to make room first.
  const remade = new Set(changes.flatMap((one) => (one._tag === "DropEnum" ? [one.name] : [])))
  return changes.filter((one) => !(one._tag === "CreateEnum" && remade.has(one.name))).flatMap(opened)
}

/**
 * Whether values that are there may be gone afterwards. A word that an enum has no longer is refused by the database where a
 * row has it, and so is NULL; what is computed can be computed again.
 */
const loses = (change: Change.Change): boolean => {
  switch (change._tag) {
    case "DropTable":
      return true
    case "DropColumn":
      return !computes(change)
    case "AlterColumn": {
      const { to, was } = change
      if (to.type === undefined || to.type._tag === "enum") return false
      return was?.type === undefined || !widens(was.type, to.type)
    }
    default:
      return false
  }
}

/** Those that take data away. @since 0.1.0 @category accessors */
export const losing = (changes: ReadonlyArray<Change.Change>): ReadonlyArray<Change.Change> => changes.filter(loses)

/** An index is built in the version's transaction, so never beside it. @since 0.1.0 @category conversions */
export const inTransaction = (change: Change.Change): Change.Change => {
  if (change._tag !== "CreateIndex") return change
  const { concurrently: _, ...index } = change.index
  return { ...change, index }
}

/** All of these that are there go, children first, with what refers in a circle cut before. @since 0.1.0 @category conversions */
export const clearing = ({ enums, tables }: LiveSchema, names: ReadonlySet<string>): ReadonlyArray<Change.Change> => {
  const definitions = tables
    .filter(({ name }) => names.has(name))
    .map(({ foreignKeys, name }) => ({
      name,
      columns: [],
      indexes: [],
      constraints: foreignKeys.map(({ columns, name = "", table, targets }) => ({
        kind: "foreign key" as const,
        name,
        columns,
        table,
        targets
      }))
    }))
  return [
    ...dropped(
      definitions,
      () => false,
      () => false,
      "tables dropped"
    ).map(({ change }) => change),
    ...enums
      .filter(({ name }) => names.has(name))
      .map(({ name, values }) => Change.make.DropEnum({ name, was: values }))
  ]
}
