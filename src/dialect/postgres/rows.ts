/**
 * Rows as the driver would have made them, by a reader made once per description instead of once per result.
 *
 * @since 0.1.0
 */
import type { Row } from "../../Dialect.js"

/** One column as the server describes it. @since 0.1.0 @category models */
export interface Field {
  readonly name: string
  readonly dataTypeID: number
  readonly format: string
}

/** The raw cells of a row. @since 0.1.0 @category models */
export type Cells = ReadonlyArray<string | null>

/** Finds the parser of a type. @since 0.1.0 @category models */
export type Types = (oid: number) => (text: string) => unknown

/** A described result: its fields and how to read its rows. @since 0.1.0 @category models */
export interface Columns {
  readonly fields: ReadonlyArray<Field>
  readonly objects: (cells: Cells) => Row
  readonly arrays: (cells: Cells) => Row
}

/** @since 0.1.0 @category constructors */
export const columns = (fields: ReadonlyArray<Field>, types: Types): Columns => {
  const names = fields.map((field) => field.name)
  const parsers = fields.map((field) => types(field.dataTypeID))
  const cell = (value: string | null | undefined, index: number): unknown => {
    if (value === null || value === undefined) return null
    const parse = parsers[index]
    return parse === undefined ? value : parse(value)
  }
  // `fromEntries` and the spread make own properties: a column called `__proto__` is a column.
  const empty: Record<string, unknown> = Object.fromEntries(names.map((name) => [name, null]))
  return {
    fields,
    objects: (cells) => {
      const row = { ...empty }
      for (let index = 0; index < names.length; index++) row[names[index] as string] = cell(cells[index], index)
      return row
    },
    arrays: (cells) => cells.map(cell)
  }
}
