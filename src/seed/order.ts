/**
 * Seeds in an order in which each comes after what it depends on; where that leaves a choice, the order they were given
 * in. Pure: what makes no order is told before anything is sent.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { SeedError } from "./SeedError.js"

/** What matters of a seed here. @since 0.1.0 @category models */
export interface Node {
  readonly name: string
  readonly dependsOn: ReadonlyArray<string>
}

/** @since 0.1.0 @category combinators */
export const order = <N extends Node>(nodes: ReadonlyArray<N>): Either.Either<ReadonlyArray<N>, SeedError> => {
  const byName = new Map<string, N>()
  for (const node of nodes) {
    if (byName.has(node.name)) return Either.left(duplicate(node.name))
    byName.set(node.name, node)
  }
  const done = new Set<string>()
  const ordered: Array<N> = []

  /** The first problem met on the way down; `path` is what leads here. */
  const visit = (node: N, path: ReadonlyArray<string>): SeedError | undefined => {
    if (done.has(node.name)) return undefined
    const begin = path.indexOf(node.name)
    if (begin >= 0) return cycle(node.name, [...path.slice(begin), node.name])
    for (const name of node.dependsOn) {
      const dependency = byName.get(name)
      if (dependency === undefined) return unknown(node.name, name, nodes)
      const problem = visit(dependency, [...path, node.name])
      if (problem !== undefined) return problem
    }
    done.add(node.name)
    ordered.push(node)
    return undefined
  }

  for (const node of nodes) {
    const problem = visit(node, [])
    if (problem !== undefined) return Either.left(problem)
  }
  return Either.right(ordered)
}

const duplicate = (seed: string) =>
  new SeedError({
    reason: "duplicate-name",
    seed,
    problem: "two seeds have this name",
    remedy: "Give each seed a name of its own; the name is what is remembered"
  })

const unknown = (seed: string, dependency: string, nodes: ReadonlyArray<Node>) =>
  new SeedError({
    reason: "unknown-dependency",
    seed,
    problem: `it depends on ${JSON.stringify(dependency)}, which is not among the seeds`,
    remedy: `Add that seed or correct the name; there are ${nodes.map((node) => node.name).join(", ")}`
  })

const cycle = (seed: string, path: ReadonlyArray<string>) =>
  new SeedError({
    reason: "cycle",
    seed,
    problem: `it depends on itself: ${path.join(" -> ")}`,
    remedy: "Take one of these dependencies away"
  })
