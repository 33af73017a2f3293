/**
 * A drawing in Graphviz's DOT: a table is a node with a row for each column, and an edge runs from the column that refers to
 * the one that is referred to, with crow's feet.
 *
 * @since 0.1.0
 */
import { type Attribute, type Drawing, distinct, type Entity, type Relation } from "./entities.js"

/** What XML has no place for. */
const readable = (name: string): string => name.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu, "\ufffd")

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" }

const markup = (name: string): string => readable(name).replace(/[&<>"]/g, (c) => entities[c] ?? c)

/** In a string a backslash stands for itself but in front of a quote or another one. */
const id = (name: string): string => `"${name.replace(/[\\"]/g, "\\$&")}"`

const row = ({ marks, name, nullable, type }: Attribute, i: number): string => {
  const facts = [...marks, ...(nullable ? ["null"] : [])].join(", ")
  return `<TR><TD ALIGN="LEFT" PORT="c${i}">${markup(name)}</TD><TD ALIGN="LEFT">${markup(type)}</TD><TD ALIGN="LEFT">${facts === "" ? "&#160;" : facts}</TD></TR>`
}

const node = ({ attributes, name }: Entity, ids: (name: string) => string): string =>
  [
    `  ${ids(name)} [label=<<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="0">`,
    `    <TR><TD COLSPAN="3"><B>${markup(name)}</B></TD></TR>`,
    ...attributes.map((one, i) => `    ${row(one, i)}`),
    "  </TABLE>>]"
  ].join("\n")

/** @since 0.1.0 @category rendering */
export const dot = (drawing: Drawing): string => {
  const names = distinct(
    drawing.entities.map(({ name }) => name),
    readable
  )
  const ids = (name: string) => id(names(name))
  const end = (table: string, [column]: ReadonlyArray<string>): string => {
    const at = drawing.entities.find(({ name }) => name === table)?.attributes.findIndex(({ name }) => name === column)
    return at === undefined || at < 0 ? ids(table) : `${ids(table)}:c${at}`
  }
  const edge = ({ child, columns, optional, parent, single, targets }: Relation): string =>
    `  ${end(child, columns)} -> ${end(parent, targets)} [arrowtail=${single ? "teeodot" : "crowodot"}, arrowhead=${optional ? "teeodot" : "teetee"}]`
  return [
    "digraph {",
    "  graph [rankdir=LR]",
    "  node [shape=plain]",
    "  edge [dir=both]",
    ...drawing.entities.map((one) => node(one, ids)),
    ...drawing.relations.map(edge),
    "}"
  ]
    .map((line) => `${line}\n`)
    .join("")
}
