/**
 * A change as the statements of the product in use, in front of the schema they meet, and the same carried out.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Dialect, DriverConnection } from "../Dialect.js"
import type { Change } from "../model/Change.js"
import { type DatabaseError, isDatabaseError } from "../model/DatabaseError.js"
import * as LiveSchema from "../model/LiveSchema.js"

/** What the product cannot say is thrown by its `ddl` as what it is. @since 0.1.0 @category rendering */
export const rendered = (
  dialect: Dialect,
  change: Change,
  before: LiveSchema.LiveSchema
): Effect.Effect<ReadonlyArray<string>, DatabaseError> =>
  Effect.try({
    try: () => dialect.ddl(change, before),
    catch: (cause) => (isDatabaseError(cause) ? cause : dialect.classify(cause, "ddl"))
  })

/** The schema is looked at where the statements depend on it, and not told. @since 0.1.0 @category rendering */
export const statements = (
  dialect: Dialect,
  own: DriverConnection,
  change: Change,
  before?: LiveSchema.LiveSchema | undefined
): Effect.Effect<ReadonlyArray<string>, DatabaseError> => {
  if (before !== undefined) return rendered(dialect, change, before)
  return dialect.rebuilds?.(change) === false
    ? rendered(dialect, change, LiveSchema.empty)
    : Effect.flatMap(dialect.inspect(own), (found) => rendered(dialect, change, found))
}

/** Makes it, statement by statement. @since 0.1.0 @category running */
export const carryOut = (dialect: Dialect, own: DriverConnection, change: Change): Effect.Effect<void, DatabaseError> =>
  Effect.flatMap(statements(dialect, own, change), (texts) =>
    Effect.forEach(texts, (text) => own.script(text), { discard: true })
  )
