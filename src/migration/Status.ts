/**
 * Files and ledger side by side, as data for a person or a program to look at. Changes nothing, imports nothing, takes no
 * lock.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import type { MigrationError } from "../model/MigrationError.js"
import { aheadError } from "./Compare.js"
import { desk, look, type Options, sideBySide } from "./Desk.js"
import * as Ledger from "./Ledger.js"
import { label } from "./Revision.js"
import type { Failure } from "./Task.js"

/** How a revision stands. @since 0.1.0 @category models */
export type Standing = "applied" | "pending" | "changed" | "out-of-order" | "interrupted" | "missing-file" | "ahead"

/** @since 0.1.0 @category models */
export interface Line {
  readonly id: string
  readonly name: string
  readonly file: string | undefined
  readonly standing: Standing
  readonly parents: ReadonlyArray<string>
  readonly appliedAt: Date | undefined
  readonly appliedBy: string | undefined
  /** How it came into the ledger; nothing where it is not there. */
  readonly origin: Ledger.Origin | undefined
  /** Its place in the order of applying. */
  readonly sequence: number | undefined
  /** No file follows it. */
  readonly isHead: boolean
  /** Of a revision that stopped half-way: the statements that are done, and why no more are. */
  readonly done: number | undefined
  readonly error: string | undefined
}

/** @since 0.1.0 @category models */
export interface Status {
  readonly ledger: string
  /** In order; what no file knows stands at the end. */
  readonly revisions: ReadonlyArray<Line>
  readonly applied: number
  readonly pending: number
  readonly atHead: boolean
  /** Another tool's ledger that the next `up` takes over. */
  readonly adopts: string | undefined
  readonly problems: ReadonlyArray<MigrationError>
}

/** Files and ledger side by side, changing nothing. @since 0.1.0 @category looking */
export const status = (options: Options = {}): Effect.Effect<Status, Failure, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const at = yield* desk(options)
    const { adopts, entries } = yield* look(at, "all")
    const found = sideBySide(at, entries)
    const unknown = found.entries.filter((entry) => !at.graph.byId.has(entry.id))
    const problem = (revision: { readonly id: string; readonly name: string }) =>
      found.problems.find((error) => error.revision === label(revision))?.reason as Standing | undefined
    const line = (
      revision: { readonly id: string; readonly name: string; readonly parents: ReadonlyArray<string> },
      otherwise: Standing,
      file?: string | undefined
    ): Line => {
      const entry = found.byId.get(revision.id)
      return {
        id: revision.id,
        name: revision.name,
        file,
        standing: problem(revision) ?? otherwise,
        parents: revision.parents,
        appliedAt: entry?.finishedAt,
        appliedBy: entry?.appliedBy,
        origin: entry?.origin,
        sequence: entry?.sequence,
        isHead: at.graph.heads.includes(revision.id),
        done: entry === undefined || entry.state === "applied" ? undefined : Ledger.doneSteps(entry.step),
        error: entry?.error
      }
    }
    const waiting = new Set(found.pending.map((node) => node.id))
    return {
      ledger: Ledger.lockName(at.ledger.place),
      revisions: [
        ...at.graph.nodes.map((node) => line(node, waiting.has(node.id) ? "pending" : "applied", node.file)),
        ...unknown.map((entry) => line(entry, "ahead"))
      ],
      applied: found.entries.filter((entry) => entry.state === "applied").length,
      pending: found.pending.length,
      adopts,
      atHead: found.pending.length === 0 && found.problems.length === 0 && found.ahead.length === 0,
      problems: found.ahead.length === 0 ? found.problems : [...found.problems, aheadError(found.ahead)]
    }
  })

/** The applied revisions nothing applied follows. @since 0.1.0 @category looking */
export const current = (options: Options = {}): Effect.Effect<ReadonlyArray<Line>, Failure, SqlClient.SqlClient> =>
  Effect.map(history(options), (lines) => lines.filter((one) => !lines.some((other) => other.parents.includes(one.id))))

/** The applied revisions, in the order in which they were applied. @since 0.1.0 @category looking */
export const history = (options: Options = {}): Effect.Effect<ReadonlyArray<Line>, Failure, SqlClient.SqlClient> =>
  Effect.map(status(options), ({ revisions }) =>
    revisions
      .filter((line) => line.appliedAt !== undefined)
      .sort((one, other) => (one.sequence ?? 0) - (other.sequence ?? 0))
  )
