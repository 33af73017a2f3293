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
import type { DatabaseError } from "../model/DatabaseError.js"
import * as Scratch from "../schema/Scratch.js"
import { type Desk, makeDesk, type Options } from "./Desk.js"
import type * as Graph from "./Graph.js"

/** The same revisions before an empty database, which goes with the scope. @since 0.1.0 @category constructors */
export const scratch = (desk: Desk, options: Options): Effect.Effect<Desk, DatabaseError, Scope.Scope> =>
  Effect.gen(function* () {
    const connections = yield* Scratch.database(desk.connections)
    const client = yield* Effect.provide(Client.make(connections), Reactivity.layer)
    // A schema made for the ledger by hand is not there.
    return makeDesk(client, connections, desk.graph, { ...options, schema: undefined, adopt: false })
  })

/** The revisions as they were read, without reading them again. @since 0.1.0 @category accessors */
export const revisions = (graph: Graph.Graph): Options["loader"] =>
  Effect.succeed(graph.nodes.map((node) => ({ ...node, revises: node.parents })))
