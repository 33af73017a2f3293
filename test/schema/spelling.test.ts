import { describe, expect, it } from "vitest"
import { bare } from "../../src/schema/Spelling.js"

describe("a text without its outer parentheses", () => {
  it.each([
    ["(a > 0)", "a > 0"],
    ["((a > 0))", "a > 0"],
    ["((a > 0) AND (b > 0))", "(a > 0) AND (b > 0)"],
    ["(a > 0) AND (b > 0)", "(a > 0) AND (b > 0)"],
    ["(a) || (b)", "(a) || (b)"],
    ["(a <> ')')", "a <> ')'"],
    [`("(" > 0) OR (a = '(')`, `("(" > 0) OR (a = '(')`],
    [`(a = 'it''s )')`, `a = 'it''s )'`],
    ["lower(a)", "lower(a)"],
    ["", ""]
  ])("%s is %s", (text, expected) => {
    expect(bare(text)).toBe(expected)
  })
})
