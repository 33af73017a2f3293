/**
 * Tables, constraints and indexes as the calls of `Table` that make them: what a column says of itself stands at the
 * column, and a name only where it is not the one that would be made.
 *
 * @since 0.1.0
 */
import {
  constraintName,
  type Index,
  type Named,
  type NamedColumn,
  shortName,
  type TableConstraint,
  type TableDefinition
} from "../../model/Table.js"
import { column, type EnumSource, inline, optional } from "./columns.js"
import { array, call, member, object, type Source, text } from "./Source.js"

/** How a column of the table itself is named. */
type Own = (column: string) => Source

const names = (all: ReadonlyArray<string>, own: Own = text): Source => array(all.map(own))

/** The name it would have without saying one. */
const implied = (table: string, constraint: Named<TableConstraint> | Named<Index>): boolean =>
  constraintName(table, { ...constraint, name: undefined }) === constraint.name

const tail = (fields: ReadonlyArray<readonly [string, Source]>): ReadonlyArray<Source> =>
  fields.length === 0 ? [] : [object(fields)]

/** @since 0.1.0 @category constructors */
export const constraint = (table: string, c: Named<TableConstraint>, own: Own = text): Source => {
  const name = implied(table, c) ? undefined : c.name
  switch (c.kind) {
    case "primary key":
      return call("Table.primaryKeyOf", names(c.columns, own), ...(name === undefined ? [] : [text(name)]))
    case "unique":
      return call("Table.uniqueOf", names(c.columns, own), ...(name === undefined ? [] : [text(name)]))
    case "check":
      return call("Table.checkOf", text(c.name), text(c.sql))
    case "foreign key":
      return call(
        "Table.foreignKey",
        names(c.columns, own),
        text(c.table),
        names(c.targets),
        ...tail(optional({ ...c, name }, ["name", "onDelete", "onUpdate", "deferrable", "notValid"]))
      )
    case "exclude":
      return call("Table.exclude", text(c.sql), ...tail(optional({ ...c, name }, ["name", "using"])))
  }
}

/** @since 0.1.0 @category constructors */
export const index = (table: string, i: Named<Index>, own: Own = text): Source =>
  call(
    i.unique === true ? "Table.uniqueIndex" : "Table.index",
    array(i.columns.map((part) => (typeof part === "string" ? own(part) : object([["sql", text(part.sql)]])))),
    ...tail(
      optional({ ...i, name: implied(table, i) ? undefined : i.name }, [
        "name",
        "where",
        "using",
        "over",
        "concurrently"
      ])
    )
  )

/** The column with this constraint at it; nothing where it has no place there. */
const absorbed = (table: string, c: NamedColumn, constraint: Named<TableConstraint>): NamedColumn | undefined => {
  if (constraint.kind === "check") {
    const own = constraint.name === shortName(`${table}_${c.name}_check`)
    return own && c.check === undefined ? { ...c, check: constraint.sql } : undefined
  }
  if (constraint.kind === "exclude" || constraint.columns.length !== 1 || constraint.columns[0] !== c.name)
    return undefined
  if (!implied(table, constraint)) return undefined
  switch (constraint.kind) {
    case "primary key":
      return { ...c, primaryKey: true }
    case "unique":
      return c.unique === true ? undefined : { ...c, unique: true }
    case "foreign key": {
      const { deferrable, notValid, onDelete, onUpdate, table: other, targets } = constraint
      const [to = ""] = targets
      // A reference at a column is one text: what stands behind its last dot is the column, by its key.
      const isSaid = isKey(to) && !to.includes(".") && other !== ""
      if (c.references !== undefined || notValid === true || targets.length !== 1 || !isSaid) return undefined
      return { ...c, references: { target: `${other}.${to}`, deferrable, onDelete, onUpdate } }
    }
  }
}

/** In an object, keys that are numbers come first wherever they stand. */
const isKey = (name: string): boolean => name !== "__proto__" && !/^\d+$/.test(name)

const keyOf = (name: string, taken: ReadonlyArray<string>): string => {
  let key = `_${name.replace(/_/g, "")}`
  while (taken.includes(key)) key = `_${key}`
  return key
}

/** A whole table; nothing where no builders make it. @since 0.1.0 @category constructors */
export const table = (t: TableDefinition, enums: EnumSource = inline): Source | undefined => {
  const columns = new Map(
    t.columns.map((c): [string, NamedColumn] => [
      c.name,
      { ...c, primaryKey: undefined, unique: undefined, check: undefined, references: undefined }
    ])
  )
  if (columns.size !== t.columns.length) return undefined
  const others: Array<Named<TableConstraint>> = []
  for (const one of t.constraints) {
    const owner = Array.from(columns.values(), (c) => absorbed(t.name, c, one)).find((c) => c !== undefined)
    if (owner === undefined) others.push(one)
    else columns.set(owner.name, owner)
  }
  const fields: Array<readonly [string, Source]> = []
  const keys = new Map<string, string>()
  for (const c of columns.values()) {
    const { name, ...bare } = c
    const written = column(isKey(name) ? bare : c, enums)
    if (written === undefined) return undefined
    const key = isKey(name) ? name : keyOf(name, [...columns.keys(), ...fields.map(([key]) => key)])
    keys.set(name, key)
    fields.push([key, written])
  }
  let refers = false
  const own: Own = (name) => {
    const key = keys.get(name)
    if (key === undefined) return text(name)
    refers = true
    return member("c", key)
  }
  const beside = [...others.map((c) => constraint(t.name, c, own)), ...t.indexes.map((i) => index(t.name, i, own))]
  const options = tail(optional(t, ["schema", "comment"]))
  return call(
    "Table.make",
    text(t.name),
    object(fields, { spread: fields.length > 1 }),
    ...(beside.length === 0 && options.length === 0 ? [] : [[refers ? "(c) => " : "() => ", array(beside)]]),
    ...options
  )
}
