/**
 * Runs the rules over a text: statement by statement, with what is known when each is reached, and with suppressions taken
 * into account. What comes out is sorted by place.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { Node } from "libpg-query"
import { type Allow, allowed, fromComments, hasReason } from "./Allow.js"
import type { Facts, Finding, RuleId } from "./Finding.js"
import { type Parser, read } from "./Grammar.js"
import { History } from "./History.js"
import type { Match, Rule } from "./Rule.js"
import { all } from "./rules/index.js"
import type { Script, Span, Statement } from "./Script.js"
import * as Sqlite from "./sqlite.js"
import { lineAt, placeOf } from "./Text.js"

/** A part of a file and what is known of it. @since 0.1.0 @category models */
export interface Section extends Facts {
  readonly text: string
  readonly file: string
  /** The line of the file that the text's first line is. Default 1. */
  readonly line?: number | undefined
}

type Say = (id: RuleId, index: number, match: Match, statement: string) => Finding

const byId = new Map(all.map((rule) => [rule.id, rule]))
/** What is found in comments and in texts that cannot be read is never switched off. */
const isRule = (id: string): id is RuleId => {
  const rule = all.find((one) => one.id === id)
  return rule !== undefined && rule.id !== "syntax" && !rule.id.startsWith("suppression-")
}

const speaker = (section: Section): Say => {
  const place = placeOf(section.text, section.line ?? 1)
  return (id, index, match, statement) => {
    const rule = byId.get(id)
    return {
      rule: id,
      level: rule?.level ?? "error",
      file: section.file,
      ...place(index),
      message: [match.what, match.why ?? rule?.why ?? ""].filter((part) => part !== "").join(": "),
      remedy: match.remedy ?? rule?.remedy ?? "",
      statement
    }
  }
}

/** What is wrong with suppressions, when everything they could have served has been looked at. @since 0.1.0 @category accessors */
export const judge = (allows: ReadonlyArray<Allow>, section: Section): ReadonlyArray<Finding> => {
  const say = speaker(section)
  return allows.flatMap((allow) => {
    const here = (id: RuleId, what: string) => [say(id, allow.index, { what }, lineAt(section.text, allow.index))]
    const unknown = allow.ids.filter((id) => !isRule(id))
    const known = allow.ids.filter(isRule)
    // A rule about another product finds nothing here, and says nothing about this suppression.
    const unused = known.filter((id) => !allow.used.has(id) && byId.get(id)?.products.includes(section.product))
    return [
      ...(allow.ids.length === 0 ? here("suppression-unknown", "This suppression names no rule") : []),
      ...unknown.flatMap((id) => here("suppression-unknown", `There is no rule "${id}" to switch off`)),
      ...(known.length > 0 && !hasReason(allow)
        ? here("suppression-without-reason", `${known.join(", ")} is switched off without a reason`)
        : []),
      ...unused.flatMap((id) => here("suppression-unused", `${id} is switched off and found nothing`))
    ]
  })
}

const order = (a: Finding, b: Finding): number =>
  a.line - b.line || a.column - b.column || (a.rule < b.rule ? -1 : a.rule > b.rule ? 1 : 0)

/** By place; what was found twice in one place stands there once. @since 0.1.0 @category conversions */
export const sorted = (findings: ReadonlyArray<Finding>): ReadonlyArray<Finding> => {
  const seen = new Set<string>()
  return findings.toSorted(order).filter((one) => {
    const key = `${one.file}\0${one.line}\0${one.column}\0${one.rule}\0${one.message}`
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
}

/** Goes through the statements of a script with the suppressions each of them has. */
const through = <Tree>(
  section: Section,
  script: Script<Tree>,
  header: ReadonlyArray<Allow>,
  find: (statement: Statement<Tree>) => ReadonlyArray<readonly [Rule, Match]>
): ReadonlyArray<Finding> => {
  const say = speaker(section)
  const allows = fromComments(script.comments)
  const findings: Array<Finding> = []
  let before = -1
  for (const statement of script.statements) {
    const own = allows.filter((allow) => allow.index > before && allow.index < statement.end)
    for (const [rule, match] of find(statement)) {
      // Both are asked, so that both have been of use.
      const here = allowed(own, rule.id)
      if (allowed(header, rule.id) || here) continue
      const index = match.index ?? (match.at === undefined || match.at < 0 ? statement.start : script.index(match.at))
      findings.push(say(rule.id, index, match, statement.text))
    }
    before = statement.end
  }
  return [...findings, ...judge(allows, section)]
}

const rulesFor = (section: Section): ReadonlyArray<Rule> =>
  all.filter((rule) => rule.products.includes(section.product) && rule.directions.includes(section.direction ?? "up"))

/** The history is gone on with, so that the other direction can be judged by it. @since 0.1.0 @category conversions */
export const examinePostgres = (
  parser: Parser,
  section: Section,
  header: ReadonlyArray<Allow>,
  known: History
): ReadonlyArray<Finding> => {
  const script = read(parser, section.text)
  if (Either.isLeft(script)) {
    const { problem, index } = script.left
    return [speaker(section)("syntax", index, { what: problem, why: "" }, lineAt(section.text, index))]
  }
  const rules = rulesFor(section)
  let next = 0
  const namesOf = (statement: Statement<Node>): ReadonlyArray<Span> => {
    const { names } = script.right
    const found: Array<Span> = []
    for (let name = names[next]; name !== undefined && name.start < statement.end; name = names[++next]) {
      found.push(name)
    }
    return found
  }
  return through(section, script.right, header, (statement) => {
    const context = { node: statement.tree, statement, names: namesOf(statement), known }
    const found = rules.flatMap((rule) => rule.check(context).map((match) => [rule, match] as const))
    known.learn(statement.tree)
    return found
  })
}

/** @since 0.1.0 @category conversions */
export const examineSqlite = (
  section: Section,
  header: ReadonlyArray<Allow>,
  created: Set<string>
): ReadonlyArray<Finding> => {
  const rules = rulesFor(section)
  return through(section, Sqlite.read(section.text), header, ({ tree }) => {
    const found = rules.flatMap((rule) =>
      rule.checkSqlite({ words: tree, created }).map((match) => [rule, match] as const)
    )
    const table = Sqlite.createdTable(tree)
    if (table !== undefined) created.add(table.toLowerCase())
    return found
  })
}

/** The suppressions of a header: it holds comments and nothing else. @since 0.1.0 @category constructors */
export const headerAllows = (text: string): ReadonlyArray<Allow> => fromComments(Sqlite.read(text).comments)

/** What examines the sections of one revision, one after the other. @since 0.1.0 @category models */
export type Examiner = (section: Section, header: ReadonlyArray<Allow>) => ReadonlyArray<Finding>

/** @since 0.1.0 @category constructors */
export const postgresExaminer = (parser: Parser): Examiner => {
  let known: History | undefined
  return (section, header) => {
    known = known === undefined ? new History(section) : known.reversed(section)
    return examinePostgres(parser, section, header, known)
  }
}

/** @since 0.1.0 @category constructors */
export const sqliteExaminer = (): Examiner => {
  const created = new Set<string>()
  return (section, header) => {
    for (const name of section.created ?? []) created.add(name.toLowerCase())
    return examineSqlite(section, header, created)
  }
}
