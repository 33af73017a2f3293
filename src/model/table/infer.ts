/**
 * What a model's field says of its column. The SQL type is one whose raw values the field's own schema reads and writes, so
 * that upstream's `Model.makeRepository` works on the table as well: a moment kept as text is text. What an AST cannot say
 * (which key, how wide an integer, how many digits) is not guessed.
 *
 * @since 0.1.0
 */
import * as BigDecimal from "effect/BigDecimal"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import type { SqlType } from "../Column.js"
import { type Kind, kindOf, members } from "./kind.js"

/** @since 0.1.0 @category models */
export interface Field {
  /** None where it cannot be told. */
  readonly type: SqlType | undefined
  /** What it encodes to, besides NULL. */
  readonly kind: Kind | undefined
  readonly nullable: boolean
  /** All it can be, where that is a few words or numbers. */
  readonly among: ReadonlyArray<string | number>
}

/** The schema that the value in the database is of, below NULL and below what only wraps it. */
const stored = (ast: AST.AST): AST.AST => {
  const [one, ...others] = members(ast)
  if (one === undefined || others.length > 0) return ast
  if (one !== ast) return stored(one)
  // An `OptionFromNullOr` is a union with NULL that becomes something else.
  return AST.isTransformation(ast) && isNullable(ast.from) ? stored(ast.from) : ast
}

const isNullable = (ast: AST.AST): boolean => {
  const encoded = AST.encodedAST(ast)
  return AST.isUnion(encoded) && members(encoded).length < encoded.types.length
}

/** From the outermost filter down to what is kept; what is said of a value says nothing of the form it is kept in. */
const filters = (ast: AST.AST): ReadonlyArray<AST.Refinement> => {
  if (AST.isRefinement(ast)) return [ast, ...filters(ast.from)]
  return []
}

const unfiltered = (ast: AST.AST): AST.AST => (AST.isRefinement(ast) ? unfiltered(ast.from) : ast)

const jsonSchema = (filter: AST.Refinement): Record<string, unknown> => ({
  ...(filter.annotations[AST.JSONSchemaAnnotationId] as object)
})

const literals = (ast: AST.AST): ReadonlyArray<string | number> =>
  members(AST.encodedAST(ast)).flatMap((one) => {
    if (AST.isEnums(one)) return one.enums.map(([, value]) => value)
    return AST.isLiteral(one) && (typeof one.literal === "string" || typeof one.literal === "number")
      ? [one.literal]
      : []
  })

const ofText = (ast: AST.AST): SqlType => {
  // A filter of something else than the text itself (of what is decoded from it) says nothing of its length.
  const said = AST.isTransformation(unfiltered(ast)) ? [] : filters(ast)
  if (said.some((filter) => filter.annotations[AST.SchemaIdAnnotationId] === Schema.UUIDSchemaId))
    return { _tag: "uuid" }
  const lengths = said.map((filter) => jsonSchema(filter).maxLength).filter((length) => typeof length === "number")
  return lengths.length === 0 ? { _tag: "text" } : { _tag: "varchar", length: Math.min(...lengths) }
}

const ofNumber = (ast: AST.AST, among: ReadonlyArray<string | number>): SqlType =>
  (among.length > 0 && among.every(Number.isSafeInteger)) ||
  (!AST.isTransformation(unfiltered(ast)) && filters(ast).some((filter) => jsonSchema(filter).type === "integer"))
    ? { _tag: "int4" }
    : { _tag: "float8" }

const typeOf = (kind: Kind | undefined, ast: AST.AST, among: ReadonlyArray<string | number>): SqlType | undefined => {
  const type = unfiltered(AST.typeAST(ast))
  if (AST.isBigIntKeyword(type)) return { _tag: "int8" }
  // How many digits, nothing says.
  if (AST.isDeclaration(type) && Schema.is(Schema.make(type))(BigDecimal.unsafeFromNumber(1))) return undefined
  switch (kind) {
    case "string":
      return ofText(ast)
    case "number":
      return ofNumber(ast, among)
    case "bigint":
      return { _tag: "int8" }
    case "boolean":
      return { _tag: "boolean" }
    case "date":
      return { _tag: "timestamptz" }
    case "bytes":
      return { _tag: "bytes" }
    case "json":
      return { _tag: "json" }
    default:
      return undefined
  }
}

/** @since 0.1.0 @category accessors */
export const infer = (ast: AST.AST): Field => {
  const own = stored(ast)
  const words = literals(own)
  // Only where nothing else is in the union.
  const among = words.length >= members(AST.encodedAST(own)).length ? words : []
  const kind = kindOf(ast)
  return { type: typeOf(kind, own, among), kind, nullable: isNullable(ast), among }
}
