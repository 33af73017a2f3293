/**
 * Whole tables: made parents first, dropped children first. A reference that would have to be there before its target comes
 * after all tables, and goes before them.
 *
 * @since 0.1.0
 */
import { make } from "../../model/Change.js"
import type { TableDefinition } from "../../model/Table.js"
import { links } from "./constraints.js"
import { type Link, type Step, step } from "./Pair.js"

interface Made {
  /** Parents first, without the links below. */
  readonly tables: ReadonlyArray<TableDefinition>
  readonly links: ReadonlyArray<{ readonly table: string; readonly link: Link }>
}

/** `late`: references to tables not among these that cannot be there from the beginning. */
const ordered = (all: ReadonlyArray<TableDefinition>, late: (link: Link, table: string) => boolean): Made => {
  const byName = new Map(all.map((table) => [table.name, table]))
  const state = new Map<string, "open" | "done">()
  const tables: Array<TableDefinition> = []
  const later: Array<Made["links"][number]> = []
  const visit = (table: TableDefinition): void => {
    if (state.has(table.name)) return
    state.set(table.name, "open")
    const cut = new Set<string>()
    for (const link of links(table.constraints)) {
      const target = byName.get(link.table)
      if (target !== undefined && target !== table) visit(target)
      const circular = target !== table && state.get(link.table) === "open"
      if (circular || late(link, table.name)) {
        cut.add(link.name)
        later.push({ table: table.name, link })
      }
    }
    state.set(table.name, "done")
    tables.push({ ...table, constraints: table.constraints.filter(({ name }) => !cut.has(name)) })
  }
  all.forEach(visit)
  return { tables, links: later }
}

/** @since 0.1.0 @category comparisons */
export const created = (
  all: ReadonlyArray<TableDefinition>,
  late: (link: Link, table: string) => boolean = () => false
): ReadonlyArray<Step> => {
  const made = ordered(all, late)
  return [
    ...made.tables.map(({ indexes, ...table }) =>
      step(
        "tables",
        make.CreateTable({
          // Nobody writes to a table that is not there yet.
          table: { ...table, indexes: indexes.map(({ concurrently: _, ...index }) => index) },
          ifNotExists: false
        })
      )
    ),
    ...made.links.map(({ link, table }) => step("links", make.AddConstraint({ table, constraint: link })))
  ]
}

/** `sure`: whether a definition says all of the table. @since 0.1.0 @category comparisons */
export const dropped = (
  all: ReadonlyArray<TableDefinition>,
  late: (link: Link, table: string) => boolean,
  sure: (table: string) => boolean,
  phase: "tables freed" | "tables dropped"
): ReadonlyArray<Step> => {
  const made = ordered(all, late)
  return [
    ...made.links.map(({ link, table }) =>
      step("links cut", make.DropConstraint({ table, name: link.name, was: link }))
    ),
    ...made.tables
      .toReversed()
      .map((table) =>
        step(phase, make.DropTable({ name: table.name, ifExists: false, was: sure(table.name) ? table : undefined }))
      )
  ]
}
