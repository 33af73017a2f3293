/**
 * Portable DDL for hand-written migrations: each operation is a `Change`, rendered by the product in use and run on the
 * session that holds the migration's transaction. On SQLite, what ALTER TABLE cannot do is done by rebuilding the table.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Change from "../model/Change.js"
import type { Column, SqlType } from "../model/Column.js"
import { DatabaseConfig } from "../model/DatabaseConfig.js"
import type { DatabaseError } from "../model/DatabaseError.js"
import { Operations } from "../model/Migration.js"
import * as Table from "../model/Table.js"

export { Operations } from "../model/Migration.js"

type Op = Effect.Effect<void, DatabaseError, Operations>

/** Any change at all. @since 0.1.0 @category operations */
export const apply = (change: Change.Change): Op => Effect.flatMap(Operations, (operations) => operations.apply(change))

/**
 * Puts the configured table prefix in front of a name: `const name = yield* Operations.prefixed`, then `name("users")`.
 *
 * @since 0.1.0
 * @category accessors
 */
export const prefixed: Effect.Effect<(name: string) => string, never, DatabaseConfig> = Effect.map(
  DatabaseConfig,
  ({ tablePrefix }) =>
    (name: string) =>
      tablePrefix === "" ? name : `${tablePrefix}_${name}`
)

/** The table, its keys, constraints and indexes. @since 0.1.0 @category operations */
export const createTable = (table: Table.Table, options?: { readonly ifNotExists?: boolean | undefined }): Op =>
  apply(Change.make.CreateTable({ table: Table.definition(table), ifNotExists: options?.ifNotExists ?? false }))

/** The table and all its rows. @since 0.1.0 @category operations */
export const dropTable = (name: string, options?: { readonly ifExists?: boolean | undefined }): Op =>
  apply(Change.make.DropTable({ name, ifExists: options?.ifExists ?? false }))

/** @since 0.1.0 @category operations */
export const renameTable = (from: string, to: string): Op => apply(Change.make.RenameTable({ from, to }))

/** The column with the key, reference and check that stand at it. @since 0.1.0 @category operations */
export const addColumn = (table: string, name: string, column: Column.Any): Op =>
  apply(Change.make.AddColumn({ table, column: { ...column, name: column.name ?? name } }))

/** The column, its values, and the constraints and indexes that stand on it. @since 0.1.0 @category operations */
export const dropColumn = (table: string, column: string): Op => apply(Change.make.DropColumn({ table, column }))

/** @since 0.1.0 @category operations */
export const renameColumn = (table: string, from: string, to: string): Op =>
  apply(Change.make.RenameColumn({ table, from, to }))

/**
 * What is left out stays as it is; `default: null` takes the default away. `type` is a column builder's
 * (`Table.text`), `default` a column's that has one (`Table.text.pipe(Table.withDefault(""))`).
 *
 * @since 0.1.0
 * @category operations
 */
export const alterColumn = (
  table: string,
  column: string,
  to: {
    readonly type?: Column.Any | SqlType | undefined
    readonly nullable?: boolean | undefined
    readonly default?: Column.Any | null | undefined
    /** Only together with `type`, which without it goes back to the type's own. */
    readonly collate?: string | null | undefined
    /** How old values become new ones: an expression. */
    readonly using?: string | undefined
  }
): Op =>
  apply(
    Change.make.AlterColumn({
      table,
      column,
      to: {
        type: to.type === undefined || "_tag" in to.type ? to.type : to.type.type,
        nullable: to.nullable,
        default: to.default === null ? null : to.default?.default,
        collate: to.collate,
        using: to.using
      }
    })
  )

/** A key, reference, check or exclusion: `Table.uniqueOf`, `Table.foreignKey`, `Table.checkOf` … @since 0.1.0 @category operations */
export const addConstraint = (table: string, constraint: Table.TableConstraint): Op =>
  apply(Change.make.AddConstraint({ table, constraint: Table.withName(table, constraint) }))

/** By its name; those not named by hand are named as PostgreSQL would (`users_email_key`). @since 0.1.0 @category operations */
export const dropConstraint = (table: string, name: string): Op => apply(Change.make.DropConstraint({ table, name }))

/** `Table.index(["email"])`, `Table.uniqueIndex(…)`. @since 0.1.0 @category operations */
export const createIndex = (
  table: string,
  index: Table.Index,
  options?: { readonly ifNotExists?: boolean | undefined }
): Op =>
  apply(
    Change.make.CreateIndex({ table, index: Table.withName(table, index), ifNotExists: options?.ifNotExists ?? false })
  )

/** By its name; those not named by hand are named as PostgreSQL would (`users_email_idx`). @since 0.1.0 @category operations */
export const dropIndex = (
  table: string,
  name: string,
  options?: { readonly ifExists?: boolean | undefined; readonly concurrently?: boolean | undefined }
): Op =>
  apply(
    Change.make.DropIndex({
      table,
      name,
      ifExists: options?.ifExists ?? false,
      concurrently: options?.concurrently ?? false
    })
  )

/** What a table or a column says of itself; `null` takes it away. Nothing on products without comments. @since 0.1.0 @category operations */
export const comment = (table: string, column: string | undefined, text: string | null): Op =>
  apply(Change.make.Comment({ table, column, comment: text }))

/** A type of a few words; nothing on products where a column's CHECK stands for it. @since 0.1.0 @category operations */
export const createEnum = (name: string, values: ReadonlyArray<string>): Op =>
  apply(Change.make.CreateEnum({ name, values }))

/** One more word, at the end unless told. PostgreSQL: it cannot be used before the transaction is over. @since 0.1.0 @category operations */
export const addEnumValue = (
  name: string,
  value: string,
  place?: { readonly before?: string | undefined; readonly after?: string | undefined }
): Op => apply(Change.make.AddEnumValue({ name, value, ...place }))

/** @since 0.1.0 @category operations */
export const dropEnum = (name: string): Op => apply(Change.make.DropEnum({ name }))

/** SQL as it is: one text for all products, or one for each (`{ postgresql, sqlite }`). @since 0.1.0 @category operations */
export const execute = (sql: string | Readonly<Record<string, string>>): Op => apply(Change.make.Execute({ sql }))
