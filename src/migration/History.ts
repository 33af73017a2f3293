/**
 * The history as the files make it, without any database: every revision in its place, the ends, and where it parts and
 * joins.
 *
 * @since 0.1.0
 */
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import type { MigrationError } from "../model/MigrationError.js"
import { graphOf, type Options } from "./Desk.js"
import * as Graph from "./Graph.js"
import type { Kind } from "./Revision.js"

/** A revision among the others. @since 0.1.0 @category models */
export interface Place {
  readonly id: string
  readonly name: string
  readonly kind: Kind
  readonly file: string | undefined
  readonly checksum: string | undefined
  readonly parents: ReadonlyArray<string>
  readonly dependsOn: ReadonlyArray<string>
  readonly children: ReadonlyArray<string>
  /** Nothing comes before it; nothing follows it. */
  readonly isBase: boolean
  readonly isHead: boolean
  /** Several follow it; it follows several. */
  readonly isBranchPoint: boolean
  readonly isMergePoint: boolean
}

const place =
  (graph: Graph.Graph) =>
  (node: Graph.Node): Place => {
    const children = graph.children.get(node.id) ?? []
    return {
      id: node.id,
      name: node.name,
      kind: node.kind,
      file: node.file,
      checksum: node.checksum,
      parents: node.parents,
      dependsOn: node.dependsOn,
      children,
      isBase: node.parents.length === 0,
      isHead: children.length === 0,
      isBranchPoint: children.length > 1,
      isMergePoint: node.parents.length > 1
    }
  }

/** Every revision there is a file for, in order. @since 0.1.0 @category looking */
export const graph = (options: Options = {}): Effect.Effect<ReadonlyArray<Place>, MigrationError> =>
  Effect.map(graphOf(options), (graph) => graph.nodes.map(place(graph)))

/** Those nothing follows: one, in a history that `up` can go to the end of. @since 0.1.0 @category looking */
export const heads = (options: Options = {}): Effect.Effect<ReadonlyArray<Place>, MigrationError> =>
  Effect.map(graph(options), (places) => places.filter((one) => one.isHead))

/** Those that several follow. @since 0.1.0 @category looking */
export const branches = (options: Options = {}): Effect.Effect<ReadonlyArray<Place>, MigrationError> =>
  Effect.map(graph(options), (places) => places.filter((one) => one.isBranchPoint))

/** One revision and its text, where it has one; `head` and `head-1` are understood, too. @since 0.1.0 @category looking */
export const show = (
  revision: string,
  options: Options = {}
): Effect.Effect<ReadonlyArray<Place & { readonly text: string | undefined }>, MigrationError> =>
  Effect.gen(function* () {
    const graph = yield* graphOf(options)
    const target = yield* Graph.target(graph, revision)
    const ids = target._tag === "at" ? target.ids : []
    return graph.nodes
      .filter((node) => ids.includes(node.id))
      .map((node) => ({ ...place(graph)(node), text: read(node.file) }))
  })

/** Read when the graph was made, a moment ago; gone since, there is nothing to show. */
const read = (file: string | undefined): string | undefined => {
  if (file === undefined) return undefined
  try {
    return fs.readFileSync(file, "utf8")
  } catch {
    return undefined
  }
}
