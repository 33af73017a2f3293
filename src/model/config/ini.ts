/**
 * INI as Python's `configparser` and people write it. The `ini` package is not used: there a `;` or `#` cuts a value
 * wherever it stands and `null` is no text, either of which would spoil a password. Here a comment needs white space before it.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { Malformed } from "./dotEnv.js"

const quoted = /^(?:"((?:[^"\\]|\\.)*)"|'([^']*)')\s*(?:[#;].*)?$/

/**
 * Texts by section and name; those before any section stand at the root. Or the line (counted from 1) that is no setting.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parseIni = (text: string): Either.Either<Readonly<Record<string, unknown>>, Malformed> => {
  const root = new Map<string, string>()
  const sections = new Map<string, Map<string, string>>()
  let current = root
  for (const [index, line] of text.split(/\r\n|\n|\r/).entries()) {
    if (/^\s*([#;].*)?$/.test(line)) continue
    const section = /^\s*\[([^\]]+)\]\s*(?:[#;].*)?$/.exec(line)?.[1]?.trim()
    if (section !== undefined) {
      current = sections.get(section) ?? new Map()
      sections.set(section, current)
      continue
    }
    const setting = /^\s*([A-Za-z_][\w.-]*)\s*[=:]\s*(.*)$/.exec(line)
    if (setting === null) return Either.left({ line: index + 1, expected: "[section], name = value or a comment" })
    const value = setting[2] ?? ""
    const inQuotes = quoted.exec(value)
    const plain =
      inQuotes === null
        ? value.replace(/(^|\s+)[#;].*$/, "").trim()
        : (inQuotes[2] ?? (inQuotes[1] ?? "").replace(/\\(["\\])/g, "$1"))
    current.set(setting[1] ?? "", plain)
  }
  const inner = [...sections].map(([name, values]) => [name, Object.fromEntries(values)] as const)
  return Either.right(Object.fromEntries<unknown>([...root, ...inner]))
}
