/**
 * Names within SQL texts as databases print them, found without knowing the grammar: a word, or a quoted name, outside of
 * strings. Too much found costs no more than a constraint that is made anew.
 *
 * @since 0.1.0
 */

const token = /'(?:[^']|'')*'|"(?:[^"]|"")*"|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/g

/** As every product takes it. @since 0.1.0 @category rendering */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** @since 0.1.0 @category conversions */
export const unquoted = (text: string): string =>
  /^"(?:[^"]|"")*"$/.test(text) ? text.slice(1, -1).replaceAll('""', '"') : text

const isName = (found: string, name: string): boolean =>
  found === quoted(name) || (!/^['"]/.test(found) && found.toLowerCase() === name.toLowerCase())

/** @since 0.1.0 @category guards */
export const mentions = (text: string, name: string): boolean =>
  Array.from(text.matchAll(token)).some(([found]) => isName(found, name))

/** The text after a rename, the name quoted only where it must be. @since 0.1.0 @category conversions */
export const respelled = (text: string, from: string, to: string): string =>
  text.replace(token, (found) => (isName(found, from) ? (/^[a-z_][a-z0-9_]*$/.test(to) ? to : quoted(to)) : found))

/** The text without parentheses around all of it. @since 0.1.0 @category conversions */
export const bare = (text: string): string => {
  const inner = text.trim()
  if (!inner.startsWith("(") || !inner.endsWith(")")) return inner
  let depth = 0
  for (const { 0: found, index } of inner.matchAll(/'(?:[^']|'')*'|"(?:[^"]|"")*"|[()]/g)) {
    depth += found === "(" ? 1 : found === ")" ? -1 : 0
    if (depth === 0 && index < inner.length - 1) return inner
  }
  return depth === 0 ? bare(inner.slice(1, -1)) : inner
}
