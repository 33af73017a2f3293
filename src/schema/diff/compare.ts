/**
 * Two schemas side by side, as the product prints both: every part by its own comparison, and the steps in one order.
 *
 * @since 0.1.0
 */
import { type LiveSchema, type LiveTable, table as tableOf } from "../../model/LiveSchema.js"
import { type Alike, type Sure, sureOf, trusting } from "../Alike.js"
import type { Declared } from "../Declared.js"
import { definitionOf, enumOf } from "../Definition.js"
import type { Words } from "../Words.js"
import { columns } from "./columns.js"
import { constraints, foreignKeys } from "./constraints.js"
import { enums } from "./enums.js"
import { indexes } from "./indexes.js"
import { alikeIn, type Link, type Pair, phases, type Step } from "./Pair.js"
import { renames } from "./renames.js"
import { created, dropped } from "./tables.js"

/** @since 0.1.0 @category models */
export interface Sides {
  readonly declared: Declared
  /** As the product prints what is declared. */
  readonly wanted: LiveSchema
  readonly live: LiveSchema
  readonly words: Words
  readonly alike: Alike
  /** What is there, made again by its definitions; none where that was not tried. */
  readonly again: LiveSchema | undefined
  /** Whether what nobody declared goes. */
  readonly drops: (name: string) => boolean
}

const sorted = (names: ReadonlyArray<string>): string => JSON.stringify([...names].sort())

/** @since 0.1.0 @category comparisons */
export const compare = (sides: Sides): ReadonlyArray<Step> => {
  const { again, alike, declared, drops, wanted, words } = sides
  const { schema: live, steps: renamed } = renames(declared, sides.live)
  const sure = (table: LiveTable): Sure =>
    again === undefined ? trusting : sureOf(table, tableOf(again, table.name), alike)

  const pairs = declared.tables.flatMap((one): ReadonlyArray<Pair> => {
    const { name } = one.definition
    const [printed, is] = [tableOf(wanted, name), tableOf(live, name)]
    if (printed === undefined || is === undefined) return []
    const model = { definition: one.definition, printed }
    return [
      {
        name,
        declared: one,
        wanted: { table: printed, definition: definitionOf(printed, wanted, words) },
        live: { table: is, definition: definitionOf(is, live, words, model) },
        alike: alikeIn(alike, name),
        sure: sure(is)
      }
    ]
  })
  const known = new Set(declared.tables.map(({ definition }) => definition.name))
  const gone = live.tables.filter(({ name }) => !known.has(name) && drops(name))
  const kept = live.tables.filter(({ name }) => !known.has(name) && !drops(name))
  const used = new Set(kept.flatMap((table) => table.columns.map(({ type }) => type.replace(/[[\]"]/g, ""))))
  const types = enums(wanted.enums, live.enums, (name) => drops(name) && !used.has(name))

  const found = pairs.map((pair) => {
    const own = columns(pair, types.remade)
    const rules = constraints(pair, own)
    const lists = indexes(pair, own)
    return {
      pair,
      touched: new Set([...own.retyped, ...own.remade]),
      keys: new Set([...rules.keys, ...lists.keys].map(sorted)),
      steps: [...own.steps, ...rules.steps, ...lists.steps]
    }
  })
  const at = new Map(found.map((one) => [one.pair.name, one]))
  /** Whether a reference hangs on what changes, at this end or the other. */
  const cut =
    (table: string) =>
    (link: Link): boolean => {
      const [here, there] = [at.get(table), at.get(link.table)]
      return (
        there?.keys.has(sorted(link.targets)) === true ||
        link.targets.some((column) => there?.touched.has(column) === true) ||
        link.columns.some((column) => here?.touched.has(column) === true)
      )
    }
  const unsettled = new Set(found.flatMap(({ pair, steps }) => (steps.length === 0 ? [] : [pair.name])))
  const fresh = declared.tables.filter(({ definition }) => tableOf(live, definition.name) === undefined)
  const left = gone.map((table) => definitionOf(table, live, words))
  const steps = [
    ...types.steps,
    ...renamed,
    ...found.flatMap((one) => one.steps),
    ...pairs.flatMap((pair) => foreignKeys(pair, cut(pair.name))),
    ...created(
      fresh.map(({ definition }) => definition),
      (link) => unsettled.has(link.table)
    ),
    ...dropped(
      left,
      (link, table) => cut(table)(link),
      (name) => gone.some((table) => table.name === name && sure(table).table),
      left.some(({ columns }) => columns.some(({ type }) => types.remade.has(enumOf(type) ?? "")))
        ? "tables freed"
        : "tables dropped"
    )
  ]
  return phases.flatMap((phase) => steps.filter((one) => one.phase === phase))
}
