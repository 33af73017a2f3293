/**
 * What a way there or back would do, as SQL: with its transactions and the ledger's rows, so that a person can read it and
 * another program can run it. The database is not changed; with `from` it is not even asked.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Adopt from "./Adopt.js"
import { agreed, type Desk, desk, look, type Options, sideBySide } from "./Desk.js"
import * as Graph from "./Graph.js"
import { doneSteps, type Entry, entryOf } from "./Ledger.js"
import { targets, type Way, wanted } from "./Move.js"
import { type Recorder, recorder } from "./Record.js"
import { label } from "./Revision.js"
import { irreversible } from "./Runner.js"
import { apart, comment, statement } from "./Sheet.js"
import { type Direction, type Failure, now } from "./Task.js"
import { units } from "./Units.js"

/** One revision of a plan. @since 0.1.0 @category models */
export interface Planned {
  readonly id: string
  readonly name: string
  readonly file: string | undefined
  readonly direction: Direction
  /** Its own text; or recorded, on a scratch database or where nothing answered. */
  readonly from: "text" | "scratch" | "paper"
  readonly transaction: boolean
  /** Without the ledger's. */
  readonly statements: ReadonlyArray<string>
  /** Why that is not all it does, or may be something else. */
  readonly warnings: ReadonlyArray<string>
}

/** @since 0.1.0 @category models */
export interface Plan {
  readonly ledger: string
  readonly revisions: ReadonlyArray<Planned>
  /** All of it: to be read, or to be fed to the database's own program, told to stop at the first error. */
  readonly sql: string
}

/**
 * The way up (or down) from where the database is, or from the revision `from`, to `to`. What hooks would send is not in it.
 *
 * @since 0.1.0
 * @category looking
 */
export const plan = (
  options: Options &
    Way & {
      readonly direction?: Direction | undefined
      readonly from?: string | undefined
    } = {}
): Effect.Effect<Plan, Failure, SqlClient.SqlClient> =>
  Effect.scoped(
    Effect.gen(function* () {
      const at = yield* desk(options)
      const direction = options.direction ?? "up"
      const { entries, taken } = yield* options.from === undefined
        ? found(at)
        : Effect.map(assumed(at, options.from), (entries) => ({ entries, taken: [] }))
      const todo =
        direction === "up"
          ? yield* wanted(
              options.from === undefined ? yield* agreed(at, entries, "locked") : sideBySide(at, entries),
              options
            )
          : (yield* targets(at, entries, options)).map(({ node }) => node)
      const recording = yield* recorder(at)
      const applied = new Set(entries.filter((entry) => entry.state === "applied").map((entry) => entry.id))
      const revisions: Array<Planned> = []
      const texts: Array<string> = []
      for (const node of todo) {
        const { body, planned } = yield* one(
          at,
          recording,
          node,
          direction,
          applied,
          entries.find((entry) => entry.id === node.id)
        )
        if (direction === "up") applied.add(node.id)
        else applied.delete(node.id)
        revisions.push(planned)
        texts.push(body)
      }
      const ledger = at.ledger.texts
      const create =
        taken.length > 0 || (direction === "up" && entries.length === 0)
          ? [...ledger.create.map((text) => `${text};\n`), ...taken.map((entry) => statement(ledger.insert(entry)))]
          : []
      const { sheet } = at.connections.dialect
      const settings = (all: ReadonlyArray<string> = []) => (all.length === 0 ? [] : [all.map(statement).join("")])
      const sql =
        texts.length === 0
          ? ""
          : [preface, ...settings(sheet?.first), ...create, ...texts, ...settings(sheet?.last)].join("\n")
      return { ledger: at.ledger.place.table, revisions, sql }
    })
  ).pipe(Effect.withSpan("Migrator.plan", { captureStackTrace: false }))

const preface =
  "-- To be run by a program that stops at the first error (psql -v ON_ERROR_STOP=1, sqlite3 -bail), with no runner beside it.\n"

/** The ledger as it is, and what of it would first be taken over from another tool's. */
const found = (at: Desk) =>
  Effect.gen(function* () {
    const { adopts, entries } = yield* look(at)
    if (adopts === undefined) return { entries, taken: [] }
    const taken = yield* Effect.scoped(
      Effect.flatMap(at.connections.reserve, (own) => Adopt.adopted(own, adopts, at.graph, "a plan"))
    )
    return { entries: taken, taken }
  })

/** The ledger as it would be at that revision. */
const assumed = (at: Desk, from: string): Effect.Effect<ReadonlyArray<Entry>, Failure> =>
  Effect.gen(function* () {
    const target = yield* Graph.target(at.graph, from)
    const within = Graph.ancestors(at.graph, target._tag === "at" ? target.ids : [])
    const startedAt = yield* now
    return at.graph.nodes
      .filter((node) => within.has(node.id))
      .map((node, i) =>
        entryOf(node, {
          state: "applied",
          origin: "run",
          step: 0,
          sequence: i + 1,
          startedAt,
          finishedAt: startedAt,
          appliedBy: "",
          error: undefined
        })
      )
  })

const sources = {
  text: "from its own text",
  scratch: "recorded on a scratch database: with other data it may send something else",
  paper: "recorded where nothing answered: it may send something else"
} as const

/** What a run that did not come to its end has left to be done. */
const halfway = (entry: Entry | undefined, direction: Direction) => {
  if (entry === undefined || entry.state !== (direction === "up" ? "applying" : "reverting")) return undefined
  const done = doneSteps(entry.step)
  return {
    step: entry.step,
    done,
    warnings: [
      `an earlier run has done ${done} of its statements: it goes on behind them`,
      ...(entry.step < 0 ? [`that run began statement ${done + 1}: look whether it is done before you run this`] : [])
    ]
  }
}

const one = (
  at: Desk,
  recording: Recorder,
  node: Graph.Node,
  direction: Direction,
  applied: ReadonlySet<string>,
  entry: Entry | undefined
) =>
  Effect.gen(function* () {
    const { dialect } = at.connections
    const loaded = yield* node.load
    const body = direction === "up" ? loaded.up : loaded.down
    if (body === undefined) return yield* irreversible(node)
    const recorded =
      body._tag === "effect"
        ? yield* recording.record(node, direction, applied)
        : { statements: body.statements.map(({ text }) => text), from: "text" as const, incomplete: [] }
    const transaction = loaded.transaction && dialect.can.has("transactionalDdl")
    const half = transaction ? undefined : halfway(entry, direction)
    const warnings = [...(half?.warnings ?? []), ...recorded.incomplete]
    const planned: Planned = {
      id: node.id,
      name: node.name,
      file: node.file,
      direction,
      from: recorded.from,
      transaction,
      statements: recorded.statements.slice(half?.done ?? 0),
      warnings
    }
    const { texts } = at.ledger
    const { begin, commit } = { begin: dialect.transaction.begin({}), commit: dialect.transaction.commit }
    const row = entryOf(node, {
      state: transaction ? "applied" : "applying",
      origin: "run",
      step: 0,
      sequence: 0,
      startedAt: yield* now,
      finishedAt: undefined,
      appliedBy: "a plan",
      error: undefined
    })
    const stamp = "CURRENT_TIMESTAMP"
    const arrives = texts.insert(row, {
      sequence: texts.next,
      started_at: stamp,
      ...(transaction ? { finished_at: stamp } : {})
    })
    const leaves = texts.remove(node.id)
    // Only where a name behind a colon cannot be a placeholder.
    const numbered = dialect.placeholder(1) !== dialect.placeholder(2)
    const written = (texts: ReadonlyArray<string>) =>
      texts.map((text) => statement(numbered ? apart(text) : text)).join("")
    const head = [
      comment(`${label(node)}, ${direction}: ${sources[recorded.from]}`),
      ...warnings.map((text) => comment(`WARNING: ${text}`))
    ]
    if (transaction) {
      const inside = [...recorded.statements, direction === "up" ? arrives : leaves]
      return { planned, body: [...head, written([begin, ...inside, commit])].join("") }
    }
    const state = direction === "up" ? "applying" : "reverting"
    const steps: Array<string> = [
      direction === "up" && half === undefined
        ? arrives
        : texts.update(node.id, { state, step: half?.step ?? 0, error: undefined })
    ]
    if (body._tag === "effect") steps.push(...recorded.statements)
    else {
      for (const unit of yield* units(dialect, body, { revision: label(node), file: node.file })) {
        if (unit.to <= (half?.done ?? 0)) continue
        const done = texts.update(node.id, { step: unit.to })
        const sent = unit.statements.map(({ text }) => text)
        // Only what is known to run in a transaction is put into one: here no server can be asked.
        steps.push(...(unit.run === "transaction" ? [begin, ...sent, done, commit] : [...sent, done]))
      }
    }
    // A program is one step.
    const end = {
      state: "applied" as const,
      ...(body._tag === "effect" ? { step: 1 } : {}),
      // It may have been mended since.
      ...(half === undefined ? {} : { checksum: node.checksum })
    }
    steps.push(direction === "up" ? texts.update(node.id, end, { finished_at: stamp }) : leaves)
    return { planned, body: [...head, written(steps)].join("") }
  })
