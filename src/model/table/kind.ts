/**
 * Which JavaScript value a schema encodes to, told from its AST alone: what a column's value must become before the schema can
 * decode it, and what `fromModel` takes a field's SQL type from.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import type { SqlType } from "../Column.js"

/** @since 0.1.0 @category models */
export type Kind = "string" | "number" | "bigint" | "boolean" | "date" | "bytes" | "json"

/** What a union is of besides NULL. @since 0.1.0 @category accessors */
export const members = (ast: AST.AST): ReadonlyArray<AST.AST> =>
  (AST.isUnion(ast) ? ast.types : [ast]).filter((one) => !(AST.isLiteral(one) && one.literal === null))

const ofAll = (kinds: ReadonlyArray<Kind | undefined>): Kind | undefined =>
  kinds.every((kind) => kind === kinds[0]) ? kinds[0] : undefined

const typeofs: Readonly<Record<string, Kind>> = {
  string: "string",
  number: "number",
  bigint: "bigint",
  boolean: "boolean"
}

/** A class under whatever name: by what it takes. */
const declared = (ast: AST.AST): Kind | undefined => {
  const is = Schema.is(Schema.make(ast))
  const found = [...(is(new Date(0)) ? (["date"] as const) : []), ...(is(new Uint8Array()) ? (["bytes"] as const) : [])]
  return found.length === 1 ? found[0] : undefined
}

const seen = (ast: AST.AST): Kind | undefined => {
  switch (ast._tag) {
    case "StringKeyword":
    case "TemplateLiteral":
      return "string"
    case "NumberKeyword":
      return "number"
    case "BigIntKeyword":
      return "bigint"
    case "BooleanKeyword":
      return "boolean"
    case "Literal":
      return typeofs[typeof ast.literal]
    case "Enums":
      return ofAll(ast.enums.map(([, value]) => typeofs[typeof value]))
    case "TypeLiteral":
    case "TupleType":
    case "ObjectKeyword":
      return "json"
    case "Suspend":
      return seen(ast.f())
    case "Union":
      return ofAll(members(ast).map(seen))
    case "Declaration":
      return declared(ast)
    default:
      return undefined
  }
}

/** None where it can be several things, or nothing a column holds. @since 0.1.0 @category accessors */
export const kindOf = (ast: AST.AST): Kind | undefined => seen(AST.encodedAST(ast))

const texts: ReadonlyArray<Kind> = ["string"]
const integers: ReadonlyArray<Kind> = ["number", "bigint", "string", "boolean"]

/** What a column of a type can keep and give back; anything at all where nothing stands. */
const keeps: Partial<Record<SqlType["_tag"], ReadonlyArray<Kind>>> = {
  text: texts,
  varchar: texts,
  enum: texts,
  uuid: texts,
  boolean: ["boolean", "number"],
  int2: integers,
  int4: integers,
  int8: integers,
  float8: ["number"],
  numeric: ["string", "number", "bigint"],
  timestamptz: ["date", "string", "number"],
  date: ["string", "date"],
  bytes: ["bytes"],
  array: ["json"]
}

/** Whether values of the kind can be kept in such a column. @since 0.1.0 @category guards */
export const fits = (kind: Kind | undefined, type: SqlType): boolean => {
  const kept = keeps[type._tag]
  return kept === undefined || (kind !== undefined && kept.includes(kind))
}
