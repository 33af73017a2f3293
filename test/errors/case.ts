/**
 * A failure as a promise: how it is brought about on a real database through the public door alone, which tag it has, and
 * what the server says of it. The cases are data, so that a test can find out which tags nobody produces.
 */
import { inspect } from "node:util"
import type { Reactivity } from "@effect/experimental/Reactivity"
import { SqlError } from "@effect/sql/SqlError"
import { expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { type Database, DatabaseError } from "effect-aquifer"

export type Tag = keyof typeof DatabaseError.classes

/** What a case may use: a database that the suite provides. */
export type World = Database.Services | Reactivity | Scope.Scope

export interface Case<R = World> {
  readonly tag: Tag
  readonly title: string
  /** Options of the database it is tried on. */
  readonly options?: Partial<Database.Options>
  readonly fails: Effect.Effect<unknown, unknown, R>
  /** What the error says besides; each field exactly. */
  readonly says?: Readonly<Record<string, unknown>>
  /** A value that was sent, or a secret: not in the message. */
  readonly hides?: string
}

/** The failure as `refine` leaves it in the error channel; a defect or a success fails the test. */
export const refined = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<DatabaseError.DatabaseError, never, R> =>
  Effect.map(Effect.exit(DatabaseError.refine(effect)), (exit) => {
    if (Exit.isSuccess(exit)) throw new Error(`it succeeded: ${inspect(exit.value)}`)
    if (Cause.isDie(exit.cause)) throw new Error(`a defect: ${Cause.pretty(exit.cause)}`)
    const failure = Option.getOrThrow(Cause.failureOption(exit.cause))
    if (!DatabaseError.isDatabaseError(failure)) throw new Error(`no database error: ${inspect(failure)}`)
    return failure
  })

/** What is true of every failure, whoever said it. */
const holds = (error: DatabaseError.DatabaseError) => {
  expect(error).toBeInstanceOf(DatabaseError.classes[error._tag])
  expect(["connection", "pool", "query", "schema"]).toContain(error.group)
  expect(error.operation).not.toBe("")
  expect(error.reason).not.toBe("")
  expect(error.message).toContain(error._tag)
  expect(error.message).toContain(error.reason)
  expect(DatabaseError.isTransient(error)).toBe(["restart", "reconnect", "reprepare"].includes(error.recovery))
  // As it comes from a statement, and as an ORM hands it on.
  const wrapped = new Error("Failed query", { cause: new SqlError({ cause: error, message: error.reason }) })
  expect(DatabaseError.from(wrapped)).toBe(error)
}

/** What a case left running ends with it, so that the layer around it has nobody to wait for. */
export const meets = <R>(one: Case<R>): Effect.Effect<void, never, Exclude<R, Scope.Scope>> =>
  Effect.map(refined(Effect.scoped(one.fails)), (error) => {
    expect(`${error._tag}: ${error.reason}`).toContain(`${one.tag}: `)
    holds(error)
    for (const [field, value] of Object.entries(one.says ?? {})) {
      const found = (error as unknown as Record<string, unknown>)[field]
      if (value instanceof RegExp) expect(found, field).toMatch(value)
      else expect(found, field).toEqual(value)
    }
    if (one.hides !== undefined) expect(error.message).not.toContain(one.hides)
  })

export const titleOf = (one: Pick<Case, "tag" | "title">): string => `${one.tag}: ${one.title}`
