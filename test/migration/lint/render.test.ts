/** Findings as people, programs and code hosts read them. */
import { describe, expect, it } from "@effect/vitest"
import type { Finding } from "../../../src/migration/Lint.js"
import { renderGithub, renderJson, renderSarif, renderText } from "../../../src/migration/Lint.js"

const findings: ReadonlyArray<Finding> = [
  {
    rule: "dropping-table",
    level: "warning",
    file: "m/0001 ä,b.sql",
    line: 3,
    column: 7,
    message: "Table a\nb is dropped: 100% gone",
    remedy: "Do not",
    statement: 'DROP TABLE "a\nb"'
  },
  {
    rule: "prefer-text",
    level: "note",
    file: "m/0002.sql",
    line: 1,
    column: 1,
    message: "Column a is short",
    remedy: "Use text",
    statement: "CREATE TABLE t (a varchar(3))"
  }
]

describe("rendering", () => {
  it("for people: a line for what is wrong, a line for what to do, and how many", () => {
    expect(renderText(findings).split("\n")).toEqual([
      "m/0001 ä,b.sql:3:7: warning dropping-table: Table a b is dropped: 100% gone",
      "    Do not",
      "m/0002.sql:1:1: note prefer-text: Column a is short",
      "    Use text",
      "1 warning, 1 note"
    ])
    expect(renderText([])).toBe("Nothing found")
  })

  it("as JSON: the findings as they are", () => {
    expect(JSON.parse(renderJson(findings))).toEqual({ version: 1, errors: 0, warnings: 1, notes: 1, findings })
    expect(JSON.parse(renderJson([]))).toEqual({ version: 1, errors: 0, warnings: 0, notes: 0, findings: [] })
  })

  it("as GitHub's commands: one line each, nothing of a finding can end its field or its line", () => {
    expect(renderGithub(findings).split("\n")).toEqual([
      "::warning file=m/0001 ä%2Cb.sql,line=3,col=7,title=dropping-table::Table a%0Ab is dropped: 100%25 gone. Do not.",
      "::notice file=m/0002.sql,line=1,col=1,title=prefer-text::Column a is short. Use text."
    ])
    expect(renderGithub([])).toBe("")
  })

  it("as SARIF: every result names its rule by place, and columns are said to be code points", () => {
    const sarif = JSON.parse(renderSarif(findings))
    const [run] = sarif.runs
    expect(sarif.version).toBe("2.1.0")
    expect(run.columnKind).toBe("unicodeCodePoints")
    for (const [i, result] of run.results.entries()) {
      expect(run.tool.driver.rules[result.ruleIndex].id).toBe(findings[i]?.rule)
    }
    expect(run.results[0]).toMatchObject({
      level: "warning",
      locations: [
        {
          physicalLocation: {
            artifactLocation: { uri: "m/0001%20%C3%A4%2Cb.sql" },
            region: { startLine: 3, startColumn: 7 }
          }
        }
      ]
    })
    expect(JSON.parse(renderSarif([])).runs[0].results).toEqual([])
  })
})
