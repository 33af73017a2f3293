/**
 * An empty database of the same product, where declared tables are made so that the database itself prints them. What is
 * tried there leaves nothing behind: it is rolled back, or, where DDL cannot be, each try has a database of its own.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Connections from "../connection/Connections.js"
import type { Dialect, DriverConnection } from "../Dialect.js"
import type { Change } from "../model/Change.js"
import { type DatabaseError, UnsupportedError } from "../model/DatabaseError.js"
import type { LiveSchema } from "../model/LiveSchema.js"
import { carryOut, statements } from "./Render.js"

/** Connections to an empty database that goes with the scope. @since 0.1.0 @category constructors */
export const database = ({
  config,
  dialect
}: Connections.Connections): Effect.Effect<Connections.Connections, DatabaseError, Scope.Scope> =>
  Effect.gen(function* () {
    if (dialect.scratch === undefined) {
      return yield* new UnsupportedError({
        operation: "scratch",
        reason: "this product has no way to an empty database of its own",
        hint: "Run it against a database made for it"
      })
    }
    const made = yield* dialect.scratch(config)
    return yield* Connections.make(
      { ...made.config, pool: { ...made.config.pool, size: 1, maxOverflow: 2 } },
      made.dialect
    )
  })

/** One thing to make; where it is refused as a whole, its parts are made as far as that goes. @since 0.1.0 @category models */
export interface Unit {
  readonly whole: Change
  readonly parts?: ReadonlyArray<Change> | undefined
}

/** @since 0.1.0 @category models */
export interface Scratch {
  readonly dialect: Dialect
  /** The schema these make out of nothing. */
  readonly made: (changes: ReadonlyArray<Change>) => Effect.Effect<LiveSchema, DatabaseError>
  /** The same, without what is refused. */
  readonly madeOf: (units: ReadonlyArray<Unit>) => Effect.Effect<LiveSchema, DatabaseError>
  /** The statements that make each of these, one after the other, where the units are; what is refused is passed over. */
  readonly statements: (
    units: ReadonlyArray<Unit>,
    changes: ReadonlyArray<Change>
  ) => Effect.Effect<ReadonlyArray<ReadonlyArray<string>>, DatabaseError>
  /** Whether they are taken, one after the other. */
  readonly takes: (changes: ReadonlyArray<Change>) => Effect.Effect<boolean, DatabaseError>
}

/** What the work finds out, and nothing of what it did; a session that cannot even undo it is lost with its database. */
const undone = <A>(
  { transaction }: Dialect,
  own: DriverConnection,
  work: Effect.Effect<A, DatabaseError>
): Effect.Effect<A, DatabaseError> => {
  const stop = Effect.suspend(() => (own.pending() > 0 ? own.cancel : Effect.void))
  const undo = Effect.suspend(() =>
    own.status() === "open" || own.status() === "failed" ? Effect.ignore(own.script(transaction.rollback)) : Effect.void
  )
  return Effect.ensuring(Effect.zipRight(own.script(transaction.begin({})), work), Effect.zipRight(stop, undo))
}

/** @since 0.1.0 @category constructors */
export const make = (connections: Connections.Connections): Effect.Effect<Scratch, DatabaseError, Scope.Scope> =>
  Effect.gen(function* () {
    const { transaction } = connections.dialect
    const rolledBack = connections.dialect.can.has("transactionalDdl")
    const shared = rolledBack ? yield* Effect.flatMap(database(connections), ({ reserve }) => reserve) : undefined

    const on = <A>(use: (own: DriverConnection) => Effect.Effect<A, DatabaseError>): Effect.Effect<A, DatabaseError> =>
      shared === undefined
        ? Effect.scoped(Effect.flatMap(database(connections), ({ reserve }) => Effect.flatMap(reserve, use)))
        : undone(connections.dialect, shared, use(shared))

    const apply = (own: DriverConnection, changes: ReadonlyArray<Change>) =>
      Effect.forEach(changes, (change) => carryOut(connections.dialect, own, change), { discard: true })

    /** Whether it was taken; what was not has left nothing. */
    const attempt = (own: DriverConnection, work: Effect.Effect<void, DatabaseError>) => {
      const tried = Effect.isSuccess(work)
      if (!rolledBack) return tried
      return own.script(transaction.savepoint("aquifer_try")).pipe(
        Effect.zipRight(tried),
        Effect.tap((taken) =>
          Effect.zipRight(
            taken ? Effect.void : own.script(transaction.rollbackTo("aquifer_try")),
            own.script(transaction.release("aquifer_try"))
          )
        )
      )
    }

    const makeUnits = (own: DriverConnection, units: ReadonlyArray<Unit>) =>
      Effect.forEach(
        units,
        ({ parts = [], whole }) =>
          Effect.flatMap(attempt(own, apply(own, [whole])), (taken) =>
            taken ? Effect.void : Effect.forEach(parts, (part) => attempt(own, apply(own, [part])), { discard: true })
          ),
        { discard: true }
      )

    return {
      dialect: connections.dialect,
      made: (changes) => on((own) => Effect.zipRight(apply(own, changes), connections.dialect.inspect(own))),
      takes: (changes) => on((own) => Effect.isSuccess(apply(own, changes))),
      madeOf: (units) => on((own) => Effect.zipRight(makeUnits(own, units), connections.dialect.inspect(own))),
      statements: (units, changes) =>
        on((own) =>
          Effect.zipRight(
            makeUnits(own, units),
            Effect.forEach(changes, (change) =>
              Effect.tap(statements(connections.dialect, own, change), (texts) =>
                attempt(
                  own,
                  Effect.forEach(texts, (text) => own.script(text), { discard: true })
                )
              )
            )
          )
        )
    }
  })
