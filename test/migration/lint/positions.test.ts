/** A finding points at the very character, whatever stands before it. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { lint, statements } from "../../../src/migration/Lint.js"

/** Counted independently of the code under test. */
const placeIn = (text: string, index: number, first = 1) => {
  const before = text.slice(0, index).split("\n")
  return { line: first + before.length - 1, column: Array.from(before.at(-1) ?? "").length + 1 }
}

const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        "é",
        "ß",
        "漢",
        "😀",
        "\u{10ffff}",
        "\n",
        "\r\n",
        "\t",
        "\u0001",
        "\\",
        '\\"',
        "\u2028",
        "\ud800"
      ),
      fc.string({ unit: "binary", maxLength: 8 })
    ),
    { maxLength: 12 }
  )
  // No quotes, comment marks or NUL: those would end what the text stands in. A surrogate must not find its other half.
  .map((parts) =>
    parts
      .join("")
      .replace(/['"*/\0]/g, "")
      .replace(/[\ud800-\udbff](?![\udc00-\udfff])/g, "\ud800 ")
  )

const prefix = fc.array(
  fc.oneof(
    text.map((inner) => `/* ${inner} */`),
    text.map((inner) => `-- ${inner.replace(/[\r\n]/g, " ")}\n`),
    text.map((inner) => `SELECT '${inner}';`),
    text.map((inner) => `SELECT 1 AS "a${inner.slice(0, 8)}" ;\n`),
    fc.constantFrom("\n", "  ", "\t", "\r\n", ";")
  ),
  { maxLength: 8 }
)

const targets = [
  ["ALTER TABLE naïve ADD COLUMN ", "é text NOT NULL;", "adding-not-null-without-default"],
  ["CREATE TABLE ü (ä ", "json);", "prefer-jsonb"],
  ["ALTER TABLE ü ADD a text, ADD ", "CONSTRAINT 漢 CHECK (a <> '😀');", "adding-check-without-not-valid"],
  ["", "DROP TABLE ü;", "dropping-table"],
  ["ALTER TABLE t ADD COLUMN ", `"${"é".repeat(32)}" text;`, "identifier-too-long"]
] as const

describe("positions", () => {
  it.effect("are right behind any text that is not ASCII", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          prefix,
          fc.constantFrom(...targets),
          fc.integer({ min: 1, max: 500 }),
          async (parts, target, line) => {
            const [head, tail, rule] = target
            const before = parts.join("") + head
            const sql = `${before}${tail}\n-- ü`
            const findings = await Effect.runPromise(lint({ text: sql, file: "x.sql", line, product: "postgres" }))
            expect(findings.map(({ rule, line, column }) => ({ rule, line, column }))).toEqual([
              { rule, ...placeIn(sql, before.length, line) }
            ])
            expect(findings[0]?.statement).toBe((head + tail).slice(0, -1))
          }
        ),
        { numRuns: 300 }
      )
    )
  )

  it.effect("of a syntax error are right there, too", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(prefix, async (parts) => {
          const before = `${parts.join("")}ALTER TABLE ü `
          const findings = await Effect.runPromise(
            lint({ text: `${before}ADDD x;`, file: "x.sql", product: "postgres" })
          )
          expect(findings).toMatchObject([{ rule: "syntax", ...placeIn(before, before.length) }])
        }),
        { numRuns: 200 }
      )
    )
  )

  it.effect("of statements are where they begin: the text is found again at its offset", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(prefix, fc.integer({ min: 1, max: 9 }), async (parts, line) => {
          const sql = `${parts.join("")}SELECT 'é' /* ü */ ; /* 😀 */ SELECT 2 -- 漢`
          const all = await Effect.runPromise(statements(sql, { line }))
          expect(all.slice(-2).map((one) => one.text)).toEqual(["SELECT 'é'", "SELECT 2"])
          for (const one of all) {
            expect(sql.slice(one.offset).startsWith(one.text)).toBe(true)
            expect(one.line).toBe(placeIn(sql, one.offset, line).line)
            expect(one.text).toMatch(/^SELECT/)
          }
        }),
        { numRuns: 200 }
      )
    )
  )

  it.effect("at the end of the text, a syntax error stands behind its last character", () =>
    Effect.map(lint({ text: "SELECT 1;\nSELECT ('é'\n\n", file: "x.sql", product: "postgres" }), (findings) =>
      expect(findings).toMatchObject([{ rule: "syntax", line: 2, column: 12, statement: "SELECT ('é'" }])
    )
  )

  it.effect("a NUL hides nothing that follows it", () =>
    Effect.map(lint({ text: "SELECT 1;\0\nDROP TABLE t;", file: "x.sql", product: "postgres" }), (findings) =>
      expect(findings).toMatchObject([{ rule: "syntax", line: 1, column: 10 }])
    )
  )

  it.effect("findings come in order of place", () =>
    Effect.map(
      lint({
        text: "CREATE TABLE a (b json,\n  c varchar(3));\nDROP TABLE d; DROP TABLE e;\nCREATE INDEX i ON f (g);",
        file: "x.sql",
        product: "postgres",
        line: 10
      }),
      (findings) =>
        expect(findings.map(({ rule, line, column }) => `${line}:${column} ${rule}`)).toEqual([
          "10:19 prefer-jsonb",
          "11:5 prefer-text",
          "12:1 dropping-table",
          "12:15 dropping-table",
          "13:1 require-concurrent-index-creation"
        ])
    )
  )
})
