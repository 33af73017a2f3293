/**
 * Changes as the body of a `.ts` migration: the operations a person would call, and for what none of them says, the change
 * itself as data. Loaded, it gives those very changes again.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Change from "../../model/Change.js"
import { carrying, column, isBuilt, ofType, optional, plain, sqlOf } from "../../schema/source/columns.js"
import { array, call, literal, object, print, type Source, text } from "../../schema/source/Source.js"
import { constraint, index, table } from "../../schema/source/tables.js"

const tail = (fields: ReadonlyArray<readonly [string, Source]>): ReadonlyArray<Source> =>
  fields.length === 0 ? [] : [object(fields)]

const said = (name: string, is: boolean): ReadonlyArray<readonly [string, Source]> => (is ? [[name, "true"]] : [])

/** The operation; nothing where none of them says it. */
const operation = (change: Change.Change): Source | undefined =>
  Change.match(change, {
    CreateTable: ({ ifNotExists, table: t }) => {
      const made = table(t)
      return made === undefined
        ? undefined
        : call("Operations.createTable", made, ...tail(said("ifNotExists", ifNotExists)))
    },
    DropTable: ({ ifExists, name }) => call("Operations.dropTable", text(name), ...tail(said("ifExists", ifExists))),
    RenameTable: ({ from, to }) => call("Operations.renameTable", text(from), text(to)),
    AddColumn: ({ column: { name, ...c }, table }) => {
      const made = column(c)
      return made === undefined ? undefined : call("Operations.addColumn", text(table), text(name), made)
    },
    DropColumn: ({ column, table }) => call("Operations.dropColumn", text(table), text(column)),
    RenameColumn: ({ from, table, to }) => call("Operations.renameColumn", text(table), text(from), text(to)),
    AlterColumn: ({ column, table, to }) => {
      const fields = patch(to)
      return fields === undefined
        ? undefined
        : call("Operations.alterColumn", text(table), text(column), object(fields))
    },
    AddConstraint: ({ constraint: c, table }) => call("Operations.addConstraint", text(table), constraint(table, c)),
    DropConstraint: ({ name, table }) => call("Operations.dropConstraint", text(table), text(name)),
    CreateIndex: ({ ifNotExists, index: i, table }) =>
      call("Operations.createIndex", text(table), index(table, i), ...tail(said("ifNotExists", ifNotExists))),
    DropIndex: ({ concurrently, ifExists, name, table }) =>
      call(
        "Operations.dropIndex",
        text(table),
        text(name),
        ...tail([...said("ifExists", ifExists), ...said("concurrently", concurrently)])
      ),
    Comment: ({ column, comment, table }) =>
      call(
        "Operations.comment",
        text(table),
        column === undefined ? "undefined" : text(column),
        comment === null ? "null" : text(comment)
      ),
    CreateEnum: ({ name, values }) => call("Operations.createEnum", text(name), array(values.map(text))),
    AddEnumValue: ({ after, before, name, value }) =>
      call(
        "Operations.addEnumValue",
        text(name),
        text(value),
        ...tail(optional({ after, before }, ["before", "after"]))
      ),
    DropEnum: ({ name }) => call("Operations.dropEnum", text(name)),
    Execute: ({ sql }) => call("Operations.execute", sqlOf(sql))
  })

const patch = (to: Change.ColumnPatch): ReadonlyArray<readonly [string, Source]> | undefined => {
  const filled = to.default === undefined || to.default === null ? "null" : carrying(to.default, to.type)
  if (filled === undefined || (to.type !== undefined && !isBuilt(to.type))) return undefined
  return [
    ...(to.type === undefined ? [] : [["type", ofType(to.type)] as const]),
    ...optional(to, ["nullable"]),
    ...(to.default === undefined ? [] : [["default", filled] as const]),
    ...optional(to, ["collate", "using"])
  ]
}

/** What a product renders, and not what would take it back: that is for the other direction to say. */
const data = (change: Change.Change): unknown => {
  const { _tag, ...fields } = change
  const { was: _, ...own } = { was: undefined, ...fields }
  if (change._tag === "CreateTable")
    return { ...own, table: { ...change.table, columns: change.table.columns.map(plain) } }
  return change._tag === "AddColumn" ? { ...own, column: plain(change.column) } : own
}

/** Without the fields that say nothing. */
const defined = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(defined)
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, one]) => (one === undefined ? [] : [[key, defined(one)]]))
  )
}

const asData = (change: Change.Change): Source | undefined => {
  const written = literal(defined(data(change)))
  return written === undefined ? undefined : call("Operations.apply", call(`Change.make.${change._tag}`, written))
}

/** One change with what a reader should know before it is made. @since 0.1.0 @category models */
export interface Step {
  readonly change: Change.Change
  readonly warning?: string | undefined
}

/**
 * An Effect that makes them in their order; the changes that cannot be written where there are any.
 *
 * @since 0.1.0
 * @category rendering
 */
export const body = (
  steps: ReadonlyArray<Step>,
  direction: "up" | "down"
): Either.Either<string, ReadonlyArray<Change.Change>> => {
  const written = steps.map(({ change, warning }) => ({ change, warning, source: operation(change) ?? asData(change) }))
  const mute = written.filter(({ source }) => source === undefined)
  if (mute.length > 0) return Either.left(mute.map(({ change }) => change))
  const [first, second] = written
  if (first?.source !== undefined && second === undefined && first.warning === undefined) {
    return Either.right(print(first.source, 2, `  ${direction}: `.length, 1))
  }
  const lines = written.flatMap(({ source = "", warning }) => [
    ...(warning === undefined ? [] : [`    // ${warning}`]),
    `    yield* ${print(source, 4, "    yield* ".length)}`
  ])
  return Either.right(["Effect.gen(function* () {", ...lines, "  })"].join("\n"))
}
