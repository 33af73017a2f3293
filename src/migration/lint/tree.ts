/**
 * Views of PostgreSQL's parse tree that rules are written on: what a statement does to tables, their columns and their
 * constraints, whichever of its several spellings was used.
 *
 * @since 0.1.0
 */
import type { AlterTableCmd, ColumnDef, Constraint, ConstrType, Node, RangeVar, TypeName } from "libpg-query"

type KeyOf<N> = N extends unknown ? keyof N : never

/** The tag of a node. @since 0.1.0 @category models */
export type Tag = KeyOf<Node>

type Nodes = { [K in Tag]: Extract<Node, Record<K, unknown>> extends Record<K, infer T> ? T : never }

/** @since 0.1.0 @category accessors */
export const tagOf = (node: Node): string => Object.keys(node)[0] ?? ""

/** What is under a tag, if the node is of that kind: a node is an object with exactly one key. @since 0.1.0 @category accessors */
export const as = <K extends Tag>(node: Node | undefined, tag: K): Nodes[K] | undefined =>
  (node as Partial<Nodes> | undefined)?.[tag]

/** All nodes of a kind in a list. @since 0.1.0 @category accessors */
export const all = <K extends Tag>(nodes: ReadonlyArray<Node> | undefined, tag: K) =>
  (nodes ?? []).flatMap((node) => {
    const found = as(node, tag)
    return found === undefined ? [] : [found]
  })

/** The words of a name in parts. @since 0.1.0 @category accessors */
export const words = (nodes: ReadonlyArray<Node> | undefined): ReadonlyArray<string> =>
  all(nodes, "String").map((one) => one.sval ?? "")

/** Every node below, itself included; a long sum is a deep tree, so nothing is called anew for a level. @since 0.1.0 @category accessors */
export const walk = function* (tree: unknown): Generator<Node> {
  const open = [tree]
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    if (typeof one !== "object" || one === null) continue
    // Whatever is met is treated as a node; `as` asks for a tag before anything is read from it.
    if (!Array.isArray(one)) yield one as Node
    for (const child of Object.values(one)) open.push(child)
  }
}

/** A name that may be qualified. @since 0.1.0 @category models */
export interface Name {
  readonly schema?: string | undefined
  readonly name: string
}

/** @since 0.1.0 @category constructors */
export const nameOf = (relation: RangeVar | undefined): Name => ({
  schema: relation?.schemaname,
  name: relation?.relname ?? ""
})

/** `table` or `schema.table`. @since 0.1.0 @category constructors */
export const nameFrom = (parts: ReadonlyArray<string>): Name => ({
  schema: parts.length > 1 ? parts.at(-2) : undefined,
  name: parts.at(-1) ?? ""
})

/** @since 0.1.0 @category conversions */
export const show = ({ schema, name }: Name): string => (schema === undefined ? name : `${schema}.${name}`)

/** Where one of the two is not qualified, it may be the other. @since 0.1.0 @category guards */
export const same = (a: Name, b: Name): boolean =>
  a.name === b.name && (a.schema === undefined || b.schema === undefined || a.schema === b.schema)

/** One command of an ALTER TABLE. @since 0.1.0 @category models */
export interface Alteration {
  readonly table: Name
  readonly command: AlterTableCmd
}

/** @since 0.1.0 @category accessors */
export const alterations = (node: Node): ReadonlyArray<Alteration> => {
  const statement = as(node, "AlterTableStmt")
  if (statement?.objtype !== "OBJECT_TABLE") return []
  const table = nameOf(statement.relation)
  return all(statement.cmds, "AlterTableCmd").map((command) => ({ table, command }))
}

/** A column that a statement gives its type. @since 0.1.0 @category models */
export interface TypedColumn {
  readonly table: Name
  readonly name: string
  readonly definition: ColumnDef
  readonly constraints: ReadonlyArray<Constraint>
  /** Created with its table, added to it, or given another type. */
  readonly how: "created" | "added" | "altered"
  /** Constraints beside the column that name it. */
  readonly outer: ReadonlyArray<Constraint>
}

const column = (
  table: Name,
  definition: ColumnDef,
  how: TypedColumn["how"],
  rest?: Partial<TypedColumn>
): TypedColumn => ({
  table,
  name: definition.colname ?? "",
  definition,
  constraints: all(definition.constraints, "Constraint"),
  how,
  outer: [],
  ...rest
})

/** @since 0.1.0 @category accessors */
export const columns = (node: Node): ReadonlyArray<TypedColumn> => {
  const created = as(node, "CreateStmt")
  if (created !== undefined) {
    const constraints = all(created.tableElts, "Constraint")
    return all(created.tableElts, "ColumnDef").map((definition) => {
      const naming = (one: Constraint) => words([...(one.keys ?? []), ...(one.fk_attrs ?? [])])
      const outer = constraints.filter((one) => naming(one).includes(definition.colname ?? ""))
      return column(nameOf(created.relation), definition, "created", { outer })
    })
  }
  return alterations(node).flatMap(({ table, command }) => {
    const definition = as(command.def, "ColumnDef")
    if (definition === undefined) return []
    if (command.subtype === "AT_AddColumn") return [column(table, definition, "added")]
    return command.subtype === "AT_AlterColumnType"
      ? [column(table, definition, "altered", { name: command.name ?? "" })]
      : []
  })
}

/** @since 0.1.0 @category accessors */
export const addedColumns = (node: Node): ReadonlyArray<TypedColumn> =>
  columns(node).filter((one) => one.how === "added")

/** @since 0.1.0 @category accessors */
export const constraintOf = (column: TypedColumn, ...types: ReadonlyArray<ConstrType>): Constraint | undefined =>
  column.constraints.find((one) => one.contype !== undefined && types.includes(one.contype))

/** A constraint that an existing table is given, alone or with a new column. @since 0.1.0 @category models */
export interface AddedConstraint {
  readonly table: Name
  readonly constraint: Constraint
  readonly column?: TypedColumn | undefined
}

/** @since 0.1.0 @category accessors */
export const addedConstraints = (node: Node): ReadonlyArray<AddedConstraint> => [
  ...alterations(node).flatMap(({ table, command }) => {
    const constraint = command.subtype === "AT_AddConstraint" ? as(command.def, "Constraint") : undefined
    return constraint === undefined ? [] : [{ table, constraint }]
  }),
  ...addedColumns(node).flatMap((column) =>
    column.constraints.map((constraint) => ({ table: column.table, constraint, column }))
  )
]

/** The name of a type that is PostgreSQL's own or not qualified, as the grammar resolves it (`int` is `int4`). @since 0.1.0 @category accessors */
export const typeName = (type: TypeName | undefined): string => {
  const parts = words(type?.names)
  return parts.length === 1 || parts[0] === "pg_catalog" ? (parts.at(-1) ?? "") : ""
}

const serials = /^(?:small|big)?serial$|^serial[248]$/

/** @since 0.1.0 @category guards */
export const isSerial = (column: TypedColumn): boolean =>
  words(column.definition.typeName?.names).length === 1 && serials.test(typeName(column.definition.typeName))

/** The column or constraint by name, else without one. @since 0.1.0 @category conversions */
export const called = (constraint: Constraint): string =>
  constraint.conname === undefined ? "A constraint" : `Constraint ${constraint.conname}`
