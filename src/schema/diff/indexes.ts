/**
 * Indexes, by all the product says of them. One that a failed build left behind is none.
 *
 * @since 0.1.0
 */
import { make } from "../../model/Change.js"
import type { LiveIndex } from "../../model/LiveSchema.js"
import type { Columns } from "./columns.js"
import { inTheWay } from "./constraints.js"
import { matched, type Pair, type Step, step } from "./Pair.js"

/** @since 0.1.0 @category models */
export interface Indexes {
  readonly steps: ReadonlyArray<Step>
  /** Columns of unique indexes that are not there all the time. */
  readonly keys: ReadonlyArray<ReadonlyArray<string>>
}

/** @since 0.1.0 @category comparisons */
export const indexes = (pair: Pair, columns: Columns): Indexes => {
  const { alike, declared, live, name: table, sure, wanted } = pair
  const same = (a: LiveIndex, b: LiveIndex): boolean =>
    b.valid && a.unique === b.unique && alike(a.over, b.over) && !inTheWay(columns, a.columns, a.over)
  const { gone, missing } = matched(wanted.table.indexes, live.table.indexes, same, declared.chosen)
  const of = (all: typeof live.definition.indexes, name: string) => all.find((one) => one.name === name)
  return {
    steps: [
      ...gone.map(({ name }) => {
        const was = sure.index(name) ? of(live.definition.indexes, name) : undefined
        return step("rules dropped", make.DropIndex({ table, name, ifExists: false, concurrently: false, was }))
      }),
      ...missing.flatMap(({ name }) => {
        const index = of(declared.definition.indexes, name) ?? of(wanted.definition.indexes, name)
        return index === undefined ? [] : [step("indexes", make.CreateIndex({ table, index, ifNotExists: false }))]
      })
    ],
    keys: gone.flatMap((one) => (one.unique ? [one.columns] : []))
  }
}
