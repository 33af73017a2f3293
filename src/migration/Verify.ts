/**
 * Proves on a scratch database that every revision can be applied, taken back and applied again, and that the schema is
 * each time what it was before. Data is not looked at: there is none.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { DatabaseError } from "../model/DatabaseError.js"
import * as LiveSchema from "../model/LiveSchema.js"
import { MigrationError } from "../model/MigrationError.js"
import { type Desk, desk, type Options } from "./Desk.js"
import type { Node } from "./Graph.js"
import { down, up } from "./Move.js"
import { revisions, scratch } from "./Scratch.js"
import type { Failure } from "./Task.js"

/** @since 0.1.0 @category models */
export interface Verified {
  readonly ok: boolean
  readonly revisions: ReadonlyArray<{
    readonly id: string
    readonly name: string
    readonly file: string | undefined
    /** `irreversible`: it says no way back, so there was none to try. */
    readonly standing: "same" | "differs" | "irreversible"
    /** Where the schema after the way back is not the one before; where the second way there ends elsewhere, or why nowhere. */
    readonly back: ReadonlyArray<string>
    readonly again: ReadonlyArray<string>
  }>
}

type Found = Verified["revisions"][number]

/**
 * Up, down, up, revision by revision. One that cannot be applied, or fails on its way back, ends it with that failure; one that
 * cannot be applied a second time differs. No hooks are run and no events told; the database in use is not touched, but on a
 * server the right to create one beside it is needed.
 *
 * @since 0.1.0
 * @category looking
 */
export const verify = (options: Options = {}): Effect.Effect<Verified, Failure, SqlClient.SqlClient> =>
  Effect.scoped(
    Effect.gen(function* () {
      const real = yield* desk(options)
      const empty = scratch(real, { ...options, loader: revisions(real.graph), hooks: undefined, onEvent: undefined })
      let place = yield* renewed(empty)
      const found: Array<Found> = []
      for (const node of real.graph.nodes) {
        const one = yield* tried(place.at, node)
        found.push(one.found)
        if (!one.spoilt) continue
        yield* place.close
        place = yield* renewed(empty)
        yield* there(place.at, node)
      }
      return { ok: found.every((one) => one.standing !== "differs"), revisions: found }
    })
  ).pipe(Effect.withSpan("Migrator.verify", { captureStackTrace: false }))

/** A scratch database that can be given back before the scope ends. */
const renewed = Effect.fnUntraced(function* (empty: Effect.Effect<Desk, DatabaseError, Scope.Scope>) {
  const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
  return { at: yield* Scope.extend(empty, scope), close: Scope.close(scope, Exit.void) }
})

const here = <A, E>({ client }: Desk, effect: Effect.Effect<A, E, SqlClient.SqlClient>) =>
  Effect.provideService(effect, SqlClient.SqlClient, client)

const there = (at: Desk, { id }: Node) => here(at, up({ ...at.options, to: id }))

/** `spoilt`: the scratch database is no longer what the next revision needs. */
const tried = Effect.fnUntraced(function* (at: Desk, node: Node) {
  const { file, id, name } = node
  const before = yield* schema(at)
  yield* there(at, node)
  const loaded = yield* node.load
  const result = (standing: Found["standing"], back: Found["back"] = [], again: Found["again"] = []): Found => ({
    id,
    name,
    file,
    standing,
    back,
    again
  })
  if (loaded.down === undefined) return { found: result("irreversible"), spoilt: false }
  const after = yield* schema(at)
  yield* Effect.mapError(here(at, down({ ...at.options, steps: 1 })), wayBack)
  const back = LiveSchema.differences(before, yield* schema(at))
  const again = yield* Effect.either(there(at, node))
  if (again._tag === "Left") {
    if (again.left._tag !== "MigrationError") return yield* again.left
    return { found: result("differs", back, [`it cannot be applied again: ${again.left.problem}`]), spoilt: true }
  }
  const ends = LiveSchema.differences(after, yield* schema(at))
  return { found: result(back.length + ends.length === 0 ? "same" : "differs", back, ends), spoilt: false }
})

const wayBack = (error: Failure): Failure =>
  error._tag === "MigrationError"
    ? new MigrationError({ ...error, problem: `on its way back: ${error.problem}` })
    : error

/** Without the ledger, and the table of a lock that is leased. */
const schema = ({ connections: { dialect, reserve }, ledger: { place } }: Desk) =>
  Effect.scoped(
    Effect.flatMap(reserve, (connection) =>
      Effect.zipWith(
        dialect.inspect(connection),
        dialect.others?.(connection) ?? Effect.succeed([]),
        // Compared like any other of its lists.
        (found, others) => ({ ...LiveSchema.without(found, [place.table, `${place.table}_lock`]), others })
      )
    )
  )
