/**
 * Statements written down for the databases' own programs, psql and sqlite3: these look for their own commands and variables
 * in a text, and must find what the server would.
 *
 * @since 0.1.0
 */
import { step } from "./SqlFile.js"

/** A comment must not end before its line does. @since 0.1.0 @category rendering */
export const comment = (text: string): string => `-- ${text.replace(/\s*[\r\n]+\s*/g, " ")}\n`

/** A comment at a statement's end must not swallow the semicolon. @since 0.1.0 @category rendering */
export const statement = (text: string): string => `${text.trim()}${/--[^\n]*$/.test(text.trim()) ? "\n" : ""};\n`

/** For psql, `:PORT` in `list[1:PORT]` is a variable of its own and `:'x'` another: a space makes it what the server reads. @since 0.1.0 @category rendering */
export const apart = (text: string): string => {
  let written = ""
  let before = ""
  for (let i = 0; i < text.length; ) {
    const { end } = step(text, i)
    const token = text.slice(i, end)
    written += token === ":" && before !== ":" && /[\w'"{\u0080-\uffff]/.test(text[end] ?? "") ? ": " : token
    before = token
    i = end
  }
  return written
}
