/**
 * A source file taken apart just far enough to be judged: where it is comment, where it is the inside of a string, what it
 * imports. A scanner rather than regular expressions over the bare text: a template literal may hold a whole program.
 */
import * as path from "node:path"

/** A comment with the lines (counted from 1) it covers. */
export interface Comment {
  readonly text: string
  readonly firstLine: number
  readonly lastLine: number
  readonly end: number
}

/** One thing a file imports, re-exports from, or requires. */
export interface Import {
  readonly specifier: string
  readonly line: number
  /** Erased by the compiler: loads nothing. */
  readonly typeOnly: boolean
  readonly dynamic: boolean
}

/** A file under judgement; `path` is relative to the project, with `/`. */
export interface Source {
  readonly path: string
  readonly text: string
  /** The text, of the same length, with comments and the insides of strings blanked. */
  readonly code: string
  /** The text, of the same length, with comments blanked. */
  readonly spoken: string
  readonly comments: ReadonlyArray<Comment>
  readonly imports: ReadonlyArray<Import>
}

const blank = (text: string) => text.replace(/[^\n]/g, " ")

export const lineAt = (text: string, offset: number): number => text.slice(0, offset).split("\n").length

/** A slash after one of these begins a regular expression, after anything else it divides. */
const beforeRegExp = /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|yield|await))\s*$/

/** The end of the quoted text that begins at `start`. */
const closing = (text: string, start: number, quote: string): number => {
  let inClass = false
  for (let at = start + 1; at < text.length; at++) {
    const char = text[at]
    if (char === "\\") at++
    else if (quote === "/" && char === "[") inClass = true
    else if (quote === "/" && char === "]") inClass = false
    else if (char === quote && !inClass) return at
    else if (char === "\n") return at
  }
  return text.length
}

const scan = (text: string) => {
  const comments: Array<Comment> = []
  let code = ""
  let spoken = ""
  const take = (end: number, as: "code" | "comment" | "string") => {
    const piece = text.slice(code.length, end)
    code += as === "code" ? piece : blank(piece)
    spoken += as === "comment" ? blank(piece) : piece
  }
  /** Brace depths at which a `}` ends a substitution and the template goes on. */
  const substitutions: Array<number> = []
  let depth = 0
  const template = () => {
    for (let at = code.length; at < text.length; at++) {
      if (text[at] === "\\") at++
      else if (text[at] === "`") {
        take(at, "string")
        return take(at + 1, "code")
      } else if (text.startsWith("${", at)) {
        take(at, "string")
        substitutions.push(depth)
        return take(at + 2, "code")
      }
    }
    take(text.length, "string")
  }
  while (code.length < text.length) {
    const at = code.length
    const char = text[at]
    if (text.startsWith("//", at) || text.startsWith("/*", at)) {
      const found = text[at + 1] === "/" ? text.indexOf("\n", at) : text.indexOf("*/", at + 2) + 2
      const end = found < at + 2 ? text.length : found
      const body = text.slice(at, end)
      comments.push({ text: body, firstLine: lineAt(text, at), lastLine: lineAt(text, end), end })
      take(end, "comment")
    } else if (char === '"' || char === "'" || (char === "/" && beforeRegExp.test(code))) {
      const end = closing(text, at, char)
      take(at + 1, "code")
      take(end, "string")
      take(Math.min(end + 1, text.length), "code")
    } else if (char === "`") {
      take(at + 1, "code")
      template()
    } else {
      take(at + 1, "code")
      if (char === "{") depth++
      if (char === "}" && substitutions.at(-1) === depth) {
        substitutions.pop()
        template()
      } else if (char === "}") depth--
    }
  }
  return { code, spoken, comments }
}

const forms = [
  { form: /\b(?:import|export)\b(\s+type\b)?(?!\s*\()[^"'`;]*?\bfrom\s*["']/g, dynamic: false },
  { form: /\bimport(\s*)["']/g, dynamic: false },
  { form: /\b(?:import|require|(?:import\.meta|require)\.resolve)\s*\(()\s*["'`]/g, dynamic: true }
]

const importsOf = (text: string, code: string): ReadonlyArray<Import> =>
  forms.flatMap(({ form, dynamic }) =>
    Array.from(code.matchAll(form), (match) => {
      const start = match.index + match[0].length
      const specifier = text.slice(start, closing(text, start - 1, text[start - 1] ?? ""))
      const erased = match[1]?.includes("type") === true || /\btypeof\s*$/.test(code.slice(0, match.index))
      return { specifier, line: lineAt(text, start), typeOnly: erased, dynamic }
    })
  )

export const parse = (file: string, text: string): Source => {
  const scanned = scan(text)
  return { path: file, text, ...scanned, imports: importsOf(text, scanned.code) }
}

/** What a relative specifier means, as a path relative to the project; none for packages. */
export const resolved = (source: Source, { specifier }: Import): string | undefined =>
  specifier.startsWith(".")
    ? path.posix.join(path.posix.dirname(source.path), specifier).replace(/\.js$/, ".ts")
    : undefined
