/**
 * How PostgreSQL lets a statement run: in a transaction or only without one, and what is to be done about one that was
 * interrupted there. The latter decides whether a revision without a transaction can be resumed.
 *
 * @since 0.1.0
 */
import type { DefElem, Node } from "libpg-query"
import type { Resume } from "./Finding.js"
import { all, as, type Name, nameFrom, words } from "./tree.js"

/** @since 0.1.0 @category models */
export interface Execution {
  readonly resume: Resume
  /** The index that a concurrent statement creates or drops. */
  readonly index?: (Name & { readonly action: "create" | "drop" }) | undefined
}

const transaction: Execution = { resume: "transaction" }
const once = (harmless: boolean | undefined): Execution => ({ resume: harmless === true ? "repeat" : "never" })

const option = (options: ReadonlyArray<Node> | undefined, name: string): DefElem | undefined =>
  all(options, "DefElem").find((one) => one.defname === name)

/** An option without a value is on. */
const isOn = (one: DefElem | undefined): boolean => {
  if (one === undefined) return false
  const value = as(one.arg, "String")?.sval ?? as(one.arg, "Integer")?.ival ?? as(one.arg, "Boolean")?.boolval
  return !(/^(?:false|off|0|no)$/i.test(String(value ?? true)) || (one.arg !== undefined && value === undefined))
}

const current = 18

/** @since 0.1.0 @category accessors */
export const execution = (node: Node, version: number = current): Execution => {
  const index = as(node, "IndexStmt")
  if (index !== undefined) {
    if (index.concurrent !== true) return transaction
    if (index.idxname === undefined) return { resume: "never" }
    return {
      resume: "probe",
      index: { schema: index.relation?.schemaname, name: index.idxname, action: "create" }
    }
  }
  const drop = as(node, "DropStmt")
  if (drop !== undefined) {
    if (drop.concurrent !== true) return transaction
    const parts = words(as(drop.objects?.[0], "List")?.items)
    return { resume: "probe", index: { ...nameFrom(parts), action: "drop" } }
  }
  const reindex = as(node, "ReindexStmt")
  if (reindex !== undefined) {
    if (isOn(option(reindex.params, "concurrently"))) return { resume: "never" }
    const many = reindex.kind !== "REINDEX_OBJECT_INDEX" && reindex.kind !== "REINDEX_OBJECT_TABLE"
    return many ? once(true) : transaction
  }
  const alter = as(node, "AlterTableStmt")
  if (alter !== undefined) {
    const detaches = all(alter.cmds, "AlterTableCmd").some((one) => as(one.def, "PartitionCmd")?.concurrent === true)
    return detaches ? { resume: "never" } : transaction
  }
  const value = as(node, "AlterEnumStmt")
  if (value !== undefined) {
    return version < 12 && value.newVal !== undefined && value.oldVal === undefined
      ? once(value.skipIfNewValExists)
      : transaction
  }
  const subscription = as(node, "CreateSubscriptionStmt")
  if (subscription !== undefined) {
    const no = (name: string) => {
      const found = option(subscription.options, name)
      return found !== undefined && !isOn(found)
    }
    return no("connect") || no("create_slot") ? transaction : { resume: "never" }
  }
  const altered = as(node, "AlterSubscriptionStmt")
  if (altered !== undefined) {
    switch (altered.kind) {
      case "ALTER_SUBSCRIPTION_REFRESH":
      case "ALTER_SUBSCRIPTION_SET_PUBLICATION":
        return once(true)
      case "ALTER_SUBSCRIPTION_ADD_PUBLICATION":
      case "ALTER_SUBSCRIPTION_DROP_PUBLICATION":
        return once(false)
      default:
        return transaction
    }
  }
  if ("VacuumStmt" in node) return node.VacuumStmt.is_vacuumcmd === true ? once(true) : transaction
  if ("ClusterStmt" in node) return node.ClusterStmt.relation === undefined ? once(true) : transaction
  if ("DiscardStmt" in node) return node.DiscardStmt.target === "DISCARD_ALL" ? once(true) : transaction
  if ("AlterSystemStmt" in node) return once(true)
  if ("AlterDatabaseStmt" in node) {
    return option(node.AlterDatabaseStmt.options, "tablespace") === undefined ? transaction : once(true)
  }
  if ("CreatedbStmt" in node || "CreateTableSpaceStmt" in node) return once(false)
  if ("DropdbStmt" in node) return once(node.DropdbStmt.missing_ok)
  if ("DropTableSpaceStmt" in node) return once(node.DropTableSpaceStmt.missing_ok)
  if ("DropSubscriptionStmt" in node) return once(node.DropSubscriptionStmt.missing_ok)
  // It governs transactions, so it is in none of ours.
  if ("TransactionStmt" in node) return once(false)
  return transaction
}
