/**
 * What revisions that are programs would send, both ways, without running them on the database: for whoever looks at SQL
 * and meets code. One that cannot be recorded says why; none is left out.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import type { MigrationError } from "../model/MigrationError.js"
import { desk, type Options } from "./Desk.js"
import * as Graph from "./Graph.js"
import { type Recorded, recorder } from "./Record.js"
import type { Direction, Failure } from "./Task.js"

/** One direction of a program, as it was recorded. @since 0.1.0 @category models */
export interface Recording extends Recorded {
  readonly direction: Direction
}

/** @since 0.1.0 @category models */
export interface Program {
  readonly id: string
  readonly name: string
  readonly file: string | undefined
  readonly transaction: boolean
  /** Up, and down where there is one; empty where it could not even be loaded. */
  readonly recordings: ReadonlyArray<Recording>
  /** Why it could not be loaded. */
  readonly unseen: MigrationError | undefined
}

/**
 * Records those of `ids` (all, where nothing is said) that are programs: on a scratch database beside the one in use, or
 * on `paper`, where nothing is asked of any database and nothing answers.
 *
 * @since 0.1.0
 * @category looking
 */
export const programs = (
  options: Options & { readonly ids?: ReadonlyArray<string> | undefined; readonly on: "scratch" | "paper" }
): Effect.Effect<ReadonlyArray<Program>, Failure, SqlClient.SqlClient> =>
  Effect.scoped(
    Effect.gen(function* () {
      const at = yield* desk(options)
      const recording = yield* recorder(at, options.on)
      const nodes = at.graph.nodes.filter(
        ({ id, kind }) => kind !== "sql" && (options.ids === undefined || options.ids.includes(id))
      )
      const loaded = yield* Effect.forEach(nodes, (node) =>
        Effect.map(Effect.either(node.load), (load) => ({ node, load }))
      )
      const found = new Map<string, Array<Recording>>()
      // All the ways there and then all the ways back: a scratch database goes through the history once each way.
      const ways = [
        ...loaded.map((one) => ({ ...one, direction: "up" as const })),
        ...loaded.toReversed().map((one) => ({ ...one, direction: "down" as const }))
      ]
      for (const { direction, load, node } of ways) {
        if (load._tag === "Left" || (direction === "down" && load.right.down === undefined)) continue
        const applied = new Set(Graph.ancestors(at.graph, [node.id]))
        if (direction === "up") applied.delete(node.id)
        const recorded = yield* recording.record(node, direction, applied)
        found.set(node.id, [...(found.get(node.id) ?? []), { ...recorded, direction }])
      }
      return loaded.map(
        ({ load, node }): Program => ({
          id: node.id,
          name: node.name,
          file: node.file,
          transaction: load._tag === "Right" && load.right.transaction,
          recordings: found.get(node.id) ?? [],
          unseen: load._tag === "Left" ? load.left : undefined
        })
      )
    })
  ).pipe(Effect.withSpan("Migrator.programs", { captureStackTrace: false }))
