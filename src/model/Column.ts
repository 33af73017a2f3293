/**
 * A column as plain data: what it is in SQL, product-blind, and which JavaScript value it holds. A product's `ddl` renders
 * it (uuid is TEXT on SQLite). Builders are values to `pipe`; the phantom types say what an INSERT may leave out.
 *
 * @since 0.1.0
 */
import * as Pipeable from "effect/Pipeable"
import * as Schema from "effect/Schema"

/** What a column is in SQL; each product has its own name for it. @since 0.1.0 @category models */
export type SqlType =
  | {
      readonly _tag:
        | "text"
        | "boolean"
        | "uuid"
        | "timestamptz"
        | "date"
        | "json"
        | "bytes"
        | "int2"
        | "int4"
        | "int8"
        | "float8"
    }
  | { readonly _tag: "varchar"; readonly length: number }
  | { readonly _tag: "numeric"; readonly precision: number; readonly scale: number }
  | { readonly _tag: "enum"; readonly name: string; readonly values: ReadonlyArray<string> }
  | { readonly _tag: "array"; readonly of: SqlType }
  /** The product's own words, by product: `{ postgresql: "inet", sqlite: "TEXT" }`. */
  | { readonly _tag: "raw"; readonly sql: Readonly<Record<string, string>> }

/** What fills a column that an INSERT leaves out. @since 0.1.0 @category models */
export type Default =
  | { readonly _tag: "value"; readonly value: unknown }
  /** The same expression everywhere, or one per product. */
  | { readonly _tag: "sql"; readonly sql: string | Readonly<Record<string, string>> }
  | { readonly _tag: "now" }
  | { readonly _tag: "uuid" }
  | { readonly _tag: "identity"; readonly always: boolean }

/** What happens to a row whose parent is deleted or renumbered. @since 0.1.0 @category models */
export type OnDelete = "no action" | "restrict" | "cascade" | "set null" | "set default"

/** Where a reference points and how it behaves; `target` is `table.column`. @since 0.1.0 @category models */
export interface Reference {
  readonly target: string
  readonly onDelete?: OnDelete | undefined
  readonly onUpdate?: OnDelete | undefined
  /** Checked at COMMIT. */
  readonly deferrable?: boolean | undefined
}

/** What a product needs to know of a column. @since 0.1.0 @category models */
export interface ColumnDefinition {
  readonly type: SqlType
  readonly nullable: boolean
  readonly default?: Default | undefined
  readonly primaryKey?: boolean | undefined
  readonly unique?: boolean | undefined
  /** The name in SQL, where it is not the key. */
  readonly name?: string | undefined
  readonly comment?: string | undefined
  readonly references?: Reference | undefined
  readonly check?: string | undefined
  readonly computed?: { readonly sql: string; readonly stored: boolean } | undefined
  readonly collate?: string | undefined
  readonly renamedFrom?: string | undefined
}

/**
 * A column whose value is an `A`. `Null`: may be NULL. `Has`: an INSERT may leave it out. `Gen`: an INSERT must leave it out.
 * `Ref`: what it refers to, if to one thing, so that `DatabaseSchema.make` can hold it to be there.
 *
 * @since 0.1.0
 * @category models
 */
export interface Column<
  out A,
  out Null extends boolean = false,
  out Has extends boolean = false,
  out Gen extends boolean = false,
  out Ref extends string = string
> extends ColumnDefinition,
    Pipeable.Pipeable {
  readonly nullable: Null
  readonly optional: Has
  readonly generated: Gen
  /** Only a type. */
  readonly refers?: Ref | undefined
  readonly schema: Schema.Schema.AnyNoContext & { readonly Type: A }
}

/** @since 0.1.0 */
export declare namespace Column {
  /** Any column at all. @since 0.1.0 @category models */
  type Any = Column<unknown, boolean, boolean, boolean, string>
}

const proto = {
  pipe() {
    // biome-ignore lint/complexity/noArguments: Effect's own `pipe` protocol hands `arguments` over
    return Pipeable.pipeArguments(this, arguments)
  }
}

/** Columns are immutable: each modifier copies; `pipe` stays on the prototype, so that a column is plain data to look at. */
const build = <C>(fields: object): C => Object.freeze(Object.assign(Object.create(proto), fields)) as C

/** A column of a type this library has no word for. @since 0.1.0 @category constructors */
export const column = <A, I>(type: SqlType, schema: Schema.Schema<A, I>): Column<A> =>
  build({ type, schema, nullable: false, optional: false, generated: false })

/** @since 0.1.0 @category constructors */
export const text: Column<string> = column({ _tag: "text" }, Schema.String)
/** At most `length` characters, which are code points, as databases count them. @since 0.1.0 @category constructors */
export const varchar = (length: number): Column<string> =>
  column(
    { _tag: "varchar", length },
    Schema.String.pipe(
      Schema.filter((text) => text.length <= length || Array.from(text).length <= length, {
        message: () => `Expected at most ${length} characters`,
        jsonSchema: { maxLength: length },
        arbitrary: () => (fc) => fc.string({ maxLength: length })
      })
    )
  )
/** 16 bits. @since 0.1.0 @category constructors */
export const smallint: Column<number> = column({ _tag: "int2" }, Schema.Int)
/** 32 bits. @since 0.1.0 @category constructors */
export const int: Column<number> = column({ _tag: "int4" }, Schema.Int)
/** 64 bits. @since 0.1.0 @category constructors */
export const bigint: Column<bigint> = column({ _tag: "int8" }, Schema.BigIntFromSelf)
/** A double. @since 0.1.0 @category constructors */
export const float: Column<number> = column({ _tag: "float8" }, Schema.Number)
/** An exact decimal, as a string: no JavaScript number holds it. @since 0.1.0 @category constructors */
export const numeric = (precision: number, scale = 0): Column<string> =>
  column({ _tag: "numeric", precision, scale }, Schema.String)
/** @since 0.1.0 @category constructors */
export const boolean: Column<boolean> = column({ _tag: "boolean" }, Schema.Boolean)
/** @since 0.1.0 @category constructors */
export const uuid: Column<string> = column({ _tag: "uuid" }, Schema.UUID)
/** A moment (with time zone). @since 0.1.0 @category constructors */
export const timestamp: Column<Date> = column({ _tag: "timestamptz" }, Schema.ValidDateFromSelf)
/** A day of the calendar, as `YYYY-MM-DD`. @since 0.1.0 @category constructors */
export const date: Column<string> = column({ _tag: "date" }, Schema.String)
/** @since 0.1.0 @category constructors */
export const bytes: Column<Uint8Array> = column({ _tag: "bytes" }, Schema.Uint8ArrayFromSelf)
/** @since 0.1.0 @category constructors */
export const json = <A, I>(schema: Schema.Schema<A, I>): Column<A> => column({ _tag: "json" }, schema)
/** One of a few words; a type of its own where the product has enums, a CHECK elsewhere. @since 0.1.0 @category constructors */
export const enums = <const V extends readonly [string, ...ReadonlyArray<string>]>(
  name: string,
  values: V
): Column<V[number]> => column({ _tag: "enum", name, values }, Schema.Literal(...values))
/** Several values of one kind; JSON where the product has no arrays. @since 0.1.0 @category constructors */
export const array = <A, H extends boolean, G extends boolean>(
  of: Column<A, false, H, G, string>
): Column<ReadonlyArray<A>> =>
  build({
    type: { _tag: "array", of: of.type },
    schema: Schema.Array(of.schema),
    nullable: false,
    optional: false,
    generated: false
  })
/** The product's own type, by product. @since 0.1.0 @category constructors */
export const raw = <A, I>(sql: Readonly<Record<string, string>>, schema: Schema.Schema<A, I>): Column<A> =>
  column({ _tag: "raw", sql }, schema)

const set = <C>(column: object, fields: object): C => build({ ...column, ...fields })

/** What changes neither the value nor what an INSERT needs. @since 0.1.0 @category models */
export type Modifier = <A, N extends boolean, H extends boolean, G extends boolean, R extends string>(
  column: Column<A, N, H, G, R>
) => Column<A, N, H, G, R>

/** May be NULL. @since 0.1.0 @category combinators */
export const nullable = <A, H extends boolean, G extends boolean, R extends string>(
  column: Column<A, boolean, H, G, R>
): Column<A | null, true, true, G, R> =>
  set(column, { nullable: true, optional: true, schema: Schema.NullOr(column.schema) })

const asDefault = (type: SqlType, value: unknown): Default => {
  if (value === "now" && (type._tag === "timestamptz" || type._tag === "date")) return { _tag: "now" }
  if (value === "uuid" && type._tag === "uuid") return { _tag: "uuid" }
  return { _tag: "value", value }
}

/**
 * Filled with this when an INSERT leaves it out: a value, `"now"` on a moment or a day, `"uuid"` on a uuid.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withDefault =
  <const D>(value: D) =>
  <A, N extends boolean, G extends boolean, R extends string>(
    column: Column<A, N, boolean, G, R> & ([D] extends [A | "now" | "uuid"] ? unknown : never)
  ): Column<A, N, true, G, R> =>
    set(column, { optional: true, default: asDefault(column.type, value) })

/** Filled by an expression: one for all products, or one for each. @since 0.1.0 @category combinators */
export const defaultSql =
  (sql: string | Readonly<Record<string, string>>) =>
  <A, N extends boolean, G extends boolean, R extends string>(
    column: Column<A, N, boolean, G, R>
  ): Column<A, N, true, G, R> =>
    set(column, { optional: true, default: { _tag: "sql", sql } })

/** Numbered by the database, and by nobody else. @since 0.1.0 @category combinators */
export const identity = <A, N extends boolean, R extends string>(
  column: Column<A, N, boolean, boolean, R>
): Column<A, N, true, true, R> =>
  set(column, { optional: true, generated: true, default: { _tag: "identity", always: true } })

/** Numbered by the database unless an INSERT says a number. @since 0.1.0 @category combinators */
export const identityByDefault = <A, N extends boolean, G extends boolean, R extends string>(
  column: Column<A, N, boolean, G, R>
): Column<A, N, true, G, R> => set(column, { optional: true, default: { _tag: "identity", always: false } })

/** Computed from the row's other columns. @since 0.1.0 @category combinators */
export const computed =
  (sql: string, options?: { readonly stored?: boolean | undefined }) =>
  <A, N extends boolean, R extends string>(column: Column<A, N, boolean, boolean, R>): Column<A, N, true, true, R> =>
    set(column, { optional: true, generated: true, computed: { sql, stored: options?.stored ?? true } })

/** @since 0.1.0 @category combinators */
export const primaryKey: Modifier = (column) => set(column, { primaryKey: true })
/** @since 0.1.0 @category combinators */
export const unique: Modifier = (column) => set(column, { unique: true })
/** The name in SQL, where it is not the key. @since 0.1.0 @category combinators */
export const named =
  (name: string): Modifier =>
  (column) =>
    set(column, { name })
/** Told to `diff`, which cannot see a rename. @since 0.1.0 @category combinators */
export const renamedFrom =
  (name: string): Modifier =>
  (column) =>
    set(column, { renamedFrom: name })
/** @since 0.1.0 @category combinators */
export const check =
  (sql: string): Modifier =>
  (column) =>
    set(column, { check: sql })
/** @since 0.1.0 @category combinators */
export const collate =
  (name: string): Modifier =>
  (column) =>
    set(column, { collate: name })
/** @since 0.1.0 @category combinators */
export const comment =
  (text: string): Modifier =>
  (column) =>
    set(column, { comment: text })
/**
 * A string, not a thunk: a thunk that names its own table makes TypeScript infer `any` (TS7022). `DatabaseSchema.make` holds
 * it to be a column of its tables; one under another name in SQL may be named by its key.
 *
 * @since 0.1.0
 * @category combinators
 */
export const references =
  <const T extends `${string}.${string}`>(target: T, options?: Omit<Reference, "target">) =>
  <A, N extends boolean, H extends boolean, G extends boolean>(
    column: Column<A, N, H, G, string>
  ): Column<A, N, H, G, T> =>
    set(column, { references: { target, ...options } })
/** Another type for the same value: `Table.uuid.pipe(Table.brand<UserId>())`. @since 0.1.0 @category combinators */
export const brand =
  <B>() =>
  <A, N extends boolean, H extends boolean, G extends boolean, R extends string>(
    column: Column<A, N, H, G, R>
  ): Column<N extends true ? B | null : B, N, H, G, R> =>
    // The value is the same; only its name in the types changes.
    column as never
