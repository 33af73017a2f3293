/**
 * Versions as a sequence, held to be one before anything is sent, and what of it is pending for a database.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Declared } from "../../schema/Declared.js"
import { resolve } from "../../schema/Declared.js"
import { SchemaError } from "../../schema/SchemaError.js"
import type { Version } from "../Versions.js"

/** A version among the others. @since 0.1.0 @category models */
export interface Known {
  readonly version: Version
  readonly declared: Declared
  /** Tables and enums of this version and those before it: what is not among them is nobody's to change. */
  readonly names: ReadonlySet<string>
}

const bad = (problem: string, remedy: string, version?: number) =>
  new SchemaError({ reason: "bad-versions", problem, remedy, version })

/** @since 0.1.0 @category errors */
export const ofVersion = (error: SchemaError, version: number): SchemaError =>
  new SchemaError({
    reason: error.reason,
    problem: error.problem,
    remedy: error.remedy,
    table: error.table,
    changes: error.changes,
    cause: error.cause,
    version
  })

/** `table` is where versions are kept, and nobody's to declare. @since 0.1.0 @category constructors */
export const sequence = (
  versions: ReadonlyArray<Version>,
  table: string
): Effect.Effect<ReadonlyArray<Known>, SchemaError> =>
  Effect.gen(function* () {
    const found: Array<Known> = []
    let names: ReadonlySet<string> = new Set()
    for (const version of versions) {
      const { number, schema } = version
      if (!Number.isSafeInteger(number) || number < 1) {
        return yield* bad(`${number} is no number of a version`, "Count from 1 in whole numbers")
      }
      const before = found.at(-1)?.version.number
      if (before !== undefined && number !== before + 1) {
        return yield* bad(
          `it stands behind version ${before}`,
          "Give each version once, in order and without a gap; the first may be any",
          number
        )
      }
      const declared = yield* Effect.mapError(resolve(schema), (error) => ofVersion(error, number))
      const own = [
        ...declared.tables.map(({ definition }) => definition.name),
        ...declared.enums.map(({ name }) => name)
      ]
      if (own.includes(table)) {
        return yield* bad(
          `it declares the table "${table}", where versions are kept`,
          "Leave it out, or keep versions in another with the option `table`",
          number
        )
      }
      names = new Set([...names, ...own])
      found.push({ version, declared, names })
    }
    return found
  })

/** Those above the one the database is at, or why none of them can be. @since 0.1.0 @category accessors */
export const pending = (
  all: ReadonlyArray<Known>,
  current: number,
  whenAhead: "fail" | "warn"
): Effect.Effect<ReadonlyArray<Known>, SchemaError> =>
  Effect.gen(function* () {
    const [first, last] = [all.at(0)?.version.number ?? 1, all.at(-1)?.version.number ?? 0]
    if (current > last) {
      const error = new SchemaError({
        reason: "ahead",
        problem: `the database is at version ${current}, and the last one known here is ${last}`,
        remedy: 'Deploy the program that made it so, or go on with whenAhead: "warn"'
      })
      if (whenAhead === "fail") return yield* error
      yield* Effect.logWarning(error.message)
      return []
    }
    if (current > 0 && current < first - 1) {
      return yield* new SchemaError({
        reason: "behind",
        problem: `the database is at version ${current}, and the first one known here is ${first}`,
        remedy: `Give the versions from ${current + 1} on, too, or go by way of a program that has them`
      })
    }
    return all.filter(({ version }) => version.number > current)
  })
