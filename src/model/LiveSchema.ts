/**
 * A schema as a live database has it, normalised by the product's `inspect`: names sorted, system objects left out, texts
 * as the database itself prints them. Two of one product may be compared; two of different products may not.
 *
 * @since 0.1.0
 */
import type { OnDelete } from "./Column.js"

/** @since 0.1.0 @category models */
export interface LiveColumn {
  readonly name: string
  /** As the product prints it: `character varying(255)`, `TIMESTAMPTZ`. */
  readonly type: string
  readonly nullable: boolean
  readonly default?: string | undefined
  readonly identity?: "always" | "by default" | undefined
  readonly computed?: { readonly sql: string; readonly stored: boolean } | undefined
  readonly collate?: string | undefined
  readonly comment?: string | undefined
}

/** @since 0.1.0 @category models */
export interface LiveKey {
  /** Absent where the product keeps no name. */
  readonly name?: string | undefined
  readonly columns: ReadonlyArray<string>
}

/** @since 0.1.0 @category models */
export interface LiveForeignKey extends LiveKey {
  readonly table: string
  readonly targets: ReadonlyArray<string>
  readonly onDelete: OnDelete
  readonly onUpdate: OnDelete
  readonly deferrable: boolean
  readonly valid: boolean
}

/** @since 0.1.0 @category models */
export interface LiveCheck {
  readonly name?: string | undefined
  readonly sql: string
  readonly valid: boolean
}

/** @since 0.1.0 @category models */
export interface LiveIndex extends LiveObject {
  /** Names of columns, or expressions as the product prints them. */
  readonly columns: ReadonlyArray<string>
  readonly unique: boolean
  readonly where?: string | undefined
  /** Its text behind the name of the table: parts, condition, and all that has no word here (order, storage). */
  readonly over: string
  readonly using?: string | undefined
  /** False for what a failed concurrent build left behind. */
  readonly valid: boolean
}

/** @since 0.1.0 @category models */
export interface LiveObject {
  readonly name: string
  /** The statement that makes it, as it is compared. */
  readonly sql: string
  /** The same to be executed, where it is not. */
  readonly source?: string | undefined
}

/** @since 0.1.0 @category models */
export interface LiveTable {
  readonly name: string
  readonly columns: ReadonlyArray<LiveColumn>
  readonly primaryKey?: LiveKey | undefined
  readonly uniques: ReadonlyArray<LiveKey>
  readonly foreignKeys: ReadonlyArray<LiveForeignKey>
  readonly checks: ReadonlyArray<LiveCheck>
  readonly exclusions: ReadonlyArray<LiveObject>
  readonly indexes: ReadonlyArray<LiveIndex>
  readonly triggers: ReadonlyArray<LiveObject>
  readonly comment?: string | undefined
  /** The product's own text, where it keeps one (SQLite): what a rebuild edits. No part of a comparison. */
  readonly source?: string | undefined
}

/** @since 0.1.0 @category models */
export interface LiveEnum {
  readonly name: string
  readonly values: ReadonlyArray<string>
}

/** @since 0.1.0 @category models */
export interface LiveSchema {
  /** The schema's own name (`public`, `main`). */
  readonly name: string
  readonly tables: ReadonlyArray<LiveTable>
  readonly enums: ReadonlyArray<LiveEnum>
  readonly views: ReadonlyArray<LiveObject & { readonly triggers: ReadonlyArray<LiveObject> }>
  readonly sequences: ReadonlyArray<string>
}

/** A database with nothing in it. @since 0.1.0 @category constructors */
export const empty: LiveSchema = { name: "", tables: [], enums: [], views: [], sequences: [] }

/** The table of that name. @since 0.1.0 @category accessors */
export const table = (schema: LiveSchema, name: string): LiveTable | undefined =>
  schema.tables.find((table) => table.name === name)

/** The schema without these tables (a ledger, say). @since 0.1.0 @category combinators */
export const without = (schema: LiveSchema, names: ReadonlyArray<string>): LiveSchema => ({
  ...schema,
  tables: schema.tables.filter((table) => !names.includes(table.name))
})

/**
 * Where two schemas of one product differ, as paths a person can read (`tables.users.columns.email.type: text -> uuid`).
 * Empty: they are the same.
 *
 * @since 0.1.0
 * @category comparisons
 */
export const differences = (before: LiveSchema, after: LiveSchema): ReadonlyArray<string> => {
  const found: Array<string> = []
  compare(before, after, "", found)
  return found
}

const compare = (a: unknown, b: unknown, path: string, found: Array<string>): void => {
  if (Array.isArray(a) && Array.isArray(b)) {
    const [left, right] = [named(a), named(b)]
    if (JSON.stringify(Object.keys(left)) !== JSON.stringify(Object.keys(right))) {
      const extra = Object.keys(right).filter((key) => !(key in left))
      const missing = Object.keys(left).filter((key) => !(key in right))
      if (extra.length + missing.length === 0) found.push(`${path}: another order`)
      for (const key of missing) found.push(`${path}.${key}: gone`)
      for (const key of extra) found.push(`${path}.${key}: new`)
    }
    for (const key of Object.keys(left)) if (key in right) compare(left[key], right[key], `${path}.${key}`, found)
  } else if (typeof a === "object" && typeof b === "object" && a !== null && b !== null) {
    const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>]
    for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
      if (key !== "source") compare(left[key], right[key], path === "" ? key : `${path}.${key}`, found)
    }
  } else if (a !== b) {
    found.push(`${path}: ${String(a)} -> ${String(b)}`)
  }
}

/** Lists of named things are compared by name; a thing without a name is named by all it says. */
const named = (items: ReadonlyArray<unknown>): Record<string, unknown> =>
  Object.fromEntries(
    items.map((item, i) => {
      if (typeof item !== "object" || item === null) return [`${i} ${String(item)}`, item]
      return [(item as { name?: string }).name ?? JSON.stringify(item), item]
    })
  )
