/**
 * SQL that a program sent, as a text to be examined, and findings in it brought back to the program's own file: to the place
 * of the statement where it stands there in so many words, else to where its direction is written.
 *
 * @since 0.1.0
 */
import type { Direction, Finding } from "./Finding.js"
import { placeOf } from "./Text.js"

/** Statements one behind the other, and the line each begins at. @since 0.1.0 @category models */
export interface Joined {
  readonly text: string
  readonly lines: ReadonlyArray<number>
}

/** @since 0.1.0 @category constructors */
export const joined = (statements: ReadonlyArray<string>): Joined => {
  const lines: Array<number> = []
  let text = ""
  let line = 1
  for (const statement of statements) {
    lines.push(line)
    // A comment at its end must not swallow the semicolon.
    const written = `${statement.trim()}\n;\n`
    text += written
    line += written.split("\n").length - 1
  }
  return { text, lines }
}

/** The comments above the code, as SQL has them: as long as they were, so that every place stays its own. @since 0.1.0 @category conversions */
export const headerOf = (source: string): string => {
  const lines = source.replace(/^\uFEFF/, "").split("\n")
  const end = lines.findIndex((line) => !/^\s*(?:\/\/|\/?\*|$)/.test(line))
  return lines
    .slice(0, end < 0 ? lines.length : end)
    .map((line) => line.replace(/^(\s*)\/\//, "$1--"))
    .join("\n")
}

/** Where a statement is written in a program, or at least its direction. */
const whereabouts = (source: string, statement: string, direction: Direction): number => {
  const first = statement.trim().split("\n")[0]?.trim() ?? ""
  const at = first.length < 8 ? -1 : source.indexOf(first)
  if (at >= 0 && source.indexOf(first, at + 1) < 0) return at
  return Math.max(0, source.search(new RegExp(`\\b${direction}\\s*[:=(]`)))
}

/** A finding in the joined text as one in the program's file. @since 0.1.0 @category conversions */
export const replaced = (
  finding: Finding,
  { lines }: Joined,
  statements: ReadonlyArray<string>,
  source: string,
  direction: Direction
): Finding => {
  const index = Math.max(
    0,
    lines.findLastIndex((line) => line <= finding.line)
  )
  const statement = index + 1
  return {
    ...finding,
    ...placeOf(source, 1)(whereabouts(source, statements[index] ?? "", direction)),
    message: `Statement ${statement} of its ${direction}: ${finding.message}`,
    recorded: { direction, statement }
  }
}
