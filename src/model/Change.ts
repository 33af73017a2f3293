/**
 * One step from one schema to another, as data: made by `Operations` or by comparing schemas, rendered by the product's
 * `ddl`, and invertible where it says what it takes away.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Option from "effect/Option"
import type { Default, SqlType } from "./Column.js"
import type { Index, Named, NamedColumn, TableConstraint, TableDefinition } from "./Table.js"

/**
 * `was` on what is taken away is what the inverse puts back.
 *
 * @since 0.1.0
 * @category models
 */
export type Change = Data.TaggedEnum<{
  CreateTable: { readonly table: TableDefinition; readonly ifNotExists: boolean }
  DropTable: { readonly name: string; readonly ifExists: boolean; readonly was?: TableDefinition | undefined }
  RenameTable: { readonly from: string; readonly to: string }
  AddColumn: { readonly table: string; readonly column: NamedColumn }
  DropColumn: { readonly table: string; readonly column: string; readonly was?: NamedColumn | undefined }
  RenameColumn: { readonly table: string; readonly from: string; readonly to: string }
  AlterColumn: {
    readonly table: string
    readonly column: string
    readonly to: ColumnPatch
    readonly was?: ColumnPatch | undefined
  }
  AddConstraint: { readonly table: string; readonly constraint: Named<TableConstraint> }
  DropConstraint: {
    readonly table: string
    readonly name: string
    readonly was?: Named<TableConstraint> | undefined
  }
  CreateIndex: { readonly table: string; readonly index: Named<Index>; readonly ifNotExists: boolean }
  DropIndex: {
    readonly table: string
    readonly name: string
    readonly ifExists: boolean
    readonly concurrently: boolean
    readonly was?: Named<Index> | undefined
  }
  /** Of the table, or of one of its columns; `null` takes it away. Nothing on products without comments. */
  Comment: {
    readonly table: string
    readonly column?: string | undefined
    readonly comment: string | null
    readonly was?: string | null | undefined
  }
  CreateEnum: { readonly name: string; readonly values: ReadonlyArray<string> }
  /** Without `before` and `after`: at the end. */
  AddEnumValue: {
    readonly name: string
    readonly value: string
    readonly before?: string | undefined
    readonly after?: string | undefined
  }
  DropEnum: { readonly name: string; readonly was?: ReadonlyArray<string> | undefined }
  /** One text for all products, or one for each (`postgresql`, `sqlite`). */
  Execute: { readonly sql: string | Readonly<Record<string, string>> }
}>

/**
 * What is left out stays as it is; `null` takes it away. Where PostgreSQL is given a type, a collation that is to stay has to
 * be said again.
 *
 * @since 0.1.0
 * @category models
 */
export interface ColumnPatch {
  readonly type?: SqlType | undefined
  readonly nullable?: boolean | undefined
  readonly default?: Default | null | undefined
  /** Only together with `type`. */
  readonly collate?: string | null | undefined
  /** How old values become new ones (PostgreSQL's USING): an expression. */
  readonly using?: string | undefined
}

/** One change under its tag. @since 0.1.0 @category models */
export type Of<Tag extends Change["_tag"]> = Extract<Change, { readonly _tag: Tag }>

const constructors = Data.taggedEnum<Change>()

/** @since 0.1.0 @category constructors */
export const make: Omit<typeof constructors, "$is" | "$match"> = constructors

/** Exhaustive over the tags. @since 0.1.0 @category pattern matching */
export const match = constructors.$match

/** In a few words, for people. @since 0.1.0 @category conversions */
export const describe: (change: Change) => string = match({
  CreateTable: ({ table }) => `create table ${table.name}`,
  DropTable: ({ name }) => `drop table ${name}`,
  RenameTable: ({ from, to }) => `rename table ${from} to ${to}`,
  AddColumn: ({ table, column }) => `add column ${table}.${column.name}`,
  DropColumn: ({ table, column }) => `drop column ${table}.${column}`,
  RenameColumn: ({ table, from, to }) => `rename column ${table}.${from} to ${to}`,
  AlterColumn: ({ table, column, to }) => {
    const what = (["type", "nullable", "default", "collate"] as const).filter((field) => to[field] !== undefined)
    return `alter column ${table}.${column} (${what.join(", ")})`
  },
  AddConstraint: ({ table, constraint }) => `add ${constraint.kind} ${constraint.name} to ${table}`,
  DropConstraint: ({ table, name, was }) => `drop ${was?.kind ?? "constraint"} ${name} of ${table}`,
  CreateIndex: ({ table, index }) => `create index ${index.name} on ${table}`,
  DropIndex: ({ table, name }) => `drop index ${name} of ${table}`,
  Comment: ({ table, column }) => `comment on ${column === undefined ? table : `${table}.${column}`}`,
  CreateEnum: ({ name }) => `create enum ${name}`,
  AddEnumValue: ({ name, value }) => `add '${value}' to enum ${name}`,
  DropEnum: ({ name }) => `drop enum ${name}`,
  Execute: () => "execute SQL"
})

/**
 * The change that takes this one back; none where it cannot be known.
 *
 * @since 0.1.0
 * @category combinators
 */
export const inverse: (change: Change) => Option.Option<Change> = match({
  CreateTable: ({ table }) => Option.some(make.DropTable({ name: table.name, ifExists: false, was: table })),
  DropTable: ({ was }) =>
    Option.map(Option.fromNullable(was), (table) => make.CreateTable({ table, ifNotExists: false })),
  RenameTable: ({ from, to }) => Option.some(make.RenameTable({ from: to, to: from })),
  AddColumn: ({ table, column }) => Option.some(make.DropColumn({ table, column: column.name, was: column })),
  DropColumn: ({ table, was }) => Option.map(Option.fromNullable(was), (column) => make.AddColumn({ table, column })),
  RenameColumn: ({ table, from, to }) => Option.some(make.RenameColumn({ table, from: to, to: from })),
  AlterColumn: ({ table, column, to, was }) =>
    Option.map(Option.fromNullable(was), (patch) => make.AlterColumn({ table, column, to: patch, was: to })),
  AddConstraint: ({ table, constraint }) =>
    Option.some(make.DropConstraint({ table, name: constraint.name, was: constraint })),
  DropConstraint: ({ table, was }) =>
    Option.map(Option.fromNullable(was), (constraint) => make.AddConstraint({ table, constraint })),
  CreateIndex: ({ table, index }) =>
    Option.some(
      make.DropIndex({
        table,
        name: index.name,
        ifExists: false,
        concurrently: index.concurrently === true,
        was: index
      })
    ),
  DropIndex: ({ table, was }) =>
    Option.map(Option.fromNullable(was), (index) => make.CreateIndex({ table, index, ifNotExists: false })),
  Comment: ({ table, column, comment, was }) =>
    was === undefined ? Option.none() : Option.some(make.Comment({ table, column, comment: was, was: comment })),
  CreateEnum: ({ name, values }) => Option.some(make.DropEnum({ name, was: values })),
  // PostgreSQL cannot take a value away from an enum.
  AddEnumValue: () => Option.none(),
  DropEnum: ({ name, was }) => Option.map(Option.fromNullable(was), (values) => make.CreateEnum({ name, values })),
  Execute: () => Option.none()
})
