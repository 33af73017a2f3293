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
import { MigrationError } from "../model/MigrationError.js"
import { execute, type Within } from "./Body.js"
import type { Desk } from "./Desk.js"
import type { Node } from "./Graph.js"
import { nextSequence } from "./Ledger.js"
import { inline } from "./Literal.js"
import { type Body, label } from "./Revision.js"
import { irreversible, type Job, runAll } from "./Runner.js"
import { revisions, scratch } from "./Scratch.js"
import { step } from "./SqlFile.js"
import type { Direction, Failure, Run } from "./Task.js"
import { underLock } from "./UnderLock.js"
import { watch } from "./watch.js"

/** @since 0.1.0 @category models */
export interface Recorded {
  readonly statements: ReadonlyArray<string>
  /** A scratch database answered, or nothing did. */
  readonly from: "scratch" | "paper"
  /** Why it is not all there is, where it is not. */
  readonly incomplete: ReadonlyArray<string>
  /** What it failed with before its end; nothing where it came to its end. */
  readonly broke: MigrationError | undefined
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

/** On a scratch database where there can be one, unless told to ask none. @since 0.1.0 @category constructors */
export const recorder = (at: Desk, on: "scratch" | "paper" = "scratch"): Effect.Effect<Recorder, never, Scope.Scope> =>
  Effect.gen(function* () {
    if (on === "paper") return { record: (node, direction) => paper(at, node, direction, "it was not to be asked") }
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
            ? { ...tape, from: "scratch" as const, broke: undefined }
            : yield* paper(at, node, direction, done.left.message)
        })
    }
  })

const blank = (): Tape => ({ statements: [], incomplete: [] })

/** The calls that a query may make without changing anything, and words that only look like calls. */
const harmless = new Set(
  `ALL AND ANY ARRAY AS AVG BETWEEN BY CASE CAST COALESCE COUNT CURRENT_DATABASE CURRENT_SCHEMA DISTINCT ELSE EXISTS
  FILTER FROM HAVING IN JOIN LATERAL LENGTH LIKE LIMIT LOWER MAX MIN NOT NULLIF NOW OFFSET ON OR OVER SELECT SOME SUM THEN
  TO_REGCLASS UNION UPPER USING VALUES VERSION WHEN WHERE WITH`.split(/\s+/)
)

/** A query that calls what is not known to be harmless may be there for what that does. */
const mayAct = (text: string): boolean => {
  let word: string | undefined
  for (let i = 0; i < text.length; ) {
    const { blank, end, word: found } = step(text, i)
    if (text[i] === "(" && word !== undefined && !harmless.has(word)) return true
    if (!blank) word = found !== "" ? found : text[i] === '"' ? text.slice(i, end) : undefined
    i = end
  }
  return false
}

/** Hears everything that changes something. `around`: the BEGIN that stands around what is written down. */
const tap =
  (at: Desk, tape: Tape, around: string | undefined) =>
  (connection: DriverConnection): DriverConnection => {
    const { dialect } = at.connections
    /** Of a text that begins a transaction: what is not the revision's own. */
    const within = (text: string): string =>
      around === undefined || !text.startsWith(around) ? text : text.slice(around.length).replace(/^;\s*/, "")
    const heard = (text: string, params: ReadonlyArray<unknown> = []) => {
      if (text === "" || (dialect.kind(text) === "read" && !mayAct(text))) return
      const written = inline(dialect, text, params)
      if (written === undefined) tape.incomplete.push(`a parameter of this cannot be written down: ${text}`)
      tape.statements.push(written ?? text)
    }
    return {
      ...watch(connection).connection,
      run: (request) =>
        Effect.suspend(() => {
          if (request.begin !== undefined) heard(within(request.begin))
          heard(request.text, request.params)
          return connection.run(request)
        }),
      script: (text) =>
        Effect.suspend(() => {
          heard(within(text))
          return connection.script(text)
        })
    }
  }

/** The BEGIN around a revision, where it has one. */
const around = (at: Desk, node: Node): Effect.Effect<string | undefined, MigrationError> =>
  Effect.map(node.load, ({ transaction }) => {
    const { dialect } = at.connections
    return transaction && dialect.can.has("transactionalDdl") ? dialect.transaction.begin({}) : undefined
  })

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
        Effect.flatMap(around(at, node), (begin) =>
          Effect.asVoid(
            runAll({ ...run, tap: tap(at, tape, begin) }, [
              { node, direction, entry: entries.find((entry) => entry.id === node.id), sequence: nextSequence(entries) }
            ])
          )
        )
      )
    )
  })

const broken = (error: Failure, node: Node): MigrationError =>
  error._tag === "MigrationError"
    ? error
    : new MigrationError({
        reason: "failed",
        problem: error.reason,
        remedy: "Look at it with a database that it can be recorded on",
        revision: label(node),
        file: node.file,
        cause: error
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
      heard: true,
      tap: tap(at, tape, yield* around(at, node)),
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
      ],
      broke: done._tag === "Left" ? broken(done.left, node) : undefined
    }
  })
