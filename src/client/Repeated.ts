/**
 * Which texts come again. A text built at run time is worth a prepared statement only from its second use: many are never
 * met again, and each would drive a useful one out. Memory is bounded by two generations of texts.
 *
 * @since 0.1.0
 */

/** Texts in one generation. */
const capacity = 512

/** A longer text (a multi-row insert, say) is not kept: that would cost more memory than preparing it saves. */
const longest = 16_384

/** Whether a text has been asked about before; remembers it. @since 0.1.0 @category constructors */
export const make = (): ((text: string) => boolean) => {
  let young = new Set<string>()
  let old = new Set<string>()
  return (text) => {
    if (young.has(text)) return true
    if (text.length > longest) return false
    const known = old.has(text)
    if (young.size >= capacity) {
      old = young
      young = new Set()
    }
    young.add(text)
    return known
  }
}
