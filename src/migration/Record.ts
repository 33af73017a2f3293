/**
 * What an effect would send, written down: it is run on a scratch database that stands where the revision begins; where
 * none can be had, on a connection that answers nothing. What it sends depends on what it is answered, so a plan says
 * which of both it was.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { DriverConnection } from "../Dialect.js"
import * as LiveSchema from "../model/LiveSchema.js"
import type { MigrationError } from "../model/MigrationError.js"
import { execute, type Within } from "./Body.js"
import { type Desk, underLock } from "./Desk.js"
import type { Node } from "./Graph.js"
import { nextSequence } from "./Ledger.js"
import { inline } from "./Literal.js"
import type { Body } from "./Revision.js"
import { irreversible, type Job, runAll } from "./Runner.js"
import { revisions, scratch } from "./Scratch.js"
import type { Direction, Failure, Run } from "./Task.js"
import { watch } from "./watch.js"

/** @since 0.1.0 @category models */
export interface Recorded {
  readonly statements: ReadonlyArray<string>
  /** A scratch database answered, or nothing did. */
  readonly from: "scratch" | "paper"
  /** Why it is not all there is, where it is not. */
  readonly incomplete: ReadonlyArray<string>
}

/** @since 0.1.0 @category models */
export interface Recorder {
  /** What the revision sends where exactly `applied` has been applied before. */
  readonly record: (
    node: Node,
    direction: Direction,
    applied: ReadonlySet<string>
  ) => Effect.Effect<Recorded, MigrationError>
}

interface Tape {
  readonly statements: Array<string>
  readonly incomplete: Array<string>
}

/** @since 0.1.0 @category constructors */
export const recorder = (at: Desk): Effect.Effect<Recorder, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const options = { ...at.options, loader: revisions(at.graph), hooks: {}, onEvent: undefined }
    const other = yield* Effect.cached(Effect.either(Scope.extend(scratch(at, options), scope)))
    return {
      record: (node, direction, applied) =>
        Effect.gen(function* () {
          const found = yield* other
          if (found._tag === "Left") return yield* paper(at, node, direction, found.left.message)
          const tape = blank()
          const done = yield* Effect.either(onScratch(found.right, node, direction, applied, tape))
          return done._tag === "Right"
            ? { ...tape, from: "scratch" as const }
            : yield* paper(at, node, direction, done.left.message)
        })
    }
  })

const blank = (): Tape => ({ statements: [], incomplete: [] })

/** Hears everything that changes something. */
const tap =
  (at: Desk, tape: Tape) =>
  (connection: DriverConnection): DriverConnection => {
    const { dialect } = at.connections
    const heard = (text: string, params: ReadonlyArray<unknown> = []) => {
      if (dialect.kind(text) === "read") return
      const written = inline(dialect, text, params)
      if (written === undefined) tape.incomplete.push(`a parameter of this cannot be written down: ${text}`)
      tape.statements.push(written ?? text)
    }
    return {
      ...watch(connection).connection,
      run: (request) =>
        Effect.suspend(() => {
          // The transaction of the revision itself stands around what is written down.
          if (request.begin !== undefined && connection.status() !== "idle") heard(request.begin)
          heard(request.text, request.params)
          return connection.run(request)
        }),
      script: (text) =>
        Effect.suspend(() => {
          heard(text)
          return connection.script(text)
        })
    }
  }

/** Brings the scratch database to where the revision begins, and runs it there. */
const onScratch = (
  at: Desk,
  node: Node,
  direction: Direction,
  applied: ReadonlySet<string>,
  tape: Tape
): Effect.Effect<void, Failure> =>
  underLock(at, undefined, (run, entries) => {
    let sequence = nextSequence(entries)
    const before: ReadonlyArray<Job> = [
      ...[...entries]
        .reverse()
        .filter((entry) => !applied.has(entry.id))
        .flatMap((entry): ReadonlyArray<Job> => {
          const gone = at.graph.byId.get(entry.id)
          return gone === undefined ? [] : [{ node: gone, direction: "down", entry, sequence: entry.sequence }]
        }),
      ...at.graph.nodes
        .filter((one) => applied.has(one.id) && !entries.some((entry) => entry.id === one.id))
        .map((one): Job => ({ node: one, direction: "up", entry: undefined, sequence: sequence++ }))
    ]
    return Effect.flatMap(runAll(run, before), () =>
      Effect.flatMap(run.ledger.read(run.own), (entries) =>
        Effect.asVoid(
          runAll({ ...run, tap: tap(at, tape) }, [
            { node, direction, entry: entries.find((entry) => entry.id === node.id), sequence: nextSequence(entries) }
          ])
        )
      )
    )
  })

const silent = { rows: [], tag: "", count: 0, raw: [] }

/** Takes everything and answers nothing. */
const blankSheet: DriverConnection = {
  run: () => Effect.succeed(silent),
  script: () => Effect.succeed([silent]),
  stream: () => Stream.empty,
  cancel: Effect.void,
  status: () => "open",
  pending: () => 0,
  busySince: () => 0,
  lost: Effect.never,
  ping: Effect.void,
  reset: Effect.void,
  destroy: Effect.void,
  notifications: Option.none(),
  copy: Option.none()
}

const paper = (at: Desk, node: Node, direction: Direction, why: string): Effect.Effect<Recorded, MigrationError> =>
  Effect.gen(function* () {
    const tape = blank()
    const { client, connections, ledger } = at
    const run: Run = {
      client,
      connections,
      ledger,
      own: blankSheet,
      lock: { fence: Effect.void },
      appliedBy: "",
      hooks: {},
      tell: () => Effect.void,
      tap: tap(at, tape),
      schema: LiveSchema.empty
    }
    const loaded = yield* node.load
    const body: Body | undefined = direction === "up" ? loaded.up : loaded.down
    if (body === undefined) return yield* irreversible(node)
    const within: Within = loaded.transaction
      ? { _tag: "begun", text: connections.dialect.transaction.begin({}) }
      : { _tag: "none" }
    const done = yield* Effect.either(
      execute({ run, node, direction, body, entry: undefined, sequence: 0, start: 0 }, watch(blankSheet), within)
    )
    return {
      statements: tape.statements,
      from: "paper" as const,
      incomplete: [
        ...tape.incomplete,
        `nothing answered what it asked (${why})`,
        ...(done._tag === "Left" ? [`it did not come to its end: ${done.left.message}`] : [])
      ]
    }
  })
