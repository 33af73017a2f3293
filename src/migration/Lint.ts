/**
 * Finds dangerous DDL before it is run: what would fail on tables that have rows, stop traffic, break programs that run, or
 * be left half done. Texts are read with PostgreSQL's own grammar; nothing is guessed where that is not installed. It sees
 * one revision and no database, so what an earlier revision made counts as being in use.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { MigrationError } from "../model/MigrationError.js"
import type { Allow } from "./lint/Allow.js"
import { type Examiner, headerAllows, judge, postgresExaminer, sorted, sqliteExaminer } from "./lint/examine.js"
import { execution } from "./lint/execution.js"
import type { Direction, Facts, Finding, Level, Product, Resume, RuleInfo } from "./lint/Finding.js"
import { parser, read } from "./lint/Grammar.js"
import type { LintUnavailable } from "./lint/LintUnavailable.js"
import { headerOf, joined, replaced } from "./lint/recorded.js"
import * as render from "./lint/render.js"
import { all } from "./lint/rules/index.js"
import { placeOf } from "./lint/Text.js"
import { tagOf } from "./lint/tree.js"
import * as Revision from "./Revision.js"

export type { Direction, Example, Facts, Finding, Level, Product, Resume, RuleId, RuleInfo } from "./lint/Finding.js"
export { LintUnavailable } from "./lint/LintUnavailable.js"
export { renderGithub, renderJson, renderText, summary } from "./lint/render.js"

/** Every rule with its examples, for documentation and completions. @since 0.1.0 @category models */
export const rules: ReadonlyArray<RuleInfo> = all.map(
  ({ id, level, products, directions, summary, why, remedy, bad, good }): RuleInfo => ({
    id,
    level,
    products,
    directions,
    summary,
    why,
    remedy,
    bad,
    good
  })
)

/** SARIF 2.1.0, as code hosts and editors take it. @since 0.1.0 @category conversions */
export const renderSarif = (findings: ReadonlyArray<Finding>): string => render.renderSarif(findings, rules)

/** One direction of a revision. @since 0.1.0 @category models */
export interface Input extends Facts {
  readonly text: string
  /** As findings show it. */
  readonly file: string
  /** The line of the file that the text's first line is. Default 1. */
  readonly line?: number | undefined
  /** The comments at the top of the file, whose suppressions hold for all of it. */
  readonly header?: string | undefined
}

const examiners: Readonly<Record<Product, Effect.Effect<Examiner, LintUnavailable>>> = {
  postgres: Effect.map(parser, postgresExaminer),
  sqlite: Effect.sync(sqliteExaminer)
}

/**
 * What is dangerous in one direction of a revision, sorted by place.
 *
 * @since 0.1.0
 * @category constructors
 */
export const lint = (input: Input): Effect.Effect<ReadonlyArray<Finding>, LintUnavailable> =>
  Effect.map(examiners[input.product], (examine) => {
    const { header = "", ...section } = input
    return run(examine, [section], { ...section, text: header, line: 1 })
  })

const run = (
  examine: Examiner,
  sections: ReadonlyArray<Omit<Input, "header">>,
  header: Omit<Input, "header">
): ReadonlyArray<Finding> => {
  const allows: ReadonlyArray<Allow> = headerAllows(header.text)
  const findings = sections.flatMap((section) => examine(section, allows))
  return sorted([...findings, ...judge(allows, header)])
}

/** A `.sql` migration; whether it has a transaction stands in its own header. @since 0.1.0 @category models */
export interface FileInput extends Omit<Facts, "direction" | "transaction"> {
  readonly text: string
  readonly file: string
}

/** A migration that is a program, with what it was recorded to send. @since 0.1.0 @category models */
export interface ProgramInput extends Omit<Facts, "direction"> {
  /** As findings show it. */
  readonly file: string
  /** The program's own text, whose header may switch rules off: `// aquifer:allow rule: reason`. */
  readonly source: string
  readonly recordings: ReadonlyArray<{
    readonly direction: Direction
    readonly statements: ReadonlyArray<string>
    /** Why there may be more of them. */
    readonly broke?: { readonly problem: string; readonly remedy: string } | undefined
  }>
  /** Why nothing of it could be recorded. */
  readonly unseen?: { readonly problem: string; readonly remedy: string } | undefined
}

/** It is not the files' fault, and yet nobody may take it for "nothing found". */
const notRecorded = (
  file: string,
  source: string,
  level: Level,
  what: string,
  { problem, remedy }: { readonly problem: string; readonly remedy: string }
): Finding => ({
  rule: "not-recorded",
  level,
  file,
  line: 1,
  column: 1,
  message: `${what}: ${problem}`,
  remedy,
  statement: source.split("\n")[0] ?? ""
})

/**
 * Both directions of a migration that is a program, by the statements it was recorded to send; findings are placed in its
 * own file. What could not be recorded is a finding itself.
 *
 * @since 0.1.0
 * @category constructors
 */
export const lintProgram = (input: ProgramInput): Effect.Effect<ReadonlyArray<Finding>, LintUnavailable> =>
  Effect.map(examiners[input.product], (examine) => {
    const { file, recordings, source, unseen, ...facts } = input
    const header = headerOf(source)
    const allows: ReadonlyArray<Allow> = headerAllows(header)
    const findings = recordings.flatMap(({ broke, direction, statements }) => {
      const text = joined(statements)
      const section = { ...facts, file, direction, text: text.text }
      const found = examine(section, allows).map((one) => replaced(one, text, statements, source, direction))
      if (broke === undefined) return found
      const what = `Of its ${direction} ${statements.length === 0 ? "nothing was" : `only ${statements.length} statements were`} recorded`
      return [...found, notRecorded(file, source, "warning", what, broke)]
    })
    const blind =
      unseen === undefined ? [] : [notRecorded(file, source, "error", "Nothing of it could be recorded", unseen)]
    return sorted([...findings, ...blind, ...judge(allows, { ...facts, file, text: header })])
  })

const marker = /^[ \t]*--[ \t]*migrate:[ \t]*(up|down)\b[^\n]*$/gm

/**
 * Both directions of a `.sql` migration: a table that its up creates is new to its down as well. A text without
 * `-- migrate:up` is taken as an up.
 *
 * @since 0.1.0
 * @category constructors
 */
export const lintFile = (input: FileInput): Effect.Effect<ReadonlyArray<Finding>, LintUnavailable> =>
  Effect.map(examiners[input.product], (examine) => {
    const text = input.text.replace(/^\uFEFF/, "")
    const facts = { ...input, transaction: Revision.header(text).transaction }
    const marks = [...text.matchAll(marker)]
    const place = placeOf(text, 1)
    const sections = marks.map((mark, i) => {
      const start = mark.index + mark[0].length
      const direction: Direction = mark[1] === "down" ? "down" : "up"
      return { ...facts, direction, text: text.slice(start, marks[i + 1]?.index), line: place(start).line }
    })
    const ups = sections.filter((one) => one.direction === "up")
    const downs = sections.filter((one) => one.direction === "down")
    return run(examine, marks.length === 0 ? [{ ...facts, text }] : [...ups, ...downs], {
      ...facts,
      text: text.slice(0, marks[0]?.index ?? 0)
    })
  })

/** One statement of a text, as PostgreSQL's grammar cuts it. @since 0.1.0 @category models */
export interface Statement {
  /** Without the semicolon and the comments around it. */
  readonly text: string
  /** Counted from `line`. */
  readonly line: number
  /** In UTF-16 units: `sql.slice(offset)` begins with `text`. */
  readonly offset: number
  /** It can run in a transaction. */
  readonly inTransaction: boolean
  /** What is to be done when it was interrupted. */
  readonly resume: Resume
  /** The index that a concurrent statement creates or drops, to be looked up before it is repeated. */
  readonly index?:
    | { readonly schema?: string | undefined; readonly name: string; readonly action: "create" | "drop" }
    | undefined
  /** The grammar's name for it: `CreateStmt`, `IndexStmt`, `AlterTableStmt` … */
  readonly kind: string
}

/**
 * The statements of a text of PostgreSQL's, and how each may be run; `line` is that of the text's first line.
 *
 * @since 0.1.0
 * @category constructors
 */
export const statements = (
  sql: string,
  options: {
    readonly line?: number | undefined
    readonly file?: string | undefined
    readonly serverVersion?: number | undefined
  } = {}
): Effect.Effect<ReadonlyArray<Statement>, LintUnavailable | MigrationError> =>
  Effect.flatMap(parser, (parser) => {
    const place = placeOf(sql, options.line ?? 1)
    const script = read(parser, sql)
    if (Either.isLeft(script)) {
      return Effect.fail(
        new MigrationError({
          reason: "bad-sql",
          problem: script.left.problem,
          remedy: "Mend it where it is pointed at",
          file: options.file,
          line: place(script.left.index).line
        })
      )
    }
    return Effect.succeed(
      script.right.statements.map(({ text, start, tree }): Statement => {
        const { resume, index } = execution(tree, options.serverVersion)
        return {
          text,
          line: place(start).line,
          offset: start,
          inTransaction: resume === "transaction",
          resume,
          index,
          kind: tagOf(tree)
        }
      })
    )
  })
