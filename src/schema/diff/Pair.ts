/**
 * A declared table beside the live one, and what the comparisons of their parts hand on: changes with the place in the
 * order they have.
 *
 * @since 0.1.0
 */
import type { Change } from "../../model/Change.js"
import type { SqlType } from "../../model/Column.js"
import type { LiveEnum, LiveTable } from "../../model/LiveSchema.js"
import type { ForeignKey, Named, TableDefinition } from "../../model/Table.js"
import type { Alike, Sure } from "../Alike.js"
import type { DeclaredTable } from "../Declared.js"

/** @since 0.1.0 @category models */
export interface Side {
  readonly table: LiveTable
  /** The same in the words of a declaration. */
  readonly definition: TableDefinition
}

/** @since 0.1.0 @category models */
export interface Pair {
  readonly name: string
  readonly declared: DeclaredTable
  /** As the product prints what is declared. */
  readonly wanted: Side
  /** What is there, after the renames. */
  readonly live: Side
  readonly alike: (a: string | undefined, b: string | undefined) => boolean
  readonly sure: Sure
}

/** @since 0.1.0 @category constructors */
export const alikeIn =
  (alike: Alike, table: string): Pair["alike"] =>
  (a, b) =>
    alike(table, a, b)

/** In the order in which they are to be done; what is taken away first stands in the way of the rest. @since 0.1.0 @category models */
export const phases = [
  "enums",
  "tables renamed",
  "columns renamed",
  "links cut",
  "rules dropped",
  "tables freed",
  "columns freed",
  "enums remade",
  "tables",
  "columns",
  "columns dropped",
  "columns computed",
  "comments",
  "keys",
  "rules",
  "indexes",
  "links",
  "tables dropped",
  "enums dropped"
] as const

/** Another type, and how values get there and back where they do not by themselves. @since 0.1.0 @category models */
export interface Cast {
  readonly from: SqlType
  readonly to: SqlType
  readonly forth: string
  readonly back: string
}

/** @since 0.1.0 @category models */
export interface Step {
  readonly phase: (typeof phases)[number]
  readonly change: Change
  readonly cast?: Cast | undefined
}

/** @since 0.1.0 @category constructors */
export const step = (phase: Step["phase"], change: Change, cast?: Cast | undefined): Step => ({ phase, change, cast })

/** Enums whose type has to be made anew, because words were taken from them or stand in another order. @since 0.1.0 @category models */
export type Remade = ReadonlyMap<string, LiveEnum>

/** @since 0.1.0 @category models */
export type Link = Named<ForeignKey>

/** What is wanted and not there, and what is there and not wanted. @since 0.1.0 @category models */
export interface Unmatched<A> {
  readonly missing: ReadonlyArray<A>
  readonly gone: ReadonlyArray<A>
}

/**
 * Things of one name are one thing. What is the same under another name is no difference, unless a person chose the name.
 *
 * @since 0.1.0
 * @category comparisons
 */
export const matched = <A extends { readonly name: string }>(
  wanted: ReadonlyArray<A>,
  live: ReadonlyArray<A>,
  same: (wanted: A, live: A) => boolean,
  chosen: ReadonlySet<string>
): Unmatched<A> => {
  const gone = new Set(live)
  const missing = wanted.filter((one) => {
    const found = live.find(({ name }) => name === one.name)
    return found === undefined || !same(one, found) || !gone.delete(found)
  })
  return {
    missing: missing.filter((one) => {
      if (chosen.has(one.name) || live.some(({ name }) => name === one.name)) return true
      const found = [...gone].find((other) => !wanted.some(({ name }) => name === other.name) && same(one, other))
      return found === undefined || !gone.delete(found)
    }),
    // Backwards: names a product has to make up are counted, and those behind must not move up.
    gone: [...gone].reverse()
  }
}
