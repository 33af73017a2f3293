/**
 * Brings a database to a revision and back. Each revision is committed on its own, together with its row in the ledger;
 * one runner at a time, the others wait and find everything done. Whether there is anything to do is decided from the
 * files' texts and one SELECT: nothing is imported, no lock is taken.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { MigrationError } from "../model/MigrationError.js"
import type { Comparison } from "./Compare.js"
import { agreed, type Desk, desk, type Failure, type Options, peek, sideBySide, underLock } from "./Desk.js"
import * as Graph from "./Graph.js"
import * as Ledger from "./Ledger.js"
import { label } from "./Revision.js"
import { type Done, runRevision } from "./Runner.js"

export { type Failure, ledgerTable, type Options } from "./Desk.js"
export { fromDirectory, fromGlob, fromRecord, type Loader } from "./Loader.js"
export { repair } from "./Repair.js"
export type { Done } from "./Runner.js"
export { current, history, type Line, type Standing, type Status, status } from "./Status.js"

/** What was done. @since 0.1.0 @category models */
export interface Report {
  readonly ledger: string
  readonly applied: ReadonlyArray<Done>
  readonly reverted: ReadonlyArray<Done>
  /** Revisions that were applied before. */
  readonly already: number
}

const nextSequence = (entries: ReadonlyArray<Ledger.Entry>): number =>
  entries.reduce((most, entry) => Math.max(most, entry.sequence), 0) + 1

const report = (desk: Desk, found: Comparison, fields: Partial<Report>): Report => ({
  ledger: Ledger.lockName(desk.ledger.place),
  applied: [],
  reverted: [],
  already: found.entries.filter((entry) => entry.state === "applied").length,
  ...fields
})

/** What of the pending revisions is wanted. */
const wanted = Effect.fnUntraced(function* (
  found: Comparison,
  options: { readonly to?: string | undefined; readonly steps?: number | undefined }
) {
  if (options.to === undefined || options.to === "head") yield* Graph.head(found.graph)
  const to = options.to
  const target = to === undefined || to === "head" || to === "heads" ? undefined : yield* Graph.find(found.graph, to)
  const within = target === undefined ? undefined : Graph.ancestors(found.graph, [target.id])
  return found.pending.filter((node) => within?.has(node.id) ?? true).slice(0, options.steps)
})

/**
 * Applies what is pending: all of it, up to and including the revision `to`, or the next `steps`.
 *
 * @since 0.1.0
 * @category running
 */
export const up = (
  options: Options & { readonly to?: string | undefined; readonly steps?: number | undefined } = {}
): Effect.Effect<Report, Failure, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const at = yield* desk(options)
    const before = yield* agreed(at, yield* peek(at), "unlocked")
    const todo = yield* wanted(before, options)
    if (todo.length === 0) return report(at, before, {})
    return yield* underLock(at, (run, entries) =>
      Effect.gen(function* () {
        // Whoever held the lock meanwhile may have done it all.
        const found = yield* agreed(at, entries, "locked")
        const todo = yield* wanted(found, options)
        let sequence = nextSequence(entries)
        const applied = yield* Effect.forEach(todo, (node) =>
          runRevision(run, node, "up", found.byId.get(node.id), sequence++)
        )
        return report(at, found, { applied })
      })
    )
  }).pipe(Effect.withSpan("Migrator.up", { captureStackTrace: false }))

/**
 * Takes back the last `steps` revisions (one, unless told), or all that came after the revision `to` (`base`: all).
 *
 * @since 0.1.0
 * @category running
 */
export const down = (
  options: Options & { readonly to?: string | undefined; readonly steps?: number | undefined } = {}
): Effect.Effect<Report, Failure, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const at = yield* desk(options)
    const before = yield* peek(at)
    yield* targets(at, before, options)
    if (before.length === 0) return report(at, sideBySide(at, before), {})
    return yield* underLock(at, (run, entries) =>
      Effect.gen(function* () {
        const todo = yield* targets(at, entries, options)
        const reverted = yield* Effect.forEach(todo, ({ node, entry }) =>
          runRevision(run, node, "down", entry, entry.sequence)
        )
        const found = sideBySide(at, entries)
        return report(at, found, { reverted, already: found.entries.length - reverted.length })
      })
    )
  }).pipe(Effect.withSpan("Migrator.down", { captureStackTrace: false }))

/** What is to be taken back, the last first. */
const targets = Effect.fnUntraced(function* (
  at: Desk,
  entries: ReadonlyArray<Ledger.Entry>,
  options: { readonly to?: string | undefined; readonly steps?: number | undefined }
) {
  const last = [...entries].reverse()
  const kept =
    options.to === undefined
      ? undefined
      : options.to === "base"
        ? new Set<string>()
        : Graph.ancestors(at.graph, [(yield* Graph.find(at.graph, options.to)).id])
  const chosen = kept === undefined ? last.slice(0, options.steps ?? 1) : last.filter((entry) => !kept.has(entry.id))
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

/**
 * Goes to a revision from wherever the database is: first back, then forth. `base` is the empty database, `head` the last
 * revision.
 *
 * @since 0.1.0
 * @category running
 */
export const to = (revision: string, options: Options = {}): Effect.Effect<Report, Failure, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    if (revision === "head" || revision === "heads") return yield* up({ ...options, to: revision })
    const back = yield* down({ ...options, to: revision })
    if (revision === "base") return back
    const forth = yield* up({ ...options, to: revision })
    return { ...forth, reverted: back.reverted }
  })

/**
 * Applies what is pending while the layer is built, so that what is built on it finds the schema it needs. An older program
 * beside a newer database goes on with a warning.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options = {}): Layer.Layer<never, Failure, SqlClient.SqlClient> =>
  Layer.effectDiscard(up({ whenAhead: "warn", ...options }))
