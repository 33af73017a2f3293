/**
 * Proves on a scratch database that every revision can be applied, taken back and applied again, and that the schema is
 * each time what it was before. Data is not looked at: there is none.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as LiveSchema from "../model/LiveSchema.js"
import { type Desk, desk, type Options } from "./Desk.js"
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
    /** Where the schema after the way back is not the one before; where the second way there ends elsewhere. */
    readonly back: ReadonlyArray<string>
    readonly again: ReadonlyArray<string>
  }>
}

/**
 * Up, down, up, revision by revision. A revision that fails ends it, with that failure; the database in use is not
 * touched, but on a server the right to create one beside it is needed.
 *
 * @since 0.1.0
 * @category looking
 */
export const verify = (options: Options = {}): Effect.Effect<Verified, Failure, SqlClient.SqlClient> =>
  Effect.scoped(
    Effect.gen(function* () {
      const real = yield* desk(options)
      const at = yield* scratch(real, { ...options, loader: revisions(real.graph) })
      const here = Effect.provideService(SqlClient.SqlClient, at.client)
      const found: Array<Verified["revisions"][number]> = []
      for (const node of real.graph.nodes) {
        const { file, id, name } = node
        const before = yield* schema(at)
        yield* here(up({ ...at.options, to: id }))
        const loaded = yield* node.load
        if (loaded.down === undefined) {
          found.push({ id, name, file, standing: "irreversible", back: [], again: [] })
          continue
        }
        const after = yield* schema(at)
        yield* here(down({ ...at.options, steps: 1 }))
        const back = LiveSchema.differences(before, yield* schema(at))
        yield* here(up({ ...at.options, to: id }))
        const again = LiveSchema.differences(after, yield* schema(at))
        const standing = back.length + again.length === 0 ? "same" : "differs"
        found.push({ id, name, file, standing, back, again })
      }
      return { ok: found.every((one) => one.standing !== "differs"), revisions: found }
    })
  ).pipe(Effect.withSpan("Migrator.verify", { captureStackTrace: false }))

/** Without the ledger, and the table of a lock that is leased. */
const schema = ({ connections, ledger }: Desk) =>
  Effect.map(Effect.scoped(Effect.flatMap(connections.reserve, connections.dialect.inspect)), (found) =>
    LiveSchema.without(found, [ledger.place.table, `${ledger.place.table}_lock`])
  )
