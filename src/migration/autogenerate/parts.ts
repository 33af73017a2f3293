/**
 * Changes cut into revisions: what cannot stand in a transaction stands alone, and what uses a new word of an enum comes in
 * the revision behind it.
 *
 * @since 0.1.0
 */
import type { Dialect } from "../../Dialect.js"
import * as Change from "../../model/Change.js"

/** The changes of one revision. @since 0.1.0 @category models */
export interface Part {
  readonly changes: ReadonlyArray<Change.Change>
  readonly transaction: boolean
}

/** An index built without stopping writers; it says nothing where the product has no statement for it. */
const standsAlone = (dialect: Dialect, change: Change.Change): boolean =>
  dialect.resumption !== undefined &&
  ((change._tag === "CreateIndex" && change.index.concurrently === true) ||
    (change._tag === "DropIndex" && change.concurrently))

/** PostgreSQL: a value cannot be used in the transaction that adds it (manual, ALTER TYPE). Where a CHECK stands for the type, it can. */
const isUsed = (dialect: Dialect, added: Change.Change, later: Change.Change): boolean => {
  if (added._tag !== "AddEnumValue" || dialect.rebuilds?.(added) !== false) return false
  // Too often yes only costs a file.
  const said = JSON.stringify(later, (_, value) => (typeof value === "bigint" ? String(value) : value))
  return said.replaceAll("''", "'").includes(JSON.stringify(added.value).slice(1, -1))
}

/** @since 0.1.0 @category constructors */
export const parts = (dialect: Dialect, changes: ReadonlyArray<Change.Change>): ReadonlyArray<Part> => {
  const found: Array<Part> = []
  let open: Array<Change.Change> = []
  const close = () => {
    if (open.length > 0) found.push({ changes: open, transaction: true })
    open = []
  }
  for (const change of changes) {
    if (standsAlone(dialect, change)) {
      close()
      found.push({ changes: [change], transaction: false })
    } else {
      if (open.some((before) => isUsed(dialect, before, change))) close()
      open.push(change)
    }
  }
  close()
  return found
}

/** The way back: each taken back, the last one first. @since 0.1.0 @category models */
export type Back =
  | { readonly _tag: "back"; readonly changes: ReadonlyArray<Change.Change> }
  /** These cannot be taken back. */
  | { readonly _tag: "none"; readonly because: ReadonlyArray<Change.Change> }

/** @since 0.1.0 @category constructors */
export const back = (changes: ReadonlyArray<Change.Change>): Back => {
  const found = changes.toReversed().map((change) => ({ change, inverse: Change.inverse(change) }))
  const because = found.filter(({ inverse }) => inverse._tag === "None").map(({ change }) => change)
  return because.length > 0
    ? { _tag: "none", because: because.toReversed() }
    : { _tag: "back", changes: found.flatMap(({ inverse }) => (inverse._tag === "Some" ? [inverse.value] : [])) }
}
