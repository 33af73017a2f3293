/**
 * How the command puts things: its lines and sentences, what a mistyped word may have been meant to be, and whether it may
 * be shown again.
 *
 * @since 0.1.0
 */

/** What stands in front of each line. @since 0.1.0 @category defaults */
export const prefix = "aquifer: "

/** All white space is one space, and it ends like a sentence. @since 0.1.0 @category conversions */
export const sentence = (text: string): string => {
  const line = text.replace(/\s+/g, " ").trim()
  return /[.!?]$/.test(line) ? line : `${line}.`
}

/** Letters to change, add, take away or swap with their neighbour until one is the other. */
const distance = (a: string, b: string): number => {
  let before: ReadonlyArray<number> = []
  let row: ReadonlyArray<number> = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const at = (cells: ReadonlyArray<number>, index: number) => cells[index] ?? Number.POSITIVE_INFINITY
      const change = at(row, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swap = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(before, j - 2) + 1 : Number.POSITIVE_INFINITY
      next.push(Math.min(change, swap, at(row, j) + 1, at(next, j - 1) + 1))
    }
    before = row
    row = next
  }
  return row[b.length] ?? 0
}

/**
 * The one of `known` that was most likely meant: few letters away, or begun alike. None where nothing is near.
 *
 * @since 0.1.0
 * @category accessors
 */
export const nearest = (word: string, known: ReadonlyArray<string>): string | undefined => {
  const lower = word.toLowerCase()
  const begun = known.filter((one) => lower.length >= 2 && one.startsWith(lower) && lower.replace(/-/g, "") !== "")
  if (begun.length === 1) return begun[0]
  const ranked = known.map((one) => ({ one, far: distance(lower, one) })).sort((a, b) => a.far - b.far)
  const best = ranked[0]
  return best !== undefined && best.far <= Math.max(1, Math.floor(best.one.replace(/^-+/, "").length / 3))
    ? best.one
    : undefined
}

/** A plain short word in quotes; anything else may be a secret and is not repeated. @since 0.1.0 @category conversions */
export const shown = (word: string): string =>
  /^-{0,2}[A-Za-z][A-Za-z-]{0,23}$/.test(word) || /^-\d{1,3}$/.test(word) ? JSON.stringify(word) : "(not shown)"

/** A database's place written where something else was expected. @since 0.1.0 @category guards */
export const isUrl = (word: string): boolean => /^[a-z][\w+.-]*:\/\//i.test(word)

/** Without what a password in it may be, whoever put it there. @since 0.1.0 @category conversions */
export const concealed = (text: string): string =>
  text
    .replace(/([a-z][\w+.-]*:\/{1,2}[^\s:@/"']*:)[^\s"']*@/gi, "$1***@")
    .replace(/\b((?:ssl)?password=)[^\s&"']+/gi, "$1***")
