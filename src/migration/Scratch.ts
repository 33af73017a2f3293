/**
 * An empty database of the same product, with a client of its own: where revisions are tried, and where what an effect
 * sends is overheard.
 *
 * @since 0.1.0
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Client from "../client/Client.js"
import * as Connections from "../connection/Connections.js"
import { type DatabaseError, UnsupportedError } from "../model/DatabaseError.js"
import { type Desk, makeDesk, type Options } from "./Desk.js"
import type * as Graph from "./Graph.js"

/** The same revisions before an empty database, which goes with the scope. @since 0.1.0 @category constructors */
export const scratch = (desk: Desk, options: Options): Effect.Effect<Desk, DatabaseError, Scope.Scope> =>
  Effect.gen(function* () {
    const { config, dialect } = desk.connections
    if (dialect.scratch === undefined) {
      return yield* new UnsupportedError({
        operation: "scratch",
        reason: "this product has no way to an empty database of its own",
        hint: "Run it against a database made for it"
      })
    }
    const made = yield* dialect.scratch(config)
    const connections = yield* Connections.make(
      { ...made.config, pool: { ...made.config.pool, size: 1, maxOverflow: 2 } },
      made.dialect
    )
    const client = yield* Effect.provide(Client.make(connections), Reactivity.layer)
    // A schema made for the ledger by hand is not there.
    return makeDesk(client, connections, desk.graph, { ...options, schema: undefined, adopt: false })
  })

/** The revisions as they were read, without reading them again. @since 0.1.0 @category accessors */
export const revisions = (graph: Graph.Graph): Options["loader"] =>
  Effect.succeed(graph.nodes.map((node) => ({ ...node, revises: node.parents })))
