/**
 * Changes as SQLite says them: with ALTER TABLE where that is enough, else by rebuilding the table. An enum is a CHECK at
 * each column, so creating and dropping one is nothing, and a new value rebuilds every table that uses it.
 *
 * @since 0.1.0
 */
import type { Dialect } from "../../Dialect.js"
import * as Change from "../../model/Change.js"
import { UnsupportedError } from "../../model/DatabaseError.js"
import { table as find, type LiveSchema, type LiveTable } from "../../model/LiveSchema.js"
import { type NamedColumn, ownConstraints, withName } from "../../model/Table.js"
import { names, words } from "./names.js"
import { type Rebuilt, rebuild } from "./rebuild.js"
import * as Sql from "./render.js"
import { type Clause, type ColumnSource, clause, identifier, parse, render, type TableSource } from "./tableSource.js"

/** Whether the change's statements depend on the schema they meet. @since 0.1.0 @category accessors */
export const rebuilds = (change: Change.Change): boolean => {
  switch (change._tag) {
    case "DropColumn":
    case "AlterColumn":
    case "AddConstraint":
    case "DropConstraint":
    case "AddEnumValue":
      return true
    case "AddColumn":
      return !addable(change.column)
    default:
      return false
  }
}

/** What ALTER TABLE ADD COLUMN takes (SQLite manual, ALTER TABLE, section 4). */
const addable = (c: NamedColumn): boolean =>
  c.primaryKey !== true &&
  c.unique !== true &&
  c.check === undefined &&
  c.references === undefined &&
  c.computed?.stored !== true &&
  (c.default === undefined ? c.nullable || c.computed !== undefined : c.default._tag === "value")

/** @since 0.1.0 @category rendering */
export const ddl: Dialect["ddl"] = (change, before) =>
  Change.match(change, {
    CreateTable: ({ table, ifNotExists }) => {
      const text = render(table.name, Sql.table(table))
      return [
        ifNotExists ? text.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS") : text,
        ...table.indexes.map((index) => Sql.createIndex(table.name, index, ifNotExists))
      ]
    },
    DropTable: ({ name, ifExists }) => [`DROP TABLE ${ifExists ? "IF EXISTS " : ""}${identifier(name)}`],
    RenameTable: ({ from, to }) => [`ALTER TABLE ${identifier(from)} RENAME TO ${identifier(to)}`],
    AddColumn: ({ table, column }) => {
      const added = Sql.column(table, column)
      if (addable(column)) {
        const words = [identifier(added.name), added.type, ...added.clauses.map((c) => c.text)]
        return [`ALTER TABLE ${identifier(table)} ADD COLUMN ${words.join(" ")}`]
      }
      const constraints = [
        ...(column.primaryKey === true && column.default?._tag !== "identity"
          ? [withName(table, { kind: "primary key" as const, columns: [column.name] })]
          : []),
        ...ownConstraints(table, column)
      ].map((c) => clause(Sql.constraint(c)))
      return rebuild(before, table, (source) => ({
        source: {
          ...source,
          columns: [...source.columns, added],
          constraints: [...source.constraints, ...constraints]
        }
      }))
    },
    DropColumn: ({ table, column }) => dropColumn(before, table, column),
    RenameColumn: ({ table, from, to }) => [
      `ALTER TABLE ${identifier(table)} RENAME COLUMN ${identifier(from)} TO ${identifier(to)}`
    ],
    AlterColumn: ({ table, column, to }) =>
      rebuild(before, table, (source) => ({
        source: alter(source, table, column, to),
        ...(to.using === undefined ? {} : { using: { [column]: to.using } })
      })),
    AddConstraint: ({ table, constraint }) => {
      const source = find(before, table)?.source
      // A column that the database numbers came with its key.
      if (constraint.kind === "primary key" && source !== undefined && parse(source).columns.some(isNumbered)) return []
      return rebuild(before, table, (source) => ({
        source: { ...source, constraints: [...source.constraints, clause(Sql.constraint(constraint))] }
      }))
    },
    DropConstraint: ({ table, name }) =>
      rebuild(before, table, (source) => {
        const known = names(table, source)
        const named = (c: Clause) => known.get(c) === name
        if (!source.constraints.some(named) && !source.columns.some((c) => c.clauses.some(named))) {
          missing(`the table "${table}" has no constraint "${name}"`)
        }
        const key = find(before, table)?.primaryKey
        const freed = key?.name === name ? key.columns : []
        return {
          source: {
            ...source,
            columns: source.columns.map((c) => {
              const clauses = c.clauses.filter((clause) => !named(clause))
              // As elsewhere, what was of a key stays not null.
              const bare = freed.includes(c.name) && !clauses.some((clause) => clause.kind === "not null")
              return { ...c, clauses: bare ? [clause("NOT NULL"), ...clauses] : clauses }
            }),
            constraints: source.constraints.filter((c) => !named(c))
          }
        }
      }),
    CreateIndex: ({ table, index, ifNotExists }) => [Sql.createIndex(table, index, ifNotExists)],
    DropIndex: ({ name, ifExists }) => [`DROP INDEX ${ifExists ? "IF EXISTS " : ""}${identifier(name)}`],
    Comment: () => [],
    CreateEnum: () => [],
    AddEnumValue: (change) => addEnumValue(before, change),
    DropEnum: () => [],
    Execute: ({ sql }) => [Sql.own(sql)]
  })

const missing = (reason: string): never => {
  throw new UnsupportedError({ operation: "ddl", reason, hint: "Look at its spelling, and at the order of the steps" })
}

/** Whether a text names the column: quoted or as a word. Too often yes only costs a constraint that says so in its text. */
const mentions = (text: string, column: string): boolean =>
  text.includes(identifier(column)) ||
  new RegExp(`(?<![\\w"])${column.replace(/\W/g, "\\$&")}(?![\\w"])`, "i").test(text)

/** As PostgreSQL has it: keys, checks and indexes that stand on the column go with it. */
const dropColumn = (before: LiveSchema, name: string, column: string): ReadonlyArray<string> => {
  const involves = (c: Clause) => c.columns.includes(column) || (c.kind === "check" && mentions(c.inner ?? "", column))
  const indexed = (table: LiveTable) =>
    table.indexes.filter((index) => index.columns.includes(column) || mentions(index.sql, column))
  const edit = (source: TableSource, table: LiveTable): Rebuilt => {
    if (!source.columns.some((c) => c.name === column)) missing(`the table "${name}" has no column "${column}"`)
    return {
      source: {
        ...source,
        columns: source.columns.filter((c) => c.name !== column),
        constraints: source.constraints.filter((c) => !involves(c))
      },
      without: indexed(table).map((index) => index.name)
    }
  }
  const table = find(before, name)
  const source = table?.source === undefined ? undefined : parse(table.source)
  const plain = source?.columns.find((c) => c.name === column)
  const simple =
    table !== undefined &&
    plain?.clauses.every((c) => ["not null", "null", "default", "collate"].includes(c.kind)) === true &&
    !source?.constraints.some(involves) &&
    !source?.columns.some(
      (c) => c.name !== column && c.clauses.some((clause) => mentions(clause.inner ?? "", column))
    ) &&
    indexed(table).length === 0
  return simple ? [`ALTER TABLE ${identifier(name)} DROP COLUMN ${identifier(column)}`] : rebuild(before, name, edit)
}

const isNumbered = (c: ColumnSource): boolean => c.clauses.some((clause) => clause.words.includes("AUTOINCREMENT"))

/** The numbered key stands at its column, every other one at the table: what goes from one to the other moves. */
const numbering = (source: TableSource, table: string, column: string, numbered: boolean): TableSource => {
  const key = { kind: "primary key" as const, columns: [column] }
  const isKey = (c: Clause) => c.kind === "primary key"
  const found = [...source.constraints, ...source.columns.flatMap((c) => c.clauses)].find(isKey)?.name
  const name = `CONSTRAINT ${identifier(found ?? withName(table, key).name)} PRIMARY KEY`
  return {
    ...source,
    columns: source.columns.map((c) => {
      const clauses = c.clauses.filter((clause) => !isKey(clause))
      if (c.name !== column) return { ...c, clauses }
      return numbered
        ? {
            ...c,
            type: "INTEGER",
            clauses: [
              clause(`${name} AUTOINCREMENT`),
              ...clauses.filter(({ kind }) => kind !== "default" && kind !== "not null")
            ]
          }
        : { ...c, clauses: [clause("NOT NULL"), ...clauses] }
    }),
    constraints: [
      ...source.constraints.filter((c) => !isKey(c)),
      ...(numbered ? [] : [clause(`${name} (${identifier(column)})`)])
    ]
  }
}

const alter = (was: TableSource, table: string, column: string, to: Change.ColumnPatch): TableSource => {
  const old = was.columns.find((c) => c.name === column)
  if (old === undefined) return missing(`the table "${table}" has no column "${column}"`)
  if (to.default?._tag === "identity") return numbering(was, table, column, true)
  const source = to.default !== undefined && isNumbered(old) ? numbering(was, table, column, false) : was
  const isEnum = (c: Clause) => c.kind === "check" && c.name?.endsWith(Sql.enumSuffix("")) === true
  return {
    ...source,
    columns: source.columns.map((c) => {
      if (c.name !== column) return c
      const kept = c.clauses.filter(
        (clause) =>
          !(to.nullable !== undefined && (clause.kind === "not null" || clause.kind === "null")) &&
          !(to.collate !== undefined && clause.kind === "collate") &&
          !(to.default !== undefined && clause.kind === "default") &&
          !(to.type !== undefined && isEnum(clause))
      )
      const added = [
        to.nullable === false ? "NOT NULL" : undefined,
        typeof to.collate === "string" ? `COLLATE ${identifier(to.collate)}` : undefined,
        to.default === undefined || to.default === null
          ? undefined
          : Sql.defaultClause(to.default, to.type ?? { _tag: typeOf(c.type) }),
        to.type?._tag === "enum"
          ? Sql.enumClause(Sql.enumCheck(table, column, to.type.name), column, to.type.values)
          : undefined
      ]
      return {
        ...c,
        type: to.type === undefined ? c.type : Sql.type(to.type),
        clauses: [...kept, ...added.filter((text) => text !== undefined).map(clause)]
      }
    })
  }
}

/** Enough of a declared type to write a default for it. */
const typeOf = (declared: string): "date" | "json" | "text" =>
  declared === "DATE" ? "date" : declared === "JSON" ? "json" : "text"

const addEnumValue = (before: LiveSchema, change: Change.Of<"AddEnumValue">): ReadonlyArray<string> => {
  const suffix = `_${Sql.enumSuffix(change.name)}`
  const stands = (c: Clause) => c.kind === "check" && c.name?.endsWith(suffix) === true
  const extended = (column: string) => (c: Clause) =>
    stands(c) ? clause(Sql.enumClause(c.name ?? "", column, insert(words(c.inner ?? ""), change))) : c
  return before.tables
    .filter((t) => t.source !== undefined && parse(t.source).columns.some((c) => c.clauses.some(stands)))
    .flatMap((t) =>
      rebuild(before, t.name, (source) => ({
        source: { ...source, columns: source.columns.map((c) => ({ ...c, clauses: c.clauses.map(extended(c.name)) })) }
      }))
    )
}

const insert = (old: ReadonlyArray<string>, change: Change.Of<"AddEnumValue">): ReadonlyArray<string> => {
  const at = change.before ?? change.after
  if (at === undefined) return [...old, change.value]
  const index = old.indexOf(at)
  if (index < 0) missing(`the enum "${change.name}" has no value "${at}"`)
  return old.toSpliced(index + (change.before === undefined ? 1 : 0), 0, change.value)
}
