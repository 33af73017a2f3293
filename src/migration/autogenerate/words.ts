/**
 * Changes in a person's words, and what is dangerous about them: what takes data along, and what rows that are there may
 * refuse. Names are written so that they end no comment.
 *
 * @since 0.1.0
 */
import * as Change from "../../model/Change.js"
import type { SqlType } from "../../model/Column.js"
import { text } from "../../schema/source/Source.js"

/** What it does, as a sentence's end. @since 0.1.0 @category conversions */
export const describe: (change: Change.Change) => string = Change.match({
  CreateTable: ({ table }) => `create the table ${text(table.name)}`,
  DropTable: ({ name }) => `drop the table ${text(name)}`,
  RenameTable: ({ from, to }) => `rename the table ${text(from)} to ${text(to)}`,
  AddColumn: ({ column, table }) => `add the column ${text(column.name)} to ${text(table)}`,
  DropColumn: ({ column, table }) => `drop the column ${text(column)} of ${text(table)}`,
  RenameColumn: ({ from, table, to }) => `rename the column ${text(from)} of ${text(table)} to ${text(to)}`,
  AlterColumn: ({ column, table, to }) => `change the column ${text(column)} of ${text(table)}: ${altered(to)}`,
  AddConstraint: ({ constraint, table }) => `add the ${constraint.kind} ${text(constraint.name)} to ${text(table)}`,
  DropConstraint: ({ name, table, was }) => `drop the ${was?.kind ?? "constraint"} ${text(name)} of ${text(table)}`,
  CreateIndex: ({ index, table }) => `create the index ${text(index.name)} on ${text(table)}`,
  DropIndex: ({ name, table }) => `drop the index ${text(name)} of ${text(table)}`,
  Comment: ({ column, comment, table }) =>
    `${comment === null ? "take the comment from" : "comment on"} ${column === undefined ? "" : `${text(column)} of `}${text(table)}`,
  CreateEnum: ({ name }) => `create the enum ${text(name)}`,
  AddEnumValue: ({ name, value }) => `add the value ${text(value)} to the enum ${text(name)}`,
  DropEnum: ({ name }) => `drop the enum ${text(name)}`,
  Execute: () => "run a statement"
})

const altered = (to: Change.ColumnPatch): string =>
  [
    ...(to.type === undefined ? [] : [typeWords(to.type)]),
    ...(to.collate === undefined ? [] : ["another collation"]),
    ...(to.nullable === undefined ? [] : [to.nullable ? "may be NULL" : "not NULL"]),
    ...(to.default === undefined ? [] : [to.default === null ? "no default" : "another default"])
  ].join(", ") || "nothing"

const typeWords = (type: SqlType): string => {
  switch (type._tag) {
    case "varchar":
      return `varchar(${type.length})`
    case "numeric":
      return `numeric(${type.precision}, ${type.scale})`
    case "enum":
      return `enum ${text(type.name)}`
    case "array":
      return `${typeWords(type.of)}[]`
    case "raw":
      return text(Object.values(type.sql)[0] ?? "")
    default:
      return type._tag
  }
}

/** Whether it takes something away. @since 0.1.0 @category guards */
export const takes = (change: Change.Change): boolean => change._tag.startsWith("Drop")

/** What may be lost or refused; nothing where no row that is there can be in the way. @since 0.1.0 @category accessors */
export const danger = (change: Change.Change): string | undefined => {
  switch (change._tag) {
    case "DropTable":
      return `the rows of ${text(change.name)} are lost`
    case "DropColumn":
      return `the values of ${text(change.column)} are lost`
    case "AddColumn": {
      const { computed, default: filled, name, nullable } = change.column
      return nullable || filled !== undefined || computed !== undefined
        ? undefined
        : `a row that is there has no value for ${text(name)}: it is refused unless ${text(change.table)} is empty`
    }
    case "AlterColumn": {
      const { column, to, was } = change
      const found = [
        ...(to.type !== undefined && !(was?.type !== undefined && widens(was.type, to.type))
          ? [`values of ${text(column)} may not fit the new type`]
          : []),
        ...(to.nullable === false ? [`a row without a value for ${text(column)} refuses it`] : [])
      ]
      return found.length === 0 ? undefined : found.join("; ")
    }
    default:
      return undefined
  }
}

const digits: Partial<Record<SqlType["_tag"], number>> = { int2: 5, int4: 10, int8: 19 }

/** Whether every value of the one type is a value of the other. Of a product's own types nothing is known. @since 0.1.0 @category guards */
export const widens = (from: SqlType, to: SqlType): boolean => {
  if (JSON.stringify(from) === JSON.stringify(to)) return true
  if (from._tag === "raw" || to._tag === "raw") return false
  if (to._tag === "text") return true
  if (to._tag === "varchar") return from._tag === "varchar" && from.length <= to.length
  const [before, after] = [digits[from._tag], digits[to._tag]]
  if (before !== undefined && after !== undefined) return before <= after
  if (to._tag === "numeric") {
    const whole = from._tag === "numeric" ? from.precision - from.scale : before
    const scale = from._tag === "numeric" ? from.scale : 0
    return whole !== undefined && whole <= to.precision - to.scale && scale <= to.scale
  }
  return false
}
