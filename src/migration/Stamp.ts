/**
 * Makes the ledger say that the database is at a revision, without running anything: the person who says so knows what the
 * database holds. The ledger becomes the revision and all it needs; rows that stay are left as they are.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { MigrationError } from "../model/MigrationError.js"
import { aheadError, missingFile } from "./Compare.js"
import { changing, type Options } from "./Desk.js"
import * as Graph from "./Graph.js"
import { doneSteps, type Entry, entryOf, nextSequence } from "./Ledger.js"
import { label } from "./Revision.js"
import { atomically, type Failure, now } from "./Task.js"
import { underLock } from "./UnderLock.js"

/** What the ledger gained and lost. @since 0.1.0 @category models */
export interface Stamped {
  readonly added: ReadonlyArray<string>
  readonly removed: ReadonlyArray<string>
  /** Rows that stopped half-way and count as applied now. */
  readonly settled: ReadonlyArray<string>
}

/**
 * `base`, `head`, `heads`, a revision or several. `purge` empties the ledger first, rows without a file and half-done ones
 * included; without it a row that no file stands for is a failure, because it would be lost.
 *
 * @since 0.1.0
 * @category running
 */
export const stamp = (
  revision: string | ReadonlyArray<string>,
  options: Options & { readonly purge?: boolean | undefined } = {}
): Effect.Effect<Stamped, Failure, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const at = yield* changing(options)
    const ids: Array<string> = []
    for (const name of typeof revision === "string" ? [revision] : revision) {
      const target = yield* Graph.target(at.graph, name)
      if (target._tag === "steps") return yield* relative(name)
      if (target._tag === "at") ids.push(...target.ids)
    }
    const wanted = Graph.ancestors(at.graph, ids)
    return yield* underLock(at, undefined, (run, entries) =>
      Effect.gen(function* () {
        const { ledger, own } = run
        const unknown = entries.filter((entry) => !at.graph.byId.has(entry.id))
        const [first] = unknown
        if (first !== undefined && options.purge !== true) {
          return yield* unknown.length > 1 ? aheadError(unknown) : missingFile(first)
        }
        const kept = options.purge === true ? [] : entries.filter((entry) => wanted.has(entry.id))
        const gone = entries.filter((entry) => !kept.includes(entry))
        const half = kept.filter((entry) => entry.state !== "applied")
        const finishedAt = yield* now
        let sequence = nextSequence(kept)
        const added = at.graph.nodes
          .filter((node) => wanted.has(node.id) && !kept.some((entry) => entry.id === node.id))
          .map(
            (node): Entry =>
              entryOf(node, {
                state: "applied",
                origin: "stamped",
                step: 0,
                sequence: sequence++,
                startedAt: finishedAt,
                finishedAt,
                appliedBy: run.appliedBy,
                error: undefined
              })
          )
        yield* atomically(
          run,
          Effect.all(
            [
              ...gone.map((entry) => ledger.remove(own, entry.id)),
              ...half.map((entry) =>
                ledger.update(own, entry.id, {
                  state: "applied",
                  origin: "stamped",
                  step: doneSteps(entry.step),
                  checksum: at.graph.byId.get(entry.id)?.checksum,
                  finishedAt,
                  error: undefined
                })
              ),
              ...added.map((entry) => ledger.insert(own, entry))
            ],
            { discard: true }
          )
        )
        const removed = gone.filter((entry) => !added.some((one) => one.id === entry.id))
        return { added: added.map(label), removed: removed.map(label), settled: half.map(label) }
      })
    )
  }).pipe(Effect.withSpan("Migrator.stamp", { captureStackTrace: false }))

const relative = (name: string) =>
  new MigrationError({
    reason: "unknown-revision",
    problem: `"${name}" counts from where the database is, and stamp is for when that is not known`,
    remedy: "Name the revision it is at"
  })
