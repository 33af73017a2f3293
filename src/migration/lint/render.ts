/**
 * Findings as text: for people, for programs, and for the two forms in which code hosts take them. Nothing is printed here.
 *
 * @since 0.1.0
 */
import type { Finding, Level, RuleInfo } from "./Finding.js"

const count = (findings: ReadonlyArray<Finding>, level: Level): number =>
  findings.filter((one) => one.level === level).length

const some = (n: number, word: string): string => `${n} ${word}${n === 1 ? "" : "s"}`

/** How many of each level. @since 0.1.0 @category conversions */
export const summary = (findings: ReadonlyArray<Finding>): string =>
  findings.length === 0
    ? "Nothing found"
    : (["error", "warning", "note"] as const)
        .map((level) => [level, count(findings, level)] as const)
        .filter(([, n]) => n > 0)
        .map(([level, n]) => some(n, level))
        .join(", ")

const oneLine = (text: string): string => text.replace(/\s+/g, " ").trim()

/** For people: one line for the place and what is wrong there, one for what to do. @since 0.1.0 @category conversions */
export const renderText = (findings: ReadonlyArray<Finding>): string =>
  [
    ...findings.flatMap((one) => [
      `${one.file}:${one.line}:${one.column}: ${one.level} ${one.rule}: ${oneLine(one.message)}`,
      `    ${oneLine(one.remedy)}`
    ]),
    summary(findings)
  ].join("\n")

/** For programs. @since 0.1.0 @category conversions */
export const renderJson = (findings: ReadonlyArray<Finding>): string =>
  JSON.stringify(
    {
      version: 1,
      errors: count(findings, "error"),
      warnings: count(findings, "warning"),
      notes: count(findings, "note"),
      findings
    },
    undefined,
    2
  )

const data = (text: string): string => text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A")
const property = (text: string): string => data(text).replaceAll(":", "%3A").replaceAll(",", "%2C")

const commands: Readonly<Record<Level, string>> = { error: "error", warning: "warning", note: "notice" }

/** GitHub's workflow commands, one line each: they become annotations of the changed lines. @since 0.1.0 @category conversions */
export const renderGithub = (findings: ReadonlyArray<Finding>): string =>
  findings
    .map((one) => {
      const place = `file=${property(one.file)},line=${one.line},col=${one.column},title=${property(one.rule)}`
      return `::${commands[one.level]} ${place}::${data(`${one.message}. ${one.remedy}.`)}`
    })
    .join("\n")

/** That something was not seen at all breaks no rule. */
const ruleIndex = (rules: ReadonlyArray<RuleInfo>, one: Finding): { readonly ruleIndex?: number } => {
  const index = rules.findIndex((rule) => rule.id === one.rule)
  return index < 0 ? {} : { ruleIndex: index }
}

/** SARIF 2.1.0 (OASIS), with the rules that were broken; columns are code points there too. @since 0.1.0 @category conversions */
export const renderSarif = (findings: ReadonlyArray<Finding>, rules: ReadonlyArray<RuleInfo>): string => {
  const broken = rules.filter((rule) => findings.some((one) => one.rule === rule.id))
  return JSON.stringify(
    {
      $schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
      version: "2.1.0",
      runs: [
        {
          tool: {
            driver: {
              name: "aquifer",
              rules: broken.map((rule) => ({
                id: rule.id,
                shortDescription: { text: rule.summary },
                fullDescription: { text: `${rule.summary}: ${rule.why}` },
                help: { text: rule.remedy },
                defaultConfiguration: { level: rule.level }
              }))
            }
          },
          columnKind: "unicodeCodePoints",
          results: findings.map((one) => ({
            ruleId: one.rule,
            ...ruleIndex(broken, one),
            level: one.level,
            message: { text: `${one.message}. ${one.remedy}.` },
            locations: [
              {
                physicalLocation: {
                  artifactLocation: { uri: one.file.split("/").map(encodeURIComponent).join("/") },
                  region: { startLine: one.line, startColumn: one.column, snippet: { text: one.statement } }
                }
              }
            ]
          }))
        }
      ]
    },
    undefined,
    2
  )
}
