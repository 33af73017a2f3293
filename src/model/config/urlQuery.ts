/**
 * Percent-encoding and the query of a URL, as libpq reads them: `+` is a plus, a `%` that starts no code is itself.
 *
 * @since 0.1.0
 */

/**
 * Decoded text; `undefined` where the codes are no UTF-8 or hold a NUL.
 *
 * @since 0.1.0
 * @category parsing
 */
export const decodePercent = (text: string): string | undefined => {
  try {
    const decoded = decodeURIComponent(text.replace(/%(?![0-9A-Fa-f]{2})/g, "%25"))
    return decoded.includes("\0") ? undefined : decoded
  } catch {
    return undefined
  }
}

/** What is said of codes that cannot be decoded. @since 0.1.0 @category constants */
export const badPercent = (part: string): string =>
  `the ${part} holds a percent code that is no UTF-8 text; encode a plain % as %25`

const secret = /pass|secret|token|pwd/i

/**
 * The parameters of a query; the last of equal names counts. `problems` is added to.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parseQuery = (query: string, problems: Array<string>): Map<string, string> => {
  const found = new Map<string, string>()
  for (const pair of query.split("&")) {
    if (pair === "") continue
    const [name = "", ...value] = pair.split("=")
    if (name.includes("@")) {
      problems.push(
        "there is an @ where a parameter's name should be; encode @ as %40, / as %2F and ? as %3F in passwords"
      )
      continue
    }
    const key = decodePercent(name)
    const text = decodePercent(value.join("="))
    if (key === undefined || text === undefined) problems.push(badPercent("query"))
    else found.set(key, text)
  }
  return found
}

/** What is left of the parameters; what looks like a secret and means nothing to us is forgotten. @since 0.1.0 @category conversions */
export const remaining = (query: Map<string, string>, used: ReadonlySet<string>): Readonly<Record<string, string>> =>
  Object.fromEntries([...query].filter(([name]) => !used.has(name) && !secret.test(name)))
