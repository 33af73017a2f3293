/**
 * Columns: new, gone, altered. One that is computed otherwise than before is made anew, because its values are nobody's loss
 * and PostgreSQL alters only some of that.
 *
 * @since 0.1.0
 */
import { type ColumnPatch, make } from "../../model/Change.js"
import type { SqlType } from "../../model/Column.js"
import type { LiveColumn } from "../../model/LiveSchema.js"
import type { NamedColumn } from "../../model/Table.js"
import { enumOf } from "../Definition.js"
import { mentions, quoted } from "../Spelling.js"
import { type Pair, type Remade, type Step, step } from "./Pair.js"

/** @since 0.1.0 @category models */
export interface Columns {
  readonly steps: ReadonlyArray<Step>
  /** Those whose type changes: references that touch them are in the way. */
  readonly retyped: ReadonlySet<string>
  /** Those that are another column for a while: whatever names them is in the way. */
  readonly remade: ReadonlySet<string>
}

/** Without what stands at a column: keys, references and checks are the table's. */
const bare = ({
  check: _,
  primaryKey: __,
  references: ___,
  renamedFrom: ____,
  unique: _____,
  ...column
}: NamedColumn): NamedColumn => column

/** @since 0.1.0 @category comparisons */
export const columns = (pair: Pair, remadeEnums: Remade): Columns => {
  const { declared, live, name: table, sure, wanted } = pair
  const steps: Array<Step> = []
  const retyped = new Set<string>()
  const remade = new Set<string>()
  const was = (name: string) => {
    const column = live.definition.columns.find((one) => one.name === name)
    return column !== undefined && sure.column(name) ? bare(column) : undefined
  }

  /** Whether it is, or was, of a type that is made anew. */
  const leaving = (name: string): boolean => {
    const type = live.definition.columns.find((one) => one.name === name)?.type
    return type !== undefined && remadeEnums.has(enumOf(type) ?? "")
  }
  /** Columns that a computed one must not stand on while they change. */
  const changing = (sql: string): boolean =>
    wanted.table.columns.some((to) => {
      const is = live.table.columns.find(({ name }) => name === to.name)
      return (
        is !== undefined &&
        mentions(sql, to.name) &&
        (!pair.alike(to.type, is.type) || to.collate !== is.collate || leaving(to.name))
      )
    })

  for (const is of live.table.columns) {
    if (wanted.table.columns.some(({ name }) => name === is.name)) continue
    const phase = is.computed === undefined && !leaving(is.name) ? "columns dropped" : "columns freed"
    steps.push(step(phase, make.DropColumn({ table, column: is.name, was: was(is.name) })))
  }
  for (const [i, to] of wanted.table.columns.entries()) {
    const said = declared.definition.columns[i]
    const is = live.table.columns.find(({ name }) => name === to.name)
    const old = live.definition.columns.find(({ name }) => name === to.name)
    if (said === undefined) continue
    if (is === undefined || old === undefined) {
      const phase = said.computed === undefined ? "columns" : "columns computed"
      steps.push(step(phase, make.AddColumn({ table, column: bare(said) })))
      continue
    }
    if (!sameComputation(pair, to, is) || (said.computed !== undefined && changing(said.computed.sql))) {
      remade.add(to.name)
      steps.push(
        step("columns freed", make.DropColumn({ table, column: is.name, was: was(is.name) })),
        step("columns computed", make.AddColumn({ table, column: bare(said) }))
      )
      continue
    }
    const known = sure.column(is.name)
    const as = (type: string) => `CAST(${quoted(to.name)} AS ${type})`
    const there = patch(pair, said, to, is)
    if (leaving(to.name) && pair.alike(to.type, is.type)) {
      remade.add(to.name)
      const back: ColumnPatch = { type: old.type, ...defaultOf(old) }
      const freed: ColumnPatch = { type: textOf(said.type), ...(old.default === undefined ? {} : { default: null }) }
      steps.push(
        step("columns freed", make.AlterColumn({ table, column: to.name, to: freed, was: known ? back : undefined }), {
          from: old.type,
          to: textOf(said.type),
          forth: as("text"),
          back: as(is.type)
        }),
        step(
          "columns",
          make.AlterColumn({
            table,
            column: to.name,
            to: { ...there, type: said.type, ...defaultOf(said) },
            was: known ? { ...patch(pair, old, is, to), ...freed } : undefined
          }),
          { from: textOf(said.type), to: said.type, forth: as(to.type), back: as("text") }
        )
      )
    } else if (Object.keys(there).length > 0) {
      if (there.type !== undefined) retyped.add(to.name)
      steps.push(
        step(
          leaving(to.name) ? "columns freed" : "columns",
          make.AlterColumn({
            table,
            column: to.name,
            to: there,
            was: known ? patch(pair, old, is, to) : undefined
          }),
          there.type === undefined
            ? undefined
            : { from: old.type, to: said.type, forth: as(to.type), back: as(is.type) }
        )
      )
    }
    if (to.comment !== is.comment) {
      steps.push(
        step(
          "comments",
          make.Comment({ table, column: to.name, comment: said.comment ?? null, was: is.comment ?? null })
        )
      )
    }
  }
  if (wanted.table.comment !== live.table.comment) {
    steps.push(
      step(
        "comments",
        make.Comment({ table, comment: declared.definition.comment ?? null, was: live.table.comment ?? null })
      )
    )
  }
  return { steps, retyped, remade }
}

const textOf = (type: SqlType): SqlType =>
  type._tag === "array" ? { _tag: "array", of: textOf(type.of) } : { _tag: "text" }

const defaultOf = ({ default: is }: NamedColumn): ColumnPatch => (is === undefined ? {} : { default: is })

const sameComputation = ({ alike }: Pair, a: LiveColumn, b: LiveColumn): boolean =>
  alike(a.computed?.sql, b.computed?.sql) && a.computed?.stored === b.computed?.stored

/** What makes `from` into `to`, which was declared as `said`. */
const patch = ({ alike }: Pair, said: NamedColumn, to: LiveColumn, from: LiveColumn): ColumnPatch => {
  const type = !alike(to.type, from.type) || to.collate !== from.collate
  const valued = to.default !== undefined || from.default !== undefined
  return {
    ...(type ? { type: said.type } : {}),
    ...(type && (to.collate !== undefined || from.collate !== undefined) ? { collate: to.collate ?? null } : {}),
    ...(to.nullable === from.nullable ? {} : { nullable: to.nullable }),
    // A default may stand in the way of another type.
    ...(!alike(to.default, from.default) || to.identity !== from.identity || (type && valued)
      ? { default: said.default ?? null }
      : {})
  }
}
