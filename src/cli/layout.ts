/**
 * How results are laid out: a column of labels, tables, numbers as people write them.
 *
 * @since 0.1.0
 */
import { createRequire } from "node:module"
import type { Style } from "./Style.js"

const names: Readonly<Record<string, string>> = {
  postgresql: "PostgreSQL",
  cockroachdb: "CockroachDB",
  pglite: "PGlite",
  sqlite: "SQLite"
}

/** A product as its makers write it. @since 0.1.0 @category conversions */
export const called = (product: string): string => names[product] ?? product

/** A whole number, its thousands set apart. @since 0.1.0 @category conversions */
export const amount = (n: number): string => String(n).replace(/\B(?=(?:\d{3})+$)/g, ",")

/** @since 0.1.0 @category conversions */
export const plural = (n: number, one: string, many: string): string => `${amount(n)} ${n === 1 ? one : many}`

/** A time of three digits: `0.21 ms`, `4.3 ms`, `120 ms`, `1.3 s`. @since 0.1.0 @category conversions */
export const millis = (n: number): string => {
  if (n >= 1_000) return `${(n / 1_000).toFixed(n < 10_000 ? 1 : 0)} s`
  return `${n.toFixed(n < 1 ? 2 : n < 100 ? 1 : 0)} ms`
}

/** A moment, to the second. @since 0.1.0 @category conversions */
export const moment = (date: Date | undefined): string =>
  date === undefined ? "" : `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`

const width = 12

/** One line each: the label, then what there is to say. An empty label goes on with the one above. @since 0.1.0 @category layout */
export const rows = (
  style: Style,
  lines: ReadonlyArray<readonly [label: string, text: string]>
): ReadonlyArray<string> => lines.map(([label, text]) => `  ${style.dim(label.padEnd(width))} ${text}`)

/** Loaded by the first table: most results are a few lines, or JSON. */
const cliTable = (): typeof import("cli-table3") => createRequire(import.meta.url)("cli-table3")

const none = { top: "", "top-mid": "", "top-left": "", "top-right": "", bottom: "", "bottom-mid": "" }
const frame = { ...none, "bottom-left": "", "bottom-right": "", left: "", "left-mid": "", mid: "", "mid-mid": "" }

/** A table without lines: a head and columns as wide as what stands in them. @since 0.1.0 @category layout */
export const table = (
  style: Style,
  head: ReadonlyArray<string>,
  cells: ReadonlyArray<ReadonlyArray<string>>
): ReadonlyArray<string> => {
  const Table = cliTable()
  const table = new Table({
    chars: { ...frame, right: "", "right-mid": "", middle: "  " },
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0, compact: true }
  })
  table.push(
    head.map((name) => style.dim(name)),
    ...cells.map((row) => [...row])
  )
  return table
    .toString()
    .split("\n")
    .map((line) => `  ${line.trimEnd()}`)
}
