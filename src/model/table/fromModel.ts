/**
 * A table from a class of `@effect/sql`'s `Model`: the class says which columns there are and what their values are, the table
 * adds what a class cannot say. Nothing is guessed: a field whose SQL type cannot be told, or that the database fills, does
 * not compile without a column.
 *
 * @since 0.1.0
 */
import type { BigDecimal } from "effect/BigDecimal"
import * as Either from "effect/Either"
import { identity } from "effect/Function"
import * as Schema from "effect/Schema"
import type { Simplify } from "effect/Types"
import { type Column, column, type Default, named } from "../Column.js"
import { type Constraint, make, type Table } from "../Table.js"
import { infer } from "./infer.js"
import { fits } from "./kind.js"
import { wire } from "./wire.js"

type Fields = Schema.Struct.Fields

/** A class of `@effect/sql`'s `Model`. @since 0.1.0 @category models */
export interface Model extends Schema.Schema.AnyNoContext {
  readonly identifier: string
  readonly fields: Fields
  readonly insert: { readonly fields: Fields }
  readonly update: { readonly fields: Fields }
}

type Value<M extends Model, K extends keyof M["fields"]> = Schema.Schema.Type<M["fields"][K]>
type Kept<M extends Model, K extends keyof M["fields"]> = Schema.Schema.Encoded<M["fields"][K]>

type Null<M extends Model, K extends keyof M["fields"]> = null extends Kept<M, K> ? true : false
/** An INSERT of the model leaves it out. */
type Filled<M extends Model, K extends keyof M["fields"]> = K extends keyof M["insert"]["fields"] ? false : true
type Or<A extends boolean, B extends boolean> = A extends true ? true : B

/** A union of tuples takes a tuple of a union, and so cannot ask which of them it is. */
type OneOf<I, Kinds extends ReadonlyArray<unknown>> = Kinds extends readonly [infer A, ...infer Others]
  ? [I] extends [A]
    ? true
    : OneOf<I, Others>
  : false
type OneKind<I> = [I] extends [never] ? false : OneOf<I, [string, number, bigint, boolean, object]>
type Told<M extends Model, K extends keyof M["fields"]> =
  unknown extends Kept<M, K>
    ? false
    : [Exclude<Value<M, K>, null>] extends [BigDecimal]
      ? false
      : OneKind<Exclude<Kept<M, K>, null>>

type Inferred<M extends Model, K extends keyof M["fields"]> = Column<
  Value<M, K>,
  Null<M, K>,
  Or<Null<M, K>, Filled<M, K>>,
  Filled<M, K>
>

/** The columns that a model's fields tell of by themselves. @since 0.1.0 @category models */
export type ModelColumns<M extends Model> = Simplify<{
  readonly [K in keyof M["fields"] as Told<M, K> extends true ? K : never]: Inferred<M, K>
}>

type Needed<M extends Model> = {
  [K in keyof M["fields"]]: Told<M, K> extends false ? K : Filled<M, K> extends true ? K : never
}[keyof M["fields"]]

type Fitting<M extends Model, K extends keyof M["fields"]> = Column<
  unknown,
  Null<M, K> extends true ? boolean : false,
  boolean,
  boolean
>

/** The columns that must, and those that may be given. @since 0.1.0 @category models */
export type GivenColumns<M extends Model> = { readonly [K in Needed<M>]: Fitting<M, K> } & {
  readonly [K in keyof M["fields"]]?: Fitting<M, K>
}

type NoOthers<O, M extends Model> = [Exclude<keyof O, keyof M["fields"]>] extends [never]
  ? unknown
  : { readonly "of no field": Exclude<keyof O, keyof M["fields"]> }

type Merged<M extends Model, K extends keyof M["fields"], C> =
  C extends Column<unknown, boolean, infer H, infer G, infer R>
    ? Column<Value<M, K>, Null<M, K>, Or<H, Or<Null<M, K>, Filled<M, K>>>, Or<G, Filled<M, K>>, R>
    : Inferred<M, K>

/** The columns of a model's table: the values are the model's. @since 0.1.0 @category models */
export type FromModel<M extends Model, O> = {
  readonly [K in keyof M["fields"] & string]: K extends keyof O ? Merged<M, K, O[K]> : Inferred<M, K>
}

const bad = (model: Model, field: string, problem: string, remedy: string): never => {
  throw new TypeError(`${model.identifier}.${field}: ${problem}. ${remedy}.`)
}

/** A field's schema, and the name it has in SQL where `fieldFromKey` gives it another. */
const fieldOf = (
  model: Model,
  key: string
): { readonly schema: Schema.Schema.All; readonly name: string | undefined } => {
  const field = model.fields[key]
  if (Schema.isSchema(field)) return { schema: field, name: undefined }
  const ast = Schema.isPropertySignature(field) ? field.ast : undefined
  if (ast?._tag === "PropertySignatureDeclaration" && !ast.isOptional) {
    return { schema: Schema.make(ast.type), name: undefined }
  }
  if (ast?._tag === "PropertySignatureTransformation" && ast.decode === identity && !ast.from.isOptional) {
    return { schema: Schema.make(ast.from.type), name: ast.from.fromKey?.toString() }
  }
  return bad(model, key, "it may be missing, and a row's column never is", "Use Schema.NullOr or Model.FieldOption")
}

/** Products write defaults as the column's own values, not as the model's. */
const defaultOf = (model: Model, key: string, given: Column.Any): Default | undefined => {
  if (given.default?._tag !== "value") return given.default
  const said = Schema.encodeUnknownEither(given.schema)(given.default.value)
  const value = given.default.value === null || Either.isLeft(said) ? null : wire(given.type).read(said.right)
  return Either.isLeft(said) || value === undefined
    ? bad(model, key, "its default is no value of it", "Give it one that is")
    : { _tag: "value", value }
}

const literal = (one: string | number) => (typeof one === "number" ? String(one) : `'${one.replaceAll("'", "''")}'`)

/** Few words without a type of their own: a condition holds the column to them. */
const checkOf = (given: Column.Any, name: string, among: ReadonlyArray<string | number>): string | undefined => {
  const kind = /^(?:text|varchar)$/.test(given.type._tag)
    ? "string"
    : /^(?:int|float)\d$/.test(given.type._tag)
      ? "number"
      : ""
  const fits = among.length > 0 && among.every((one) => typeof one === kind)
  return fits ? `"${name.replaceAll('"', '""')}" IN (${among.map(literal).join(", ")})` : undefined
}

interface Seen extends ReturnType<typeof fieldOf>, ReturnType<typeof infer> {
  readonly key: string
  /** An INSERT of the model leaves it out. */
  readonly filled: boolean
}

const seen = (model: Model, key: string): Seen => {
  const field = fieldOf(model, key)
  return { key, ...field, ...infer(field.schema.ast), filled: !(key in model.insert.fields) }
}

const inferred = ({ type, schema, name, nullable, filled }: Seen): Column.Any | undefined => {
  if (type === undefined) return undefined
  const own = column(type, schema as Schema.Schema<unknown>)
  const flags = { nullable, optional: nullable || filled, generated: filled }
  return changed(name === undefined ? own : own.pipe(named(name)), flags)
}

/** As the combinators of a column do it: a copy that can be piped. */
const changed = (own: Column.Any, fields: Partial<Column.Any>): Column.Any =>
  Object.freeze(Object.assign(Object.create(Object.getPrototypeOf(own)), own, fields))

const merged = (model: Model, field: Seen, given: Column.Any | undefined): Column.Any => {
  const { key, schema, nullable, filled } = field
  const own =
    given ??
    inferred(field) ??
    bad(model, key, "its SQL type cannot be told from its schema", "Give it a column: Table.numeric(10, 2)")
  if (!fits(field.kind, own.type)) {
    const what = `its schema encodes to ${field.kind ?? "several kinds"}, which a ${own.type._tag} column cannot keep`
    bad(model, key, what, "Give it another column, or the field another schema")
  }
  const fills = own.default !== undefined || own.computed !== undefined || nullable
  if (filled && !fills) {
    bad(
      model,
      key,
      "the database fills it, and nothing says with what",
      "Give it Table.identity, a default, or Table.computed"
    )
  }
  const name = own.name ?? field.name
  return changed(own, {
    schema: schema as Column.Any["schema"],
    name,
    nullable,
    optional: own.optional || nullable || filled,
    generated: own.generated || filled,
    default: defaultOf(model, key, own),
    check: own.check ?? checkOf(own, name ?? key, field.among)
  })
}

/**
 * `Table.fromModel(User, "users", (c) => ({ id: c.id.pipe(Table.primaryKey, Table.identity) }), (c) => [Table.index([c.email])])`
 *
 * `columns` gets the columns told by the fields and gives back those that differ, or another column in a field's place:
 * `createdAt: Table.timestamp.pipe(Table.withDefault("now"))`. Then the SQL is that column's, and the value stays the model's.
 *
 * Told: Int is int4, other numbers float8, bigint int8, a Date timestamptz, bytes bytes; a text varchar with `maxLength`, uuid with
 * `Schema.UUID`; structs, records and arrays json; NULL from `NullOr` and `FieldOption`; few words are held to by a CHECK. What is
 * encoded as text is text, so that upstream's `Model.makeRepository` works on the table, too. Throws a `TypeError` that names the
 * field where types could not know.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromModel = <M extends Model, const Name extends string, O extends GivenColumns<M>>(
  model: M,
  name: Name,
  columns: (c: ModelColumns<M>) => O & NoOthers<O, M>,
  constraints?: (c: { readonly [K in keyof M["fields"] & string]: K }) => ReadonlyArray<Constraint>,
  options?: Pick<Table, "schema" | "comment" | "renamedFrom">
): Table<Name, FromModel<M, O>> => {
  const fields = Object.keys(model.fields).map((key) => seen(model, key))
  const told = fields.flatMap((field) => {
    const own = inferred(field)
    return own === undefined ? [] : [[field.key, own] as const]
  })
  // The mapped types say of these records what their loops do.
  const given: Readonly<Record<string, Column.Any>> = columns(Object.fromEntries(told) as never) as never
  const known = new Set(Object.keys(model.fields))
  for (const key of [...Object.keys(model.insert.fields), ...Object.keys(model.update.fields)]) {
    if (!known.has(key))
      bad(model, key, "it is written and never read", "Let it be selected: Model.Sensitive keeps it out of JSON")
  }
  for (const key of Object.keys(given)) {
    if (!known.has(key)) bad(model, key, "there is no such field", "Look at its spelling")
  }
  const all = Object.fromEntries(fields.map((field) => [field.key, merged(model, field, given[field.key])]))
  return make(name, all, constraints as never, options) as never
}
