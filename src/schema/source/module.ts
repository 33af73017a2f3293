/**
 * Tables as the text of a module that declares them: the enums they share, each table as a variable of its own, the schema as
 * the default export, and behind it, as a comment, what no table says.
 *
 * @since 0.1.0
 */
import type { SqlType } from "../../model/Column.js"
import type { LiveEnum } from "../../model/LiveSchema.js"
import type { TableDefinition } from "../../model/Table.js"
import type { DatabaseSchema } from "../Declared.js"
import { enumOf } from "../Definition.js"
import { sqlOf } from "./columns.js"
import { array, call, object, print, printable, type Source, shorthand, text } from "./Source.js"
import { table } from "./tables.js"

/** A comment: what it is about, and a line for each thing. @since 0.1.0 @category models */
export interface Note {
  readonly heading: string
  readonly lines: ReadonlyArray<string>
}

/** @since 0.1.0 @category models */
export interface Contents {
  /** In the order they are to stand in. */
  readonly tables: ReadonlyArray<TableDefinition>
  readonly enums: ReadonlyArray<LiveEnum>
  readonly requires: DatabaseSchema["requires"]
  readonly notes: ReadonlyArray<Note>
}

/** Words that name no variable of a module, and the names its imports have. */
const reserved =
  "DatabaseSchema Schema Table arguments await break case catch class const continue debugger default delete do else enum eval export extends false finally for function if implements import in instanceof interface let new null package private protected public return static super switch this throw true try typeof undefined var void while with yield exports module require __dirname __filename".split(
    " "
  )

/** A variable for the name, and for no other. */
const variable = (name: string, taken: Set<string>): string => {
  const word = name.replace(/[^\p{ID_Continue}$]/gu, "_")
  let found = /^[\p{ID_Start}$_]/u.test(word) ? word : `_${word}`
  while (taken.has(found)) found = `${found}_`
  taken.add(found)
  return found
}

const usesSchema = (type: SqlType): boolean =>
  type._tag === "array" ? usesSchema(type.of) : type._tag === "json" || type._tag === "raw"

/** What a module says; tables that no builder makes are passed over. @since 0.1.0 @category rendering */
export const moduleOf = ({ enums, notes, requires, tables }: Contents): string => {
  const types = tables.flatMap(({ columns }) => columns.map(({ type }) => type))
  const taken = new Set(reserved)
  const variables = tables.map(({ name }) => variable(name, taken))
  const used = enums.filter(({ name, values }) => values.length > 0 && types.some((type) => enumOf(type) === name))
  const shared = new Map(used.map(({ name }) => [name, variable(name, taken)]))

  const declare = (name: string, value: Source): string => {
    const head = `export const ${name} = `
    return `${head}${print(value, 0, head.length)}\n`
  }
  const unused = enums.filter((one) => !used.includes(one))
  const options = [
    ...(unused.length === 0 ? [] : [["enums", array(unused.map(words))] as const]),
    ...(requires.length === 0 ? [] : [["requires", array(requires.map(sqlOf))] as const])
  ]
  const all = call("DatabaseSchema.make", shorthand(variables), ...(options.length === 0 ? [] : [object(options)]))
  const head = "export default "
  return [
    `${types.some(usesSchema) ? 'import * as Schema from "effect/Schema"\n' : ""}import { ${tables.length === 0 ? "DatabaseSchema" : "DatabaseSchema, Table"} } from "effect-aquifer"\n`,
    used
      .map(({ name, values }) =>
        declare(shared.get(name) ?? name, call("Table.enums", text(name), array(values.map(text))))
      )
      .join(""),
    ...tables.map((one, i) => declare(variables[i] ?? one.name, table(one, (name) => shared.get(name)) ?? "undefined")),
    `${head}${print(all, 0, head.length)}\n`,
    ...notes.map(({ heading, lines }) => [heading, ...lines.map((line) => `  ${line}`)].map(comment).join(""))
  ]
    .filter((part) => part !== "")
    .join("\n")
}

const words = ({ name, values }: LiveEnum): Source =>
  object([
    ["name", text(name)],
    ["values", array(values.map(text))]
  ])

const comment = (line: string): string => `// ${printable(line)}\n`
