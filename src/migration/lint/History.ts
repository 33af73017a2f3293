/**
 * What is known when a statement is reached: what this revision has made before it, which nobody else uses yet, and what it
 * has set for itself.
 *
 * @since 0.1.0
 */
import type { Constraint, Node } from "libpg-query"
import type { Facts } from "./Finding.js"
import { addedConstraints, all, alterations, as, type Name, nameFrom, nameOf, same, words } from "./tree.js"

/** @since 0.1.0 @category models */
export interface PendingConstraint {
  readonly table: Name
  readonly constraint: Constraint
}

/** @since 0.1.0 @category models */
export class History {
  readonly transaction: boolean
  readonly version: number
  /** New tables, and indexes on them; renamed ones under both names. */
  private readonly tables: Array<Name>
  private readonly indexes: Array<Name> = []
  private readonly types: Array<Name> = []
  /** Constraints this revision has added to tables that were there, validated or not. */
  readonly constraints: Array<PendingConstraint> = []
  /** Tables of which a constraint has been validated here. */
  private readonly validated: Array<PendingConstraint | { readonly table: Name; readonly constraint: undefined }> = []
  /** Values this transaction has added to enum types that were there. */
  readonly values = new Set<string>()
  /** Whether waiting for a lock has a limit. */
  limited: boolean

  constructor(facts: Facts) {
    this.transaction = facts.transaction ?? true
    this.version = facts.serverVersion ?? 18
    this.limited = facts.lockTimeout ?? true
    this.tables = (facts.created ?? []).map((name) => nameFrom(name.split(".")))
  }

  /** A history for the other direction of the same revision. */
  reversed(facts: Facts): History {
    const history = new History(facts)
    history.tables.push(...this.tables)
    history.indexes.push(...this.indexes)
    return history
  }

  isNew(table: Name): boolean {
    return this.tables.some((one) => same(one, table))
  }

  isNewIndex(index: Name): boolean {
    return this.indexes.some((one) => same(one, index))
  }

  /** Whether a validated constraint may prove that the column holds no NULL. */
  mayProveNotNull(table: Name, column: string): boolean {
    return this.validated.some((one) => {
      if (!same(one.table, table)) return false
      const { constraint } = one
      // Made by an earlier revision: what it says is not known here.
      if (constraint === undefined) return true
      if (constraint.contype === "CONSTR_NOTNULL") return words(constraint.keys).includes(column)
      const test = as(constraint.raw_expr, "NullTest")
      const fields = words(as(test?.arg, "ColumnRef")?.fields)
      return test?.nulltesttype === "IS_NOT_NULL" && fields.at(-1) === column
    })
  }

  /** Takes note of a statement, after the rules have judged it. */
  learn(node: Node): void {
    this.learnNew(node)
    this.learnSettings(node)
    for (const { table, constraint } of addedConstraints(node)) {
      if (!this.isNew(table)) this.constraints.push({ table, constraint })
    }
    for (const { table, command } of alterations(node)) {
      if (command.subtype !== "AT_ValidateConstraint") continue
      const own = this.constraints.find((one) => same(one.table, table) && one.constraint.conname === command.name)
      this.validated.push(own ?? { table, constraint: undefined })
    }
    const value = as(node, "AlterEnumStmt")
    if (value?.newVal !== undefined && value.oldVal === undefined && this.transaction) {
      const type = nameFrom(words(value.typeName))
      if (!this.types.some((one) => same(one, type))) this.values.add(value.newVal)
    }
  }

  private learnNew(node: Node): void {
    const table = as(node, "CreateStmt")?.relation ?? as(node, "CreateTableAsStmt")?.into?.rel
    if (table !== undefined) this.tables.push(nameOf(table))
    const renamed = as(node, "RenameStmt")
    if (renamed?.renameType === "OBJECT_TABLE" && this.isNew(nameOf(renamed.relation))) {
      this.tables.push({ schema: renamed.relation?.schemaname, name: renamed.newname ?? "" })
    }
    const type = as(node, "CreateEnumStmt")
    if (type !== undefined) this.types.push(nameFrom(words(type.typeName)))
    const index = as(node, "IndexStmt")
    if (index?.idxname !== undefined && this.isNew(nameOf(index.relation))) {
      this.indexes.push({ schema: index.relation?.schemaname, name: index.idxname })
    }
  }

  private learnSettings(node: Node): void {
    const set = as(node, "VariableSetStmt")
    if (set !== undefined) {
      if (set.kind === "VAR_RESET_ALL") this.limited = false
      if (set.name !== "lock_timeout") return
      // Outside of a transaction, SET LOCAL holds for its own statement only.
      if (set.is_local === true && !this.transaction) return
      const value = as(set.args?.[0], "A_Const")
      this.limited = set.kind === "VAR_SET_VALUE" && !isZero(value?.sval?.sval ?? value?.ival?.ival)
    }
    for (const target of all(as(node, "SelectStmt")?.targetList, "ResTarget")) {
      const call = as(target.val, "FuncCall")
      if (words(call?.funcname).at(-1) !== "set_config") continue
      const [name, value] = all(call?.args, "A_Const").map((one) => one.sval?.sval)
      if (name === "lock_timeout") this.limited = !isZero(value)
    }
  }
}

/** The grammar leaves a zero out. */
const isZero = (value: string | number | undefined): boolean => value === undefined || /^0*\s*\D*$/.test(String(value))
