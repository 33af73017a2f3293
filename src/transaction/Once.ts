/**
 * Work that happens once, however often it is asked for: a key and the first result are written in the very transaction
 * that does the work, so a repeat (after `CommitUnknown`, a crash, a message delivered twice) finds them and does nothing.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Connections from "../connection/Connections.js"
import * as Session from "../connection/Session.js"
import { type DatabaseError, DataError } from "../model/DatabaseError.js"
import { runOn } from "./Run.js"

/** Where keys are kept. Rows may be deleted when no repeat can come any more. @since 0.1.0 @category defaults */
export const table = "aquifer_once"

/** What a result must be made of, because it is kept as JSON. @since 0.1.0 @category models */
export type Json = string | number | boolean | null | undefined | ReadonlyArray<Json> | { readonly [key: string]: Json }

const create = `CREATE TABLE IF NOT EXISTS ${table} (
  key TEXT NOT NULL PRIMARY KEY,
  result TEXT,
  made_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
)`

/** Clients that have seen the table. */
const ready = new WeakSet<Connections.Connections>()

/**
 * Runs the effect in a transaction together with its key, unless that key has been committed before: then the first
 * result is handed back and nothing runs. Two at once: the second waits for the first. A failure leaves no key behind.
 *
 * @since 0.1.0
 * @category combinators
 */
export const once =
  (key: string) =>
  // biome-ignore lint/suspicious/noConfusingVoidType: an effect without a result has that type
  <A extends Json | void, E, R>(
    effect: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | DatabaseError, R | SqlClient.SqlClient> =>
    Effect.flatMap(Connections.current, (connections) =>
      Effect.zipRight(ensure(connections), runOn(connections, keyed(connections, key, effect)))
    )

const keyed = <A, E, R>(connections: Connections.Connections, key: string, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const { placeholder } = connections.dialect
    const claimed = yield* inside(
      connections,
      `INSERT INTO ${table} (key) VALUES (${placeholder(1)}) ON CONFLICT (key) DO NOTHING RETURNING key`,
      [key]
    )
    if (claimed.length === 0) {
      const [found] = yield* inside(connections, `SELECT result FROM ${table} WHERE key = ${placeholder(1)}`, [key])
      // It was this key's own effect that wrote it, so the type is the same.
      return (found?.result === null || found?.result === undefined ? undefined : JSON.parse(String(found.result))) as A
    }
    const result = yield* effect
    const text = yield* Effect.try({
      try: () => JSON.stringify(result) ?? null,
      catch: (cause) => new DataError({ operation: "once", reason: "the result cannot be written as JSON", cause })
    })
    yield* inside(connections, `UPDATE ${table} SET result = ${placeholder(1)} WHERE key = ${placeholder(2)}`, [
      text,
      key
    ])
    return result
  })

/** A statement of the transaction around it. */
const inside = (connections: Connections.Connections, text: string, params: ReadonlyArray<unknown>) =>
  Effect.withFiberRuntime<ReadonlyArray<Record<string, unknown>>, DatabaseError>((fiber) => {
    const carrier = Session.current(connections, fiber.currentContext) ?? connections
    return Effect.map(
      carrier.run({ text, params, prepare: connections.config.prepare, rows: "objects" }),
      ({ rows }) => rows
    )
  })

/** The table, made where it is missing: inside a transaction as a part of it, else once per client. */
const ensure = (connections: Connections.Connections): Effect.Effect<void, DatabaseError> =>
  Effect.withFiberRuntime<void, DatabaseError>((fiber) => {
    if (ready.has(connections)) return Effect.void
    const session = Session.current(connections, fiber.currentContext)
    if (session !== undefined) return Effect.asVoid(session.script(create))
    // IF NOT EXISTS races with another creator and then fails although the table is there: look again.
    const look = connections.run({
      text: `SELECT key FROM ${table} WHERE 1 = 0`,
      params: [],
      prepare: false,
      rows: "arrays"
    })
    return Effect.catchTag(look, "SqlSyntaxError", () =>
      Effect.catchAll(connections.script(create), (error) => Effect.mapError(look, () => error))
    ).pipe(Effect.zipRight(Effect.sync(() => ready.add(connections))), Effect.asVoid)
  })
