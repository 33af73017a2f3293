/**
 * Files and ledger side by side: what is applied, what is pending, and where the two do not agree. Pure; every
 * disagreement is a failure that names its way out.
 *
 * @since 0.1.0
 */
import { MigrationError } from "../model/MigrationError.js"
import { ancestors, type Graph, type Node } from "./Graph.js"
import type { Entry } from "./Ledger.js"
import { label } from "./Revision.js"

/** @since 0.1.0 @category models */
export interface Comparison {
  readonly graph: Graph
  readonly entries: ReadonlyArray<Entry>
  readonly byId: ReadonlyMap<string, Entry>
  /** In the order in which they are to be run; what an interrupted run left half-way is among them. */
  readonly pending: ReadonlyArray<Node>
  /** The ledger's revisions that no file here knows and that only follow those known: another, newer program's. */
  readonly ahead: ReadonlyArray<Entry>
  readonly problems: ReadonlyArray<MigrationError>
}

/** @since 0.1.0 @category constructors */
export const compare = (
  graph: Graph,
  entries: ReadonlyArray<Entry>,
  options: { readonly allowOutOfOrder: boolean }
): Comparison => {
  const byId = new Map(entries.map((entry) => [entry.id, entry]))
  const pending = graph.nodes.filter((node) => byId.get(node.id)?.state !== "applied")
  const missing = forgotten(graph, entries, byId)
  return {
    graph,
    entries,
    byId,
    pending,
    ahead: entries.filter((entry) => !graph.byId.has(entry.id) && !missing.includes(entry)),
    problems: [
      ...missing.map(missingFile),
      ...graph.nodes.flatMap((node) => changed(node, byId.get(node.id))),
      ...entries.flatMap((entry) => interrupted(entry, graph.byId.get(entry.id))),
      ...(options.allowOutOfOrder ? [] : outOfOrder(graph, byId, pending))
    ]
  }
}

/** A row whose file is gone. @since 0.1.0 @category constructors */
export const missingFile = (entry: Entry): MigrationError =>
  new MigrationError({
    reason: "missing-file",
    problem: "the database has it, but its file is gone",
    remedy:
      "Restore the file (from version control), or take the row out of the ledger with Migrator.repair({ forget })",
    revision: label(entry)
  })

const changed = (node: Node, entry: Entry | undefined): ReadonlyArray<MigrationError> => {
  // Whoever mends a revision that stopped half-way has to change its file.
  if (entry === undefined || entry.state !== "applied") return []
  const refused = (problem: string, remedy: string) => [
    new MigrationError({ reason: "changed", problem, remedy, revision: label(node), file: node.file })
  ]
  if (entry.kind !== node.kind) {
    // A text is not comparable with a program; but what has another name as well is another migration.
    return entry.name === node.name
      ? []
      : refused(
          `the database has another migration of this id, ${label(entry)} (${entry.kind})`,
          "Give one of them an id of its own; where it is the same, renamed and rewritten, accept it with Migrator.repair({ accept })"
        )
  }
  return entry.checksum === undefined || node.checksum === undefined || entry.checksum === node.checksum
    ? []
    : refused(
        "its file has been changed since it was applied",
        "Put the file back as it was and write what is new into a new migration; where the change means nothing, accept it with Migrator.repair({ accept })"
      )
}

/** Of a SQL file the ledger knows how far it came: `up` goes on where an `up` stopped, `down` where a `down` did. */
const interrupted = (entry: Entry, node: Node | undefined): ReadonlyArray<MigrationError> =>
  entry.state === "applied" || (entry.state === "applying" && node?.kind === "sql") ? [] : [halfWay(entry, node)]

/** What stopped half-way and cannot simply be gone on with. @since 0.1.0 @category constructors */
export const halfWay = (entry: Entry, node: Node | undefined): MigrationError =>
  new MigrationError({
    reason: "interrupted",
    problem: `it stopped half-way while ${entry.state}${entry.error === undefined ? "" : ` (${entry.error.replace(/\.$/, "")})`}`,
    remedy:
      node?.kind === "sql"
        ? entry.state === "reverting"
          ? "Run down again, it goes on where it stopped; or finish or undo it by hand and say so with Migrator.repair({ forget }) or Migrator.repair({ applied })"
          : "Run up again, it goes on where it stopped; or finish or undo it by hand and say so with Migrator.repair({ applied }) or Migrator.repair({ forget })"
        : "Look at what it has done, finish or undo that by hand, then say so with Migrator.repair({ applied }) or Migrator.repair({ forget })",
    revision: label(entry),
    file: node?.file
  })

const outOfOrder = (
  graph: Graph,
  byId: ReadonlyMap<string, Entry>,
  pending: ReadonlyArray<Node>
): ReadonlyArray<MigrationError> => {
  if (pending.length === 0) return []
  const waiting = new Set(pending.map((node) => node.id))
  const applied = graph.nodes.filter((node) => !waiting.has(node.id))
  const needed = ancestors(
    graph,
    applied.map((node) => node.id)
  )
  return pending
    .filter((node) => !byId.has(node.id) && needed.has(node.id))
    .map((node) => {
      const later = applied.find((other) => ancestors(graph, [other.id]).has(node.id)) ?? node
      return new MigrationError({
        reason: "out-of-order",
        problem: `it comes before ${label(later)}, which is already applied`,
        remedy: "Give it a later number, or run it nevertheless with allowOutOfOrder",
        revision: label(node),
        file: node.file
      })
    })
}

/** Entries whose file is not here although a revision that is known was applied on top of them. */
const forgotten = (
  graph: Graph,
  entries: ReadonlyArray<Entry>,
  byId: ReadonlyMap<string, Entry>
): ReadonlyArray<Entry> => {
  const found = new Set<Entry>()
  const stack = entries.filter((entry) => graph.byId.has(entry.id)).flatMap((entry) => entry.parents)
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    const entry = byId.get(id)
    if (entry === undefined || graph.byId.has(id) || found.has(entry)) continue
    found.add(entry)
    stack.push(...entry.parents)
  }
  return entries.filter((entry) => found.has(entry))
}

/** The ledger knows more than the files: a newer program's revisions, or files that are gone. @since 0.1.0 @category constructors */
export const aheadError = (ahead: ReadonlyArray<Entry>): MigrationError =>
  new MigrationError({
    reason: "ahead",
    problem: `the database has revisions that are not among the files: ${ahead.map(label).join(", ")}`,
    remedy:
      "Run the program that brought them, or restore their files; to take them out of the ledger use Migrator.repair({ forget })"
  })
