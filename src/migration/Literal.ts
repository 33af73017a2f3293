/**
 * Values written into a statement's text: for messages that carry several statements, and for plans a person feeds to
 * another program. What has no form that every product reads alike has none here.
 *
 * @since 0.1.0
 */
import type { Dialect } from "../Dialect.js"
import { step } from "./SqlFile.js"

/** The value as SQL; nothing for bytes, and for what could not be bound either. @since 0.1.0 @category rendering */
export const literal = (dialect: Pick<Dialect, "encode">, value: unknown): string | undefined => {
  let sent: unknown
  try {
    sent = dialect.encode(value)
  } catch {
    return undefined
  }
  if (sent === null || sent === undefined) return "NULL"
  if (sent instanceof Date) return `'${sent.toISOString()}'`
  switch (typeof sent) {
    case "string":
      return `'${sent.replaceAll("'", "''")}'`
    case "number":
      return Number.isFinite(sent) ? String(sent) : undefined
    case "bigint":
    case "boolean":
      return String(sent)
    default:
      return undefined
  }
}

/** The statement with its parameters written into it; nothing where one of them cannot be. @since 0.1.0 @category rendering */
export const inline = (
  dialect: Pick<Dialect, "encode" | "placeholder">,
  text: string,
  params: ReadonlyArray<unknown>
): string | undefined => {
  if (params.length === 0) return text
  const written = params.map((param) => literal(dialect, param))
  if (written.some((one) => one === undefined)) return undefined
  const numbered = dialect.placeholder(1) !== dialect.placeholder(2)
  let found = ""
  let next = 0
  for (let i = 0; i < text.length; ) {
    const number = numbered && !/[\w$]/.test(text[i - 1] ?? "") ? /^\$(\d+)/.exec(text.slice(i, i + 8)) : null
    if (number !== null) {
      found += written[Number(number[1]) - 1] ?? number[0]
      i += number[0].length
      continue
    }
    const { end } = step(text, i)
    const token = text.slice(i, end)
    found += !numbered && token === dialect.placeholder(1) ? (written[next++] ?? token) : token
    i = end
  }
  return found
}
