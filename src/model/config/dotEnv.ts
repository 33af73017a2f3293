/**
 * `.env` texts: `NAME=value`, `export`, three kinds of quotes (those over several lines too), comments. A `#` begins a
 * comment only behind white space, so that a password may hold one. Nothing is substituted and nothing is ever run.
 *
 * @since 0.1.0
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Either from "effect/Either"

const quotes = ['"', "'", "`"]
const escapes: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", '"': '"', "\\": "\\", $: "$" }

/**
 * The variables of a text, or the line (counted from 1) at which it stops making sense.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parseDotEnv = (text: string): Either.Either<ReadonlyMap<string, string>, Malformed> => {
  const found = new Map<string, string>()
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/)
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? ""
    if (/^\s*(#|$)/.test(line)) continue
    const match = /^\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*=\s*(.*)$/.exec(line)
    if (match === null) return Either.left({ line: index + 1, expected: "NAME=value" })
    const name = match[1] ?? ""
    const raw = match[2] ?? ""
    const quote = quotes.find((one) => raw.startsWith(one))
    if (quote === undefined) {
      found.set(name, raw.replace(/(^|\s+)#.*$/, "").trim())
      continue
    }
    let rest = raw.slice(1)
    let end = closing(rest, quote)
    const first = index
    while (end < 0 && index + 1 < lines.length) {
      index += 1
      rest = `${rest}\n${lines[index]}`
      end = closing(rest, quote)
    }
    if (end < 0 || !/^\s*(#.*)?$/.test(rest.slice(end + 1))) {
      return Either.left({ line: first + 1, expected: `one closing ${quote} and nothing but a comment behind it` })
    }
    const value = rest.slice(0, end)
    found.set(name, quote === '"' ? value.replace(/\\([nrt"\\$])/g, (_, code: string) => escapes[code] ?? code) : value)
  }
  return Either.right(found)
}

/** Where a text is malformed and what belongs there; never what stands there. @since 0.1.0 @category models */
export interface Malformed {
  readonly line: number
  readonly expected: string
}

/** The place of the closing quote; a backslash keeps a double quote open. */
const closing = (text: string, quote: string): number => {
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "\\" && quote === '"') at += 1
    else if (text[at] === quote) return at
  }
  return -1
}

/** Variables as the environment would give them. @since 0.1.0 @category constructors */
export const provider = (variables: ReadonlyMap<string, string>): ConfigProvider.ConfigProvider =>
  ConfigProvider.fromMap(new Map(variables), { pathDelim: "_", seqDelim: "," })
