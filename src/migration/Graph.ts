/**
 * Revisions in their order. Each knows its parents: those its header names, else the one before it in the order of names.
 * What makes no history (two of one id, a parent that is not there, a cycle, a file that follows two ends at once without
 * saying which) is a typed failure that names the files.
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
  /** Those that follow a revision directly. */
  readonly children: ReadonlyMap<string, ReadonlyArray<string>>
  /** Those nothing follows. */
  readonly heads: ReadonlyArray<string>
}

/** No history at all. @since 0.1.0 @category constructors */
export const empty: Graph = { nodes: [], byId: new Map(), children: new Map(), heads: [] }

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

interface Sorted {
  readonly revision: Revision
  readonly place: number | bigint
}

/** `2_x` comes before `10_x`; ids that are no plain numbers go by their digits. */
const order = (a: Sorted, b: Sorted): number => {
  if (a.place !== b.place) return a.place < b.place ? -1 : 1
  return label(a.revision) < label(b.revision) ? -1 : 1
}

/** An id's place in the order, however it is written: `0001` is `1`. @since 0.1.0 @category accessors */
export const digits = (id: string): bigint => {
  const only = /^\d+$/.test(id) ? id : id.replace(/\D/g, "")
  return BigInt(only || 0)
}

/** The same, as a plain number where that can hold it: it is compared thousands of times. */
const placeOf = (id: string): number | bigint => {
  const plain = id.length < 16 ? Number(id) : Number.NaN
  if (Number.isSafeInteger(plain)) return plain
  const exact = digits(id)
  return exact <= Number.MAX_SAFE_INTEGER ? Number(exact) : exact
}

/** By id, by id and name, or by an id's beginning where only one has it. */
const lookUp = (revisions: ReadonlyArray<Revision>) => {
  const byId = new Map(revisions.map((revision) => [revision.id, revision]))
  return (name: string): Revision | undefined => {
    const found = byId.get(name) ?? revisions.find((revision) => label(revision) === name)
    if (found !== undefined) return found
    const close = revisions.filter((revision) => label(revision).startsWith(name))
    return close.length === 1 ? close[0] : undefined
  }
}

/** Of arrays nobody can change: a program asks again and again for what a folder or a record makes, and mostly it is the same. */
const made = new WeakMap<ReadonlyArray<Revision>, Either.Either<Graph, MigrationError>>()

/** @since 0.1.0 @category constructors */
export const make = (revisions: ReadonlyArray<Revision>): Either.Either<Graph, MigrationError> => {
  const known = made.get(revisions)
  if (known !== undefined) return known
  const graph = build(revisions)
  if (Object.isFrozen(revisions)) made.set(revisions, graph)
  return graph
}

const build = (revisions: ReadonlyArray<Revision>): Either.Either<Graph, MigrationError> => {
  const all = revisions.map((revision): Sorted => ({ revision, place: placeOf(revision.id) })).sort(order)
  const twin = all.findIndex((one, i) => i > 0 && all[i - 1]?.place === one.place)
  if (twin > 0) {
    const first = all[twin - 1]?.revision
    return failure(
      "duplicate-id",
      all[twin]?.revision,
      `its id is also that of ${first?.file ?? (first === undefined ? "another" : label(first))}`,
      "Give one of them the next free number"
    )
  }
  const sorted = all.map((one) => one.revision)
  const resolve = lookUp(sorted)
  const nodes: Array<Node> = []
  /** The ends of what has been read so far: what a file without a header follows is only clear while there is one. */
  const ends = new Set<string>()
  const followed = new Set<string>()
  for (const revision of sorted) {
    if (revision.revises === undefined && ends.size > 1) {
      const names = [...ends].map((id) => label(resolve(id) ?? { id, name: "" }))
      return failure(
        "several-heads",
        revision,
        `it does not say which revision it follows, and the history has several ends before it: ${names.join(", ")}`,
        `Write "revises: ${names.at(-1)}" into a comment at its top, or merge them first`
      )
    }
    const parents = revision.revises === undefined ? [...ends] : resolved(resolve, revision, revision.revises)
    if (Either.isEither(parents)) return parents
    const dependsOn = revision.dependsOn.length === 0 ? [] : resolved(resolve, revision, revision.dependsOn)
    if (Either.isEither(dependsOn)) return dependsOn
    for (const id of parents) {
      ends.delete(id)
      followed.add(id)
    }
    if (!followed.has(revision.id)) ends.add(revision.id)
    // Written out: to spread it takes several times as long, and histories are long.
    nodes.push({
      id: revision.id,
      name: revision.name,
      kind: revision.kind,
      checksum: revision.checksum,
      file: revision.file,
      revises: revision.revises,
      dependsOn,
      adopts: revision.adopts,
      load: revision.load,
      parents
    })
  }
  const children = new Map<string, Array<string>>()
  for (const node of nodes) for (const id of node.parents) append(children, id, node.id)
  return Either.map(sortNodes(nodes), (sorted) => ({
    nodes: sorted,
    byId: new Map(sorted.map((node) => [node.id, node])),
    children,
    heads: sorted.filter((node) => !children.has(node.id)).map((node) => node.id)
  }))
}

/** The ids meant by the names a header gives. */
const resolved = (
  resolve: (name: string) => Revision | undefined,
  revision: Revision,
  names: ReadonlyArray<string>
): Array<string> | Either.Either<never, MigrationError> => {
  const ids: Array<string> = []
  for (const name of names) {
    const found = resolve(name)
    if (found === undefined) {
      return failure(
        "missing-parent",
        revision,
        `it follows ${name}, and there is no such revision`,
        "Restore that file, or correct the header comment"
      )
    }
    ids.push(found.id)
  }
  return ids
}

const append = <A>(map: Map<string, Array<A>>, key: string, value: A) => {
  const known = map.get(key)
  if (known === undefined) map.set(key, [value])
  else known.push(value)
}

/** Always the first by name of those whose parents and dependencies are there already. */
const sortNodes = (nodes: ReadonlyArray<Node>): Either.Either<ReadonlyArray<Node>, MigrationError> => {
  if (isSorted(nodes)) return Either.right(nodes)
  const needed = new Map<string, Array<number>>()
  const missing = nodes.map((node, i) => {
    const needs = new Set([...node.parents, ...node.dependsOn])
    for (const id of needs) append(needed, id, i)
    return needs.size
  })
  const ready = nodes.flatMap((_, i) => (missing[i] === 0 ? [i] : []))
  const sorted: Array<Node> = []
  for (let next = ready.shift(); next !== undefined; next = ready.shift()) {
    const node = nodes[next]
    if (node === undefined) continue
    sorted.push(node)
    for (const i of needed.get(node.id) ?? []) {
      missing[i] = (missing[i] ?? 1) - 1
      if (missing[i] !== 0) continue
      const place = ready.findIndex((other) => other > i)
      ready.splice(place < 0 ? ready.length : place, 0, i)
    }
  }
  if (sorted.length === nodes.length) return Either.right(sorted)
  const rest = nodes.filter((node) => !sorted.includes(node))
  return failure(
    "cycle",
    rest[0],
    `it follows itself by way of ${rest.map(label).join(", ")}`,
    "Break the circle in their header comments"
  )
}

const isSorted = (nodes: ReadonlyArray<Node>): boolean => {
  const there = new Set<string>()
  return nodes.every(({ dependsOn, id, parents }) => {
    const ready = parents.every((one) => there.has(one)) && dependsOn.every((one) => there.has(one))
    there.add(id)
    return ready
  })
}

/** The revision meant by an id, `id_name`, or the beginning of one. @since 0.1.0 @category accessors */
export const find = (graph: Graph, name: string): Either.Either<Node, MigrationError> => {
  const exact = graph.byId.get(name) ?? graph.nodes.find((node) => label(node) === name)
  if (exact !== undefined) return Either.right(exact)
  const close = name === "" ? [] : graph.nodes.filter((node) => label(node).startsWith(name))
  const [only] = close
  if (only !== undefined && close.length === 1) return Either.right(only)
  const last = graph.nodes.at(-1)
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
        last === undefined ? "The folder has none" : `The last one is ${label(last)}`
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

const named = (graph: Graph, ids: ReadonlyArray<string>): string =>
  ids.map((id) => label(graph.byId.get(id) ?? { id, name: "" })).join(", ")

/** The one revision nothing follows; none in an empty folder, a failure where there are several. @since 0.1.0 @category accessors */
export const head = (graph: Graph): Either.Either<string | undefined, MigrationError> =>
  graph.heads.length > 1
    ? failure(
        "several-heads",
        undefined,
        `the history has several ends: ${named(graph, graph.heads)}`,
        'Merge them (Migrator.merge), name the one to go to, or say "heads" for all of them'
      )
    : Either.right(graph.heads[0])

/** Where to go: nothing at all, so many steps from where the database is, or these revisions and all they need. @since 0.1.0 @category models */
export type Target =
  | { readonly _tag: "base" }
  | { readonly _tag: "steps"; readonly steps: number }
  | { readonly _tag: "at"; readonly ids: ReadonlyArray<string> }

/**
 * What a person means by `base`, `head`, `heads`, `+2`, `-1`, an id or its beginning, or steps from one of these
 * (`head-1`, `0004+2`).
 *
 * @since 0.1.0
 * @category accessors
 */
export const target = (graph: Graph, text: string): Either.Either<Target, MigrationError> => {
  const said = text.trim()
  if (said === "base") return Either.right({ _tag: "base" })
  if (said === "heads") return Either.right({ _tag: "at", ids: graph.heads })
  if (said === "head") {
    return Either.map(head(graph), (id): Target => ({ _tag: "at", ids: id === undefined ? [] : [id] }))
  }
  if (/^[+-]\d+$/.test(said)) return Either.right({ _tag: "steps", steps: Number(said) })
  const found = Either.map(find(graph, said), (node): Target => ({ _tag: "at", ids: [node.id] }))
  if (Either.isRight(found)) return found
  const [, from, sign, count] = /^(.+?)([+-])(\d+)$/.exec(said) ?? []
  if (from === undefined || count === undefined) return found
  return Either.flatMap(target(graph, from), (start): Either.Either<Target, MigrationError> => {
    if (start._tag === "steps") return found
    const ids = start._tag === "base" ? [] : start.ids
    return sign === "-" ? back(graph, ids, Number(count), said) : forth(graph, ids, Number(count), said)
  })
}

const fork = (graph: Graph, said: string, at: Node | undefined, ids: ReadonlyArray<string>, which: string) =>
  failure(
    "ambiguous-revision",
    undefined,
    `"${said}" may mean several revisions: ${at === undefined ? "the history" : label(at)} ${which} ${named(graph, ids)}`,
    "Name the one to go to"
  )

const over = (said: string, problem: string) =>
  failure("unknown-revision", undefined, `"${said}" is beyond the history: ${problem}`, "Name a revision to go to")

const back = (graph: Graph, from: ReadonlyArray<string>, count: number, said: string) => {
  let ids = from
  for (let i = 0; i < count; i++) {
    if (ids.length > 1) return fork(graph, said, undefined, ids, "ends in")
    const node = graph.byId.get(ids[0] ?? "")
    if (node === undefined) return over(said, `there are only ${i} revisions before it`)
    if (node.parents.length > 1) return fork(graph, said, node, node.parents, "follows")
    ids = node.parents
  }
  return Either.right<Target>(ids.length === 0 ? { _tag: "base" } : { _tag: "at", ids })
}

const forth = (graph: Graph, from: ReadonlyArray<string>, count: number, said: string) => {
  let ids = from
  for (let i = 0; i < count; i++) {
    if (ids.length > 1) return fork(graph, said, undefined, ids, "ends in")
    const node = graph.byId.get(ids[0] ?? "")
    const next =
      node === undefined
        ? graph.nodes.filter((one) => one.parents.length === 0).map((one) => one.id)
        : (graph.children.get(node.id) ?? [])
    if (next.length === 0) return over(said, `only ${i} revisions follow it`)
    if (next.length > 1) return fork(graph, said, node, next, node === undefined ? "begins with" : "is followed by")
    ids = next
  }
  return Either.right<Target>(ids.length === 0 ? { _tag: "base" } : { _tag: "at", ids })
}
