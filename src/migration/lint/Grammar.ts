/**
 * PostgreSQL's own grammar, from the optional package `libpg-query` (1.8 MB of WebAssembly, loaded in some 20 ms when it
 * is first needed and never before). Without the package nothing is guessed: the failure names it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Node, ParseResult } from "libpg-query"
import { LintUnavailable } from "./LintUnavailable.js"
import type { Script, Span, Statement, Unreadable } from "./Script.js"
import { byteIndex, pointIndex } from "./Text.js"

interface Token {
  readonly start: number
  readonly end: number
  readonly tokenName: string
  readonly tokenType: number
}

/** What is used of `libpg-query`. @since 0.1.0 @category models */
export interface Parser {
  readonly parseSync: (text: string) => ParseResult
  readonly scanSync: (text: string) => { readonly tokens: ReadonlyArray<Token> }
}

const name = "libpg-query"

/** Loads the grammar; the module system keeps it. @since 0.1.0 @category constructors */
export const parser: Effect.Effect<Parser, LintUnavailable> = Effect.tryPromise({
  try: async () => {
    const parser = await import("libpg-query")
    await parser.loadModule()
    return parser
  },
  catch: (cause) => new LintUnavailable({ package: name, cause })
})

/** Tokens by number: the scanner's JSON has no name for the second. */
const IDENT = 258
const UIDENT = 259

// biome-ignore lint/suspicious/noControlCharactersInRegex: the scanner writes them into its JSON as they are, which is then none
const controls = /[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]/g

const refusal = (text: string, cause: unknown): Unreadable => {
  const details = (cause as { readonly sqlDetails?: { readonly cursorPosition?: number } }).sqlDetails
  const position = details?.cursorPosition
  const said = cause instanceof Error ? cause.message : String(cause)
  const end = text.trimEnd().length
  return {
    problem: details === undefined ? `the grammar gave up on it (${said})` : said,
    index: position === undefined || position < 0 ? end : Math.min(pointIndex(text, position), end)
  }
}

const refused = (problem: string, index: number) => Either.left<Unreadable>({ problem, index })

/** @since 0.1.0 @category constructors */
export const read = (parser: Parser, text: string): Either.Either<Script<Node>, Unreadable> => {
  const blank = { statements: [], comments: [], names: [], index: (location: number) => location }
  if (text.trim() === "") return Either.right(blank)
  // The text ends there for a parser written in C, and what follows would be taken for checked.
  const nul = text.indexOf("\0")
  if (nul >= 0) return refused("the text holds a NUL character", nul)
  const index = byteIndex(text)
  const span = (start: number, end: number): Span => ({
    start: index(start),
    end: index(end),
    text: text.slice(index(start), index(end))
  })
  try {
    const { stmts = [] } = parser.parseSync(text)
    const { tokens } = parser.scanSync(text.replace(controls, " "))
    const isComment = (token: Token) => token.tokenName.endsWith("COMMENT")
    let next = 0
    const statements = stmts.flatMap(
      ({ stmt, stmt_location: start = 0, stmt_len: length }): ReadonlyArray<Statement<Node>> => {
        if (stmt === undefined) return []
        // The grammar counts comments behind the last word to the statement.
        let end = start
        for (let token = tokens[next]; token !== undefined; token = tokens[++next]) {
          if (length !== undefined && token.start >= start + length) break
          if (!isComment(token) && token.start >= start) end = token.end
        }
        return [{ ...span(start, end), tree: stmt }]
      }
    )
    const comments = tokens.filter(isComment)
    const names = tokens.filter((one) => one.tokenType === IDENT || one.tokenType === UIDENT)
    return Either.right({
      statements,
      comments: comments.map((one) => span(one.start, one.end)),
      names: names.map((one) => span(one.start, one.end)),
      index
    })
  } catch (cause) {
    return Either.left(refusal(text, cause))
  }
}
