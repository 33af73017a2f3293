/**
 * There and back: what is to be run to get from where the database is to where it shall be, decided before the lock is
 * taken and again under it.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { MigrationError } from "../model/MigrationError.js"
import { around } from "./Body.js"
import { type Comparison, halfWay } from "./Compare.js"
import { agreed, type Desk, graphOf, type Options, opened, sideBySide } from "./Desk.js"
import * as Graph from "./Graph.js"
import * as Ledger from "./Ledger.js"
import { label } from "./Revision.js"
import { type Done, type Job, runAll } from "./Runner.js"
import type { Failure, Run } from "./Task.js"
import { underLock } from "./UnderLock.js"

/** What was done. @since 0.1.0 @category models */
export interface Report {
  readonly ledger: string
  readonly applied: ReadonlyArray<Done>
  readonly reverted: ReadonlyArray<Done>
  /** Revisions that were applied before. */
  readonly already: number
}

const report = (desk: Desk, found: Comparison, fields: Partial<Report>): Report => ({
  ledger: Ledger.lockName(desk.ledger.place),
  applied: [],
  reverted: [],
  already: found.entries.filter((entry) => entry.state === "applied").length,
  ...fields
})

/** How far to go: to a revision (`head`, `+2`, an id …), or so many steps. @since 0.1.0 @category models */
export interface Way {
  readonly to?: string | undefined
  readonly steps?: number | undefined
}

const wrongWay = (to: string, problem: string, remedy: string) =>
  new MigrationError({ reason: "unknown-revision", problem: `"${to}" ${problem}`, remedy })

/** A count from the end of a list would take back what nobody asked for. */
const counted = (steps: number | undefined): Effect.Effect<void, MigrationError> =>
  steps === undefined || (Number.isInteger(steps) && steps >= 0)
    ? Effect.void
    : Effect.fail(wrongWay(String(steps), "is no number of steps", "Give a whole number, zero or more"))

/** What of the pending revisions is wanted. @since 0.1.0 @category accessors */
export const wanted = Effect.fnUntraced(function* (found: Comparison, { steps, to = "head" }: Way) {
  yield* counted(steps)
  const target = yield* Graph.target(found.graph, to)
  switch (target._tag) {
    case "base":
      return yield* wrongWay(to, "is where the history begins, and nothing is applied on the way there", "Use down")
    case "steps":
      if (target.steps < 0) return yield* wrongWay(to, "takes revisions back", "Use down, or a number with +")
      return found.pending.slice(0, Math.min(target.steps, steps ?? target.steps))
    case "at": {
      if (found.pending.length === 0) return []
      const within = Graph.ancestors(found.graph, target.ids)
      return found.pending.filter((node) => within.has(node.id)).slice(0, steps)
    }
  }
})

const perform = (run: Run, jobs: ReadonlyArray<Job>): Effect.Effect<ReadonlyArray<Done>, Failure> =>
  jobs.length === 0
    ? Effect.succeed([])
    : around(run, "first").pipe(Effect.zipRight(runAll(run, jobs)), Effect.zipLeft(around(run, "last")))

/**
 * Applies what is pending: all of it, up to and including the revision `to`, or the next `steps`. Not inside of a transaction.
 *
 * @since 0.1.0
 * @category running
 */
export const up = (options: Options & Way = {}): Effect.Effect<Report, Failure, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const { at, seen } = yield* opened(options)
    const { heads, nodes } = at.graph
    if (options.to === undefined && options.steps === undefined && heads.length < 2 && seen.same(nodes)) {
      return { ledger: Ledger.lockName(at.ledger.place), applied: [], reverted: [], already: nodes.length }
    }
    const before = yield* agreed(at, seen.entries, "unlocked")
    const todo = yield* wanted(before, options)
    if (todo.length === 0) return report(at, before, {})
    return yield* underLock(at, seen.adopts, (run, entries) =>
      Effect.gen(function* () {
        // Whoever held the lock meanwhile may have done it all.
        const found = yield* agreed(at, entries, "locked")
        const todo = yield* wanted(found, options)
        let sequence = Ledger.nextSequence(entries)
        const jobs = todo.map((node): Job => {
          const entry = found.byId.get(node.id)
          return { node, direction: "up", entry, sequence: entry?.sequence ?? sequence++ }
        })
        return report(at, found, { applied: yield* perform(run, jobs) })
      })
    )
  }).pipe(Effect.withSpan("Migrator.up", { captureStackTrace: false }))

/**
 * Takes back the last `steps` revisions (one, unless told), or all that the revision `to` does not need (`base`: all).
 *
 * @since 0.1.0
 * @category running
 */
export const down = (options: Options & Way = {}): Effect.Effect<Report, Failure, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const { at, seen } = yield* opened(options)
    const { adopts, entries: before } = seen
    yield* targets(at, before, options)
    if (before.length === 0 && adopts === undefined) return report(at, sideBySide(at, before), {})
    return yield* underLock(at, adopts, (run, entries) =>
      Effect.gen(function* () {
        const todo = yield* targets(at, entries, options)
        const reverted = yield* perform(
          run,
          todo.map(({ entry, node }) => ({ node, direction: "down", entry, sequence: entry.sequence }))
        )
        const found = sideBySide(at, entries)
        return report(at, found, { reverted, already: found.entries.length - reverted.length })
      })
    )
  }).pipe(Effect.withSpan("Migrator.down", { captureStackTrace: false }))

/** What is to be taken back, the last first. @since 0.1.0 @category accessors */
export const targets = Effect.fnUntraced(function* (
  at: Desk,
  entries: ReadonlyArray<Ledger.Entry>,
  { steps, to }: Way
) {
  yield* counted(steps)
  const last = [...entries].sort((one, other) => other.sequence - one.sequence)
  const chosen = last.filter(yield* leaving(at.graph, last, to, steps ?? (to === undefined ? 1 : undefined)))
  const found: Array<{ readonly node: Graph.Node; readonly entry: Ledger.Entry }> = []
  for (const entry of chosen) {
    const node = at.graph.byId.get(entry.id)
    if (node === undefined) {
      return yield* new MigrationError({
        reason: "missing-file",
        problem: "it cannot be taken back without its file",
        remedy: "Restore the file (from version control)",
        revision: label(entry)
      })
    }
    if (entry.state !== "applied" && (entry.state === "applying" || node.kind !== "sql"))
      return yield* halfWay(entry, node)
    const child = entries.find((other) => other.parents.includes(entry.id) && !chosen.includes(other))
    if (child !== undefined) {
      return yield* new MigrationError({
        reason: "has-children",
        problem: `it cannot be taken back before ${label(child)}, which follows it`,
        remedy: "Take back more steps, or name the revision to go back to",
        revision: label(node),
        file: node.file
      })
    }
    found.push({ node, entry })
  }
  return found
})

/** Whether a row goes. */
const leaving = Effect.fnUntraced(function* (
  graph: Graph.Graph,
  last: ReadonlyArray<Ledger.Entry>,
  to: string | undefined,
  steps: number | undefined
) {
  const first = (many: ReadonlyArray<Ledger.Entry>, count: number | undefined) => {
    const some = new Set(many.slice(0, count))
    return (entry: Ledger.Entry) => some.has(entry)
  }
  if (to === undefined) return first(last, steps)
  const target = yield* Graph.target(graph, to)
  switch (target._tag) {
    case "base":
      return first(last, steps)
    case "steps":
      if (target.steps > 0) return yield* wrongWay(to, "applies revisions", "Use up, or a number with -")
      return first(last, Math.min(-target.steps, steps ?? -target.steps))
    case "at": {
      const kept = Graph.ancestors(graph, target.ids)
      return first(
        last.filter((entry) => !kept.has(entry.id)),
        steps
      )
    }
  }
})

/**
 * Goes to a revision from wherever the database is: first back, then forth. `base` is the empty database, `head` the last
 * revision.
 *
 * @since 0.1.0
 * @category running
 */
export const to = (revision: string, options: Options = {}): Effect.Effect<Report, Failure, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const target = yield* Graph.target(yield* graphOf(options), revision)
    if (target._tag === "base" || (target._tag === "steps" && target.steps < 0)) {
      return yield* down({ ...options, to: revision })
    }
    if (target._tag === "steps") return yield* up({ ...options, to: revision })
    const back = yield* down({ ...options, to: revision })
    const forth = yield* up({ ...options, to: revision })
    return { ...forth, reverted: back.reverted }
  })
