/**
 * Revisions in their order. Each knows its parents: those its header names, else the one before it in the order of names.
 * What makes no history (two of one id, a parent that is not there, a cycle) is a typed failure that names the files.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { MigrationError } from "../model/MigrationError.js"
import { label, type Revision } from "./Revision.js"

/** A revision in its place. @since 0.1.0 @category models */
export interface Node extends Revision {
  readonly parents: ReadonlyArray<string>
}

/** @since 0.1.0 @category models */
export interface Graph {
  /** Parents and dependencies before what needs them; else by name. */
  readonly nodes: ReadonlyArray<Node>
  readonly byId: ReadonlyMap<string, Node>
  /** Those nothing follows. */
  readonly heads: ReadonlyArray<string>
}

const failure = (
  reason: MigrationError["reason"],
  revision: Revision | undefined,
  problem: string,
  remedy: string
): Either.Either<never, MigrationError> =>
  Either.left(
    new MigrationError({
      reason,
      problem,
      remedy,
      revision: revision === undefined ? undefined : label(revision),
      file: revision?.file
    })
  )

/** `2_x` comes before `10_x`; ids that are no plain numbers go by their digits. */
const order = (a: Revision, b: Revision): number => {
  const [left, right] = [digits(a.id), digits(b.id)]
  if (left !== right) return left < right ? -1 : 1
  return label(a) < label(b) ? -1 : 1
}

const digits = (id: string): bigint => BigInt(id.replace(/\D/g, "") || 0)

/** @since 0.1.0 @category constructors */
export const make = (revisions: ReadonlyArray<Revision>): Either.Either<Graph, MigrationError> => {
  const sorted = [...revisions].sort(order)
  const twin = sorted.find((revision, i) => i > 0 && digits(sorted[i - 1]?.id ?? "") === digits(revision.id))
  if (twin !== undefined) {
    const first = sorted[sorted.indexOf(twin) - 1] ?? twin
    return failure(
      "duplicate-id",
      twin,
      `its id is also that of ${first.file ?? label(first)}`,
      "Give one of them the next free number"
    )
  }
  const nodes: Array<Node> = []
  for (const [i, revision] of sorted.entries()) {
    const before = sorted[i - 1]
    const names = revision.revises ?? (before === undefined ? [] : [before.id])
    const parents: Array<string> = []
    const dependsOn: Array<string> = []
    for (const [given, into] of [
      [names, parents],
      [revision.dependsOn, dependsOn]
    ] as const) {
      for (const name of given) {
        const found = resolve(sorted, name)
        if (found === undefined) {
          return failure(
            "missing-parent",
            revision,
            `it follows ${name}, and there is no such revision`,
            "Restore that file, or correct the header comment"
          )
        }
        into.push(found.id)
      }
    }
    nodes.push({ ...revision, parents, dependsOn })
  }
  const followed = new Set(nodes.flatMap((node) => node.parents))
  return Either.map(sortNodes(nodes), (sorted) => ({
    nodes: sorted,
    byId: new Map(sorted.map((node) => [node.id, node])),
    heads: sorted.filter((node) => !followed.has(node.id)).map((node) => node.id)
  }))
}

/** By id, by id and name, or by an id's beginning where only one has it. */
const resolve = <R extends Revision>(all: ReadonlyArray<R>, name: string): R | undefined => {
  const exact = all.find((revision) => revision.id === name || label(revision) === name)
  if (exact !== undefined) return exact
  const close = all.filter((revision) => label(revision).startsWith(name))
  return close.length === 1 ? close[0] : undefined
}

const sortNodes = (nodes: ReadonlyArray<Node>): Either.Either<ReadonlyArray<Node>, MigrationError> => {
  const done = new Set<string>()
  const sorted: Array<Node> = []
  let rest = nodes
  while (rest.length > 0) {
    const ready = rest.find((node) => [...node.parents, ...node.dependsOn].every((id) => done.has(id)))
    if (ready === undefined) {
      return failure(
        "cycle",
        rest[0],
        `it follows itself by way of ${rest.map(label).join(", ")}`,
        "Break the circle in their header comments"
      )
    }
    done.add(ready.id)
    sorted.push(ready)
    rest = rest.filter((node) => node !== ready)
  }
  return Either.right(sorted)
}

/** The revision meant by an id, `id_name`, or the beginning of one. @since 0.1.0 @category accessors */
export const find = (graph: Graph, name: string): Either.Either<Node, MigrationError> => {
  const found = resolve(graph.nodes, name)
  if (found !== undefined) return Either.right(found)
  const close = graph.nodes.filter((node) => label(node).startsWith(name))
  return close.length > 1
    ? failure(
        "ambiguous-revision",
        undefined,
        `"${name}" may mean ${close.map(label).join(" or ")}`,
        "Write more of its id"
      )
    : failure(
        "unknown-revision",
        undefined,
        `there is no revision "${name}"`,
        graph.nodes.length === 0 ? "The folder has none" : `The last one is ${label(graph.nodes.at(-1) as Node)}`
      )
}

/** These revisions and all they need. @since 0.1.0 @category accessors */
export const ancestors = (graph: Graph, ids: ReadonlyArray<string>): ReadonlySet<string> => {
  const found = new Set<string>()
  const stack = [...ids]
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    const node = graph.byId.get(id)
    if (node === undefined || found.has(id)) continue
    found.add(id)
    stack.push(...node.parents, ...node.dependsOn)
  }
  return found
}

/** The one revision nothing follows; none in an empty folder, a failure where there are several. @since 0.1.0 @category accessors */
export const head = (graph: Graph): Either.Either<string | undefined, MigrationError> =>
  graph.heads.length > 1
    ? failure(
        "several-heads",
        undefined,
        `the history has several ends: ${graph.heads.map((id) => label(graph.byId.get(id) as Node)).join(", ")}`,
        "Add a revision whose header revises all of them, or name the one to go to"
      )
    : Either.right(graph.heads[0])
